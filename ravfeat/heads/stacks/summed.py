"""Hand-written training of heads that sum layers before they pool: forward and backward, group of clips by group.

The sum of layers, the attention's hidden layer and both moments of a few clips are computed while the windows of all
their layers are in a processor's caches. `ravfeat.heads.attentive_sum` has the same forward pass in plain operations.

Conventions
-----------
Axes: L layers, H heads, B clips of a step, C clips of a group, T windows, R = C * T, D dimensions, S statistics, A
width of the attention, K classes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ravfeat.heads.stacks.base import AveragedAdamW, DropoutMasks, HeadClips, Start, Step, Tensors, parallel
from ravfeat.heads.stacks.batch import StepClips
from ravfeat.heads.stacks.moments import Buffers, ThreadBuffers, attend_, attention_grad, pool, spread, spread_grad
from ravfeat.heads.windows import Group, Windows

__all__ = ["Classify", "SummedStack"]

Classify = Callable[[Tensor, Tensors, Callable[[Tensor], Tensor]], Tensor]
"""From pooled statistics (H, B, S * D), parameters and dropout to logits (H, B, K)."""

LANES = 4
"""Sums over groups are made in this many parts, however many threads there are, so that they have the same bits."""

_FORWARD, _BACKWARD = 2, 4
"""Numbers that a head holds for each of its summed windows: kept of all groups, and in one group."""

_CLASSIFIER = 12
"""Numbers for each pooled statistic of a clip that the classifier and its derivatives take."""

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
    start : Start
    """

    def __init__(
        self,
        classify: Classify,
        start: Start,
        *,
        std: bool,
        dropout: float,
    ) -> None:
        windows, setup = start.windows, start.setup
        self._classify, self._dropout, self._setup = classify, dropout, setup
        self._windows = windows
        self._optimiser = AveragedAdamW(start.params, setup.weight_decay)
        self._masks = DropoutMasks(start.seeds, 0, windows.device)
        self._buffers = Buffers(windows.device)
        self._sums = _Sums(windows, setup.products, std=std)
        self._n_statistics = 2 if std else 1

    @staticmethod
    def step_bytes(windows: Windows, n_clips: int, attention: int) -> tuple[int, int]:
        """Estimate memory; see `ravfeat.heads.network.Network.step_bytes`."""
        rows = n_clips * int(windows.clip_lengths.max())
        all_layers = rows * windows.dim * len(windows.layers)
        group = min(all_layers, windows.group_floats)  # of all layers
        of_group = group // len(windows.layers)  # summed
        each = (
            _FORWARD * rows * (windows.dim + attention) + _BACKWARD * of_group + 2 * n_clips * windows.dim * _CLASSIFIER
        )
        return 6 * group, 4 * each  # layers lie there in float16 and float32

    def clips(self, rows: NDArray[np.int64]) -> StepClips:
        """Prepare rows; see `ravfeat.heads.stacks.base.Stack`."""
        return StepClips.of(self._windows, rows, layers_at_once=True)

    def step(self, step: Step) -> None:
        """Train on some clips; see `ravfeat.heads.stacks.base.Stack`."""
        learned = self._optimiser.now
        params = {name: value.detach() for name, value in learned.items()}
        matters = step.weights > 0  # (H, B)
        work, head_clips = self._work(step.clips, params, matters), HeadClips.of(matters)
        z = self._pooled(step.clips, work, len(matters), keep=True)  # (H, B, S, D)
        # Autograd begins here: what comes before `pooled` is differentiated by hand.
        pooled = head_clips.take(z).requires_grad_()  # (H, B', S, D)
        head = {name: value.requires_grad_() for name, value in learned.items() if name not in _ATTENTION}
        logits = self._classify(pooled.flatten(2), head, lambda hidden: self._dropped(hidden, step))
        grad_pooled, *grads = torch.autograd.grad(step.loss(logits, head_clips), [pooled, *head.values()])
        # Zeroed first: a clip that does not matter to a head must not keep the gradient of the step before.
        grad_z = head_clips.put_(self._buffers.lend("grad_z", *z.shape).zero_(), grad_pooled)
        gradients = dict(zip(head, grads, strict=True)) | self._attention_grads(work, params, z, grad_z)
        self._optimiser.step(gradients, step.lr, step.decay)
        self._sums.forget()

    def logits(self, clips: StepClips, head_clips: HeadClips) -> Tensor:
        """Score clips with the averaged weights; see `ravfeat.heads.stacks.base.Stack`."""
        params = self._optimiser.average
        matters = head_clips.matters(len(clips.rows))
        work = self._work(clips, params, matters)
        pooled = head_clips.take(self._pooled(clips, work, len(matters), keep=False))
        return self._classify(pooled.flatten(2), params, lambda hidden: hidden)

    def averaged(self, head: int) -> Tensors:
        """Copy the averaged weights of one head; see `ravfeat.heads.stacks.base.Stack`."""
        return {name: value[head].clone() for name, value in self._optimiser.average.items()}

    def _dropped(self, hidden: Tensor, step: Step) -> Tensor:
        if not self._dropout:
            return hidden
        mask = self._masks.draw(step.n_drawn, hidden.shape[1], hidden.shape[-1], self._dropout)
        return hidden * self._masks.of_heads(mask)

    def _work(self, clips: StepClips, params: Tensors, matters: Tensor) -> list["_GroupWork"]:
        """List which heads work on every group: all, or for a group of one clip those that it matters to."""
        all_heads = tuple(range(len(matters)))
        weights = {all_heads: _Weights(params)}
        pieces = []
        for number, group in enumerate(clips.groups[0]):
            heads = all_heads
            # All heads of a group share its products; one can be left out where the group is a single clip.
            if len(group.rows) == 1:
                heads = tuple(torch.nonzero(matters[:, group.clips.start])[:, 0].tolist())
            if heads not in weights:
                places = torch.tensor(heads, dtype=torch.int64, device=matters.device)
                weights[heads] = _Weights({name: value[places] for name, value in params.items() if name in _ATTENTION})
            if heads:
                pieces.append(_GroupWork(number, group, heads, weights[heads]))
        return pieces

    def _pooled(self, clips: StepClips, work: Sequence["_GroupWork"], n_heads: int, *, keep: bool) -> Tensor:
        """Pooled statistics: (H, B, S, D); 0 where a clip does not matter to a head."""
        z = self._buffers.lend("z", n_heads, len(clips.rows), self._n_statistics, self._sums.dim).zero_()
        parallel(self._setup.pool, lambda piece: self._sums.forward(piece, z, keep=keep), work)
        return z.detach()

    def _attention_grads(self, work: Sequence["_GroupWork"], params: Tensors, z: Tensor, grad_z: Tensor) -> Tensors:
        # Every lane adds its groups in their order and the lanes are added in theirs: the same bits on any machine.
        lanes = [work[lane::LANES] for lane in range(min(LANES, len(work)))]
        parts = parallel(self._setup.pool, lambda lane: self._sums.backward(lane, params, z, grad_z), lanes)
        total = {name: torch.stack([part[name] for part in parts]).sum(0) for name in _ATTENTION}
        share = params["layer_mix"].softmax(-1)  # (H, L); the derivative passes back through the softmax
        total["layer_mix"] = share * (total["layer_mix"] - (total["layer_mix"] * share).sum(1, keepdim=True))
        return total


class _Weights:
    """Parameters of the sum and the attention, as products need them."""

    def __init__(self, params: Tensors) -> None:
        self.mix = params["layer_mix"].softmax(-1)  # (H, L)
        self.into = params["attention_weight"]  # (H, D, A)
        self.bias = params["attention_bias"][:, None]  # (H, 1, A)
        self.out = params["attention_out"]  # (H, A, 1)


@dataclass(frozen=True)
class _GroupWork:
    """A group of clips, and the heads that work on it."""

    number: int
    group: Group
    heads: tuple[int, ...]
    weights: _Weights


class _Sums:
    """Sum of layers and attended moments of groups of clips."""

    def __init__(self, windows: Windows, products: torch.dtype, *, std: bool) -> None:
        self._windows, self._products, self._std = windows, products, std
        self._scratch = ThreadBuffers(windows.device)
        self._forwards: dict[int, tuple[Tensor, Tensor | None, Tensor, Tensor]] = {}
        self._group_buffers: dict[int, Buffers] = {}

    @property
    def dim(self) -> int:
        """Width D."""
        return self._windows.dim

    def forget(self) -> None:
        """Let go of what a step kept."""
        self._forwards.clear()

    def forward(self, piece: _GroupWork, z: Tensor, *, keep: bool) -> None:
        """Write the statistics of a group to its place in `z`, shape (H, B, S, D)."""
        number, group, weights = piece.number, piece.group, piece.weights
        n_heads, (n_clips, n_windows) = len(weights.mix), group.shape
        # The backward pass needs these again, so each group has its buffers; others are overwritten by the next group.
        buffers = self._group_buffers.setdefault(number, Buffers(z.device)) if keep else self._scratch.buffers
        x = buffers.lend("mixed", n_heads, n_clips * n_windows, self.dim)
        # (H, L) @ (L, R * D): the sums of layers of all heads in one product.
        torch.mm(weights.mix, self._layers(group), out=x.view(n_heads, -1))
        inside = self._inside(group, weights, buffers)
        hidden = buffers.lend("hidden", n_heads, n_clips * n_windows, weights.into.shape[2])
        self._product(x, weights.into, hidden).add_(weights.bias).tanh_()
        scores = torch.matmul(hidden, weights.out).view(n_heads * n_clips, 1, n_windows)
        attended = attend_(scores, None if group.padding is None else group.padding.repeat(n_heads, 1, 1))
        wide = x.view(n_heads * n_clips, n_windows, self.dim)
        moments = self._scratch.buffers.lend("moments", 2, n_heads * n_clips, 1, self.dim)
        parts = [pool(attended, wide, moments[0])]
        if self._std:
            parts.append(spread(parts[0], pool(attended, self._squares(wide, inside), moments[1])))
        # Each group writes to its own clips of `z` and under its own number, so its thread needs no lock.
        for s, part in enumerate(parts):
            z[list(piece.heads), group.clips, s] = part.view(n_heads, n_clips, self.dim)
        if keep:
            self._forwards[number] = (x, inside, hidden, attended)

    def backward(self, lane: Sequence[_GroupWork], params: Tensors, z: Tensor, grad_z: Tensor) -> Tensors:
        """Sum the derivatives by what the attention learns over the groups of a lane."""
        total = {name: torch.zeros_like(params[name]) for name in _ATTENTION}
        for piece in lane:
            heads, weights = list(piece.heads), piece.weights
            piece_z, piece_grad = z[heads, piece.group.clips], grad_z[heads, piece.group.clips]
            grads, grad_x, grad_inside = self._grads(self._forwards[piece.number], weights, piece_z, piece_grad)
            # By the weight of a layer: gradient times the layer's windows, which are read again rather than kept.
            flat = grad_x.view(len(heads), -1)  # (H, R * D)
            grads["layer_mix"] = torch.mm(flat, self._layers(piece.group).T)
            if grad_inside is not None:
                spreads = torch.mm(grad_inside.view(len(heads), -1), self._layers(piece.group, variances=True).T)
                grads["layer_mix"] += 2 * weights.mix * spreads  # variances are summed with squared weights
            for name, value in grads.items():
                # Heads that a group was left out for get nothing from it.
                if len(heads) == len(total[name]):
                    total[name] += value
                else:
                    for place, head in enumerate(heads):
                        total[name][head] += value[place]
        return total

    def _grads(
        self,
        forward: tuple[Tensor, Tensor | None, Tensor, Tensor],
        weights: _Weights,
        z: Tensor,
        grad_z: Tensor,
    ) -> tuple[Tensors, Tensor, Tensor | None]:
        """Give the derivatives of one group: by parameters, by the summed layers, by what varies inside the windows."""
        x, inside, hidden, attended = forward
        wide = x.view(len(attended), -1, self.dim)  # (H * C, T, D)
        # Copies: `spread_grad` overwrites them.
        grads = [grad_z[:, :, s].reshape(len(attended), 1, self.dim).clone() for s in range(z.shape[2])]
        if self._std:
            first, spreads = (z[:, :, s].reshape(len(attended), 1, self.dim) for s in range(2))
            spread_grad(grads[0], grads[1], first, spreads)
        buffers = self._scratch.buffers
        moments = [(grads[0], wide)]
        if self._std:
            moments.append((grads[1], self._squares(wide, inside)))
        scores = attention_grad(attended, moments, buffers.lend("scores", *attended.shape))
        grad_scores = scores.view(len(weights.mix), -1, 1)  # (H, R, 1)
        by_name = {"attention_out": torch.bmm(hidden.transpose(1, 2), grad_scores)}
        grad_hidden = buffers.lend("grad_hidden", *hidden.shape)
        # tanh' = 1 - tanh^2
        torch.mul(hidden, hidden, out=grad_hidden).neg_().add_(1)
        grad_hidden.mul_(grad_scores).mul_(weights.out.transpose(1, 2))
        by_name["attention_bias"] = grad_hidden.sum(1)
        grad_weight = buffers.lend("grad_weight", *weights.into.shape)
        by_name["attention_weight"] = self._product(x.transpose(1, 2), grad_hidden, grad_weight)
        grad_x = buffers.lend("grad_x", *x.shape)
        self._product(grad_hidden, weights.into.transpose(1, 2), grad_x)
        attended_t = attended.transpose(1, 2)  # (H * C, T, 1)
        grad_wide = grad_x.view(wide.shape)
        # Besides the way through the scores: d mean / d x = weight and, below, d E[x^2] / d x = 2 * weight * x.
        grad_wide.addcmul_(attended_t, grads[0])
        if not self._std:
            return by_name, grad_x, None
        by_square = torch.mul(attended_t, grads[1], out=buffers.lend("by_square", *wide.shape))
        grad_wide.addcmul_(by_square, wide, value=2)
        return by_name, grad_x, None if inside is None else by_square

    def _layers(self, group: Group, *, variances: bool = False) -> Tensor:
        """Windows of a group in all layers: (L, R * D)."""
        windows, buffers, rows = self._windows, self._scratch.buffers, len(group.index)
        x = buffers.lend("layers", len(windows.layers), rows, self.dim)
        return windows.fill_layers(group, buffers, x, variances=variances).view(len(windows.layers), -1)

    def _inside(self, group: Group, weights: _Weights, buffers: Buffers) -> Tensor | None:
        """Give what varies inside windows of the summed layers: (H * C, T, D)."""
        if self._windows.variances is None or not self._std:
            return None
        n_heads, (n_clips, n_windows) = len(weights.mix), group.shape
        inside = buffers.lend("inside", n_heads, n_clips * n_windows * self.dim)
        # Variance of a weighted sum of layers, as if they did not vary together inside a window: squared weights.
        torch.mm(weights.mix.square(), self._layers(group, variances=True), out=inside)
        return inside.view(n_heads * n_clips, n_windows, self.dim)

    def _squares(self, x: Tensor, inside: Tensor | None) -> Tensor:
        squares = torch.mul(x, x, out=self._scratch.buffers.lend("squares", *x.shape))
        return squares if inside is None else squares.add_(inside)

    def _product(self, a: Tensor, b: Tensor, into: Tensor) -> Tensor:
        if self._products == torch.float32:
            return torch.bmm(a, b, out=into)
        return into.copy_(torch.bmm(a.to(self._products), b.to(self._products)))
