"""Outputs of the encoder's frozen lower layers: computed once per clip and kept in memory while a budget lasts.

The lower layers never change and have no dropout, so their output for an unchanged clip is the same in every epoch
and fold. Beyond the budget it is computed again. It is kept in full precision, so results do not depend on which.

Conventions
-----------
Axes: K lower layers, T frames that the trained layers attend to, W windows of the clip's frames, D dimensions.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ravfeat.encoders.base import EncoderInput
from ravfeat.encoders.top_layers import SplitEncoder
from ravfeat.finetune.clips import ClipReader, ReadClip
from ravfeat.finetune.plan import Context
from ravfeat.finetune.steps import window_means
from ravfeat.resources import physical_memory

__all__ = ["KEPT_BYTES", "FrozenClip", "FrozenStates"]

KEPT_BYTES = physical_memory() // 4
"""Memory that kept states may take: a quarter of the machine's."""

_AHEAD = 2
"""Batches that are read while one is computed."""

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class FrozenClip:
    """Input of the trained layers and of the head, for one clip.

    Attributes
    ----------
    entry : Tensor of shape (T, D), float32
        Input of the first trained layer.
    means : Tensor of shape (K + 1, W, D), float32
        Outputs of layers 0 to K, averaged over windows.
    n_frames : int
        Frames of the clip without padding, at most T.
    """

    entry: Tensor
    means: Tensor
    n_frames: int

    @property
    def n_bytes(self) -> int:
        """Memory it takes."""
        return 4 * (self.entry.numel() + self.means.numel())


class FrozenStates:
    """The lower part of an encoder over the clips of a corpus.

    Parameters
    ----------
    split : SplitEncoder
    reader : ClipReader
    clips : sequence of ReadClip
    window : int
        Frames that a head averages.
    context : {"encoder", "clip"}
    kept_bytes : int
        Memory that kept states may take.
    """

    def __init__(
        self,
        split: SplitEncoder,
        reader: ClipReader,
        clips: Sequence[ReadClip],
        *,
        window: int,
        context: Context,
        kept_bytes: int | None = None,
    ) -> None:
        self._split, self._reader, self._clips = split, reader, clips
        self._window, self._context = window, context
        self._kept: dict[int, FrozenClip] = {}
        self._room = KEPT_BYTES if kept_bytes is None else kept_bytes

    def of(self, batches: Sequence[Rows], *, draw: int | None = None) -> Iterator[list[FrozenClip]]:
        """Give the states of clips, batch after batch; the next batches are read meanwhile.

        Parameters
        ----------
        batches : sequence of ndarray of int64
        draw : int, optional
            Seed of the reader's view; None reads the clips as they are.

        Raises
        ------
        MediaError, ClipError
            Where a clip cannot be read any more.
        """

        # A clip whose states are kept is not read; it is then missing in the answer, and taken from what is kept.
        def read(rows: list[int]) -> dict[int, EncoderInput]:
            if draw is not None:
                return {row: self._reader.changed(self._clips[row], draw) for row in rows}
            return {row: self._reader.clean(self._clips[row]) for row in rows if row not in self._kept}

        numbers = [batch.tolist() for batch in batches]
        # One thread, so that batches come in order; it decodes while the network computes.
        with ThreadPoolExecutor(1, thread_name_prefix="read") as pool:
            ahead = deque(pool.submit(read, rows) for rows in numbers[:_AHEAD])
            for position, rows in enumerate(numbers):
                prepared = ahead.popleft().result()
                ahead.extend(
                    pool.submit(read, next_rows) for next_rows in numbers[position + _AHEAD : position + _AHEAD + 1]
                )
                yield [self._kept[row] if row not in prepared else self._run(row, prepared[row], draw) for row in rows]

    def _run(self, row: int, prepared: EncoderInput, draw: int | None) -> FrozenClip:
        states = self._split.lower(prepared)  # (K + 1, T, D)
        n = prepared.n_frames
        means = window_means(states[:, None, :n], [n], self._window)[:, 0]
        entry = states[-1] if self._context == "encoder" else states[-1, :n]
        # A copy: a view would keep the states of all lower layers in memory.
        clip = FrozenClip(entry.clone().cpu(), means.cpu(), n)
        # Only unchanged clips come again; a view is another one in the next epoch.
        if draw is None and clip.n_bytes <= self._room:
            self._room -= clip.n_bytes
            self._kept[row] = clip
        return clip
