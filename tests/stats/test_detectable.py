"""What difference the actors at hand can show."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import t

from ravfeat.fusion import fuse
from ravfeat.predictions import Predictions, concatenate
from ravfeat.stats import Compared, detectable, detectable_difference, paired_difference, score_intervals
from tests.toyscores import scores, two_streams


def three() -> Predictions:
    return concatenate([two_streams(), scores(head="kernel")])


def test_it_is_the_median_half_width_of_the_pairs_and_their_range_is_said() -> None:
    table = three()
    pairs = combinations([table.seed_averaged(system) for system in table.systems()], 2)
    widths = sorted(found.ci_high - found.ci_low for found in (paired_difference(a, b) for a, b in pairs))
    found = detectable_difference(table)
    assert [found.lowest, found.value, found.highest] == pytest.approx([width / 2 for width in widths])
    assert found.said == (
        f"with 8 actors, differences of UAR under about {found.value:.3f} cannot be told from zero (half the width of"
        " the 95 % interval of a paired difference, median of 3 pairs of systems,"
        f" {found.lowest:.3f} to {found.highest:.3f})"
    )
    assert detectable_difference(two_streams()).said.endswith("a paired difference, of these two systems)")


def test_mixtures_that_nobody_chose_and_systems_that_decide_alike_do_not_make_it_smaller() -> None:
    fused, _ = fuse(two_streams(), "loglinear")
    assert detectable_difference(fused).n_pairs == 3  # of a voice, a face and what was fused
    system = Compared(three().seed_averaged(three().systems()[0]))
    assert detectable([system, system]) == detectable([system])


def test_one_system_gives_an_upper_bound_of_two_that_err_independently() -> None:
    table = scores(actors=24)
    (system,) = table.systems()
    error = score_intervals(table.seed_averaged(system))["uar", "pooled"].sd
    assert error is not None
    found = detectable_difference(table)
    assert found.value == pytest.approx(t.ppf(0.975, 23) * np.sqrt(2) * error)
    assert found.said.startswith("with 24 actors and one system: a difference of UAR to another one may need up to")


def test_where_all_actors_score_alike_it_is_not_zero() -> None:
    table = scores(skill=50.0)
    assert detectable_difference(table).value == pytest.approx(t.ppf(0.975, 7) * np.sqrt(2) * 0.5 / 96)


def test_one_actor_and_two_who_differ_can_show_nothing() -> None:
    table = scores(skill=0.5)
    probs = table.seed_averaged(table.systems()[0])
    alone = detectable([Compared(probs.rows(probs.actors == "toy:00"))])
    assert alone.said == "with 1 actor, no difference of UAR can be told from zero"
    two = probs.rows(np.isin(probs.actors, ["toy:00", "toy:01"]))
    hits = replace(two, log_probs=np.log(np.eye(4)[np.where(two.actors == "toy:00", two.y, (two.y + 1) % 4)] + 1e-9))
    assert detectable([Compared(hits)]).said == "with 2 actors, no difference of UAR can be told from zero"


def test_systems_on_other_clips_make_no_pair() -> None:
    table = concatenate([scores(), scores(stream="face", features="face", actors=12)])
    assert detectable_difference(table).n_pairs == 0
    assert detectable_difference(table).n_actors == 8
