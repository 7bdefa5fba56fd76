"""Run a batch asynchronously on a GPU: copy the input, compute, copy the states back, measure the device time.

Copies use pinned memory and overlap with computation; the host only waits when the states are requested. Two CUDA
events measure the time on the device's own clock. On the CPU each call returns when its work is done.
"""

import math
from collections.abc import Sequence
from time import perf_counter
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["DeviceBatch", "send"]

BLOCK_FLOATS = 1 << 26
"""Length of a block of pinned memory, 256 MB: several clips of a large encoder."""


def send(values: Tensor, device: torch.device) -> Tensor:
    """Copy an input to a device; on a GPU, return before the copy has finished."""
    if device.type != "cuda":
        return values.to(device)
    # Only copies from pinned (page-locked) memory can run while the device computes.
    return values.pin_memory().to(device, non_blocking=True)


def _pinned(shapes: Sequence[torch.Size]) -> list[Tensor]:
    """Make pinned float32 tensors in few blocks: torch rounds each block up to a power of two, and keeps it."""
    tensors: list[Tensor] = []
    block, used, left = torch.empty(0), 0, sum(map(math.prod, shapes))
    for shape in shapes:
        size = math.prod(shape)
        if len(block) - used < size:
            block, used = torch.empty(max(size, min(left, BLOCK_FLOATS)), pin_memory=True), 0
        tensors.append(block[used : used + size].view(shape))
        used, left = used + size, left - size
    return tensors


class DeviceBatch:
    """Handle of the computation inside its ``with`` block; see `ravfeat.encoders.base.EncodingBatch`.

    Parameters
    ----------
    device : torch.device
    """

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._device = device
        self._stacks: list[Tensor] = []
        self.busy_s = 0.0

    def __enter__(self) -> Self:
        self._start: Any = self._now()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: BaseException | TracebackType | None) -> None:
        if kind is None:
            self._end: Any = self._now()
            if not self._cuda:
                self.busy_s = self._end - self._start

    def fetch(self, stacks: Sequence[Tensor]) -> None:
        """Start to copy hidden states to the host.

        Parameters
        ----------
        stacks : sequence of Tensor of shape (L, T, D), float32
        """
        if not self._cuda:
            self._stacks += [stack.cpu() for stack in stacks]
            return
        # Into pinned memory, for the same reason as in `send`: any other copy would make this thread wait.
        for host, stack in zip(_pinned([stack.shape for stack in stacks]), stacks, strict=True):
            self._stacks.append(host.copy_(stack, non_blocking=True))

    def states(self) -> list[NDArray[np.float32]]:
        """Wait for the copies to finish, and return the states with frames first, (T, L, D)."""
        if self._cuda:
            # The copies were queued on the same stream before the end event, so they are complete with it.
            self._end.synchronize()
            self.busy_s = self._start.elapsed_time(self._end) / 1000
        # Handed over: a handle that somebody still holds must not hold the states too.
        stacks, self._stacks = self._stacks, []
        return [stack.numpy().transpose(1, 0, 2) for stack in stacks]

    def _now(self) -> Any:
        if not self._cuda:
            return perf_counter()
        event: Any = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self._device))
        return event
