"""Scores by group: against t-tests of scipy, classes that one side lacks, small groups, families of p-values."""

import numpy as np
import pytest
from scipy.stats import ttest_ind, ttest_rel

from ravfeat.predictions import SystemProbs
from ravfeat.stats import compare_groups
from ravfeat.stats.permutation import holm

ACTORS, TAKES, CLASSES = 10, 12, 4


@pytest.fixture(scope="module")
def probs() -> SystemProbs:
    """Ten actors, each as good as chance would have it, with 12 clips of each of four classes."""
    rng = np.random.default_rng(0)
    actors = np.repeat([f"a{number}" for number in range(ACTORS)], CLASSES * TAKES).astype(object)
    y = np.tile(np.repeat(np.arange(CLASSES), TAKES), ACTORS)
    skill = np.repeat(rng.uniform(0.5, 3, ACTORS), CLASSES * TAKES)
    logits = rng.normal(size=(len(y), CLASSES)) + skill[:, None] * np.eye(CLASSES)[y]
    names = np.array([f"c{number:04d}" for number in range(len(y))], object)
    log_probs = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    folds = np.repeat(np.arange(ACTORS) % 5, CLASSES * TAKES)
    return SystemProbs(names, names, actors, folds, y, log_probs, tuple("wxyz"), (0,))


def column(probs: SystemProbs, values) -> dict[str, str]:
    return {clip: str(value) for clip, value in zip(probs.clip_ids, values, strict=True) if value is not None}


def only(probs: SystemProbs, values, metric: str = "wa"):
    (grouped,) = compare_groups(probs, {"by": column(probs, values)})
    (difference,) = grouped.of(metric)
    return grouped, difference


def hits(probs: SystemProbs):
    """Accuracy of every actor in the first and in the second half of each of their classes' clips."""
    right = (probs.probs.argmax(1) == probs.y).reshape(ACTORS, CLASSES, 2, TAKES // 2)
    return right.mean((1, 3))


def halves() -> list[str]:
    return np.tile(np.repeat(["early", "late"], TAKES // 2), ACTORS * CLASSES).tolist()


def test_groups_of_different_actors_are_compared_as_welch_does(probs) -> None:
    values = ["f" if actor in ("a0", "a1", "a2", "a3") else "m" for actor in probs.actors]
    grouped, difference = only(probs, values)
    rates = hits(probs).mean(1)
    expected = ttest_ind(rates[:4], rates[4:], equal_var=False)
    assert not difference.paired
    assert difference.value == pytest.approx(rates[:4].mean() - rates[4:].mean())
    assert difference.p == pytest.approx(expected.pvalue)
    assert (difference.ci_low, difference.ci_high) == pytest.approx(expected.confidence_interval())
    assert [(group.value, group.n, group.n_actors) for group in grouped.groups] == [("f", 192, 4), ("m", 288, 6)]


def test_groups_of_the_same_actors_are_compared_as_pairs(probs) -> None:
    _, difference = only(probs, halves())
    early, late = hits(probs).T
    expected = ttest_rel(early, late)
    assert difference.paired
    assert difference.value == pytest.approx((early - late).mean())
    assert difference.p == pytest.approx(expected.pvalue)
    assert (difference.ci_low, difference.ci_high) == pytest.approx(expected.confidence_interval())


def test_a_pairing_cancels_what_an_actor_is_like(probs) -> None:
    _, paired = only(probs, halves())
    values = ["f" if int(actor[1:]) % 2 else "m" for actor in probs.actors]
    _, apart = only(probs, values)
    assert paired.ci_high - paired.ci_low < 0.5 * (apart.ci_high - apart.ci_low)


def test_a_class_that_one_group_lacks_is_left_out_of_the_difference(probs) -> None:
    values = [None if y == 3 and half == "late" else half for y, half in zip(probs.y, halves(), strict=True)]
    grouped, difference = only(probs, values, "uar")
    assert difference.left_out == ("z",)
    assert [group.lacking for group in grouped.groups] == [(), ("z",)]
    shared = probs.rows(probs.y != 3)
    _, expected = only(shared, np.array(halves())[probs.y != 3].tolist(), "uar")
    assert difference.value == pytest.approx(expected.value)


def test_groups_whose_shared_classes_are_of_one_actor_are_not_compared(probs) -> None:
    values = ["a" if y < 2 or actor == "a0" else "b" for y, actor in zip(probs.y, probs.actors, strict=True)]
    (grouped,) = compare_groups(probs, {"by": column(probs, values)})
    assert [group.lacking for group in grouped.groups] == [(), ("w", "x")]
    assert grouped.differences == ()


def test_the_interval_of_a_difference_ends_where_the_metric_does(probs) -> None:
    values = ["f" if actor in ("a0", "a1", "a2") else "m" for actor in probs.actors]
    wrong = np.where(np.isin(probs.actors, ["a0", "a1"]), (probs.y + 1) % CLASSES, probs.y)
    _, difference = only(probs.calibrated(np.log(np.where(np.eye(CLASSES)[wrong] > 0, 0.97, 0.01))), values, "uar")
    assert (difference.ci_low, difference.value) == (-1, pytest.approx(-2 / 3))


def test_three_groups_are_each_compared_with_all_others(probs) -> None:
    values = [f"g{int(actor[1:]) % 3}" for actor in probs.actors]
    (grouped,) = compare_groups(probs, {"by": column(probs, values)})
    assert [(each.a, each.b) for each in grouped.of("uar")] == [("g0", ""), ("g1", ""), ("g2", "")]
    two = ["g0" if value == "g0" else "others" for value in values]
    _, expected = only(probs, two, "uar")
    assert grouped.of("uar")[0].value == pytest.approx(expected.value)


def test_p_values_of_a_metric_are_corrected_over_all_columns(probs) -> None:
    three = [f"g{int(actor[1:]) % 3}" for actor in probs.actors]
    columns = {"b": column(probs, halves()), "a": column(probs, three)}
    grouped = compare_groups(probs, columns)
    assert [each.name for each in grouped] == ["a", "b"]
    family = [difference for each in grouped for difference in each.of("nll")]
    assert [each.p_holm for each in family] == holm([each.p for each in family])
    assert {each.family for each in family} == {4}


def test_small_groups_quantities_and_labels_are_not_compared(probs) -> None:
    two_actors = ["x" if actor in ("a0", "a1") else "y" for actor in probs.actors]
    few_clips = ["x" if number % 24 == 0 else "y" for number in range(len(probs))]
    many = [number % 11 for number in range(len(probs))]
    constant = ["x"] * len(probs)
    columns = {"two": two_actors, "many": many, "constant": constant, "nothing": [None] * len(probs)}
    assert compare_groups(probs, {name: column(probs, values) for name, values in columns.items()}) == []
    with_few = [f"{value}{half}" if value == "y" else value for value, half in zip(few_clips, halves(), strict=True)]
    (grouped,) = compare_groups(probs, {"by": column(probs, with_few)})
    assert grouped.small == {}
    small = ["tiny" if number < 12 else half for number, half in enumerate(halves())]
    (grouped,) = compare_groups(probs, {"by": column(probs, small)})
    assert grouped.small == {"tiny": 12}
    (labels,) = compare_groups(probs, {"emotion": column(probs, [f"e{y}" for y in probs.y])})
    assert labels.differences == ()


def test_clips_of_which_nothing_is_known_are_left_out(probs) -> None:
    known = [half if number % 2 else None for number, half in enumerate(halves())]
    grouped, _ = only(probs, known)
    assert sum(group.n for group in grouped.groups) == len(probs) // 2
    assert compare_groups(probs, {"by": {"no such clip": "x", "nor this": "y"}}) == []


def test_equal_scores_of_all_actors_have_no_doubt_and_no_difference(probs) -> None:
    sure = np.log(np.where(np.eye(CLASSES)[probs.y] > 0, 0.97, 0.01))
    _, difference = only(probs.calibrated(sure), halves(), "uar")
    assert (difference.value, difference.p) == (0, 1)
