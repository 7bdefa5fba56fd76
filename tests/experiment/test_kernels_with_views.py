"""The two kernels on views of a voice and two caches of its face: a run, its audit, and the head it publishes."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ravfeat.audit.context import open_run
from ravfeat.audit.folds import check_folds
from ravfeat.audit.retraining import check_retrained
from ravfeat.audit.rows import check_against_folds
from ravfeat.audit.saved_heads import check_saved_heads
from ravfeat.errors import UsageError
from ravfeat.experiment.fit import FitPlan, Fitted, fit_heads, prepare
from ravfeat.experiment.load import FeatureLoader
from ravfeat.media.augment import View
from ravfeat.published import load_head
from ravfeat.published.export import export_heads
from ravfeat.runs.write import write_run
from ravfeat.schema import FUSED_STREAMS
from tests.toycaches import Take, actors_and_emotions
from tests.writtencaches import write_cache

VIEWS = (View.written("speed:0.9").name, View.written("speed:1.1").name)
SPOILT = "11-02"
QUICK = {"gammas": (0.5,), "alphas": (0.1, 1.0), "pairs": 2}
AVERAGES = ("scores", "statistics")


@dataclass(frozen=True)
class Caches:
    """Of the same performances."""

    voice: Path
    views: tuple[Path, ...]
    faces: tuple[Path, Path]

    def plan(self, average: str = "scores", **options: Any) -> FitPlan:
        common = {"heads": ("block-kernel", "joint-kernel"), "settings": QUICK}
        views = {"train_views": self.views, "average_views": average}
        return FitPlan((self.voice,), joins=(self.faces,), **(common | views | options))


def written(folder: Path, spoilt: str = "") -> Caches:
    """A voice, two views of it and two faces; one performance is another one in all of them."""

    def seen(seed: int, dim: int) -> list[Take]:
        takes = [
            replace(take, clip_id=f"f{seed}-{take.clip_id}", performance_id=take.clip_id)
            for take in actors_and_emotions(seed=seed, n_layers=2, dim=dim)
        ]
        return [replace(take, features=take.features[:, 1:] + 9 * (take.performance_id == spoilt)) for take in takes]

    takes = actors_and_emotions()
    said = [replace(take, features=take.features + 9 * (take.clip_id == spoilt)) for take in takes]
    rng = np.random.default_rng(5)
    options = {"name": "voice", "stream": "audio"}
    views = []
    for view in VIEWS:
        noise = [0.3 * rng.normal(size=take.features.shape).astype(np.float32) for take in takes]
        heard = [replace(take, features=take.features + part) for take, part in zip(said, noise, strict=True)]
        views.append(write_cache(folder, takes, view=view, heard=heard, **options))
    faces = (write_cache(folder, seen(1, 3), name="geometry"), write_cache(folder, seen(2, 5), name="expressions"))
    return Caches(write_cache(folder, takes, heard=said, **options), tuple(views), faces)


@pytest.fixture(scope="module")
def caches(tmp_path_factory) -> Caches:
    return written(tmp_path_factory.mktemp("as-it-is"))


@pytest.fixture(scope="module")
def trained(caches) -> Callable[[str], Fitted]:
    """Train once for each way to average."""
    done: dict[str, Fitted] = {}

    def of(average: str) -> Fitted:
        if average not in done:
            done[average] = fit_heads(caches.plan(average))
        return done[average]

    return of


def rows_of(fitted: Fitted, split: str, fold: int) -> dict[tuple[str, str], list[float]]:
    """The logits of one fold by stream and performance, of heads that are not fused."""
    return {
        (row["stream"], row["clip_id"][-5:]): row["logits"]
        for row in fitted.predictions.table.to_pylist()
        if (row["split"], row["fold"]) == (split, fold) and row["stream"] not in FUSED_STREAMS
    }


@pytest.mark.parametrize("average", ["scores", pytest.param("statistics", marks=pytest.mark.slow)])
def test_a_run_is_fused_audited_and_published(average, caches, trained, tmp_path) -> None:
    fitted = trained(average)
    systems = {system.stream: system for system in fitted.predictions.systems()}
    assert systems.keys() == {"audio", "face", "av", *FUSED_STREAMS}
    assert systems["av"].features == f"voice@mean-{average}+geometry+expressions"
    assert systems["face"].features == "geometry+expressions"
    tested = {about["stream"]: about["tested_on"] for about in fitted.about["caches"]}
    assert tested["face"] == "clean"
    assert tested["av"] == tested["audio"] == f"the mean {average} of clean + {' + '.join(VIEWS)}"
    run = tmp_path / "run"
    write_run(run, fitted, {"command": "ravfeat fit-heads", "heads": ["block-kernel", "joint-kernel"], "settings": {}})
    context = open_run(run)
    assert context.prepared is not None
    lines = [*check_folds(context), *check_against_folds(context)]
    for system in context.prepared.by_system():
        lines += check_saved_heads(context, system, FeatureLoader()) + check_retrained(context, system, FeatureLoader())
    assert {line.verdict for line in lines} == {"pass"}
    done = export_heads(run, tmp_path / "head")
    assert "identical, bit for bit" in done.check
    head = load_head(tmp_path / "head")
    clips = [clip.clip_id for clip in head.tested[0][0]][:3]
    got = head.predict([caches.voice, *caches.views, *caches.faces], clips, fold=0)
    assert np.isfinite(got).all()
    assert got.shape == (3, 4)


@pytest.mark.parametrize("average", AVERAGES)
def test_a_test_clip_its_views_and_its_faces_change_no_model_and_no_other_row(average, trained, tmp_path) -> None:
    before, after = trained(average), fit_heads(written(tmp_path, SPOILT).plan(average))
    (fold,) = {one.fold for one in before.models if ("av", SPOILT) in rows_of(before, "test", one.fold)}
    arrays, arrays_after = (
        [one.model.arrays() | {"recipe": one.model.recipe} for one in fitted.models if one.fold == fold]
        for fitted in (before, after)
    )
    assert len(arrays) == 3
    np.testing.assert_equal(arrays, arrays_after)
    said, said_after = (rows_of(fitted, "test", fold) for fitted in (before, after))
    for stream in ("audio", "face", "av"):
        assert said.pop((stream, SPOILT)) != said_after.pop((stream, SPOILT))
    assert said == said_after
    assert rows_of(before, "val", fold) == rows_of(after, "val", fold)
    other = (fold + 1) % 6
    assert rows_of(before, "test", other) != rows_of(after, "test", other)  # there it trains


def test_pairs_are_of_the_seed_and_every_seed_is_a_model(caches) -> None:
    plan = caches.plan(heads=("audio:block-kernel", "face:block-kernel", "joint-kernel"), seeds=2)
    plan = replace(plan, settings=QUICK | {"alphas": (0.1,)}, protocol="luna5")
    models = [(one.stream, one.seed) for one in fit_heads(plan).models if one.fold == 0]
    assert sorted(models) == [("audio", 0), ("av", 0), ("av", 1), ("face", 0)]


def test_nested_selection_pairs_within_the_inner_folds(caches) -> None:
    plan = caches.plan(select="nested", protocol="luna5")
    fitted = fit_heads(replace(plan, settings=QUICK | {"alphas": (0.1,)}))
    rows = rows_of(fitted, "val", 0)
    assert len(rows) == 3 * len({clip for _, clip in rows})
    assert np.isfinite(list(rows.values())).all()


def test_views_of_a_concatenated_cache_are_refused(caches, tmp_path) -> None:
    takes = [
        replace(take, clip_id=f"f1-{take.clip_id}", performance_id=take.clip_id, features=take.features[:, 1:])
        for take in actors_and_emotions(seed=1, n_layers=2, dim=3)
    ]
    view = write_cache(tmp_path, takes, name="geometry", view=VIEWS[0])
    message = "neither --concat nor the head 'joint' has a view of all its caches at once"
    with pytest.raises(UsageError, match=message):
        prepare(caches.plan(train_views=(view,)))
