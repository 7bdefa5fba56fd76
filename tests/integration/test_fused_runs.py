"""From caches of two streams to their fusion."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ravfeat.errors import CacheError
from ravfeat.experiment.fit import FitPlan, Fitted, fit_heads
from ravfeat.stats import metric_records
from tests.toycaches import Take, actors_and_emotions, build_cache
from tests.writtencaches import write_cache


@pytest.fixture(scope="module")
def takes() -> list[Take]:
    return actors_and_emotions()


@pytest.fixture(scope="module")
def cache(takes, tmp_path_factory) -> Path:
    return build_cache(tmp_path_factory.mktemp("toy"), takes)


def rows(fitted: Fitted, **wanted: Any) -> list[dict[str, Any]]:
    return [
        row for row in fitted.predictions.table.to_pylist() if all(row[key] == value for key, value in wanted.items())
    ]


def voice_and_face(takes: list[Take], folder: Path) -> tuple[Path, Path]:
    """Two streams of the same performances under other clip ids, with other noise."""
    rng = np.random.default_rng(3)
    face = [
        replace(
            take,
            clip_id=f"f{take.clip_id}",
            performance_id=take.clip_id,
            features=(take.features + 1.5 * rng.normal(size=take.features.shape)).astype(np.float32),
        )
        for take in takes
    ]
    return build_cache(folder / "voice", takes), write_cache(folder / "face", face, name="face")


@pytest.mark.parametrize(("protocol", "allow_leak"), [("ravdess6", False), ("clip6", True), ("group4", False)])
def test_a_voice_and_a_face_are_fused_under_every_kind_of_protocol(protocol, allow_leak, takes, tmp_path) -> None:
    paths = voice_and_face(takes, tmp_path)
    fitted = fit_heads(FitPlan(paths, protocol=protocol, heads=("audio:logreg", "face:kernel"), allow_leak=allow_leak))
    assert fitted.fusion is not None
    assert [tuple(system) for system in fitted.fusion.systems] == [
        ("audio", "toy", "logreg"), ("face", "face", "kernel")
    ]  # fmt: skip
    tested = rows(fitted, stream="fused", split="test")
    assert {row["clip_id"] for row in tested} == {take.clip_id for take in takes}
    assert fitted.predictions.leaky is allow_leak


def test_nothing_is_fused_where_nobody_asked_or_there_is_one_system(cache, takes, tmp_path) -> None:
    assert fit_heads(FitPlan((cache,), heads=("logreg",))).fusion is None
    alone = fit_heads(FitPlan((cache,), heads=("logreg", "kernel"), rule=None))
    assert alone.fusion is None
    assert {system.stream for system in alone.predictions.systems()} == {"audio"}


def test_systems_that_cannot_be_fused_are_refused_before_anything_is_trained(takes, tmp_path, monkeypatch) -> None:
    voice, _ = voice_and_face(takes, tmp_path)
    fewer = [replace(take, clip_id=f"f{take.clip_id}", performance_id=take.clip_id) for take in takes[:-3]]
    face = write_cache(tmp_path / "short", fewer, name="short")
    monkeypatch.setattr("ravfeat.experiment.systems.load_features", pytest.fail)
    with pytest.raises(CacheError, match=r"systems that are fused must hold the same .*:\n  .* lacks 3 of 96"):
        fit_heads(FitPlan((voice, face), heads=("logreg",)))
    monkeypatch.undo()
    fitted = fit_heads(FitPlan((voice, face), heads=("logreg",), allow_missing=True))
    counts = Counter(row["stream"] for row in rows(fitted, split="test"))
    assert set(counts.values()) == {93}
    assert [len(about["missing"]) for about in fitted.about["caches"]] == [3, 0]


@pytest.mark.parametrize("select", ["val", pytest.param("nested", marks=pytest.mark.slow)])
def test_shuffled_labels_leave_everything_at_chance(select, takes, tmp_path) -> None:
    rng = np.random.default_rng(7)
    scores = []
    for number in range(3):
        labels = rng.permutation([take.label for take in takes])
        shuffled = [replace(take, label=str(label)) for take, label in zip(takes, labels, strict=True)]
        fitted = fit_heads(FitPlan(voice_and_face(shuffled, tmp_path / str(number)), heads=("logreg",), select=select))
        records = metric_records(fitted.predictions)
        scores.append([r["value"] for r in records if (r["metric"], r["averaging"]) == ("uar", "pooled")])
    assert np.mean(scores) == pytest.approx(0.25, abs=0.07)
