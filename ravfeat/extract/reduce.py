"""Reduce hidden states to what a shard stores: select layers, average or pool frames, cast, hash.

The states of a clip arrive piece by piece and are reduced at once, so that a long clip needs only the
memory of its stored block.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.cache.format import StoreRecipe, features_sha256, layers_sha256
from ravfeat.encoders.base import EncoderInput
from ravfeat.errors import ClipError
from ravfeat.numerics.pooling import average_frames, pool_frames
from ravfeat.numerics.streaming import RunningStatistics
from ravfeat.schema import Stream

__all__ = ["ClipReducer", "StoredClip"]

_EXPONENT = 0x7C00
"""Bits of the exponent of a float16: all of them are set in infinite values and in NaN, and in no other."""


@dataclass(frozen=True)
class StoredClip:
    """Stored block of one clip.

    Attributes
    ----------
    block : ndarray of shape (L', T', D'), in the recipe's dtype
        Layer-major, as in the file.
    times_s : ndarray of shape (T',), float64
        Centre of every stored frame, in seconds.
    columns : mapping of str to ndarray of shape (T',) or (T', n), float32
        Additional values of every stored frame (box, confidence, …), averaged like the frames.
    n_frames, n_fallback, n_several : int
        Encoder frames; those without a face; those with several faces.
    sha256 : str
        Digest of the block, see `ravfeat.cache.format.features_sha256`.
    layers_sha256 : tuple of str
        Digest of every layer.
    """

    block: NDArray[Any]
    times_s: NDArray[np.float64]
    columns: Mapping[str, NDArray[np.float32]]
    n_frames: int
    n_fallback: int
    n_several: int
    sha256: str
    layers_sha256: tuple[str, ...]


class ClipReducer:
    """Apply a store recipe to the states of one clip, piece by piece.

    Parameters
    ----------
    recipe : StoreRecipe
    stream : {"audio", "face"}
        Decides which statistics a pooled cache holds.
    """

    def __init__(self, recipe: StoreRecipe, stream: Stream) -> None:
        self._recipe = recipe
        self._stream: Stream = stream
        self._blocks: list[NDArray[Any]] = []
        self._pending: list[NDArray[np.float32]] = []  # states of an incomplete window, or all of a pooled voice
        self._running = RunningStatistics()  # of faces, which come in many pieces; a voice is a single piece
        self._times: list[NDArray[np.float64]] = []
        self._columns: dict[str, list[NDArray[np.float32]]] = {}

    def add(self, prepared: EncoderInput, states: NDArray[np.float32] | None) -> None:
        """Add the states of the next piece.

        Parameters
        ----------
        prepared : EncoderInput
        states : ndarray of shape (T, L, D), float32, or None
            None where the piece has no frame.

        Raises
        ------
        ClipError
            Where states are NaN or infinite, or too large for the dtype.
        """
        self._times.append(prepared.times_s)
        for name, values in prepared.columns.items():
            self._columns.setdefault(name, []).append(values)
        if states is None or not len(states):
            return
        layers = self._recipe.resolve_layers(states.shape[1])
        if len(layers) < states.shape[1]:
            states = states[:, list(layers)]
        if self._recipe.store == "pooled" and self._stream == "face":
            self._running.add(states)
        elif self._recipe.store == "pooled":
            self._pending.append(states)
        elif self._recipe.frame_stride == 1:
            self._keep(states)
        else:
            self._pending.append(states)
            # Windows run over the whole clip, not over pieces: what does not fill a window waits for the next piece.
            together = np.concatenate(self._pending) if len(self._pending) > 1 else states
            whole = len(together) - len(together) % self._recipe.frame_stride
            if whole:
                self._keep(self._averaged(together[:whole]))
            self._pending = [together[whole:]]

    def finish(self) -> StoredClip:
        """Return the stored block of the clip.

        Raises
        ------
        ClipError
            Where there was no frame, none with a face, or pooled values are too large for the dtype.
        """
        columns = {name: np.concatenate(values) for name, values in self._columns.items()}
        times_s = np.concatenate(self._times) if self._times else np.zeros(0)
        if "found" in columns and not columns["found"].any():
            raise ClipError(f"no face was found in any of its {len(times_s) or ''} pictures".replace("  ", " "))
        if not len(times_s):
            raise ClipError("the encoder gave no frame")
        fallback = int((columns["found"] == 0).sum()) if "found" in columns else 0
        several = int((columns["faces"] > 1).sum()) if "faces" in columns else 0
        seen = (len(times_s), fallback, several)
        if self._recipe.store == "pooled":
            return self._pooled(times_s, columns, seen)
        if self._pending and len(self._pending[0]):
            self._keep(self._averaged(self._pending[0]))
        block = self._blocks[0] if len(self._blocks) == 1 else np.concatenate(self._blocks, axis=1)
        if (stride := self._recipe.frame_stride) > 1:
            starts = range(stride, len(times_s), stride)
            times_s = np.array([window.mean() for window in np.split(times_s, starts)])
            columns = {name: _windows(values, stride) for name, values in columns.items()}
        return StoredClip(block, times_s, columns, *seen, features_sha256(block), layers_sha256(block))

    def _pooled(
        self, times_s: NDArray[np.float64], columns: Mapping[str, NDArray[np.float32]], seen: tuple[int, int, int]
    ) -> StoredClip:
        names = self._recipe.statistics(self._stream)
        if self._stream == "face":
            pooled = self._running.give(names).transpose(1, 0, 2)  # (S, L, D) -> (L, S, D)
        else:
            states = self._pending[0] if len(self._pending) == 1 else np.concatenate(self._pending)
            # A waveform is one piece, so its statistics are exact sums over all frames; faces use running sums.
            pooled = pool_frames(states, np.array([0, len(states)]), names)[0]  # (L, S, D)
        self._keep(pooled.reshape(1, len(pooled), -1))
        means = {name: values.mean(axis=0, keepdims=True, dtype=np.float32) for name, values in columns.items()}
        block = self._blocks[0]
        times_s = times_s.mean(keepdims=True)
        return StoredClip(block, times_s, means, *seen, features_sha256(block), layers_sha256(block))

    def _averaged(self, states: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(average_frames(states, np.array([0, len(states)]), self._recipe.frame_stride)[0], np.float32)

    def _keep(self, states: NDArray[np.float32]) -> None:
        block = states.transpose(1, 0, 2)  # (T, L, D) -> (L, T, D)
        self._blocks.append(_narrow(block, self._recipe.layers, self._recipe.dtype))


def _windows(values: NDArray[np.float32], stride: int) -> NDArray[np.float32]:
    wide = values.reshape(len(values), 1, -1)
    averaged = np.asarray(average_frames(wide, np.array([0, len(values)]), stride)[0], np.float32)
    return averaged.reshape(len(averaged), *values.shape[1:])


def _narrow(block: NDArray[np.float32], layers: Sequence[int] | None, dtype: str) -> NDArray[Any]:
    # Overflow becomes infinity, which is refused below with the layers named.
    with np.errstate(over="ignore"):
        stored = np.ascontiguousarray(block, dtype=dtype)
    if not _finite(stored):
        _refuse(block, stored, range(len(block)) if layers is None else layers)
    return stored


def _finite(stored: NDArray[Any]) -> bool:
    if stored.dtype != np.float16:
        return bool(np.isfinite(stored).all())
    # numpy converts half precision value by value for isfinite; testing the exponent's bits is 20 times as fast.
    return not stored.size or int((stored.view(np.uint16) & _EXPONENT).max()) != _EXPONENT


def _refuse(block: NDArray[np.float32], stored: NDArray[Any], layers: Sequence[int]) -> None:
    def layers_of(finite: NDArray[np.bool_]) -> list[int]:
        return [layers[int(position)] for position in np.flatnonzero(~finite.all(axis=(1, 2)))]

    if wrong := layers_of(np.isfinite(block)):
        raise ClipError(f"the encoder gave NaN or infinite values in layers {wrong}")
    raise ClipError(
        f"values up to {np.abs(block).max():.3g} in layers {layers_of(np.isfinite(stored))} do not fit into float16"
        " (at most 65504); store them with --dtype float32"
    )
