"""What is recorded of the training clips at export."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ravfeat import load_head
from ravfeat.experiment.fit import FitPlan, fit_heads
from ravfeat.predictions import Predictions
from ravfeat.published.export import export_heads
from ravfeat.published.training import sides_of
from ravfeat.runs.write import write_run
from tests.toycaches import actors_and_emotions
from tests.writtencaches import write_cache


def exported(folder: Path, cache: Path, **options) -> Path:
    write_run(folder / "run", fit_heads(FitPlan((cache,), heads=("logreg",), layers="1", **options)), {})
    export_heads(folder / "run", folder / "head")
    return folder / "head"


def test_training_clips_are_neither_validated_nor_tested(published, run) -> None:
    parts = load_head(published, sources=[0]).parts
    sides = sides_of(Predictions.read(run / "predictions.parquet"), parts[0], [0, 1, "refit"])
    actors = np.array([int(name[:2]) for name in sides.clip_ids])
    assert set(actors[sides.train[0]]) == set(range(1, 25)) - {11, 12, 15, 16} - {1, 2, 3, 4}
    (_, val), _ = sides.held_out
    assert set(actors[val]) == {1, 2, 3, 4}
    assert len(sides.train["refit"]) == 96


def test_the_median_length_is_told_and_a_cache_that_knows_no_lengths_tells_none(published, places, tmp_path) -> None:
    assert load_head(published, sources=[0]).window_s == 1.0
    # An imported cache counts frames instead.
    short = write_cache(tmp_path, actors_and_emotions(actors=6), stream="audio", n_samples=0)
    head = load_head(exported(tmp_path, short, protocol="group3"))
    assert head.window_s is None
    assert head.domain(head.parts[0].needs[0].fingerprint) is not None


def test_with_nested_selection_training_clips_are_held_out_actor_by_actor(tmp_path) -> None:
    cache = write_cache(tmp_path, actors_and_emotions(actors=6), stream="audio")
    head = load_head(exported(tmp_path, cache, protocol="group3", select="nested"))
    predictions = Predictions.read(tmp_path / "run" / "predictions.parquet")
    sides = sides_of(predictions, head.parts[0], [0])
    tested = {clip.clip_id for clip in head.tested[0][0]}
    assert {sides.clip_ids[row] for row in sides.train[0]} == set(sides.clip_ids) - tested
    assert len(sides.held_out) == 4  # actors that are left
    for train, val in sides.held_out:
        assert not {sides.clip_ids[row][:2] for row in train} & {sides.clip_ids[row][:2] for row in val}
        assert sorted([*train, *val]) == sorted(sides.train[0])
    domain = head.domain(head.parts[0].needs[0].fingerprint)
    assert domain is not None
    assert domain.moments[0].mean.shape == (1, 4)  # the layer that is read


@pytest.mark.parametrize(("pooled", "known"), [(("mean", "std"), True), (("std", "max"), False)])
def test_of_pooled_caches_means_are_needed(pooled, known, tmp_path) -> None:
    cache = write_cache(tmp_path, actors_and_emotions(actors=6), stream="audio", pooled=pooled)
    settings = {"statistics": tuple(pooled)}
    head = load_head(exported(tmp_path, cache, protocol="group3", settings=settings))
    assert (head.domain(head.parts[0].needs[0].fingerprint) is not None) is known


def test_systems_that_read_one_cache_share_what_is_known_of_it(published) -> None:
    head = load_head(published, sources=[0])
    assert head.parts[0].needs == head.parts[1].needs
    assert len(list((published / "domain").iterdir())) == 3


def test_sides_hold_for_another_order_of_rows(published, run) -> None:
    predictions = Predictions.read(run / "predictions.parquet")
    part = load_head(published, sources=[0]).parts[0]
    turned = replace(predictions, table=predictions.table.take(np.arange(len(predictions))[::-1]))
    assert sides_of(turned, part, [0]).train[0].tolist() == sides_of(predictions, part, [0]).train[0].tolist()
