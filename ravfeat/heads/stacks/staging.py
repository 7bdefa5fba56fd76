"""Send windows from main memory to a GPU through a few pinned buffers that are used in turn.

Only what lies in pinned (page-locked) memory is copied while the GPU computes. torch rounds a pinned block up to a
power of two and keeps it when it is free, so buffers are a power of two long, few, and filled again and again.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

__all__ = ["Staging"]

BUFFER_BYTES = 1 << 24
"""Size of a pinned buffer: a copy of it takes a millisecond, far longer than to start one."""

_BUFFERS = 3
"""One is filled while one is sent; the third evens out."""


class Staging:
    """Pinned buffers of one thread.

    Parameters
    ----------
    device : torch.device
        A CUDA device.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._buffers = [torch.empty(0, dtype=torch.uint8)] * _BUFFERS
        self._sent: list[Any] = [None] * _BUFFERS  # events: when each buffer may be filled again
        self._turn = 0

    def send(self, fill: Callable[[Tensor], object], out: Tensor, dtype: torch.dtype) -> None:
        """Fill a buffer and start to copy it to the device, widened to float32.

        Parameters
        ----------
        fill : callable
            Writes into a tensor of shape (R, D) in main memory.
        out : Tensor of shape (R, D), float32
            On the device; holds the numbers for whatever the device computes next.
        dtype : torch.dtype
            Of what is filled.
        """
        turn, self._turn = self._turn, (self._turn + 1) % _BUFFERS
        if self._sent[turn] is not None:
            self._sent[turn].synchronize()
        host = self._buffer(turn, out.numel() * dtype.itemsize).view(dtype).view(out.shape)
        fill(host)
        # Widened by the device: half as much is sent.
        out.copy_(host.to(self._device, non_blocking=True) if dtype != out.dtype else host, non_blocking=True)
        event: Any = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self._device))
        self._sent[turn] = event

    def _buffer(self, turn: int, n_bytes: int) -> Tensor:
        if len(self._buffers[turn]) < n_bytes:
            # A single clip may be longer than a buffer.
            size = max(BUFFER_BYTES, 1 << (n_bytes - 1).bit_length())
            self._buffers[turn] = torch.empty(size, dtype=torch.uint8, pin_memory=True)
        return self._buffers[turn][:n_bytes]
