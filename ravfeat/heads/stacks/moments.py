"""Attended mean and standard deviation of groups of clips, and their derivatives, in buffers that are used again.

Heads of one training pool the same clips. What reads every window is written out here, forward and backward, as a few
products of matrices: memory that is asked for anew in every step costs more than the arithmetic, and a graph of
operations would keep a float32 copy of every window. `ravfeat.heads.attention` is the same in plain operations, and
the tests hold one against the other.

Conventions
-----------
Axes: N matrices of windows (clips, or heads times clips), A attentions on each (heads, or one), T windows, D
dimensions. Everything is float32 but the operands of products, which may be bfloat16.
"""

import threading

import torch
from torch import Tensor

__all__ = ["FLOOR", "Buffers", "ThreadBuffers", "attend_", "attention_grad", "pool", "spread", "spread_grad"]

FLOOR = 1e-10
"""Smallest variance: rounding can leave a tiny negative number, and its root is far below any real spread."""


class Buffers:
    """Tensors that are made once and lent under a name."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._buffers: dict[tuple[str, torch.dtype, torch.device], Tensor] = {}

    def lend(
        self, name: str, *shape: int, dtype: torch.dtype = torch.float32, device: torch.device | None = None
    ) -> Tensor:
        """Give a tensor of a shape; what was lent under the name, of that dtype and on that device, is overwritten."""
        size = 1
        for length in shape:
            size *= length
        # One for each dtype and device: streams of one head may differ in both, and take turns.
        key = (name, dtype, self._device if device is None else device)
        buffer = self._buffers.get(key)
        # Grown and never shrunk: lengths change from step to step, and fresh memory costs more than the arithmetic.
        if buffer is None or len(buffer) < size:
            # First given back: the old one and the new one must not be in memory at once.
            del buffer
            self._buffers.pop(key, None)
            buffer = self._buffers[key] = torch.empty(size, dtype=dtype, device=key[2])
        return buffer[:size].view(shape)


class ThreadBuffers(threading.local):
    """Buffers of one thread: each thread that asks for them gets its own, so no lock is needed."""

    def __init__(self, device: torch.device) -> None:
        self.buffers = Buffers(device)


def attend_(scores: Tensor, padding: Tensor | None) -> Tensor:
    """Softmax over the last axis, in place of `scores`; 0 where there is padding.

    Parameters
    ----------
    scores : Tensor of shape (N, A, T)
    padding : Tensor of shape (N, 1, T), bool, or None for none
    """
    if padding is not None:
        # exp(-inf) is exactly 0. Every clip has a window, so no row is all -inf, which would give NaN.
        scores.masked_fill_(padding, -torch.inf)
    return torch.softmax(scores, -1, out=scores)


def pool(weights: Tensor, x: Tensor, into: Tensor) -> Tensor:
    """Weighted sums over windows: (N, A, T) and (N, T, D) give (N, A, D), float32, written to `into`."""
    if x.dtype == torch.float32:
        return torch.bmm(weights, x, out=into)
    # `bmm` cannot write a bfloat16 product into a float32 buffer.
    return into.copy_(torch.bmm(weights.to(x.dtype), x))


def spread(first: Tensor, second: Tensor) -> Tensor:
    """Make standard deviations of first and second moments, in place of the second."""
    # Rounded before it is subtracted, so that a clip of one window has no spread at all.
    return second.sub_(first * first).clamp_min_(FLOOR).sqrt_()


def spread_grad(grad_first: Tensor, grad_spread: Tensor, first: Tensor, spread: Tensor) -> None:
    """Turn derivatives by mean and standard deviation into those by the moments, in place.

    Parameters
    ----------
    grad_first, grad_spread : Tensor of one shape
        By the mean and by the standard deviation; afterwards by the first and by the second moment.
    first, spread : Tensor of that shape
        Mean and standard deviation.
    """
    # spread = sqrt(second - first^2), so d second = d spread / (2 spread) and d first loses 2 first * d second.
    grad_spread.div_(spread).mul_(0.5)
    # Where the variance was raised to the floor it is constant, so its derivative is 0.
    torch.ops.aten.threshold_backward(grad_spread, spread, FLOOR**0.5, grad_input=grad_spread)
    grad_first.addcmul_(first, grad_spread, value=-2)


def attention_grad(weights: Tensor, moments: list[tuple[Tensor, Tensor]], into: Tensor) -> Tensor:
    """Give the derivative by the scores that `weights` came from.

    Parameters
    ----------
    weights : Tensor of shape (N, A, T)
    moments : list of (Tensor of shape (N, A, D), Tensor of shape (N, T, D))
        Derivative by a moment, and what it is the moment of.
    into : Tensor of shape (N, A, T)
        Overwritten, and returned.
    """
    # The derivative by a weight is the sum over moments of grad . x; the first product overwrites what `into` held.
    for number, (grad, x) in enumerate(moments):
        wide = x.transpose(1, 2)
        if x.dtype != torch.float32:
            part = torch.bmm(grad.to(x.dtype), wide)
            into = into.copy_(part) if number == 0 else into.add_(part)
        elif number == 0:
            torch.bmm(grad, wide, out=into)
        else:
            into.baddbmm_(grad, wide)
    # Softmax backwards: w * (g - sum(w * g)).
    into.mul_(weights)
    return into.addcmul_(weights, into.sum(-1, keepdim=True), value=-1)
