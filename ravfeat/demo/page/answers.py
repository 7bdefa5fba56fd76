"""What a window's systems answer, in the words of the page: together, voice, face; sure, unsure, unlike, failed."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ravfeat.escape import printable
from ravfeat.predict.result import FilePrediction, SystemPrediction, WindowPrediction
from ravfeat.predictions import System
from ravfeat.schema import FUSED_STREAMS

__all__ = [
    "Answer", "Kind", "Verdict", "answers_of", "main_answer", "of_streams", "percent", "stream_names", "sure_from",
]  # fmt: skip

Kind = Literal["together", "voice", "face", "other"]

_KINDS: dict[str, tuple[Kind, str]] = {
    "fused": ("together", "together"),
    "audio": ("voice", "voice"),
    "face": ("face", "face"),
    "other": ("other", "other features"),
    "joint": ("other", "joint network"),
    "av": ("other", "voice and face in one"),
}
_ORDER: tuple[str, ...] = tuple(_KINDS)


@dataclass(frozen=True)
class Verdict:
    """What an answer comes to.

    Attributes
    ----------
    label : str
        The emotion that is named; empty where none is.
    prob : float
        Of the most probable emotion; NaN without an answer.
    why : {"sure", "unsure", "unlike", "failed"}
    """

    label: str
    prob: float
    why: Literal["sure", "unsure", "unlike", "failed"]


@dataclass(frozen=True)
class Answer:
    """What one system says of one stretch of time.

    Attributes
    ----------
    kind : {"together", "voice", "face", "other"}
        Chooses the colour.
    name : str
        ``voice``, or ``voice (attentive)`` where several systems listen.
    probs : ndarray of shape (K,) or None
    reason : str
        Why there are none.
    unlike : bool
        Whether the recording is unlike what the head has learned from.
    """

    kind: Kind
    name: str
    probs: NDArray[np.float64] | None
    reason: str = ""
    unlike: bool = False

    def verdict(self, classes: Sequence[str]) -> Verdict:
        """Name the most probable emotion, or say why none is named."""
        if self.probs is None:
            return Verdict("", float("nan"), "failed")
        place = int(np.argmax(self.probs))
        prob = float(self.probs[place])
        if self.unlike:
            return Verdict("", prob, "unlike")
        return Verdict(classes[place], prob, "sure") if prob >= sure_from(len(classes)) else Verdict("", prob, "unsure")


def answers_of(window: WindowPrediction) -> tuple[Answer, ...]:
    """Give the answers in the order of the page: together, then voices, faces, others.

    The two mixtures that the fusion did not choose are left out.
    """
    shown = [prediction for prediction in window.systems if prediction.system.stream not in FUSED_STREAMS[1:]]
    shown.sort(key=lambda prediction: _ORDER.index(prediction.system.stream))
    names = stream_names([prediction.system for prediction in shown])
    return tuple(_answer(prediction, name) for prediction, name in zip(shown, names, strict=True))


def _answer(prediction: SystemPrediction, name: str) -> Answer:
    kind = _KINDS[prediction.system.stream][0]
    return Answer(kind, name, prediction.probs, prediction.reason, prediction.unlike)


def stream_names(systems: Sequence[System]) -> list[str]:
    """Name systems by their stream, and by head or features too where streams have several."""
    streams = Counter(system.stream for system in systems)
    names = []
    for system in systems:
        same = [other for other in systems if other.stream == system.stream]
        tell = [system.head] if len({other.head for other in same}) == len(same) else [system.features, system.head]
        more = "" if streams[system.stream] == 1 else f" ({' '.join(tell)})"
        names.append(printable(_KINDS[system.stream][1] + more))
    return names


def main_answer(answers: Sequence[Answer]) -> Answer | None:
    """Give the answer that counts: together where there is one, else the first system that has any."""
    return next((answer for answer in answers if answer.probs is not None), None)


def of_streams(prediction: FilePrediction, streams: Collection[str]) -> FilePrediction:
    """Keep the systems of some streams, such as ``audio``; without any other, nothing is said of pictures."""

    def kept(window: WindowPrediction) -> WindowPrediction:
        systems = tuple(entry for entry in window.systems if entry.system.stream in streams)
        return replace(window, systems=systems)

    windows = tuple(kept(window) for window in prediction.windows)
    faces = prediction.faces if set(streams) - {"audio"} else None
    return replace(prediction, windows=windows, summary=kept(prediction.summary), faces=faces)


def sure_from(n_classes: int) -> float:
    """Give the probability from which on an emotion is named.

    The probabilities are calibrated, so an answer with less than a half is more often wrong than right; of two
    emotions, where one always has a half, it must be half as likely again as chance.

    Examples
    --------
    >>> sure_from(8), sure_from(2)
    (0.5, 0.75)
    """
    return max(0.5, 1.5 / n_classes)


def percent(prob: float) -> str:
    """Write a probability; none is certain.

    Examples
    --------
    >>> percent(0.634), percent(0.002), percent(0.9991)
    ('63 %', '< 1 %', '> 99 %')
    """
    if prob > 0.995:
        return "> 99 %"
    return "< 1 %" if prob < 0.005 else f"{100 * prob:.0f} %"
