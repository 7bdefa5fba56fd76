"""Answer a recording with the page: predict, look at pictures, put into words; a mistake becomes a sentence."""

import math
import re
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

from markupsafe import Markup, escape

from ravfeat.demo.page import HeadFacts, of_streams, page
from ravfeat.demo.thumbnails import thumbnails
from ravfeat.errors import RavfeatError
from ravfeat.escape import printable
from ravfeat.media.probe import probe_duration
from ravfeat.predict.result import FilePrediction, WindowPrediction

__all__ = ["MAX_S", "SLACK_S", "Answerer", "no_answer"]

MAX_S = 30.0
"""Longest recording that is answered; longer ones are for ``ravfeat predict``."""

SLACK_S = 0.5
"""Recorders stop a little late."""

_ADVICE = re.compile(r"; [^;]*(ffmpeg -|'ravfeat ).*", re.DOTALL)
_NO_ANSWER = Markup(
    '<section class="rv-page" aria-label="Answer"><p class="rv-sentence rv-open">No answer: {}.</p></section>'
)


@dataclass(frozen=True)
class Answerer:
    """Turns recordings into HTML, one at a time.

    Attributes
    ----------
    predict : callable
        From a file to its prediction, as `ravfeat.predict.Predictor` does.
    facts : HeadFacts
    """

    predict: Callable[[Path], FilePrediction]
    facts: HeadFacts
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def answer(self, path: Path, streams: Collection[str] | None = None) -> Markup:
        """Answer one recording.

        Parameters
        ----------
        path : Path
        streams : collection of str, optional
            Whose answers are shown; all by default.

        Returns
        -------
        Markup
            The page's fragment; where there is no answer, a sentence that says why.
        """
        length_s = _length_s(path)
        if length_s > MAX_S + SLACK_S:
            return no_answer(
                f"the recording is {length_s:.0f} s long, and at most {MAX_S:.0f} s are answered here; take a part"
            )
        try:
            with self._lock:
                prediction = self.predict(path)
        except RavfeatError as error:
            return _named(no_answer(str(error)), path)
        if streams is not None:
            prediction = of_streams(prediction, streams)
        prediction = replace(
            prediction,
            summary=_with_reasons_for_visitors(prediction.summary),
            windows=tuple(map(_with_reasons_for_visitors, prediction.windows)),
        )
        frames = [] if prediction.faces is None else thumbnails(path)
        return _named(page(prediction, self.facts, frames=frames), path)


def no_answer(reason: str) -> Markup:
    """Give the page's fragment that says why there is no answer."""
    return _NO_ANSWER.format(printable(_for_visitors(reason)))


def _for_visitors(reason: str) -> str:
    """Leave out advice on programs, which a visitor need not have."""
    return _ADVICE.sub("", reason)


def _with_reasons_for_visitors(window: WindowPrediction) -> WindowPrediction:
    systems = tuple(replace(system, reason=_for_visitors(system.reason)) for system in window.systems)
    return replace(window, systems=systems)


def _length_s(path: Path) -> float:
    """Give the longer of sound and pictures; NaN where neither can be read, which the predictor puts into words."""
    lengths = [probe_duration(path, "audio"), probe_duration(path, "video")]
    return max((length for length in lengths if not math.isnan(length)), default=math.nan)


def _named(html: Markup, path: Path) -> Markup:
    # Where the server keeps it is nobody's business; reasons name the file.
    return html.replace(escape(str(path)), "the recording")
