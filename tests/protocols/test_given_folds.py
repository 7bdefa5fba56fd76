"""Folds that a column or a file gives."""

import random
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from ravfeat.errors import CorpusError, LeakError, ProtocolError, UsageError
from ravfeat.protocols.folds import fold_counts, inner_folds, make_folds, settled
from ravfeat.protocols.given_folds import split_record
from ravfeat.protocols.named import FIXED, get_protocol
from tests.protocols.test_folds import Clip, assert_sound, ravdess


@dataclass(frozen=True)
class Known(Clip):
    further: dict[str, str | float] = field(default_factory=dict)


def known(clip: Clip, **further: str | float) -> Known:
    return Known(**vars(clip), further=further)


def number(clip: Clip) -> int:
    return int(clip.actor[-2:])


SESSIONS = [known(clip, session=float((number(clip) - 1) // 4)) for clip in ravdess()]
OFFICIAL = [known(clip, split="train" if number(clip) < 17 else "dev" if number(clip) < 21 else "test")
            for clip in ravdess()]  # fmt: skip


def actors(clips, rows) -> set[int]:
    return {number(clips[row]) for row in rows.tolist()}


# --- a column whose values are tested one after the other


def test_a_session_is_left_out_after_the_other_and_another_one_validates() -> None:
    folds = make_folds(get_protocol("group:session"), SESSIONS)
    assert_sound(folds, SESSIONS)
    assert [fold.name for fold in folds] == ["0", "1", "2", "3", "4", "5"]
    assert [actors(SESSIONS, fold.test) for fold in folds] == [set(range(n, n + 4)) for n in range(1, 25, 4)]
    for fold in folds:
        assert len({SESSIONS[row].further["session"] for row in fold.val}) == 1
        assert len(actors(SESSIONS, fold.val)) == 4


def test_whole_sessions_are_dealt_into_a_number_of_folds() -> None:
    folds = make_folds(get_protocol("group3:session"), SESSIONS)
    assert_sound(folds, SESSIONS)
    tested = [{SESSIONS[row].further["session"] for row in fold.test} for fold in folds]
    assert sorted(map(len, tested)) == [2, 2, 2]
    assert folds[0].name.count(", ") == 1
    with pytest.raises(ProtocolError, match=r"needs at least 7 values of 'session', the clips have 6 \(0, 1"):
        make_folds(get_protocol("group7:session"), SESSIONS)


def test_where_two_values_are_all_there_is_actors_of_the_other_one_validate() -> None:
    clips = [known(clip) for clip in ravdess()]
    folds = make_folds(get_protocol("group:gender"), clips)
    assert_sound(folds, clips)
    assert [fold.name for fold in folds] == ["female", "male"]
    assert [len(actors(clips, fold.val)) for fold in folds] == [6, 6]


def test_an_actor_in_two_sessions_is_a_leak_that_names_the_actors() -> None:
    clips = [
        replace(c, further={"session": float(i % 2)}) if number(c) in (3, 7) else c for i, c in enumerate(SESSIONS)
    ]
    message = (
        r"fold 0 \(0\) of 'group:session' leaks: 2 of 24 actors are on two sides \(ravdess:03 in .* and test,"
        r" ravdess:07 in .*\); use --protocol groupK.*with --allow-leak"
    )
    with pytest.raises(LeakError, match=message):
        make_folds(get_protocol("group:session"), clips)
    # Those that share an actor are one group where several values may be tested at once.
    assert_sound(make_folds(get_protocol("group3:session"), clips), clips)


def test_a_recording_in_two_sessions_is_a_leak() -> None:
    clips = [*SESSIONS[:-1], replace(SESSIONS[-1], input_sha256=SESSIONS[0].input_sha256)]
    with pytest.raises(LeakError, match=r"leaks: recording '.*' is in .* \(clip 'ravdess-01-000'"):
        make_folds(get_protocol("group:session"), clips)


def test_with_leave_a_split_that_leaks_is_marked_leaky_and_its_inner_folds_too() -> None:
    protocol = get_protocol("column:split")
    clips = [replace(c, further={"split": ("train", "test")[i % 2]}) for i, c in enumerate(OFFICIAL)]
    with pytest.raises(LeakError, match="24 of 24 actors are on two sides"):
        make_folds(protocol, clips)
    folds = make_folds(protocol, clips, allow_leak=True)
    leaky = settled(protocol, folds, clips, allow_leak=True)
    assert leaky.leaky
    assert len(inner_folds(leaky, folds[0], clips)) == 5
    assert not settled(protocol, make_folds(protocol, OFFICIAL), OFFICIAL, allow_leak=True).leaky


def test_clips_without_a_value_and_columns_there_are_not_are_refused() -> None:
    clips = [known(clip, **({"session": 1.0} if number(clip) > 2 else {})) for clip in ravdess()]
    with pytest.raises(ProtocolError, match=r"120 of 1440 clips have no 'session' .*--where \"session != ''\""):
        make_folds(get_protocol("group:session"), clips)
    with pytest.raises(UsageError, match=r"protocol 'group:room': no column 'room'; there is clip_id, .*session"):
        make_folds(get_protocol("group:room"), clips)
    with pytest.raises(ProtocolError, match=r"needs at least 2 values of 'session', the clips have 1 \(1\)"):
        make_folds(get_protocol("group:session"), [replace(c, further={"session": 1.0}) for c in clips])


# --- an official split


def test_an_official_split_is_one_fold_and_not_every_clip_is_tested() -> None:
    (fold,) = make_folds(get_protocol("column:split"), OFFICIAL)
    assert actors(OFFICIAL, fold.train) == set(range(1, 17))
    assert actors(OFFICIAL, fold.val) == {17, 18, 19, 20}
    assert actors(OFFICIAL, fold.test) == {21, 22, 23, 24}


def test_without_validation_clips_as_many_actors_as_are_tested_are_drawn_from_those_that_train() -> None:
    clips = [replace(c, further={"split": "Test" if number(c) > 20 else "TRAIN"}) for c in OFFICIAL]
    (fold,) = make_folds(get_protocol("column:split"), clips)
    assert actors(clips, fold.test) == {21, 22, 23, 24}
    assert len(actors(clips, fold.val)) == 4
    assert actors(clips, fold.val) < set(range(1, 21))


def test_columns_of_folds_are_folds() -> None:
    clips = [known(c, **{f"fold_{k}": "test" if k in (number(c) % 12, 12) and number(c) % 12 == k % 12 else "train"
                         for k in range(1, 13)}) for c in ravdess()]  # fmt: skip
    folds = make_folds(get_protocol("column:fold_*"), clips)
    assert_sound(folds, clips)
    assert [fold.name for fold in folds] == [f"fold_{k}" for k in range(1, 13)]
    with pytest.raises(UsageError, match=r"'column:part_\*': no column is called so; there is clip_id"):
        make_folds(get_protocol("column:part_*"), clips)


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (("train", "holdout"), CorpusError, r"column 'split' has holdout 720, train 720.*'holdout' is no side"),
        (("train", ""), ProtocolError, r"720 of 1440 clips have no 'split'"),
        (("train", "train"), ProtocolError, r"has no clip in test"),
        (("test", "val"), ProtocolError, r"has no clip in train"),
    ],
)
def test_a_split_that_is_none_is_refused(values, error, message) -> None:
    clips = [replace(c, further={"split": values[number(c) % 2]}) for c in OFFICIAL]
    with pytest.raises(error, match=message):
        make_folds(get_protocol("column:split"), clips)


# --- a file


def folds_of(path: Path, text: str, clips=OFFICIAL):
    path.write_text(text, encoding="utf-8")
    return make_folds(get_protocol(str(path)), clips)


def sides_of_ravdess6() -> str:
    protocol = FIXED["ravdess6"]
    sides = {
        (fold, actor): side
        for fold in range(6)
        for actors, side in ((range(1, 25), "train"), (protocol.val[fold], "val"), (protocol.test[fold], "test"))
        for actor in actors
    }
    return "fold,actor,split\n" + "".join(f"{fold},{actor},{side}\n" for (fold, actor), side in sides.items())


def test_a_file_that_repeats_a_protocol_gives_its_folds(tmp_path) -> None:
    folds = folds_of(tmp_path / "folds.csv", sides_of_ravdess6())
    assert fold_counts(folds, OFFICIAL) == fold_counts(make_folds(FIXED["ravdess6"], OFFICIAL), OFFICIAL)


def test_with_folds_alone_the_others_train_and_validate_whatever_the_file_is_called(tmp_path) -> None:
    text = "actor,fold\n" + "".join(f"{n},{n % 5}\n" for n in range(1, 25))
    folds = folds_of(tmp_path / "a.csv", text)
    assert_sound(folds, OFFICIAL)
    assert [len(actors(OFFICIAL, fold.val)) for fold in folds] == [len(actors(OFFICIAL, fold.test)) for fold in folds]
    again = folds_of(tmp_path / "b.csv", text)
    assert all(np.array_equal(one.val, other.val) for one, other in zip(folds, again, strict=True))


def test_a_clip_that_the_file_does_not_place_is_refused(tmp_path) -> None:
    with pytest.raises(ProtocolError, match=r"does not say where 60 of 1440 clips are: ravdess-01-000, .* and 55 more"):
        folds_of(tmp_path / "a.csv", "actor,fold\n" + "".join(f"{n},{n % 5}\n" for n in range(2, 25)))
    lacking = sides_of_ravdess6().replace("3,24,train\n", "")
    with pytest.raises(ProtocolError, match=r"fold '3' of 'b@.*' does not say where 60 of 1440 clips are"):
        folds_of(tmp_path / "b.csv", lacking)


def test_clips_of_one_actor_in_two_folds_are_a_leak(tmp_path) -> None:
    text = "clip_id,fold\n" + "".join(f"{c.clip_id},{i % 6}\n" for i, c in enumerate(OFFICIAL))
    with pytest.raises(LeakError, match=r"fold 0 \(0\) of 'a@[0-9a-f]{8}' leaks: 24 of 24 actors"):
        folds_of(tmp_path / "a.csv", text)


def test_a_clip_that_two_folds_test_is_refused(tmp_path) -> None:
    text = sides_of_ravdess6().replace("1,11,train\n", "1,11,test\n")
    with pytest.raises(ProtocolError, match=r"tests clip 'ravdess-11-000' 2 times, expected once"):
        folds_of(tmp_path / "a.csv", text)


def test_who_gave_the_folds_is_recorded(tmp_path) -> None:
    path = tmp_path / "mine.csv"
    folds = folds_of(path, "actor,fold\n" + "".join(f"{n},{n % 3}\n" for n in range(1, 30)))
    record = split_record(get_protocol(str(path)), folds, OFFICIAL)
    assert record["file"] == "mine.csv"
    assert (record["by"], record["folds"], record["unused"]) == ("actor", ["0", "1", "2"], 5)
    by_column = split_record(
        get_protocol("group:session"), make_folds(get_protocol("group:session"), SESSIONS), SESSIONS
    )
    assert by_column == {"column": "session", "folds": ["0", "1", "2", "3", "4", "5"]}


# --- what no split may do, whatever it says


def test_no_given_split_of_any_corpus_leaks_or_loses_a_clip_unnoticed(tmp_path) -> None:
    rng = random.Random(19)
    for draw in range(40):
        clips = [
            known(c, g=float(rng.randrange(4)) if rng.random() < 0.004 else float(number(c) % 4))
            for c in ravdess()[::6]
        ]
        name = rng.choice(["group:g", "group2:g", "group4:g"])
        try:
            folds = make_folds(get_protocol(name), clips)
        except LeakError:
            assert any(len({c.further["g"] for c in clips if number(c) == n}) > 1 for n in range(1, 25)), draw
        except ProtocolError:
            assert name != "group:g", draw  # ties left fewer groups
        else:
            assert_sound(folds, clips)
