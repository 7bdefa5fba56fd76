"""What a trained network is: its first parameters and its forward pass, written for H heads side by side.

A new network is a subclass with `Network.init` and `Network.forward`; autograd trains it
(`ravfeat.heads.stacks.autograd`). Every parameter has a leading head axis, so that ``x @ weight`` is one batched
product and heads never meet. A network whose training is worth writing out by hand also overrides `Network.stack`.

Conventions
-----------
Axes: L layers, H heads, B clips, T windows, D dimensions, K classes.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ravfeat.heads.stacks.autograd import AutogradStack, gathered_bytes
from ravfeat.heads.stacks.base import Dropout, Stack, Start
from ravfeat.heads.windows import Batch, Windows

__all__ = ["Dropout", "Network", "WeighsWindows", "first_weights", "network_shapes"]


class Network(ABC):
    """A network written for many heads at once."""

    def constants(self, windows: Windows, rows: Sequence[NDArray[np.int64]]) -> dict[str, Tensor]:
        """Give what is fixed before training, with a leading head axis; by default nothing.

        Parameters
        ----------
        windows : Windows
        rows : sequence of ndarray of int64, one per head
            Its training rows: no statistic may come from any other row.
        """
        return {}

    @abstractmethod
    def init(self, windows: Windows, n_classes: int, generator: torch.Generator) -> dict[str, Tensor]:
        """First parameters of one head, by name, without head axis."""

    @abstractmethod
    def forward(
        self, params: dict[str, Tensor], constants: dict[str, Tensor], batch: Batch, dropout: Dropout
    ) -> Tensor:
        """Logits of shape (H, B, K).

        Parameters
        ----------
        params, constants : dict of Tensor
            With a leading head axis.
        batch : Batch
            May be overwritten.
        dropout : callable
            ``dropout(x, p)`` drops a share `p` of `x`, of shape (H, B, ...); outside training it gives `x` back.
        """

    def stack(self, start: Start) -> Stack:
        """Put heads into training; what that computes is `forward` and its derivative."""
        return AutogradStack(self.forward, start)

    def step_bytes(self, windows: Windows, n_clips: int) -> tuple[int, int]:
        """Estimate the memory that a step of the stack takes on a GPU besides parameters.

        Parameters
        ----------
        windows : Windows
        n_clips : int
            That a step draws.

        Returns
        -------
        shared, each : int
            Bytes for all heads together, and for each of them.
        """
        # Autograd trains as many heads at once as there is memory for.
        return gathered_bytes(windows), 0


@runtime_checkable
class WeighsWindows(Protocol):
    """A network that pools windows under weights of its own."""

    def window_weights(self, params: dict[str, Tensor], constants: dict[str, Tensor], batch: Batch) -> Tensor:
        """Say where in a clip a trained network pools from.

        Parameters
        ----------
        params, constants, batch
            As for `Network.forward`.

        Returns
        -------
        Tensor of shape (H, B, T)
            Sum to 1 over T; 0 where there is padding.
        """
        ...


def first_weights(generator: torch.Generator, fan_in: int, fan_out: int) -> Tensor:
    """Uniform within ±1 / sqrt(fan_in), of shape (fan_in, fan_out)."""
    bound = fan_in**-0.5
    return torch.empty(fan_in, fan_out, device=generator.device).uniform_(-bound, bound, generator=generator)


class _WithoutValues(TorchFunctionMode):
    """Tensors that are made within have a shape and no memory."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        device = {"device": "meta"} if "device" in (kwargs or {}) else {}
        return func(*args, **{**(kwargs or {}), **device})


@lru_cache(maxsize=16)  # the heads of all folds and seeds are of one shape
def network_shapes(
    network: Network, streams: tuple[tuple[tuple[int, ...], int], ...], n_classes: int
) -> Mapping[str, tuple[int, ...]]:
    """Give the shapes of a trained network's arrays, by the names that `ravfeat.heads.neural.NeuralModel` gives them.

    Parameters
    ----------
    network : Network
    streams : tuple of (layers, dim)
        That it reads: numbers of the layers, and their width D.
    n_classes : int
    """
    windows = _one_window(streams)
    with _WithoutValues():  # a recipe may tell of any size, and the arrays that must fit it are not read yet
        params = network.init(windows, n_classes, torch.Generator())
    constants = network.constants(windows, [np.zeros(1, np.int64)])  # of one head, hence the first below
    shapes = {f"params.{name}": tuple(value.shape) for name, value in params.items()}
    # A single number is saved as an array of one.
    return shapes | {f"constants.{name}": tuple(value[0].shape) or (1,) for name, value in constants.items()}


def _one_window(streams: Sequence[tuple[tuple[int, ...], int]]) -> Windows:
    """Windows of a single clip of one frame of zeros."""
    (layers, dim), *others = streams
    also = tuple(_one_window([stream]) for stream in others)
    start = torch.zeros(1, dtype=torch.int64)
    return Windows(torch.zeros(len(layers), 1, dim), None, start, start + 1, layers, also)
