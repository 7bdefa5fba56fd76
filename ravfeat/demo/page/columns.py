"""Drawings of many thin columns: a waveform, and the line that says where a face was found."""

from itertools import pairwise

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from ravfeat.predict.result import Envelope, FaceTrace

__all__ = ["COLUMNS", "found_line", "waveform"]

COLUMNS = 400
"""As many as a wide page shows apart."""

_EDGES = (0.5, 0.85, 1.2, 1.7)
"""Between levels of relative attention; even attention is in the middle of them."""
_PLAIN = 3
"""Level of what is drawn without attention."""

_QUIETEST = 1e-3
_LEAST = 0.02

_FLOATS = NDArray[np.float64]


def waveform(envelope: Envelope, duration_s: float, attention: _FLOATS | None) -> Markup:
    """Draw a waveform, stronger where the head listened.

    Parameters
    ----------
    envelope : Envelope
    duration_s : float
    attention : ndarray of shape (COLUMNS,) or None
        Relative weights, 1 where they are even.
    """
    places = np.minimum(
        (np.arange(COLUMNS + 1) * duration_s / COLUMNS * envelope.rate_hz).astype(np.int64), len(envelope.peaks)
    )
    peaks = [envelope.peaks[start : max(end, start + 1)].max(initial=0.0) for start, end in pairwise(places)]
    heights = np.nan_to_num(np.array(peaks, np.float64))
    # A quiet recording is drawn as large as a loud one: it is its form that is looked at.
    heights = np.maximum(heights / max(heights.max(initial=0.0), _QUIETEST), _LEAST)
    return _drawing("rv-wave", heights, attention)


def found_line(faces: FaceTrace, duration_s: float, attention: _FLOATS | None) -> Markup:
    """Draw a line where a face was found, stronger where the head looked; see `waveform`."""
    centres_s = (np.arange(COLUMNS) + 0.5) * duration_s / COLUMNS
    edges = (faces.times_s[1:] + faces.times_s[:-1]) / 2
    heights = faces.found[np.searchsorted(edges, centres_s)].astype(np.float64)
    return _drawing("rv-found", heights, attention)


def _drawing(name: str, heights: _FLOATS, attention: _FLOATS | None) -> Markup:
    """Draw columns around a middle line, in one path for each level of attention."""
    levels = np.full(len(heights), _PLAIN) if attention is None else np.digitize(attention, _EDGES)
    paths = Markup().join(_path(level, heights, levels == level) for level in range(len(_EDGES) + 1))
    # No text in it: it would shrink with the page.
    drawing = '<svg class="rv-lane {}" viewBox="0 0 {} 100" preserveAspectRatio="none" aria-hidden="true">{}</svg>'
    return Markup(drawing).format(name, len(heights), paths)


def _path(level: int, heights: _FLOATS, chosen: NDArray[np.bool_]) -> Markup:
    steps = "".join(
        f"M{place} {50 - 50 * heights[place]:.1f}h1v{100 * heights[place]:.1f}h-1z"
        for place in np.flatnonzero(chosen & (heights > 0))
    )
    return Markup('<path class="rv-level-{}" d="{}"/>').format(level, steps) if steps else Markup()
