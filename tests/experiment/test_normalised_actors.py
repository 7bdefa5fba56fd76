"""``--normalise actor``: what it takes away, for every kind of head; TRANSDUCTIVE wherever a number of it stands."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ravfeat import audit, fit_heads, report
from ravfeat.crosscorpus.run import CrossPlan
from ravfeat.errors import HeadError, UsageError
from ravfeat.experiment.fit import FitPlan, prepare
from ravfeat.experiment.load import load_system
from ravfeat.features.clips import Reading
from ravfeat.published.export import export_heads
from ravfeat.runs.read import read_run
from tests.toycaches import Take, actors_and_emotions
from tests.writtencaches import write_cache

SUFFIX = "@actor-normalised"


def with_voices(takes: list[Take], spread: float = 30.0) -> list[Take]:
    """Give every actor an offset and a scale of their own, far larger than what emotions do."""
    names = sorted({take.actor for take in takes})
    rng = np.random.default_rng(5)
    place = {name: rng.normal(scale=spread, size=takes[0].features.shape[1:]) for name in names}
    scale = {name: rng.uniform(0.2, 5) for name in names}
    return [
        replace(take, features=(take.features * scale[take.actor] + place[take.actor]).astype(np.float32))
        for take in takes
    ]


@pytest.fixture(scope="module")
def takes() -> list[Take]:
    return with_voices(actors_and_emotions(actors=8))


@pytest.fixture(scope="module")
def voice(takes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_cache(tmp_path_factory.mktemp("voice"), takes, stream="audio")


def options(out: Path, **others: Any) -> dict[str, Any]:
    return {"protocol": "group4", "heads": "logreg", "device": "cpu", "out": out} | others


@pytest.fixture(scope="module")
def run(voice, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With two heads, which are fused."""
    out = tmp_path_factory.mktemp("runs") / "run"
    fit_heads(voice, normalise="actor", **options(out, heads=["logreg", "attentive"], epochs=2))
    return out


def uar(folder: Path, head: str = "logreg") -> float:
    records = [record for record in read_run(folder).records if record["head"] == head and record["metric"] == "uar"]
    return float(next(record["value"] for record in records if record["averaging"] == "pooled"))


def test_a_voice_of_ones_own_is_gone_and_the_emotion_is_left(voice, run, tmp_path: Path) -> None:
    fit_heads(voice, **options(tmp_path / "plain"))
    assert uar(run) > uar(tmp_path / "plain") + 0.2
    systems = read_run(run).predictions.systems()
    assert all(SUFFIX in system.features for system in systems)
    assert {system.head for system in systems} >= {"logreg", "attentive"}


@pytest.mark.parametrize("reading", [Reading(), Reading(statistics=("mean", "std"))], ids=["frames", "statistics"])
def test_what_a_head_reads_has_mean_zero_and_spread_one_within_each_actor(voice, reading) -> None:
    plan = FitPlan((voice,), heads=("logreg",), protocol="group4", normalise="actor")
    (system,) = prepare(plan).systems
    features = load_system(plan, system, reading)
    owner = np.repeat([record.actor for record in system.clips.records], np.diff(features.offsets))
    for actor in set(owner):
        frames = features.frames[owner == actor].astype(np.float64)
        np.testing.assert_allclose(frames.mean(0), 0, atol=1e-4)
        np.testing.assert_allclose(frames.std(0), 1, atol=1e-3)


def test_concatenated_caches_and_heads_of_several_streams_are_standardised_too(voice, takes, tmp_path: Path) -> None:
    face = write_cache(tmp_path, takes, name="other", stream="face")
    second = write_cache(tmp_path / "second", takes, name="second", stream="face")
    plan = FitPlan(
        (voice, face), joins=((face, second),), heads=("audio:logreg", "face:logreg", "joint"), protocol="group4",
        normalise="actor",
    )  # fmt: skip
    systems = prepare(plan).systems
    assert all(system.features.endswith(SUFFIX) for system in systems)
    for system in systems:
        features = load_system(plan, system, Reading(statistics=("mean", "std")))
        first = np.flatnonzero([record.actor == system.clips.records[0].actor for record in system.clips.records])
        for stream in (features, *features.also):
            np.testing.assert_allclose(stream.frames[first].mean(0), 0, atol=1e-4)


@pytest.mark.usefixtures("blank_figures")
def test_the_recipe_and_the_report_say_so(run, tmp_path: Path) -> None:
    (entry, *_) = read_run(run).recipe.record["caches"]
    assert entry["transductive"] == "each actor standardised by all clips of the actor"
    assert read_run(run).recipe.plan["normalise"] == "actor"
    page = report(run, out=tmp_path / "report.html").read_text()
    assert "Rows of features named @actor-normalised saw all unlabelled clips of a test actor at once" in page
    assert "over all clips of their actor" in page


def test_the_audit_says_so_and_measures_everything_on_such_features(voice, tmp_path: Path) -> None:
    run = tmp_path / "run"
    fit_heads(voice, normalise="actor", **options(run, protocol="group2"))
    lines = {line.check: line for line in audit(run, caches=voice, device="cpu", quick=True).lines}
    assert lines["nothing transductive"].verdict == "warn"
    assert "each actor standardised by all clips" in lines["nothing transductive"].finding
    assert (lines["per-actor normalisation"].verdict, lines["saved heads give the test rows"].verdict) == (
        "warn",
        "pass",
    )
    assert "the run itself standardises every actor" in lines["per-actor normalisation"].finding


def test_the_terminal_says_so(voice, here, tmp_path: Path) -> None:
    done = here(
        "fit-heads", "--cache", voice, "--protocol", "group4", "--head", "logreg", "--normalise", "actor", "--device",
        "cpu", "--out", tmp_path / "run",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"toy{SUFFIX}: TRANSDUCTIVE, each actor standardised by all their unlabelled clips" in done.stdout
    (row,) = [line for line in done.stdout.splitlines() if line.startswith(f"audio toy{SUFFIX} logreg")]
    assert row.endswith("TRANSDUCTIVE")


def test_heads_that_need_all_clips_of_an_actor_are_not_exported(run, tmp_path: Path) -> None:
    with pytest.raises(HeadError, match=r"all clips of their corpus or actor at once \(@actor-normalised\), which a"):
        export_heads(run, tmp_path / "heads", unchecked=True)


def test_what_cannot_be_standardised_is_refused_by_name(voice, takes, tmp_path: Path) -> None:
    lonely = [*takes, replace(takes[0], clip_id="alone", actor="ravdess:99", performance_id="alone")]
    cache = write_cache(tmp_path / "lonely", lonely, stream="audio")
    with pytest.raises(UsageError, match="ravdess:99 have a single one"):
        fit_heads(cache, normalise="actor", **options(tmp_path / "run"))
    with pytest.raises(UsageError, match="standardises the clips of each actor and none of their views"):
        fit_heads(voice, train_views=voice, normalise="actor", **options(tmp_path / "run"))
    with pytest.raises(UsageError, match="--normalise speaks of two corpora"):
        fit_heads(voice, normalise="corpus", **options(tmp_path / "run"))
    with pytest.raises(UsageError, match="--normalise actor goes with one corpus"):
        fit_heads(train_caches=voice, test_caches=voice, normalise="actor", heads="logreg", device="cpu")
    assert CrossPlan(((voice, voice),), normalise="both").as_fit().normalise == "none"
    assert not (tmp_path / "run").exists()
