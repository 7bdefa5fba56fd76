"""Recordings through a published head, beside what the same head says of the caches of the same recordings."""

from pathlib import Path

import numpy as np
import pytest

from ravfeat.cache import open_cache
from ravfeat.errors import HeadError, UsageError
from ravfeat.media.sound import read_waveform
from ravfeat.predict import FilePrediction
from ravfeat.predict.encode import encode_recordings
from ravfeat.predict.read import EncoderGroup, ToPredict
from ravfeat.predict.windows import Windowing
from ravfeat.predictions import System
from ravfeat.published import load_head
from ravfeat.published.head import PublishedHead
from ravfeat.published.head_models import load_head_models
from ravfeat.published.parts import Need
from ravfeat.published.predictor import recipe_of
from tests.media.videos import noise, write_video
from tests.spoken import Spoken

FOLD = 2
VOICE, FACE = System("audio", "logmel", "logreg"), System("face", "tiny", "logreg")


@pytest.fixture(scope="module")
def head(spoken: Spoken) -> PublishedHead:
    return load_head(spoken.head)


@pytest.fixture(scope="module")
def tested(head: PublishedHead) -> list[str]:
    return [clip.clip_id for clip in head.tested[FOLD][0]]


def predict(head: PublishedHead, spoken: Spoken, *paths: object, **options: object) -> list[FilePrediction]:
    return list(head.predict_files(paths, models=spoken.models, device="cpu", **options))


@pytest.mark.parametrize("fold", [FOLD, "refit", "mean"])
def test_recordings_get_the_probabilities_of_their_caches(head, spoken, tested, fold) -> None:
    predictions = predict(head, spoken, *map(spoken.recording, tested), fold=fold, whole=True)
    with pytest.warns(UserWarning, match="learned from") if fold != FOLD else pytest.MonkeyPatch.context():
        expected = head.probabilities([spoken.voice, spoken.face], tested, fold=fold)
    for system in head.systems:
        got = np.stack([prediction.summary.of(system).probs for prediction in predictions])
        assert np.abs(got - expected[system]).max() < 1e-6
    assert {prediction.trained_on for prediction in predictions} == {fold != FOLD}


def test_features_are_those_of_the_caches_bit_for_bit(head, spoken, tested) -> None:
    models = load_head_models(head, device="cpu", models=spoken.models)
    needs = {need.fingerprint: need for part in head.parts for need in part.needs}
    names = [name for group in models.groups for name in group.encoders]
    groups = [
        EncoderGroup(group.source, {names.index(name): encoder for name, encoder in group.encoders.items()})
        for group in models.groups
    ]
    recipes = {number: recipe_of(needs[name]) for number, name in enumerate(names)}
    caches = {cache.fingerprint: cache for cache in map(open_cache, (spoken.voice, spoken.face))}
    recordings = [ToPredict(str(spoken.recording(clip_id))) for clip_id in tested[:8]]
    for clip_id, encoded in zip(tested, encode_recordings(recordings, groups, recipes, Windowing()), strict=False):
        (of_window,) = encoded.stored
        for number, name in enumerate(names):
            stored = of_window.stored[number]
            assert not isinstance(stored, str)
            assert np.array_equal(stored.block.transpose(1, 0, 2), caches[name][clip_id])
            assert encoded.digests[str(needs[name].identity["stream"])] == caches[name].records()[clip_id].input_sha256


def test_a_long_recording_is_predicted_window_by_window(head, spoken, tested, tmp_path) -> None:
    first, last = (read_waveform(spoken.recording(tested[place])) for place in (0, 5))
    samples = np.concatenate([first.samples, last.samples])
    with head.predictor(systems=VOICE, device="cpu", window_s=0.6) as predictor:
        prediction = predictor((first.sample_rate_hz, samples))
        ends = [predictor((16_000, part)) for part in (samples[: round(0.6 * 16_000)], samples[-round(0.6 * 16_000) :])]
    assert len(prediction.windows) > 2
    assert prediction.windows[-1].end_s == pytest.approx(len(samples) / 16_000)
    for window, alone in zip((prediction.windows[0], prediction.windows[-1]), ends, strict=True):
        assert np.abs(window.of(VOICE).probs - alone.summary.of(VOICE).probs).max() < 1e-6
    mean = np.mean([window.of(VOICE).probs for window in prediction.windows], axis=0)
    assert np.array_equal(prediction.summary.of(VOICE).probs, mean)


def test_windows_of_faces_are_taken_of_pictures_that_are_encoded_once(head, spoken, tested, monkeypatch) -> None:
    counts: list[int] = []
    with head.predictor(systems="face", device="cpu", models=spoken.models, window_s=0.3, hop_s=0.1) as predictor:
        encoder = next(iter(predictor._groups[0].encoders.values()))
        encode = encoder.encode

        def counting(batch):
            counts.append(sum(piece.n_frames for piece in batch))
            return encode(batch)

        monkeypatch.setattr(encoder, "encode", counting)
        prediction = predictor(spoken.recording(tested[0]))
    assert prediction.faces is not None
    assert sum(counts) == len(prediction.faces.times_s)
    assert len(prediction.windows) >= 3
    assert {window.of(FACE).status for window in prediction.windows} == {"ok"}


def test_one_stream_answers_alone_where_the_other_is_missing(head, spoken, tested, tmp_path) -> None:
    video = write_video(tmp_path / "mute.mp4", noise(8), rate=10)
    samples = read_waveform(spoken.recording(tested[0])).samples
    heard, seen = predict(head, spoken, (16_000, samples), video, whole=True)
    fused = head.systems[-1]
    assert heard.summary.of(VOICE).status == seen.summary.of(FACE).status == "ok"
    assert "without pictures" in heard.summary.of(FACE).reason
    assert seen.summary.of(VOICE).reason == "has no audio track"
    for prediction in (heard, seen):
        assert prediction.summary.of(fused).probs is None
        assert "there is no answer of" in prediction.summary.of(fused).reason
    alone = predict(head, spoken, spoken.recording(tested[0]), whole=True, systems=[FACE])[0]
    assert [answer.system for answer in alone.summary.systems] == [FACE]


def test_what_cannot_be_predicted_has_its_own_reason(head, spoken, tested, tmp_path) -> None:
    (tmp_path / "text.mp4").write_text("no video\n")
    files = [spoken.recording(tested[0]), tmp_path / "text.mp4", tmp_path / "gone.wav", spoken.recording(tested[1])]
    samples = [np.zeros(16_000, np.int16), np.full(160, 0.1, np.float32) * np.arange(160) / 160]
    predictions = predict(head, spoken, *files, *((16_000, array) for array in samples), systems=["audio"])
    answered = [prediction.summary.of(VOICE).status == "ok" for prediction in predictions]
    assert answered == [True, False, False, True, False, False]
    reasons = [predictions[number].summary.of(VOICE).reason for number in (1, 2, 4, 5)]
    for reason, expected in zip(reasons, ("cannot be decoded", "is not there", "silent", "too short"), strict=True):
        assert expected in reason
    assert len(set(reasons)) == 4


def test_noise_is_unlike_what_the_head_has_learned_from_and_clips_are_not(head, spoken, tested) -> None:
    rng = np.random.default_rng(0)
    hiss = (16_000, rng.normal(0, 0.1, 16_000).astype(np.float32))
    with head.predictor(systems=[VOICE], device="cpu", fold=FOLD) as predictor:
        odd = predictor(hiss).summary.of(VOICE)
        clips = [prediction.summary.of(VOICE) for prediction in predictor.predict_files(map(spoken.recording, tested))]
    assert odd.unlike
    assert odd.domain > max(clip.domain for clip in clips)
    assert np.mean([clip.unlike for clip in clips]) <= 0.05


def test_encoders_are_loaded_once_for_all_recordings(head, spoken, tested, monkeypatch) -> None:
    loads: list[str] = []
    from ravfeat.published import models

    load = models.load_encoder

    def counting(name, *more, **options):
        loads.append(name)
        return load(name, *more, **options)

    monkeypatch.setattr(models, "load_encoder", counting)
    predict(head, spoken, *map(spoken.recording, tested[:6]))
    assert len(loads) == 2


def test_attention_says_when_the_head_listened(head, spoken, tested) -> None:
    listens, adds = System("audio", "logmel", "attentive"), VOICE
    with head.predictor(systems=["audio"], device="cpu", window_s=0.4) as predictor:
        prediction = predictor(spoken.recording(tested[0]))
    for window in prediction.windows:
        attention = window.of(listens).attention
        assert attention is not None
        assert attention.weights.sum() == pytest.approx(1, abs=1e-5)
        assert (np.diff(attention.times_s) > 0).all()
        assert window.start_s < attention.times_s[0] < attention.times_s[-1] < window.end_s
        assert window.of(adds).attention is None


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"systems": ["text"]}, "no system 'text'; choose from audio / logmel / attentive"),
        ({"whole": True, "hop_s": 1.0}, "leave out whole, or window and hop"),
        ({"window_s": 0.0}, "window of 0 s"),
        ({"fold": 9}, "no heads of fold 9"),
        ({"models": {"wavlm": "x"}}, "reads no features of 'wavlm'"),
    ],
)
def test_options_that_mean_nothing_are_refused(head, options, match) -> None:
    with pytest.raises(UsageError, match=match):
        head.predictor(device="cpu", **options)


def test_an_identity_that_no_extraction_has_is_refused(head: PublishedHead) -> None:
    need = head.parts[0].needs[0]
    bad = Need(need.encoder, need.fingerprint, {**need.identity, "store": "pickles"}, need.content_sha256, need.layers)
    with pytest.raises(HeadError, match=r"identity of the cache 'logmel'.*store"):
        recipe_of(bad)
    bad = Need(need.encoder, need.fingerprint, need.identity, need.content_sha256, (7,))
    with pytest.raises(HeadError, match=r"\[7\] are to be read"):
        recipe_of(bad)


def test_a_predictor_without_a_model_says_which_and_how(head: PublishedHead, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    from ravfeat.errors import EncoderError

    with pytest.raises(EncoderError, match=r"tiny.*--model"):
        head.predictor(device="cpu", offline=True)
