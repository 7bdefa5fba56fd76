"""Keep the encoded pictures of a recording, and store any stretch of them as an extraction would store a clip."""

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from ravfeat.cache.format import StoreRecipe
from ravfeat.encoders.base import EncoderInput
from ravfeat.errors import ClipError
from ravfeat.extract.reduce import ClipReducer, StoredClip
from ravfeat.predict.result import FaceTrace
from ravfeat.predict.windows import Window
from ravfeat.resources import format_size, memory_budget

__all__ = ["WHOLE", "EncodedFrames", "FrameCollector"]

WHOLE: Window = (-math.inf, math.inf)

_Piece = tuple[EncoderInput, NDArray[np.float32] | None]


class EncodedFrames:
    """The encoded pictures of one recording.

    Parameters
    ----------
    recipe : StoreRecipe
    pieces : list of (EncoderInput, ndarray of shape (T, L, D) or None)
    """

    def __init__(self, recipe: StoreRecipe, pieces: list[_Piece]) -> None:
        # The layers were chosen when the pieces came.
        self._recipe, self._pieces = replace(recipe, layers=None), pieces
        self.times_s: NDArray[np.float64] = np.concatenate([piece.times_s for piece, _ in pieces] or [np.zeros(0)])

    def shares(self, window: Window = WHOLE) -> tuple[float, float]:
        """Give the shares of a window's pictures with a face, and with several; NaN where it is not known."""
        inside = (self.times_s >= window[0]) & (self.times_s < window[1])
        known = {name: values[inside] for name, values in self.columns.items() if inside.any()}
        found = float(known["found"].mean()) if "found" in known else math.nan
        return found, float((known["faces"] > 1).mean()) if "faces" in known else math.nan

    @property
    def trace(self) -> FaceTrace | None:
        """Where the face was."""
        if "box" not in self.columns:
            return None
        return FaceTrace(self.times_s, self.columns["box"], self.columns["found"] > 0)

    @cached_property
    def columns(self) -> Mapping[str, NDArray[np.float32]]:
        """Box, confidence, whether a face was found … of every picture."""
        names = self._pieces[0][0].columns if self._pieces else {}
        return {name: np.concatenate([piece.columns[name] for piece, _ in self._pieces]) for name in names}

    def stored(self, window: Window = WHOLE) -> StoredClip:
        """Reduce the pictures of a window.

        Raises
        ------
        ClipError
            Where it has no picture, or none with a face.
        """
        if len(self.times_s) and not ((self.times_s >= window[0]) & (self.times_s < window[1])).any():
            raise ClipError(f"no picture between {window[0]:.1f} and {window[1]:.1f} s")
        reducer = ClipReducer(self._recipe, "face")
        for prepared, states in self._pieces:
            inside = (prepared.times_s >= window[0]) & (prepared.times_s < window[1])
            if inside.any():
                columns = {name: values[inside] for name, values in prepared.columns.items()}
                # Whoever reduces looks at times and columns only.
                piece = EncoderInput(prepared.values[:0], prepared.times_s[inside], columns)
                reducer.add(piece, None if states is None else states[inside])
        return reducer.finish()


class FrameCollector:
    """Collect the hidden states of a recording's pictures; see `ravfeat.extract.encode.Reducer`.

    Parameters
    ----------
    recipe : StoreRecipe
    """

    def __init__(self, recipe: StoreRecipe) -> None:
        self._recipe = recipe
        self._pieces: list[_Piece] = []
        self._n_bytes, self._limit = 0, memory_budget() // 4

    def add(self, prepared: EncoderInput, states: NDArray[np.float32] | None) -> None:
        """Keep the states (T, L, D) of the next piece, of the layers that are stored.

        Raises
        ------
        ClipError
            Where they take more than a quarter of the memory allowed.
        """
        if states is not None:
            states = states[:, list(self._recipe.resolve_layers(states.shape[1]))]
            self._n_bytes += states.nbytes
        if self._n_bytes > self._limit:
            raise ClipError(
                f"too long: its pictures take more than {format_size(self._limit)} of memory once they are encoded;"
                " split the recording"
            )
        # The pictures themselves are not needed any more.
        kept = EncoderInput(prepared.values[:0].copy(), prepared.times_s, prepared.columns)
        self._pieces.append((kept, states))

    def finish(self) -> EncodedFrames:
        """Give what was collected."""
        return EncodedFrames(self._recipe, self._pieces)
