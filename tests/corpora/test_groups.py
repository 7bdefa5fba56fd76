"""Which columns make groups of clips."""

from types import SimpleNamespace

from ravfeat.corpora.groups import group_columns, named_groups


def clip(number: int, **further):
    gender, label = ("male", "a") if number % 2 else ("female", "b")
    return SimpleNamespace(
        clip_id=f"c{number}", performance_id=f"p{number}", actor=f"x:{number % 3}", gender=gender, label=label,
        duration_s=1.0 * number, further=further,
    )  # fmt: skip


def test_columns_of_two_to_ten_values_make_groups() -> None:
    clips = [
        clip(number, session=number % 5, age=20 + number, place="here", room="ab"[number % 2] if number else None)
        for number in range(12)
    ]
    columns = group_columns([*clips, *clips])
    assert sorted(columns) == ["gender", "room", "session"]
    assert columns["session"]["c7"] == "2"
    assert "c0" not in columns["room"]


def test_ravdess_names_tell_gender_intensity_statement_and_repetition() -> None:
    names = ["03-01-03-01-01-01-01", "01-01-03-02-02-02-02"]
    columns = named_groups(names)
    assert {name: values[names[0]] for name, values in columns.items()} == {
        "gender": "male", "intensity": "normal", "statement": "kids", "repetition": "1",
    }  # fmt: skip
    assert named_groups([*names, "other"]) == {}
    assert named_groups([]) == {}
