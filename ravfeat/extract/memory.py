"""Start batches on an encoder; where memory runs out, go on with smaller ones and remember the size that worked."""

import logging
import math
from collections.abc import Callable, Sequence
from typing import Any

from ravfeat.encoders.base import Encoder, EncodingBatch, FinishedBatch, start_encoding
from ravfeat.errors import ClipError
from ravfeat.extract.postprocess import QueuedPiece
from ravfeat.manifest import Clip

__all__ = ["BatchStarter"]

_log = logging.getLogger(__name__)

Started = tuple[Sequence[QueuedPiece], EncodingBatch]


class BatchStarter:
    """Starts batches of one encoder.

    Parameters
    ----------
    encoder : Encoder
    """

    def __init__(self, encoder: Encoder[Any]) -> None:
        self._encoder = encoder
        self._most_frames = math.inf  # of a batch, padding included; found out where memory runs out

    def start(
        self, pieces: Sequence[QueuedPiece], fail: Callable[[Clip, str], None], *, wait: bool = False
    ) -> list[Started]:
        """Start to encode pieces together; if memory runs out, in halves; if a clip is refused, each on its own.

        Parameters
        ----------
        pieces : sequence of (Clip, EncoderInput)
            All with frames.
        fail : callable
            Called with a clip that cannot be encoded even alone, and the reason.
        wait : bool
            Whether the batches must have finished when this returns.

        Returns
        -------
        list of (sequence of (Clip, EncoderInput), EncodingBatch)
            In the order of the pieces, without those that failed.
        """
        started: list[Started] = []
        rest = list(pieces)
        while rest:
            group = self._first_group(rest)
            # With little memory one after another: what is under way takes memory, too.
            encoding = self._attempt(group, wait=wait or self._most_frames < math.inf)
            if isinstance(encoding, MemoryError) and len(group) > 1:
                self._shrink(group)
                continue
            rest = rest[len(group) :]
            if not isinstance(encoding, Exception):
                started.append((group, encoding))
            elif len(group) == 1:
                fail(group[0][0], _reason(group[0][0], encoding))
            else:
                started += [alone for piece in group for alone in self.start([piece], fail, wait=wait)]
        return started

    def _attempt(self, group: Sequence[QueuedPiece], *, wait: bool) -> EncodingBatch | MemoryError | ClipError:
        # The traceback of an error, and of those behind it, holds the tensors of the failed batch: a second attempt
        # would find less memory than the first. So errors are returned by their text, and the next attempt starts
        # after these blocks.
        try:
            encoding = start_encoding(self._encoder, [prepared for _, prepared in group])
            return FinishedBatch(encoding.states(), encoding.busy_s) if wait else encoding
        except MemoryError as error:
            return MemoryError(str(error))
        except ClipError as error:
            return ClipError(str(error))

    def _first_group(self, pieces: Sequence[QueuedPiece]) -> Sequence[QueuedPiece]:
        """Take as many of the first pieces as are expected to fit into memory, at least one."""
        count = 1
        while count < len(pieces) and _n_frames(pieces[: count + 1]) <= self._most_frames:
            count += 1
        return pieces[:count]

    def _shrink(self, group: Sequence[QueuedPiece]) -> None:
        if self._most_frames == math.inf:
            option, rate = ("--batch-pictures", 1.0) if self._encoder.batching == "pieces" else (
                "--batch-seconds", self._encoder.spec.frame_rate_hz
            )  # fmt: skip
            _log.warning(
                "%s ran out of memory with %d clips or pieces at once and goes on with fewer; %s %.0f avoids this",
                self._encoder.spec.name, len(group), option, max(1.0, _n_frames(group) / (rate or 1.0) / 2),
            )  # fmt: skip
        self._most_frames = _n_frames(group) / 2


def _n_frames(group: Sequence[QueuedPiece]) -> int:
    return len(group) * max(prepared.n_frames for _, prepared in group)


def _reason(clip: Clip, error: Exception) -> str:
    if isinstance(error, MemoryError):
        return f"{clip.path}: {error}; split the clip or use a machine with more memory"
    return f"{clip.path}: {error}"
