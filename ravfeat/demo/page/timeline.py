"""What happened when: pictures with face boxes, the waveform, where the head listened, windows, one time axis."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ravfeat.demo.page.answers import answers_of, main_answer, percent
from ravfeat.demo.page.attention import is_even, most_attended, relative_attention
from ravfeat.demo.page.columns import COLUMNS, found_line, waveform
from ravfeat.demo.page.pictures import Frame, pictures
from ravfeat.escape import printable
from ravfeat.predict.result import FilePrediction, WindowPrediction

__all__ = ["Frame", "timeline", "window_words"]

_TICK_STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 1800, 3600, 7200, 21600)
_MAX_TICKS = 6
_LAST_TICK = 0.95
"""Of the recording: a later one has no room for its number."""
_MAX_WINDOWS = 40
"""Cells that a wide page has room for; the table of all windows is in a fold-out."""

_WINDOW = Markup(
    '<li class="rv-window rv-{} rv-{}" style="left:{:.3f}%;width:{:.3f}%" title="{:.1f} to {:.1f} s: {}">'
    '<i aria-hidden="true" style="width:{:.1f}%"></i><span>{}</span></li>'
)


def timeline(prediction: FilePrediction, frames: Sequence[Frame] = ()) -> Markup:
    """Draw a recording along its time.

    Parameters
    ----------
    prediction : FilePrediction
    frames : sequence of Frame
        Evenly spaced over the recording.

    Returns
    -------
    Markup
        Empty where there is nothing to draw.
    """
    duration_s = prediction.duration_s
    if not 0 < duration_s < math.inf:
        return Markup()
    heard, seen = (_attention(prediction, stream) for stream in ("audio", "face"))
    lanes = [pictures(frames, prediction.faces)]
    if prediction.faces is not None and len(prediction.faces.times_s):
        lanes.append(found_line(prediction.faces, duration_s, seen))
    if prediction.envelope is not None and len(prediction.envelope.peaks):
        lanes.append(waveform(prediction.envelope, duration_s, heard))
    if has_windows := 1 < len(prediction.windows) <= _MAX_WINDOWS:
        lanes.append(_windows(prediction))
    if not any(lanes):
        return Markup()
    captions = [*_captions(prediction, heard, seen), *(["Boxes: what each window says by itself."] * has_windows)]
    return Markup('<figure class="rv-time" aria-label="Timeline">{}{}<figcaption>{}</figcaption></figure>').format(
        Markup().join(lanes), _axis(duration_s), " ".join(captions)
    )


def _attention(prediction: FilePrediction, stream: str) -> NDArray[np.float64] | None:
    attention = relative_attention(prediction, stream, COLUMNS)
    return None if attention is None or is_even(attention) else attention


def _captions(
    prediction: FilePrediction, heard: NDArray[np.float64] | None, seen: NDArray[np.float64] | None
) -> Iterator[str]:
    if prediction.faces is not None:
        yield "Line under the pictures: a face was found" + (", stronger where the head looked." if seen is not None
                                                             else ".")  # fmt: skip
    if heard is not None:
        start_s, end_s = most_attended(heard, prediction.duration_s)
        yield f"Strong waveform: where the head listened, most from {start_s:.1f} to {end_s:.1f} s."


def _windows(prediction: FilePrediction) -> Markup:
    """Draw what each window says, those that overlap one below the other."""
    ends_s: list[float] = []
    rows: list[list[Markup]] = []
    for window in prediction.windows:
        row = next((row for row, end_s in enumerate(ends_s) if end_s <= window.start_s + 1e-6), len(ends_s))
        if row == len(ends_s):
            ends_s.append(0.0)
            rows.append([])
        ends_s[row] = window.end_s
        rows[row].append(_window(window, prediction))
    lanes = Markup().join(Markup('<ol class="rv-lane rv-windows">{}</ol>').format(Markup().join(row)) for row in rows)
    return Markup('<div role="group" aria-label="Windows">{}</div>').format(lanes)


def _window(window: WindowPrediction, prediction: FilePrediction) -> Markup:
    main = main_answer(answers_of(window))
    words, why, prob = window_words(window, prediction.classes)
    left, right = (
        100 * min(max(time_s / prediction.duration_s, 0.0), 1.0) for time_s in (window.start_s, window.end_s)
    )
    told = f"{words}, {percent(prob)}" if why == "sure" else words
    width = 0.0 if math.isnan(prob) else 100 * prob
    return _WINDOW.format(
        why, main.kind if main else "other", left, right - left, window.start_s, window.end_s, told, width, words
    )


def window_words(window: WindowPrediction, classes: Sequence[str]) -> tuple[str, str, float]:
    """Give what a window says in a word or two, why (see `ravfeat.demo.page.answers.Verdict`), and its probability."""
    main = main_answer(answers_of(window))
    if main is None:
        return "no answer", "failed", math.nan
    verdict = main.verdict(classes)
    return (printable(verdict.label) or verdict.why), verdict.why, verdict.prob


def _axis(duration_s: float) -> Markup:
    step_s = next((step for step in _TICK_STEPS_S if duration_s / step <= _MAX_TICKS), duration_s)
    ticks = Markup().join(
        Markup('<span style="left:{:.3f}%">{:g} s</span>').format(100 * number * step_s / duration_s, number * step_s)
        for number in range(int(duration_s / step_s + 1e-6) + 1)
        if number * step_s <= _LAST_TICK * duration_s
    )
    return Markup('<div class="rv-lane rv-axis" aria-hidden="true">{}</div>').format(ticks)
