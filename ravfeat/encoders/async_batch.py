"""A batch on a device: sent there, computed and fetched without waiting, and how long the device was at it.

On a GPU the copies go through pinned memory beside the computation, and nobody waits before the states are wanted;
two events on the device's own clock say how long it took. On the CPU everything is done when it is called.
"""

from collections.abc import Sequence
from time import perf_counter
from types import TracebackType
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["DeviceBatch", "sent"]


def sent(values: Tensor, device: torch.device) -> Tensor:
    """Put an input on a device; on a GPU without waiting until it is there."""
    if device.type != "cuda":
        return values.to(device)
    return values.pin_memory().to(device, non_blocking=True)


class DeviceBatch:
    """What a model computes between ``with`` and its end; see `ravfeat.encoders.base.EncodingBatch`.

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
        """Begin to bring hidden states here.

        Parameters
        ----------
        stacks : sequence of Tensor of shape (L, T, D), float32
        """
        for stack in stacks:
            if self._cuda:
                here = torch.empty(stack.shape, dtype=stack.dtype, pin_memory=True)
                here.copy_(stack, non_blocking=True)
            else:
                here = stack.cpu()
            self._stacks.append(here)

    def states(self) -> list[NDArray[np.float32]]:
        """Wait until the states are here, and give them with frames first, (T, L, D)."""
        if self._cuda:
            self._end.synchronize()
            self.busy_s = self._start.elapsed_time(self._end) / 1000
        stacks, self._stacks = self._stacks, []
        return [stack.numpy().transpose(1, 0, 2) for stack in stacks]

    def _now(self) -> Any:
        if not self._cuda:
            return perf_counter()
        event: Any = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record(torch.cuda.current_stream(self._device))
        return event
