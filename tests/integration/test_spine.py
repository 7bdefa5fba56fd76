"""The whole way on generated recordings: files, cache, folds, heads, numbers, page."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import ravfeat as package
from ravfeat.corpora.ravdess import scan_ravdess
from ravfeat.corpora.synth import generate
from ravfeat.encoders.registry import load_encoder
from ravfeat.extract import Extraction, run_extraction

HEADS = ["--head", "logreg", "--head", "attentive", "--epochs", "1", "--layers", "0", "--device", "cpu"]


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    """Both statements of every emotion, at normal intensity, by 24 generated actors."""
    folder = tmp_path_factory.mktemp("spine")
    generate(folder / "synth")
    corpus = scan_ravdess(folder / "synth", corpus="synth", synthetic=True)
    normal = corpus.with_clips(clip for clip in corpus if clip.clip_id[9:11] == "01")
    assert (len(normal), len(normal.actors)) == (384, 24)
    return run_extraction(Extraction(normal, folder / "synth", load_encoder("logmel", "cpu")), folder / "cache").path


@pytest.fixture(scope="module")
def runs(cache, ravfeat, tmp_path_factory) -> Path:
    """An honest run and its leaky twin."""
    folder = tmp_path_factory.mktemp("runs")
    for name, options in (("honest", []), ("leaky", ["--protocol", "clip6", "--allow-leak"])):
        done = ravfeat("fit-heads", "--cache", cache, *HEADS, *options, "--out", folder / name)
        assert done.returncode == 0, done.stderr
    return folder


def uar(run: Path) -> dict[str, float]:
    records = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    return {r["head"]: r["value"] for r in records if (r["metric"], r["averaging"]) == ("uar", "pooled")}


def test_heads_beat_chance_on_actors_they_never_met_and_a_clip_split_flatters_them(runs) -> None:
    honest, leaky = uar(runs / "honest"), uar(runs / "leaky")
    assert honest.keys() == leaky.keys() == {"logreg", "attentive", "attentive+logreg"}
    assert honest["logreg"] > 0.25  # chance is 0.125
    assert leaky["logreg"] > honest["logreg"] + 0.03


def test_only_the_leaky_run_is_called_leaky_and_both_are_called_synthetic(runs) -> None:
    for name, leaky in (("honest", False), ("leaky", True)):
        records = json.loads((runs / name / "metrics.json").read_text(encoding="utf-8"))
        assert {record["leaky"] for record in records} == {leaky}
        recipe = json.loads((runs / name / "recipe.json").read_text(encoding="utf-8"))
        assert recipe["caches"][0]["synthetic"] is True


def test_the_report_shows_both_runs_and_the_gap_and_says_leaky_and_synthetic(runs, ravfeat, tmp_path) -> None:
    done = ravfeat("report", runs / "honest", runs / "leaky", "--out", tmp_path / "report")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    plain = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    for text in (page, plain):
        assert "LEAKY" in text
        assert "synthetic" in text.lower()
        assert "What this does not show" in text
    assert f"{uar(runs / 'honest')['logreg']:.3f}"[:4] in plain


def test_the_cache_holds_what_the_encoder_says_and_survives_a_move(cache, tmp_path, ravfeat) -> None:
    moved = shutil.copytree(cache, tmp_path / "elsewhere" / cache.name)
    opened = package.open_cache(tmp_path)
    assert opened.path == moved
    frames = opened[opened.clip_ids[0]]
    assert frames.dtype == np.float16
    assert frames.shape[1:] == (3, 64)
    assert len(opened.times(opened.clip_ids[0])) == len(frames)
    assert ravfeat("cache", "verify", tmp_path).returncode == 0
