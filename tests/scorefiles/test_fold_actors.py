"""Who sits on which side of which fold."""

import pytest

from ravfeat.protocols.named import FIXED
from ravfeat.scorefiles.fold_actors import FoldActors, protocol_of, select_of


def sides(*test: str, val: tuple[str, ...] = ()) -> FoldActors:
    """Folds as words whose letters are actors."""
    return FoldActors.of(
        (fold, split, actor)
        for split, folds in (("test", test), ("val", val))
        for fold, actors in enumerate(folds)
        for actor in actors
    )


def test_nobody_on_two_sides_is_no_leak() -> None:
    assert sides("ab", "cd", val=("cd", "ab")).leak == ""


@pytest.mark.parametrize(
    ("given", "leak"),
    [
        (sides("ab", "cb"), "actor 'b' is tested in the folds 0 and 1"),
        (sides("a", "a", "a"), "actor 'a' is tested in the folds 0, 1 and 2"),
        (sides("ab", "cd", val=("c", "bd")), "actor 'd' is in val and in test of fold 1"),
    ],
)
def test_an_actor_on_two_sides_is_named_with_the_folds(given, leak) -> None:
    assert given.leak == leak


@pytest.mark.parametrize("name", [name for name, protocol in FIXED.items() if protocol.test])
@pytest.mark.parametrize("prefix", ["ravdess:", "synth:"])
def test_published_groups_have_their_name_in_any_order(name, prefix) -> None:
    groups = list(FIXED[name].test)[::-1]
    test = {fold: frozenset(f"{prefix}{actor:02d}" for actor in group) for fold, group in enumerate(groups, start=1)}
    assert protocol_of(FoldActors(test, {}), {}) == name


def test_other_groups_are_given() -> None:
    assert protocol_of(sides("ab", "cd", "e"), {}) == "given3"
    groups = [frozenset(f"x:{actor:02d}" for actor in group) for group in FIXED["ravdess6"].test]
    twins = groups[0] | {"y:11"}
    assert protocol_of(FoldActors(dict(enumerate([twins, *groups[1:]])), {}), {}) == "given6"


@pytest.mark.parametrize("prefix", ["", "mine:"])
def test_people_of_another_corpus_who_have_numbers_too_are_no_published_group(prefix) -> None:
    test = {fold: frozenset(f"{prefix}{n}" for n in range(4 * fold + 1, 4 * fold + 5)) for fold in range(6)}
    assert protocol_of(FoldActors(test, {}), {}) == "given6"


def test_val_rows_of_everybody_who_is_not_tested_are_those_of_nested_selection() -> None:
    assert select_of(sides("ab", "cd", "e", val=("cde", "abe", "abcd"))) == "nested"
    assert select_of(sides("ab", "cd", "e", val=("cd", "e", "ab"))) == "val"
    assert select_of(sides("ab", "cd")) == "crossfit"


def test_everybody_in_every_fold_is_not_taken_for_clip6() -> None:
    assert protocol_of(sides(*["ab"] * 6), {}) == "given6"


def test_the_very_folds_of_a_run_are_its_protocol() -> None:
    known = {"group2": sides("ab", "cd")}
    assert protocol_of(sides("cd", "ba"), known) == "group2"
    assert protocol_of(sides("ac", "bd"), known) == "given2"
    assert protocol_of(sides("ab", "cd", "cd"), known) == "given3"
