"""Permutation importance of runs whose features say the emotion in one planted place."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ravfeat.errors import CacheError, PredictionsError
from ravfeat.experiment.fit import FitPlan, fit_heads
from ravfeat.importance import measure_run
from ravfeat.importance.shuffle import source_frames
from ravfeat.report import build_report
from ravfeat.runs.importance_file import Importance, SystemImportance
from ravfeat.runs.read import read_run
from ravfeat.runs.write import write_run
from tests.toycaches import EMOTIONS, actors_and_emotions
from tests.writtencaches import write_cache

TAKES = actors_and_emotions(repeats=2)
"""The middle one of three layers says the emotion, by its mean."""


def make_run(out: Path, *caches: Path, **options: Any) -> Path:
    quick = {"protocol": "group3"} | ({"settings": {"grid": (10.0,)}} if "heads" not in options else {})
    plan = FitPlan(**({"caches": caches, "heads": ("logreg",)} | quick | options))
    write_run(out, fit_heads(plan), {"command": None, "heads": list(plan.heads), "settings": {}})
    return out


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return write_cache(tmp_path_factory.mktemp("cache"), TAKES, stream="audio", name="voice")


@pytest.fixture(scope="module")
def run(cache, tmp_path_factory) -> Path:
    """A run with its importance. Read only."""
    folder = make_run(tmp_path_factory.mktemp("runs") / "voice", cache)
    measure_run(folder, repeats=3, alone=True)
    return folder


def only(importance: Importance) -> SystemImportance:
    (system,) = importance.systems
    return system


def falls(system: SystemImportance, kind: Any) -> dict[str, float]:
    return {group.name: group.uar_fall.value for group in system.of_kind(kind)}


def test_the_planted_layer_and_statistic_cost_everything_and_noise_nothing(run) -> None:
    measured = only(read_run(run).importance)
    layers, statistics, whole = (falls(measured, kind) for kind in ("layer", "statistic", "all"))
    assert layers["layer 1"] == max(layers.values()) > 0.3
    assert abs(layers["layer 0"]) < 0.06 > abs(layers["layer 2"])
    assert statistics["mean"] > 0.3
    assert abs(statistics["std"]) < 0.06
    # With everything shuffled nothing is left but chance.
    assert measured.uar - whole["all inputs"] == pytest.approx(1 / len(EMOTIONS), abs=0.06)
    planted = next(group for group in measured.groups if group.name == "layer 1")
    assert planted.uar_fall.ci_low > 0.2
    assert planted.nll_rise.ci_low > 0
    assert planted.uar_fall.sd is not None
    assert planted.uar_alone is not None
    assert planted.uar_alone.value > 0.9 * measured.uar
    assert all(group.uar_alone.value < 0.35 for group in measured.groups if group.name in ("layer 0", "std"))


def test_scores_without_shuffling_are_those_of_the_run(run) -> None:
    read = read_run(run)
    assert read.importance is not None
    measured = only(read.importance)
    records = {record["metric"]: record["value"] for record in read.records if record["averaging"] == "pooled"}
    assert (measured.uar, measured.nll) == pytest.approx((records["uar"], records["nll"]))
    assert measured.n == len(TAKES)


def test_the_same_call_gives_the_same_file(run, tmp_path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    measure_run(copy, repeats=3, alone=True)
    assert (copy / "importance.json").read_bytes() == (run / "importance.json").read_bytes()


def test_the_report_draws_it_with_its_conditions(run, tmp_path, blank_figures) -> None:
    build_report([run], tmp_path / "report")
    page = (tmp_path / "report" / "report.md").read_text()
    assert "## What the heads decide by" in page
    assert "What shuffling layers costs · group3 · select val" in page
    assert "| layer 1 | +0." in page
    assert "neighbouring layers" in page


@pytest.mark.parametrize("head", ["attentive", "kernel"])
def test_heads_over_frames_and_kernels_are_measured_alike(cache, tmp_path, head) -> None:
    settings = {"epochs": 40, "frame_average": 1} if head == "attentive" else {}
    run = make_run(tmp_path / "run", cache, heads=(head,), settings=settings, protocol="group2")
    measured = only(measure_run(run, repeats=2, kinds=("layer",)))
    layers = falls(measured, "layer")
    assert layers["layer 1"] > measured.uar - 1 / len(EMOTIONS) - 0.06
    assert max(abs(layers["layer 0"]), abs(layers["layer 2"])) < 0.08


def test_streams_of_a_joint_head_are_parted(cache, tmp_path) -> None:
    noise = np.random.default_rng(5)
    faces = [replace(take, features=noise.normal(size=take.features.shape).astype("f4")) for take in TAKES]
    face = write_cache(tmp_path / "face", faces, name="looks", stream="face")
    run = make_run(tmp_path / "run", cache, face, heads=("joint-kernel",))
    measured = only(measure_run(run, repeats=2))
    streams = falls(measured, "stream")
    assert streams["audio voice"] > 0.3
    assert abs(streams["face looks"]) < 0.08
    assert "looks layer 0" in falls(measured, "layer")


def test_caches_side_by_side_and_their_layers_are_parted(cache, tmp_path) -> None:
    noise = np.random.default_rng(6)
    other = [replace(take, features=noise.normal(size=take.features.shape).astype("f4")) for take in TAKES]
    second = write_cache(tmp_path / "second", other, name="noise", stream="audio")
    run = make_run(tmp_path / "run", caches=(), joins=((second, cache),), layers="1-2")
    measured = only(measure_run(run, repeats=2))
    caches, layers = falls(measured, "cache"), falls(measured, "layer")
    assert caches["voice"] > 0.25
    assert abs(caches["noise"]) < 0.1
    assert max(layers, key=lambda name: layers[name]) == "voice layer 1"
    assert list(layers) == ["noise layer 1", "noise layer 2", "voice layer 1", "voice layer 2"]


def test_views_that_are_averaged_move_with_their_clips(cache, tmp_path) -> None:
    view = write_cache(tmp_path / "view", TAKES, name="voice", stream="audio", view="noise-1:seed0")
    for average in ("scores", "statistics"):
        run = make_run(tmp_path / average, cache, train_views=(view,), average_views=average)
        layers = falls(only(measure_run(run, repeats=2, kinds=("layer",))), "layer")
        assert layers["layer 1"] > 0.3
        assert abs(layers["layer 0"]) < 0.06


def test_a_clip_gets_the_frames_at_the_same_share_of_another() -> None:
    assert source_frames(np.array([0, 4, 6]), np.array([1, 0])).tolist() == [4, 4, 5, 5, 1, 3]
    offsets = np.array([0, 3, 8])
    assert source_frames(offsets, np.array([0, 1])).tolist() == list(range(8))


def spoil_heads(run: Path) -> None:
    folds = sorted((run / "heads").glob("*/fold-*.safetensors"))
    folds[0].write_bytes(folds[1].read_bytes())
    folds[0].with_suffix(".toml").write_text(folds[1].with_suffix(".toml").read_text())


def damage(run: Path, **changes: object) -> None:
    path = run / "importance.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_what_does_not_belong_is_refused(run, cache, tmp_path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    spoil_heads(copy)
    with pytest.raises(PredictionsError, match="does not give the predictions beside it"):
        measure_run(copy, repeats=1)
    damage(copy, predictions_sha256="0" * 64)
    with pytest.raises(PredictionsError, match="is about other predictions than those beside it"):
        read_run(copy)
    damage(copy, format_version=2)
    with pytest.raises(PredictionsError, match=r"format_version is 2.*call 'ravfeat importance' again"):
        read_run(copy)


def test_a_run_without_heads_and_a_cache_that_is_gone_are_refused(make_run, run, tmp_path) -> None:
    with pytest.raises(PredictionsError, match="there are no heads whose inputs could be shuffled"):
        measure_run(make_run())
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    recipe = (copy / "recipe.json").read_text()
    path = json.loads(recipe)["caches"][0]["path"]
    (copy / "recipe.json").write_text(recipe.replace(path, str(tmp_path / "gone")))
    with pytest.raises(CacheError, match="gone"):
        measure_run(copy)


def test_named_features_are_groups_of_all_their_statistics() -> None:
    from ravfeat.features.clips import ClipFeatures
    from ravfeat.importance.groups import _of_cache

    class Named:
        statistics = ("mean", "std")
        feature_names = ("mean of loudness", "mean of F0", "std of loudness", "std of F0")

    frames = np.zeros((2, 1, 4), np.float32)
    features = ClipFeatures(frames, np.arange(3), (0,), ("mean", "std"))
    groups = [group for group in _of_cache(features, 0, Named(), "") if group.kind == "feature"]  # type: ignore[arg-type]
    assert [(group.name, group.cells[0].columns.tolist()) for group in groups] == [("loudness", [0, 2]), ("F0", [1, 3])]
