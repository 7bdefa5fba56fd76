"""Training of heads that sum layers before they pool: group of clips by group of clips, forward and backward.

The sum of layers, the attention's hidden layer and both moments of a few clips are computed while the windows of all
their layers are in a processor's caches. `ravfeat.heads.attentive_sum` says in plain operations what is computed here.

Conventions
-----------
Axes: L layers, H heads, B clips of a step, C clips of a group, T windows, R = C * T, D dimensions, S statistics, A
width of the attention, K classes.

Offers
------
SummedStack.
"""

import threading
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ravfeat.heads.stacks.base import Masks, Moving, Own, Recipe, Step, parallel
from ravfeat.heads.stacks.moments import Buffers, attend_, attention_grad, pool, spread, spread_grad
from ravfeat.heads.stacks.step_clips import StepClips
from ravfeat.heads.windows import Group, Windows

__all__ = ["Classify", "SummedStack"]

Tensors = dict[str, Tensor]
Classify = Callable[[Tensor, Tensors, Callable[[Tensor], Tensor]], Tensor]
"""From pooled statistics (H, B, S * D), parameters and dropout to logits (H, B, K)."""

LANES = 4
"""Sums over groups are made in this many parts, however many threads there are, so that they have the same bits."""

_ATTENTION = ("layer_mix", "attention_weight", "attention_bias", "attention_out")


class SummedStack:
    """Heads of the network `ravfeat.heads.attentive_sum.AttentiveSumNet` in training.

    Parameters
    ----------
    std : bool
        Pool to mean and standard deviation, or to the mean alone.
    dropout : float
    classify : callable
        What follows the pooling.
    windows : Windows
    params : dict of Tensor
        With a leading head axis.
    seeds : sequence of int
        Of every head.
    recipe : Recipe
    """

    def __init__(
        self,
        classify: Classify,
        windows: Windows,
        params: Tensors,
        seeds: Sequence[int],
        recipe: Recipe,
        *,
        std: bool,
        dropout: float,
    ) -> None:
        self._classify, self._dropout, self._recipe = classify, dropout, recipe
        self._windows = windows
        self._moving = Moving(params, recipe.weight_decay)
        self._masks = Masks(seeds, 0, windows.device)
        self._own = Buffers(windows.device)
        self._sums = _Sums(windows, recipe.products, std=std)
        self._n_statistics = 2 if std else 1

    def clips(self, rows: NDArray[np.int64]) -> StepClips:
        """Prepare rows; see `ravfeat.heads.stacks.base.Stack`."""
        return StepClips.of(self._windows, rows, layers_at_once=True)

    def step(self, step: Step) -> None:
        """Learn from some clips; see `ravfeat.heads.stacks.base.Stack`."""
        now = self._moving.now
        params = {name: value.detach() for name, value in now.items()}
        groups = step.clips.groups[0]
        z, own = self._pooled(step.clips, params, keep=True), Own.of(step.weights > 0)
        mine = own.take(z).requires_grad_()  # (H, B', S, D)
        head = {name: value.requires_grad_() for name, value in now.items() if name not in _ATTENTION}
        logits = self._classify(mine.flatten(2), head, lambda hidden: self._dropped(hidden, step))
        grad_mine, *grads = torch.autograd.grad(step.loss(logits, own), [mine, *head.values()])
        grad_z = own.put_(self._own.lend("grad_z", *z.shape).zero_(), grad_mine)
        found = dict(zip(head, grads, strict=True)) | self._attention_grads(groups, params, z, grad_z)
        self._moving.step(found, step.lr, step.decay)
        self._sums.forget()

    def logits(self, clips: StepClips, own: Own) -> Tensor:
        """Score clips with the averaged weights; see `ravfeat.heads.stacks.base.Stack`."""
        params = self._moving.average
        mine = own.take(self._pooled(clips, params, keep=False))
        return self._classify(mine.flatten(2), params, lambda hidden: hidden)

    def averaged(self) -> Tensors:
        """Give the averaged weights; see `ravfeat.heads.stacks.base.Stack`."""
        return self._moving.average

    def _dropped(self, hidden: Tensor, step: Step) -> Tensor:
        if not self._dropout:
            return hidden
        mask = self._masks.draw(step.n_drawn, hidden.shape[1], hidden.shape[-1], self._dropout)
        return hidden * self._masks.of_heads(mask)

    def _pooled(self, clips: StepClips, params: Tensors, *, keep: bool) -> Tensor:
        """Pooled statistics: (H, B, S, D)."""
        n_heads = len(params["layer_mix"])
        z = self._own.lend("z", n_heads, len(clips.rows), self._n_statistics, self._sums.dim)
        weights = _Weights(params)
        groups = list(enumerate(clips.groups[0]))
        parallel(self._recipe.pool, lambda one: self._sums.forward(*one, weights, z, keep=keep), groups)
        return z.detach()

    def _attention_grads(self, groups: Sequence[Group], params: Tensors, z: Tensor, grad_z: Tensor) -> Tensors:
        weights = _Weights(params)
        lanes = [list(enumerate(groups))[lane::LANES] for lane in range(min(LANES, len(groups)))]
        parts = parallel(self._recipe.pool, lambda lane: self._sums.backward(lane, weights, z, grad_z), lanes)
        total = {name: torch.stack([part[name] for part in parts]).sum(0) for name in _ATTENTION}
        share = weights.mix
        total["layer_mix"] = share * (total["layer_mix"] - (total["layer_mix"] * share).sum(1, keepdim=True))
        return total


class _Weights:
    """Parameters of the sum and the attention, as products need them."""

    def __init__(self, params: Tensors) -> None:
        self.mix = params["layer_mix"].softmax(-1)  # (H, L)
        self.into = params["attention_weight"]  # (H, D, A)
        self.bias = params["attention_bias"][:, None]  # (H, 1, A)
        self.out = params["attention_out"]  # (H, A, 1)


class _Rooms(threading.local):
    """Buffers of one thread."""

    def __init__(self, device: torch.device) -> None:
        self.buffers = Buffers(device)


class _Sums:
    """Sum of layers and attended moments of groups of clips."""

    def __init__(self, windows: Windows, products: torch.dtype, *, std: bool) -> None:
        self._windows, self._products, self._std = windows, products, std
        self._rooms = _Rooms(windows.device)
        self._kept: dict[int, tuple[Tensor, Tensor | None, Tensor, Tensor]] = {}
        self._held: dict[int, Buffers] = {}

    @property
    def dim(self) -> int:
        """Width D."""
        return self._windows.dim

    def forget(self) -> None:
        """Let go of what a step kept."""
        self._kept.clear()

    def forward(self, number: int, group: Group, weights: _Weights, z: Tensor, *, keep: bool) -> None:
        """Write the statistics of a group to its place in `z`, shape (H, B, S, D)."""
        n_heads, (n_clips, n_windows) = len(weights.mix), group.shape
        # What a step needs once more, on its way back, has room of its own.
        room = self._held.setdefault(number, Buffers(z.device)) if keep else self._rooms.buffers
        x = room.lend("mixed", n_heads, n_clips * n_windows, self.dim)
        torch.mm(weights.mix, self._layers(group), out=x.view(n_heads, -1))
        inside = self._inside(group, weights, room)
        hidden = room.lend("hidden", n_heads, n_clips * n_windows, weights.into.shape[2])
        self._product(x, weights.into, hidden).add_(weights.bias).tanh_()
        scores = torch.matmul(hidden, weights.out).view(n_heads * n_clips, 1, n_windows)
        attended = attend_(scores, None if group.padding is None else group.padding.repeat(n_heads, 1, 1))
        wide = x.view(n_heads * n_clips, n_windows, self.dim)
        moments = self._rooms.buffers.lend("moments", 2, n_heads * n_clips, 1, self.dim)
        parts = [pool(attended, wide, moments[0])]
        if self._std:
            parts.append(spread(parts[0], pool(attended, self._squares(wide, inside), moments[1])))
        for s, part in enumerate(parts):
            z[:, group.clips, s].copy_(part.view(n_heads, n_clips, self.dim))
        if keep:
            self._kept[number] = (x, inside, hidden, attended)

    def backward(
        self, lane: Sequence[tuple[int, Group]], weights: _Weights, z: Tensor, grad_z: Tensor
    ) -> dict[str, Tensor]:
        """Sum the derivatives by what the attention learns over the groups of a lane."""
        total = {
            "layer_mix": torch.zeros_like(weights.mix),
            "attention_weight": torch.zeros_like(weights.into),
            "attention_bias": torch.zeros_like(weights.bias[:, 0]),
            "attention_out": torch.zeros_like(weights.out),
        }
        for number, group in lane:
            own_z, own_grad = z[:, group.clips], grad_z[:, group.clips]
            grad_x, grad_inside = self._add_grads(total, self._kept[number], weights, own_z, own_grad)
            flat = grad_x.view(len(weights.mix), -1)
            total["layer_mix"] += torch.mm(flat, self._layers(group).T)
            if grad_inside is not None:
                spreads = torch.mm(grad_inside.view(len(flat), -1), self._layers(group, variances=True).T)
                total["layer_mix"] += 2 * weights.mix * spreads
        return total

    def _add_grads(
        self,
        total: dict[str, Tensor],
        kept: tuple[Tensor, Tensor | None, Tensor, Tensor],
        weights: _Weights,
        z: Tensor,
        grad_z: Tensor,
    ) -> tuple[Tensor, Tensor | None]:
        """Add the derivatives of one group; give those by the summed layers, and by what varies inside the windows."""
        x, inside, hidden, attended = kept
        wide = x.view(len(attended), -1, self.dim)  # (H * C, T, D)
        grads = [grad_z[:, :, s].reshape(len(attended), 1, self.dim).clone() for s in range(z.shape[2])]
        if self._std:
            first, spreads = (z[:, :, s].reshape(len(attended), 1, self.dim) for s in range(2))
            spread_grad(grads[0], grads[1], first, spreads)
        buffers = self._rooms.buffers
        moments = [(grads[0], wide)]
        if self._std:
            moments.append((grads[1], self._squares(wide, inside)))
        scores = attention_grad(attended, moments, buffers.lend("scores", *attended.shape))
        grad_scores = scores.view(len(weights.mix), -1, 1)  # (H, R, 1)
        total["attention_out"] += torch.bmm(hidden.transpose(1, 2), grad_scores)
        grad_hidden = buffers.lend("grad_hidden", *hidden.shape)
        torch.mul(hidden, hidden, out=grad_hidden).neg_().add_(1)
        grad_hidden.mul_(grad_scores).mul_(weights.out.transpose(1, 2))
        total["attention_bias"] += grad_hidden.sum(1)
        room = buffers.lend("grad_into", *weights.into.shape)
        total["attention_weight"] += self._product(x.transpose(1, 2), grad_hidden, room)
        grad_x = buffers.lend("grad_x", *x.shape)
        self._product(grad_hidden, weights.into.transpose(1, 2), grad_x)
        attended_t = attended.transpose(1, 2)  # (H * C, T, 1)
        grad_wide = grad_x.view(wide.shape)
        grad_wide.addcmul_(attended_t, grads[0])
        if not self._std:
            return grad_x, None
        by_square = torch.mul(attended_t, grads[1], out=buffers.lend("by_square", *wide.shape))
        grad_wide.addcmul_(by_square, wide, value=2)
        return grad_x, None if inside is None else by_square

    def _layers(self, group: Group, *, variances: bool = False) -> Tensor:
        """Windows of a group in all layers: (L, R * D)."""
        windows, buffers, rows = self._windows, self._rooms.buffers, len(group.index)
        x = buffers.lend("layers", len(windows.layers), rows, self.dim)
        return windows.fill_layers(group, buffers, x, variances=variances).view(len(windows.layers), -1)

    def _inside(self, group: Group, weights: _Weights, room: Buffers) -> Tensor | None:
        """Give what varies inside windows of the summed layers: (H * C, T, D)."""
        if self._windows.variances is None or not self._std:
            return None
        n_heads, (n_clips, n_windows) = len(weights.mix), group.shape
        inside = room.lend("inside", n_heads, n_clips * n_windows * self.dim)
        torch.mm(weights.mix.square(), self._layers(group, variances=True), out=inside)
        return inside.view(n_heads * n_clips, n_windows, self.dim)

    def _squares(self, x: Tensor, inside: Tensor | None) -> Tensor:
        squares = torch.mul(x, x, out=self._rooms.buffers.lend("squares", *x.shape))
        return squares if inside is None else squares.add_(inside)

    def _product(self, a: Tensor, b: Tensor, into: Tensor) -> Tensor:
        if self._products == torch.float32:
            return torch.bmm(a, b, out=into)
        return into.copy_(torch.bmm(a.to(self._products), b.to(self._products)))
