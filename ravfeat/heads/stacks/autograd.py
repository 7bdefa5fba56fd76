"""Training of any network by autograd: the default of a new network, and the reference for hand-written stacks.

Slower than a stack that is written out by hand, because every step gathers the windows of its clips once per head and
keeps what autograd needs of them: six heads on 600 clips of 13 layers and 384 dimensions take 1.6 times the processor
time of `pooled` and 1.4 times that of `summed`. On a processor every head takes its step alone, on the clips it trains
on and no others, and heads lie side by side on its cores: what a head learns has the same bits whatever heads are
beside it.

Conventions
-----------
Axes: H heads, B clips of a step, B' clips of a head, K classes.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import count

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ravfeat.heads.parallel import on_processors
from ravfeat.heads.stacks.base import AveragedAdamW, Dropout, DropoutMasks, HeadClips, Start, Step, Tensors, parallel
from ravfeat.heads.stacks.batch import StepClips
from ravfeat.heads.windows import Batch, Windows
from ravfeat.resources import attempt, free_device_memory

__all__ = ["AutogradStack", "Forward", "forward_each", "forward_rows", "gathered_bytes"]

Forward = Callable[[Tensors, Tensors, Batch, Dropout], Tensor]
"""See `ravfeat.heads.network.Network.forward`."""

EVALUATION_FLOATS = 1 << 23
"""Numbers that a batch holds which a trained head scores; larger arrays are new memory every time, which is slow."""

GPU_FLOATS = 1 << 30
"""Numbers that heads which a GPU trains together may gather in one step, where there is memory for them."""

_COPIES = 4
"""Times that autograd is taken to hold what a head gathers."""

_CLIPS = 64
"""Clips that a head is taken to train on in a step, where that memory is counted."""

_IN_TURN = 32
"""Clips that a thread scores one after another; threads take turns at parts, not at clips, which cost less."""


class AutogradStack:
    """Heads of any network in training.

    Parameters
    ----------
    forward : callable
        The network's forward pass.
    start : Start
    """

    def __init__(self, forward: Forward, start: Start) -> None:
        windows, setup = start.windows, start.setup
        self._forward, self._windows, self._setup, self._constants = forward, windows, setup, start.constants
        self._optimiser = AveragedAdamW(start.params, setup.weight_decay)
        at_once = 1
        # A GPU trains as many heads at once as fit its memory; on a processor every head is a task of the pool.
        if windows.device.type == "cuda":
            room = min(GPU_FLOATS, free_device_memory(windows.device) // (4 * _COPIES))
            at_once = max(1, room // (_CLIPS * windows.floats_per_clip))
        parts = [slice(first, first + at_once) for first in range(0, len(start.seeds), at_once)]
        self._parts = [(heads, _PlaceMasks(start.seeds[heads], windows.device)) for heads in parts]

    def clips(self, rows: NDArray[np.int64]) -> StepClips:
        """Prepare rows; see `ravfeat.heads.stacks.base.Stack`."""
        return StepClips(rows, torch.from_numpy(np.ascontiguousarray(rows)).to(self._windows.device), ())

    def step(self, step: Step) -> None:
        """Train on some clips; see `ravfeat.heads.stacks.base.Stack`."""
        grads = parallel(self._setup.pool, lambda part: self._grads(*part, step), self._parts)
        # One after another, in this thread: all moves of a step share the optimiser's step counter.
        for (heads, _), grad_of in zip(self._parts, grads, strict=True):
            for name, grad in grad_of.items():
                self._optimiser.move(name, heads, grad, step.lr, step.decay)
        self._optimiser.stepped()

    def logits(self, clips: StepClips, head_clips: HeadClips) -> Tensor:
        """Score clips with the averaged weights; see `ravfeat.heads.stacks.base.Stack`."""
        rows = clips.places[head_clips.places]  # (H, B')

        def score(heads: slice) -> Tensor:
            params = _of_heads(self._optimiser.average, heads)
            return forward_rows(
                self._autocast, params, _of_heads(self._constants, heads), self._windows, rows[heads]
            )  # fmt: skip

        return torch.cat(parallel(self._setup.pool, score, [heads for heads, _ in self._parts]))

    def averaged(self, head: int) -> Tensors:
        """Copy the averaged weights of one head; see `ravfeat.heads.stacks.base.Stack`."""
        return {name: value[head].clone() for name, value in self._optimiser.average.items()}

    def _grads(self, heads: slice, masks: "_PlaceMasks", step: Step) -> Tensors:
        """Differentiate the loss of some heads by their parameters."""
        weights = step.weights[heads]
        # Clips that a head holds out are not even gathered for it.
        head_clips = HeadClips.of(weights > 0)
        batch = self._windows.batch(step.clips.places[head_clips.places])
        params = _of_heads(self._optimiser.now, heads)
        for value in params.values():
            value.requires_grad_()
        logits = self._autocast(params, _of_heads(self._constants, heads), batch, masks.dropout(step.n_drawn))
        loss = replace(step, weights=weights).loss(logits, head_clips)
        # A parameter that took no part in this step has a gradient of 0.
        grads = torch.autograd.grad(loss, list(params.values()), allow_unused=True, materialize_grads=True)
        return dict(zip(params, grads, strict=True))

    def _autocast(self, params: Tensors, constants: Tensors, batch: Batch, dropout: Dropout) -> Tensor:
        """Forward pass with narrow products where the schedule asks for them; logits are float32."""
        products = self._setup.products
        with torch.autocast(self._windows.device.type, products, enabled=products != torch.float32):
            return self._forward(params, constants, batch, dropout).float()


class _PlaceMasks:
    """Dropout masks of some heads, for every place of the network at which it drops.

    A place is told by its number among the calls of a forward pass, so a network drops in the same order every time.
    """

    def __init__(self, seeds: tuple[int, ...], device: torch.device) -> None:
        self._seeds, self._device = seeds, device
        self._places: list[DropoutMasks] = []

    def dropout(self, n_drawn: int) -> Dropout:
        """Give the dropout of one forward pass in a step that drew so many clips."""
        calls = count()

        def dropout(x: Tensor, p: float) -> Tensor:
            place = next(calls)
            # The first forward pass finds out at how many places the network drops.
            if place == len(self._places):
                self._places.append(DropoutMasks(self._seeds, place, self._device))
            # Only now: a place that drops nothing still has its number, so later places keep their masks.
            if p == 0:
                return x
            masks = self._places[place]
            mask = masks.of_heads(masks.draw(n_drawn, x.shape[1], x[0, 0].numel(), p))
            return x * mask.view(len(mask), *x.shape[1:])  # (H or 1, B', A) -> (H or 1, B', ...)

        return dropout


def gathered_bytes(windows: Windows) -> int:
    """Estimate the memory that autograd takes in a step of one head."""
    return 4 * _COPIES * _CLIPS * windows.floats_per_clip


def _of_heads(tensors: Tensors, heads: slice) -> Tensors:
    # Views of the optimiser's memory, but tensors of their own: `requires_grad_` on them leaves the optimiser's alone.
    return {name: value[heads].detach() for name, value in tensors.items()}


@torch.inference_mode()
def forward_rows(forward: Forward, params: Tensors, constants: Tensors, windows: Windows, rows: Tensor) -> Tensor:
    """Score rows without dropout, a few at a time; fewer where memory runs out.

    Last bits of a row depend on the longest clip beside it; `forward_each` gives those of a clip by itself.

    Parameters
    ----------
    forward : callable
    params, constants : dict of Tensor
        With a leading head axis.
    windows : Windows
    rows : Tensor of shape (H, B), int64

    Returns
    -------
    Tensor of shape (H, B, K)
    """
    # A batch is a float32 copy of its windows, so few rows are scored at a time.
    at_once = max(1, EVALUATION_FLOATS // (len(rows) * windows.floats_per_clip))

    def score() -> Tensor:
        chunks = [rows[:, start : start + at_once] for start in range(0, rows.shape[1], at_once)]
        batches = map(windows.batch, chunks)  # one at a time
        return torch.cat([forward(params, constants, batch, lambda x, p: x) for batch in batches], dim=1)

    while isinstance(scores := attempt(score), MemoryError):
        if at_once == 1:
            raise scores
        at_once = max(1, min(at_once, rows.shape[1]) // 4)
    return scores


def forward_each(forward: Forward, params: Tensors, constants: Tensors, windows: Windows, rows: Tensor) -> Tensor:
    """Score clips without dropout, each by itself: no bit of its scores depends on another clip.

    In a padded batch the length of one clip changes the order in which another's sums are taken (1e-6 of the largest
    logit). Matrices of a single clip have shapes that are its own, and its arithmetic takes one thread.

    Parameters
    ----------
    forward : callable
    params, constants : dict of Tensor
        Of one head, with a leading head axis.
    windows : Windows
    rows : Tensor of shape (B,), int64

    Returns
    -------
    Tensor of shape (B, ...)
    """

    @torch.inference_mode()  # which holds for one thread
    def score(part: Tensor) -> Tensor:
        batches = (windows.batch(row.view(1, 1)) for row in part)
        return torch.cat([forward(params, constants, batch, lambda x, p: x)[0] for batch in batches])

    parts = [rows[first : first + _IN_TURN] for first in range(0, len(rows), _IN_TURN)]
    return torch.cat(on_processors(score, parts, windows.device))
