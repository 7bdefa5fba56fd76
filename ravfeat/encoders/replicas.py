"""Encode on several GPUs at once: one replica of an encoder per device, each batch to the least busy one.

Which clips share a batch does not depend on the devices, so a cache holds the same bytes whichever of several equal
cards encoded a batch.
"""

from collections.abc import Callable, Sequence
from functools import partial
from math import inf
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.encoders.base import Batching, Encoder, EncoderInput, EncodingBatch, start_encoding
from ravfeat.resources import attempt

__all__ = ["ReplicatedEncoder"]


class ReplicatedEncoder:
    """Replicas of one encoder on several devices.

    Parameters
    ----------
    replicas : sequence of Encoder
        Of the same weights and settings; encoders whose ``start`` returns before the batch is encoded.
    """

    def __init__(self, replicas: Sequence[Encoder[Any]]) -> None:
        self._replicas = tuple(replicas)
        self.spec = self._replicas[0].spec
        self.batching: Batching = self._replicas[0].batching
        self._queued = [0] * len(self._replicas)
        self._too_large = [inf] * len(self._replicas)  # the smallest batch that a device had no memory for
        self._lock = Lock()  # batches start in the foreground and end in background threads

    @property
    def n_devices(self) -> int:
        """How many devices encode at once; see `ravfeat.encoders.base.n_devices`."""
        return len(self._replicas)

    def prepare(self, piece: Any) -> EncoderInput:
        """Convert a piece of a clip to the model's input."""
        return self._replicas[0].prepare(piece)

    def encode(self, batch: Sequence[EncoderInput]) -> list[NDArray[np.float32]]:
        """Encode pieces together, on the first device."""
        return self._replicas[0].encode(batch)

    def start(self, batch: Sequence[EncoderInput]) -> "_ReplicaBatch":
        """Start to encode pieces on the device with the least work queued; see `ravfeat.encoders.base.start_encoding`.

        Raises
        ------
        MemoryError
            Where the batch fits on none of them.
        """
        work = sum(piece.values.size for piece in batch)
        by_load = sorted(range(len(self._replicas)), key=lambda number: self._queued[number])
        for number in [number for number in by_load if work < self._too_large[number]] or by_load:
            encoding = attempt(partial(start_encoding, self._replicas[number], batch))
            if not isinstance(encoding, MemoryError):
                self._add(number, work)
                return _ReplicaBatch(encoding, len(self._replicas), partial(self._add, number, -work))
            self._too_large[number] = min(work, self._too_large[number])
            lack = encoding
        raise lack

    def _add(self, number: int, work: int) -> None:
        with self._lock:
            self._queued[number] += work

    def provenance(self) -> dict[str, Any]:
        """Return versions and device: of the first device where all are of one kind, else of each.

        Then one card of the kind can go on with a cache that several began.
        """
        records = [replica.provenance() for replica in self._replicas]
        if all(record | {"device": ""} == records[0] | {"device": ""} for record in records):
            return records[0]
        texts = {key: dict.fromkeys(str(record.get(key)) for record in records) for record in records for key in record}
        return {key: records[0].get(key) if len(values) == 1 else ", ".join(values) for key, values in texts.items()}


class _ReplicaBatch:
    """Handle of a batch on one of the devices, which takes it off the device's queue when it is fetched."""

    def __init__(self, encoding: EncodingBatch, n_devices: int, end: Callable[[], None]) -> None:
        self._encoding = encoding
        self._n_devices = n_devices
        self._end = end

    def states(self) -> list[NDArray[np.float32]]:
        """Wait for the hidden states."""
        try:
            return self._encoding.states()
        finally:
            self._end()

    @property
    def busy_s(self) -> float:
        """Seconds that the device computed, over the number of devices: when all compute, a second is a second."""
        return self._encoding.busy_s / self._n_devices
