"""The named protocols, against the facts they were published with."""

from pathlib import Path

import pytest

from ravfeat.errors import CorpusError, UsageError
from ravfeat.protocols.named import FIXED, fold_file_of, get_protocol, protocol_names

PUBLISHED = {
    "ravdess6": "11,12,15,16 5,6,17,20 13,14,19,22 7,10,18,23 1,4,8,9 2,3,21,24",
    "emobox6": "1,11,20,21 4,10,12,14 8,9,19,23 3,5,7,24 2,15,16,18 6,13,17,22",
    "luna5": "2,5,14,15,16 3,6,7,13,18 10,11,12,19,20 8,17,21,23,24 1,4,9,22",
    "hicmae6": "1,2,3,4 5,6,7,8 9,10,11,12 13,14,15,16 17,18,19,20 21,22,23,24",
    "loso24": " ".join(map(str, range(1, 25))),
}
VALIDATION = {"ravdess6": "1,2,3,4 3,4,7,8 5,6,7,8 8,9,11,12 13,14,15,16 13,14,15,16"}


def groups(text: str) -> tuple[tuple[int, ...], ...]:
    return tuple(tuple(map(int, group.split(","))) for group in text.split())


@pytest.mark.parametrize("name", PUBLISHED)
def test_groups_are_as_published(name) -> None:
    assert get_protocol(name).test == groups(PUBLISHED[name])
    assert get_protocol(name).val == groups(VALIDATION.get(name, ""))


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_actor_is_tested_exactly_once(name) -> None:
    tested = [actor for group in get_protocol(name).test for actor in group]
    assert sorted(tested) == list(range(1, 25))


def test_ravdess6_has_two_men_and_two_women_in_every_group_and_nobody_in_both() -> None:
    protocol = get_protocol("ravdess6")
    for test, val in zip(protocol.test, protocol.val, strict=True):
        assert sum(actor % 2 for actor in test) == sum(actor % 2 for actor in val) == 2
        assert not set(test) & set(val)


def test_only_clip6_is_leaky_and_only_loso24_is_always_nested() -> None:
    assert [name for name, protocol in FIXED.items() if protocol.leaky] == ["clip6"]
    assert [name for name, protocol in FIXED.items() if protocol.always_nested] == ["loso24"]


def test_a_group_protocol_is_made_for_any_number_of_folds() -> None:
    assert get_protocol("group7").n_folds == 7
    assert not get_protocol("group7").leaky


@pytest.mark.parametrize(
    "name",
    [
        "ravdess",
        "group",
        "group1",
        "group-5",
        "clip7",
        "",
        "GROUP5",
        "random2",
        "random",
        "column:",
        "group1:session",
        "group0:session",
        "column",
        "loso5",
        "a\nb",
        "x" * 500,
    ],
)
def test_another_name_lists_the_choices(name) -> None:
    with pytest.raises(UsageError, match=r"choose from ravdess6, .*clip6, loso, groupK"):
        get_protocol(name)
    assert "loso24" in protocol_names()


@pytest.mark.parametrize(
    ("name", "kind", "n_folds", "column", "leaky"),
    [
        ("loso", "actors", 0, "", False),
        ("group5", "groups", 5, "", False),
        ("group:session", "values", 0, "session", False),
        ("group5:`my session`", "values", 5, "my session", False),
        ("column:split", "sides", 0, "split", False),
        ("column:a/b.csv", "sides", 0, "a/b.csv", False),
        ("random5", "clips", 5, "", True),
    ],
)
def test_rules_for_any_corpus_are_made_on_demand(name, kind, n_folds, column, leaky) -> None:
    protocol = get_protocol(name)
    made = (protocol.name, protocol.kind, protocol.n_folds, protocol.column, protocol.leaky)
    assert made == (name, kind, n_folds, column, leaky)
    assert protocol.always_nested == (name == "loso")
    assert fold_file_of(name) is None


@pytest.mark.parametrize(
    "name", ["folds.csv", "a/folds.PARQUET", "folds.jsonl", "folds.jsonl.gz", "a/b", "./group:session.csv", "/x/loso"]
)
def test_what_looks_like_a_path_is_a_file_of_folds(name) -> None:
    assert fold_file_of(name) == Path(name)
    with pytest.raises(CorpusError, match="is not a file; expected a CSV"):
        get_protocol(name)


def test_a_file_that_is_called_like_a_protocol_is_not_read(tmp_path, monkeypatch) -> None:
    (tmp_path / "loso").write_text("clip_id,fold\na,1\n")
    monkeypatch.chdir(tmp_path)
    assert get_protocol("loso").kind == "actors"
