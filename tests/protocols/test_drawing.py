"""Validation actors are drawn by names, and never cost training a class."""

import numpy as np

from ravfeat.protocols.drawing import draw_gendered, draw_groups, fold_of
from tests.protocols.test_folds import clip


def test_men_and_women_are_drawn_by_turns_and_others_where_nobody_knows() -> None:
    genders = {"a": "male", "b": "male", "c": "male", "d": "female", "e": "", "f": ""}
    drawn = draw_gendered("p", 0, ["a"], genders)
    assert set(drawn) >= {"b", "c", "d"}
    assert len(drawn) == 4
    assert "a" not in drawn
    assert draw_gendered("p", 1, ["a"], dict(reversed(genders.items()))) == draw_gendered("p", 1, ["a"], genders)


def test_a_group_with_the_last_training_clips_of_a_class_is_passed_over() -> None:
    clips = [clip("x:1", 0, "sad"), clip("x:2", 0, "happy"), clip("x:2", 1, "sad"), clip("x:3", 0, "sad")]
    groups = [np.array([1, 2]), np.array([0]), np.array([3])]
    assert draw_groups(clips, groups, 1).tolist() == [True, False, False, False]


def test_what_neither_tests_nor_validates_trains() -> None:
    fold = fold_of(3, np.array([True, False, False]), np.array([False, True, False]), "s1")
    assert (fold.number, fold.name) == (3, "s1")
    assert [rows.tolist() for rows in (fold.train, fold.val, fold.test)] == [[2], [1], [0]]
