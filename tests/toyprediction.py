"""Predictions that a test makes up: a voice, a face and both together, of one recording."""

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from ravfeat.demo.page import Frame, HeadFacts, LearnedLayers, Score
from ravfeat.predict.result import (
    Attention,
    Envelope,
    FaceTrace,
    FilePrediction,
    SystemPrediction,
    WindowPrediction,
)
from ravfeat.predictions import System
from ravfeat.schema import RAVDESS_LABELS

VOICE = System("audio", "whisper-tiny-en", "attentive")
FACE = System("face", "fer-mini-xception+landmarks", "logreg")
FUSED = System("fused", "whisper-tiny-en+fer-mini-xception+landmarks", "attentive+logreg")


def probs_of(label: str, prob: float, second: str = "calm", classes: Sequence[str] = RAVDESS_LABELS) -> np.ndarray:
    """Probabilities with one label ahead; most of the rest goes to a second one."""
    rest = 1 - prob
    probs = np.full(len(classes), 0.3 * rest / (len(classes) - 2))
    probs[classes.index(second)] = 0.7 * rest
    probs[classes.index(label)] = prob
    return probs


def window_of(
    said: Mapping[System, tuple[str, float] | str], start_s: float = 0.0, end_s: float = 4.0, **changes: Any
) -> WindowPrediction:
    """A window in which systems say an emotion with a probability, or have a reason for no answer."""
    systems = []
    for system, answer in said.items():
        if isinstance(answer, str):
            systems.append(SystemPrediction(system, None, answer))
            continue
        times_s = np.arange(start_s + 0.01, end_s, 0.02)
        peak = start_s + 0.4 * (end_s - start_s)
        weights = np.exp(-(((times_s - peak) / 0.5) ** 2)) + 0.1
        attention = Attention(times_s, (weights / weights.sum()).astype(np.float32)) if system == VOICE else None
        systems.append(SystemPrediction(system, probs_of(*answer), domain=0.9, attention=attention))
    facts = {"face_found": 0.97, "faces_several": 0.0, "speech_db": -24.0} | changes
    return WindowPrediction(start_s, end_s, tuple(systems), **facts)


def prediction_of(
    said: Mapping[System, tuple[str, float] | str] | None = None,
    windows: Sequence[WindowPrediction] = (),
    *,
    file: str = "recording.webm",
    duration_s: float = 4.0,
    **changes: Any,
) -> FilePrediction:
    """A recording of a voice and a face."""
    said = {VOICE: ("happy", 0.71), FACE: ("surprised", 0.55), FUSED: ("surprised", 0.634)} if said is None else said
    rng = np.random.default_rng(0)
    if math.isnan(duration_s):  # nothing could be read
        return FilePrediction(file, RAVDESS_LABELS, duration_s, (), window_of(said, duration_s, duration_s), **changes)
    times_s = np.arange(0, duration_s, 0.1)
    peaks = np.abs(np.sin(np.arange(int(100 * duration_s)) / 17)) * rng.uniform(0.2, 1, int(100 * duration_s)) * 0.4
    left = 120 + 10 * np.sin(times_s)
    boxes = np.stack([left, 40 + 0 * times_s, left + 90, 150 + 0 * times_s], axis=1).astype(np.float32)
    summary = window_of(said, 0.0, duration_s)
    facts: dict[str, Any] = {
        "summary": summary,
        "windows": tuple(windows) or (summary,),
        "envelope": Envelope(100.0, peaks.astype(np.float32)),
        "faces": FaceTrace(times_s, boxes, np.arange(len(times_s)) % 13 != 7) if FACE in said else None,
    }
    return FilePrediction(file, RAVDESS_LABELS, duration_s, **(facts | changes))


def unlike(prediction: FilePrediction, *systems: System) -> FilePrediction:
    """The same, of a recording that systems have learned nothing like."""

    def marked(window: WindowPrediction) -> WindowPrediction:
        kept = tuple(replace(s, unlike=s.unlike or s.system in systems) for s in window.systems)
        return replace(window, systems=kept)

    return replace(prediction, windows=tuple(map(marked, prediction.windows)), summary=marked(prediction.summary))


def facts_of_toy(**changes: Any) -> HeadFacts:
    """Facts of a head with a voice, a face and both together."""
    layers = {layer: 0.12 + 0.1 * (layer in (2, 3)) for layer in range(5)}
    scores = (
        Score(VOICE, "wa", 0.767, 0.73, 0.80, 1440),
        Score(FACE, "wa", 0.61, 0.57, 0.65, 1440),
        Score(FUSED, "wa", 0.868, 0.84, 0.89, 1440),
        Score(FUSED, "uar", 0.871, 0.84, 0.90, 1440),
    )
    facts: dict[str, Any] = {
        "name": "voice-and-face", "corpus": "ravdess", "protocol": "ravdess6", "actors": 24, "refitted": True,
        "scores": scores, "layers": (LearnedLayers(VOICE, {k: v / sum(layers.values()) for k, v in layers.items()}),),
    }  # fmt: skip
    return HeadFacts(**(facts | changes))


def frames_of(n: int = 6, duration_s: float = 4.0, size: tuple[int, int] = (320, 180)) -> list[Frame]:
    """Pictures of coloured clouds."""
    frames = []
    for number in range(n):
        rng = np.random.default_rng(number)
        cloud = Image.fromarray(rng.integers(60, 200, (3, 5, 3), np.uint8)).resize((160, 90), Image.Resampling.BICUBIC)
        file = io.BytesIO()
        cloud.save(file, "JPEG")
        frames.append(Frame((number + 0.5) * duration_s / n, file.getvalue(), *size))
    return frames
