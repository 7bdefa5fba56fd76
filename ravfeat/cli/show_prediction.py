"""Describe the prediction of a recording in a few lines of text."""

import math

import numpy as np

from ravfeat.escape import printable
from ravfeat.predict.result import FilePrediction, SystemPrediction

__all__ = ["describe"]


def describe(prediction: FilePrediction) -> str:
    """Say what every system predicts of a recording, and what speaks against believing it."""
    windows = f", {len(prediction.windows)} windows" if len(prediction.windows) > 1 else ""
    length = "" if math.isnan(prediction.duration_s) else f" ({prediction.duration_s:.1f} s{windows})"
    summary = prediction.summary
    lines = [f"{printable(prediction.file)}{length}", *(_line(prediction, answer) for answer in summary.systems)]
    if prediction.trained_on:
        lines.append("  this recording trained the head: its prediction is no test")
    if summary.faces_several > 0:
        lines.append(f"  several faces in {summary.faces_several:.0%} of the pictures; the largest is followed")
    if summary.face_found < 1:
        lines.append(f"  a face in {summary.face_found:.0%} of the pictures")
    return "\n".join(lines)


def _line(prediction: FilePrediction, answer: SystemPrediction) -> str:
    name = str(answer.system)
    if answer.probs is None:
        return f"  {name}: no answer: {printable(answer.reason)}"
    order = np.argsort(-answer.probs, kind="stable")[:2]
    told = ", ".join(f"{printable(prediction.classes[place])} {answer.probs[place]:.0%}" for place in order)
    windows = [window.of(answer.system) for window in prediction.windows]
    lacking = [window.reason for window in windows if window.probs is None]
    gaps = f"; no answer in {len(lacking)} of {len(windows)} windows: {lacking[0]}" if lacking else ""
    unlike = f"; unlike what this head has learned from ({answer.domain:.1f})" if answer.unlike else ""
    return f"  {name}: {told}{unlike}{gaps}{_changes(prediction, answer)}"


def _changes(prediction: FilePrediction, answer: SystemPrediction) -> str:
    """List the predicted classes over time, where they change."""
    windows = [window.of(answer.system) for window in prediction.windows]
    places = [int(np.argmax(window.probs)) for window in windows if window.probs is not None]
    names = [printable(prediction.classes[place]) for place in places]
    changed = [name for number, name in enumerate(names) if number == 0 or names[number - 1] != name]
    return f"; over time {', '.join(changed)}" if len(changed) > 1 else ""
