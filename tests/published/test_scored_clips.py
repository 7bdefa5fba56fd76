"""Heads that average over views and pool the speech-active part: published, and asked about recordings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from ravfeat.cache import Cache, open_cache
from ravfeat.cache.format import ClipRecord, StoreRecipe
from ravfeat.calibrate import calibrate
from ravfeat.corpora.ravdess import scan_ravdess
from ravfeat.corpora.synth import generate
from ravfeat.encoders.logmel import LogMelEncoder
from ravfeat.errors import CacheError, HeadError, PredictionsError
from ravfeat.experiment.fit import FitPlan, fit_heads
from ravfeat.extract.streams import extract_stream
from ravfeat.faces.source import FaceOptions
from ravfeat.heads import registry
from ravfeat.media.augment import CLEAN
from ravfeat.predictions import Predictions
from ravfeat.published import load_head
from ravfeat.published.caches import read_clips
from ravfeat.published.checks import check_document
from ravfeat.published.export import export_heads
from ravfeat.published.format import open_folder, write_document
from ravfeat.published.head import PublishedHead
from ravfeat.published.sources import parts_of
from ravfeat.runs.read import read_run
from ravfeat.runs.write import write_run
from tests.bothhead import BothHead
from tests.toycaches import actors_and_emotions
from tests.writtencaches import write_cache

VIEWS = (CLEAN, "speed-1:0.8", "speed-1:1.25")
HEADS = {"scores": ("attentive", "logreg"), "statistics": ("logreg",), "none": ("logreg",)}
ACTORS, RATE_HZ = 6, 16_000


@dataclass(frozen=True)
class Told:
    """Recordings, their caches by view, and a run on them that was published."""

    data: Path
    caches: dict[str, Path]
    predictions: Predictions
    head: PublishedHead
    check: str

    def recording(self, clip_id: str) -> Path:
        return next(self.data.rglob(f"{clip_id}.wav"))


class _Without:
    """A cache that lacks a clip, or says something else of clips."""

    def __init__(self, cache: Cache, clip_id: str, **said: str) -> None:
        self._cache, self._clip_id, self._said = cache, clip_id, said

    def records(self, clip_ids: Sequence[str]) -> dict[str, ClipRecord]:
        stored = self._cache.records(clip_ids).items()
        return {clip_id: replace(record, **self._said) for clip_id, record in stored if clip_id != self._clip_id}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cache, name)


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Path]]:
    """Six generated people, two words each of three emotions, amid quiet noise; and their caches by view."""
    folder = tmp_path_factory.mktemp("voices")
    generate(folder / "whole", actors=ACTORS)
    rng = np.random.default_rng(0)
    for path in sorted((folder / "whole").rglob("03-01-0[145]-01-0?-01-*.wav")):
        before, after = (rng.normal(0, 1e-3, int(rng.integers(3000, 9000))) for _ in range(2))
        samples = np.concatenate([before, soundfile.read(path)[0], after])
        (folder / "synth" / path.parent.name).mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / "synth" / path.parent.name / path.name, samples, RATE_HZ, subtype="FLOAT")
    data = folder / "synth"
    results = extract_stream(
        scan_ravdess(data, corpus="synth", synthetic=True), data, [LogMelEncoder()], folder / "cache",
        faces=FaceOptions(), recipe=StoreRecipe(), views=VIEWS,
    )  # fmt: skip
    return data, {view: result.path for view, result in zip(VIEWS, results, strict=True)}


@pytest.fixture(scope="module")
def told(voices: tuple[Path, dict[str, Path]], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Told]:
    """Publish, once for each, a run that averages scores, statistics, or nothing."""
    data, caches = voices
    done: dict[str, Told] = {}

    def of(average: str) -> Told:
        if average not in done:
            out = tmp_path_factory.mktemp(average)
            heads = HEADS[average]
            views = () if average == "none" else tuple(caches[view] for view in VIEWS[1:])
            plan = FitPlan(
                (caches[CLEAN],), heads=heads, protocol="group3", train_views=views, average_views=average, seeds=1,
                settings={"parts": ("whole", "active")} | ({"epochs": 6, "hidden": 8} if "attentive" in heads else {}),
            )  # fmt: skip
            write_run(out / "run", fit_heads(plan), {})
            exported = export_heads(out / "run", out / "head", refitted=average == "statistics")
            predictions = read_run(out / "run").predictions
            done[average] = Told(data, caches, predictions, load_head(out / "head"), exported.check)
        return done[average]

    return of


@pytest.mark.parametrize("average", ["scores", "statistics", pytest.param("none", marks=pytest.mark.slow)])
def test_recordings_get_the_probabilities_that_the_run_gave_their_clips(told, average) -> None:
    it = told(average)
    assert "identical, bit for bit" in it.check
    tested = [clip.clip_id for clip in it.head.tested[1][0]]
    recordings = map(it.recording, tested)
    predictions = list(it.head.predict_files(recordings, fold=1, whole=True, device="cpu"))
    for system in it.head.systems:
        got = np.stack([prediction.summary.of(system).probs for prediction in predictions])
        of_run = calibrate(it.predictions, system).test
        rows = of_run.folds == 1
        assert of_run.clip_ids[rows].tolist() == tested
        assert np.abs(got - of_run.probs[rows]).max() < 1e-5


@pytest.mark.parametrize("average", ["scores", "statistics"])
def test_caches_of_the_clips_and_of_their_views_are_asked_together(told, average) -> None:
    it = told(average)
    clips = [clip.clip_id for clip in it.head.tested[0][0]][:3]
    system = it.head.systems[0]
    expected = calibrate(it.predictions, system).test
    rows = [expected.clip_ids.tolist().index(clip_id) for clip_id in clips]
    got = it.head.predict(it.caches.values(), clips, fold=0, system=system)
    assert np.array_equal(got, expected.probs[rows])
    with pytest.raises(CacheError, match=r"holds features of another kind: view is .*, expected speed-1:1\.25"):
        it.head.predict([it.caches[view] for view in VIEWS[:2]], clips, fold=0, system=system)


def test_a_view_without_a_clip_is_no_smaller_mean_unless_the_run_was_allowed_to(told) -> None:
    it = told("scores")
    (clean, *views) = map(open_cache, it.caches.values())
    part = it.head.parts[0]
    (clip, *_) = it.head.tested[0][0]
    lacking = [_Without(view, clip.clip_id) for view in views]
    with pytest.raises(CacheError, match=f"lacks 1 of 1 clips that are to be averaged .*'{clip.clip_id}'"):
        read_clips(part, [clean, lacking[0], views[1]], [clip])
    assert len(read_clips(part, [clean, lacking[0], views[1]], [clip], allow_missing=True).features) == 2
    assert len(read_clips(part, [clean, *lacking], [clip], allow_missing=True).features) == 1


def test_another_recording_under_the_name_of_a_clip_is_no_view_of_it(told) -> None:
    it = told("scores")
    caches = [open_cache(path) for path in it.caches.values()]
    (clip, *_) = it.head.tested[0][0]
    other = _Without(caches[2], "", input_sha256="0" * 64)
    with pytest.raises(CacheError, match=f"another recording as '{clip.clip_id}' than .*; extract both again"):
        read_clips(it.head.parts[0], [*caches[:2], other], [clip])


def test_the_answer_is_not_that_of_the_clip_alone(told) -> None:
    it = told("scores")
    clips = [clip.clip_id for clip in it.head.tested[0][0]]
    system = it.head.systems[1]
    plain = replace(
        it.head,
        parts=tuple(
            replace(part, average="none", needs=tuple(replace(need, view_names=()) for need in part.needs))
            for part in it.head.parts
        ),
    )
    alone, together = (head.predict(it.caches.values(), clips, fold=0, system=system) for head in (plain, it.head))
    assert np.abs(alone - together).max() > 1e-3


def test_the_recipe_of_a_head_says_what_is_averaged_and_which_parts_are_pooled(told) -> None:
    it = told("statistics")
    (first,) = it.head.about["systems"]
    assert first["average_views"] == "statistics"
    assert first["caches"][0]["views"] == list(VIEWS[1:])
    assert "active:mean" in first["reading"]["statistics"]
    card = (it.head.path / "card.md").read_text(encoding="utf-8")
    assert "the mean statistics of clean + speed-1:0.8 + speed-1:1.25" in card
    assert (it.head.about["format_version"], told("none").head.about["format_version"]) == (2, 1)
    assert "average_views" not in told("none").head.about["systems"][0]
    assert "views" not in told("none").head.about["systems"][0]["caches"][0]


def test_a_recording_too_short_for_a_fast_view_says_which(told) -> None:
    it = told("scores")
    samples = np.random.default_rng(0).normal(0, 0.1, 450).astype(np.float32)
    with it.head.predictor(device="cpu", whole=True) as predictor:
        answer = predictor((RATE_HZ, samples)).summary.of(it.head.systems[0])
    assert answer.probs is None
    assert answer.reason.startswith("too short: 360 samples at 16 kHz")
    assert answer.reason.endswith("(view speed-1:1.25)")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"average": "none"}, "averages none over 2 views, which cannot be"),
        ({"view_names": ()}, "averages scores over 0 views, which cannot be"),
        ({"view_names": ("speed-1:0.8", "speed-1:0.8")}, "views names 'speed-1:0.8' twice"),
        ({"view_names": ("echo-1:seed0",)}, "no view 'echo'.*; use the ravfeat that wrote it"),
        ({"view_names": ("clean",)}, "views are changed sound, and \\['clean'\\] are to be views"),
        ({"stream": "face"}, "views are changed sound, and "),
        ({"view_names": ("crop-1:seed0",), "active": True}, "pools the active part of .'crop-1:seed0'., which is not"),
        ({"average": "statistics", "window": True}, "averages statistics over views and reads frames"),
    ],
)
def test_a_recipe_whose_views_cannot_be_is_refused(told, change: dict[str, Any], message: str) -> None:
    head = told("scores").head
    part, *others = head.parts
    (need,) = part.needs
    if "view_names" in change:
        need = replace(need, view_names=change["view_names"])
    if "stream" in change:
        need = replace(need, identity={**need.identity, "stream": "face"})
    if "active" in change:
        part = replace(part, reading=replace(part.reading, statistics=("active:mean",)))
    reading = replace(part.reading, statistics=() if "window" in change else part.reading.statistics)
    part = replace(part, needs=(need,), reading=reading, average=change.get("average", part.average))
    with pytest.raises(HeadError, match=message):
        check_document(head.path, head.folder.document, (part, *others))


def test_an_older_format_that_averages_over_views_is_refused(told, tmp_path: Path) -> None:
    document = {name: value for name, value in told("scores").head.about.items() if name != "sha256"}
    write_document(tmp_path, document | {"format_version": 1})
    with pytest.raises(HeadError, match="averages over views and has version 1, whose readers do not; expected"):
        open_folder(tmp_path)


def test_a_view_that_is_of_none_of_the_caches_is_not_left_out(told) -> None:
    it = told("scores")
    run = it.head.path.parent / "run"
    read = read_run(run)
    (inputs, *others) = read.recipe.caches
    odd = replace(inputs, views=(inputs.views[0], replace(inputs.views[1], fingerprint="0" * 12)))
    with pytest.raises(PredictionsError, match=r"of the 2 views over which .* is averaged, some are not of its caches"):
        parts_of(run, read.predictions, replace(read.recipe, caches=(odd, *others)))


# --- several streams


@pytest.mark.parametrize("average", ["scores", pytest.param("statistics", marks=pytest.mark.slow)])
def test_a_head_over_a_voice_and_a_face_averages_over_the_views_of_the_voice(
    average, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.HEADS, BothHead.name, BothHead)
    takes = actors_and_emotions(actors=6)
    faces = [replace(take, performance_id=take.clip_id, clip_id=f"face-{take.clip_id}") for take in reversed(takes)]
    voice = write_cache(tmp_path, takes, name="voice", stream="audio")
    face = write_cache(tmp_path, faces, name="face")
    # The face first: the head says in which order it reads. One view lacks a clip.
    views = [
        write_cache(tmp_path, takes, name="voice", stream="audio", view=view, heard=heard, lost=lost)
        for view, heard, lost in (
            (VIEWS[1], actors_and_emotions(actors=6, seed=1), ()),
            (VIEWS[2], actors_and_emotions(actors=6, seed=2), (takes[0].clip_id,)),
        )
    ]
    plan = FitPlan(
        (face, voice), heads=("both",), protocol="group3", layers="1", train_views=tuple(views), average_views=average,
        allow_missing=True,
    )  # fmt: skip
    write_run(tmp_path / "run", fit_heads(plan), {})
    assert "identical, bit for bit" in export_heads(tmp_path / "run", tmp_path / "head").check
    head = load_head(tmp_path / "head")
    (part,) = head.parts
    assert [(need.encoder, need.view_names) for need in part.needs] == [("voice", VIEWS[1:]), ("face", ())]
    expected = calibrate(read_run(tmp_path / "run").predictions, part.system).test
    for clip_id in (takes[0].clip_id, takes[-1].clip_id):
        row = expected.clip_ids.tolist().index(clip_id)
        got = head.predict([voice, face, *views], [clip_id], fold=int(expected.folds[row]))
        assert np.array_equal(got[0], expected.probs[row])
