"""One layer of the heads that pool every layer by itself: its forward and backward pass, and its own step.

Conventions
-----------
Axes: N clips of the corpus, H heads, B clips of a step, B' clips of a head, C clips of a group, T windows, R = C * T,
D dimensions, S statistics, W hidden width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from ravfeat.heads.stacks.base import AveragedAdamW, DropoutMasks, HeadClips, Step, Tensors, TrainingSetup
from ravfeat.heads.stacks.batch import StepClips
from ravfeat.heads.stacks.clip_moments import clip_moments
from ravfeat.heads.stacks.moments import Buffers, ThreadBuffers, attend_, attention_grad, pool, spread, spread_grad
from ravfeat.heads.windows import Group, Windows

__all__ = ["PooledLayer"]

BLOCK_FLOATS = 1 << 18
"""Weights that are moved at once: half of a second-level cache, the rest is for their gradient."""


class PooledLayer:
    """One layer of one stream in training: its attention and its rows of the classifier.

    Parameters
    ----------
    stream, position : int
        Of the layer: which stream it is of, and which of that stream's layers.
    windows : Windows
        Of the stream.
    params : dict of Tensor
        First ``attention`` of shape (H, D) and ``weight`` of shape (H, S * D, W).
    scale : dict of Tensor
        The layer's part of `ravfeat.heads.attention.pooling_constants`.
    masks : DropoutMasks
        Of the pooled features.
    setup : TrainingSetup
    scratch : ThreadBuffers
        Shared with other layers: nothing in it outlives a call.
    """

    def __init__(
        self,
        stream: int,
        position: int,
        windows: Windows,
        params: Tensors,
        scale: Tensors,
        masks: DropoutMasks,
        setup: TrainingSetup,
        scratch: ThreadBuffers,
    ) -> None:
        self.stream, self.position = stream, position
        self.moving = AveragedAdamW(params, setup.weight_decay)
        self._windows, self._scratch, self._products = windows, scratch, setup.products
        self._masks, self._mask = masks, torch.empty(0)
        self._buffers = Buffers(windows.device)
        # Windows are taken around the mean of their clip, which is put back after the pooling: squares stay small, no
        # softmax notices, and no clip leaves a trace in what another head computes.
        self._clip_means = clip_moments(windows)[position].mean  # (N, D)
        self._window_mean = scale["window_mean"][:, 0]  # (H, D)
        self._window_std = scale["window_std"][:, 0]  # (H, D)
        self._mean, self._std = scale["pooled_mean"], scale["pooled_std"]  # (H, S, D)
        self._weights: list[Tensor] = []

    def draw(self, n_drawn: int, n_clips: int, share: float, stream: Tensor | None) -> None:
        """Draw the step's mask; none where nothing is dropped."""
        self._mask = torch.empty(0)
        if share:
            self._mask = self._masks.draw(n_drawn, n_clips, self._mean.shape[1] * self._mean.shape[2], share)
        if stream is not None:
            self._mask = self._mask * stream if share else stream

    def forward(self, clips: StepClips, mix: Tensor, head_clips: HeadClips, *, average: bool) -> Tensor:
        """Give what the layer adds to the hidden layer.

        Parameters
        ----------
        clips : StepClips
        mix : Tensor of shape (H,)
        head_clips : HeadClips
        average : bool
            Take the averaged weights, and drop nothing.

        Returns
        -------
        Tensor of shape (H, B', W)
        """
        params = self.moving.average if average else self.moving.now
        z = self._features(clips, params["attention"], mix, head_clips)
        if not average and len(self._mask):
            self._masks.apply_(z, self._mask)
        return _product(z, params["weight"], self._products)

    def _features(self, clips: StepClips, attention: Tensor, mix: Tensor, head_clips: HeadClips) -> Tensor:
        """Pooled, standardised and weighed: (H, B', S * D)."""
        n_heads, n_clips, dim = len(attention), len(clips.rows), attention.shape[1]
        n_statistics = self._mean.shape[1]
        # Windows are standardised by scaling the attention instead, without a pass over all of them. Their mean would
        # add the same to every score of a clip, which softmax does not notice.
        direction = attention / self._window_std
        first = self._buffers.lend("first", n_clips, n_heads, dim)
        second = self._buffers.lend("second", n_clips, n_heads, dim) if n_statistics > 1 else None
        self._weights = []
        for group in clips.groups[self.stream]:
            x = self._read(group)
            scores = self._scores(group, direction, x)
            # In place: from here on `scores` holds the attention weights, which the backward pass needs again.
            self._weights.append(attend_(scores, group.padding))
            pool(scores, x, first[group.clips])
            if second is not None:
                pool(scores, self._squares(group, x), second[group.clips])
        parts = [first] if second is None else [first, spread(first, second)]
        return self._standardised(parts, clips.places, mix, head_clips)

    def _standardised(self, parts: Sequence[Tensor], places: Tensor, mix: Tensor, head_clips: HeadClips) -> Tensor:
        """From statistics, (B, H, D) each, to the features of each head's clips, (H, B', S * D)."""
        _, n_heads, dim = parts[0].shape
        z = self._buffers.lend("z", n_heads, head_clips.width, len(parts), dim)
        out = self._scratch.buffers.lend("statistic", n_heads * head_clips.width, dim)
        gain, offset = self._standard(mix)
        for s, part in enumerate(parts):
            statistic = torch.index_select(part.view(-1, dim), 0, head_clips.flat, out=out)
            statistic = statistic.view(n_heads, head_clips.width, dim)  # (H * B', D) -> (H, B', D)
            # Only the mean moved with the clip's mean; a standard deviation did not.
            if s == 0:
                statistic.add_(self._clip_means[places[head_clips.places]])
            torch.addcmul(offset[:, s, None], statistic, gain[:, s, None], out=z[:, :, s])
        return z.flatten(2)

    def _standard(self, mix: Tensor) -> tuple[Tensor, Tensor]:
        """Factor and summand of every statistic: (H, S, D) each."""
        # (statistic - center) / std * mix, written as statistic * gain + offset: a single pass.
        gain = mix[:, None, None] / self._std
        center = self._mean.clone()
        # `pooling_constants` gives the mean around the window mean; the statistics here are not around it.
        center[:, 0] += self._window_mean
        return gain, -center * gain

    def _read(self, group: Group) -> Tensor:
        """Windows of a group around their clips' means: (C, T, D)."""
        n_clips, n_windows = group.shape
        rows, dim = n_clips * n_windows, self._windows.dim
        buffers = self._scratch.buffers
        x = self._windows.fill(self.position, group, buffers, buffers.lend("x", rows, dim))
        around = x.view(n_clips, n_windows, dim).sub_(self._clip_means[group.places][:, None])
        return _as(around, self._products, buffers, "x")

    def _squares(self, group: Group, x: Tensor) -> Tensor:
        """Squares of windows, and what varies inside them: (C, T, D)."""
        buffers = self._scratch.buffers
        squares = torch.mul(x, x, out=buffers.lend("squares", *x.shape, dtype=x.dtype))
        if self._windows.variances is not None:
            out = buffers.lend("inside", len(group.index), self._windows.dim)
            squares += self._windows.fill(self.position, group, buffers, out, variances=True).view(x.shape)
        return squares

    def _scores(self, group: Group, direction: Tensor, x: Tensor) -> Tensor:
        """Scores of windows: (C, H, T)."""
        flat = _product(direction, x.flatten(0, 1).T, self._products)  # (H, D), (D, R) -> (H, R)
        return flat.view(len(direction), *group.shape).transpose(0, 1).contiguous()

    def backward(self, step: Step, head_clips: HeadClips, grad_hidden: Tensor, mix: Tensor) -> Tensor:
        """Move what belongs to the layer; give the derivative by its weight in the mix, shape (H,)."""
        params = self.moving.now
        n_heads, width = grad_hidden.shape[:2]
        dim, n_statistics = params["attention"].shape[1], self._mean.shape[1]
        z = self._buffers.lend("z", n_heads, width, n_statistics * dim)
        grad_z = self._scratch.buffers.lend("grad_z", *z.shape)
        # A block's gradient is made, used and overwritten while it is in the processor's caches.
        for heads in self._blocks(params["weight"]):
            self._move_weights(heads, z, grad_hidden, grad_z, step)
        # z is linear in the weight of the layer, so its derivative by that weight is z / mix. The mask is in z already,
        # so grad_z gets it afterwards.
        grad_mix: Tensor = torch.linalg.vecdot(grad_z.flatten(1), z.flatten(1)) / mix
        if len(self._mask):
            self._masks.apply_(grad_z, self._mask)
        grad_z = grad_z.view(n_heads, width, n_statistics, dim)
        grad_attention = self._attention_grad(step.clips, head_clips, grad_z, mix)
        # Ends the step of the weights too, which were moved block by block above.
        self.moving.step({"attention": grad_attention}, step.lr, step.decay)
        return grad_mix

    def _blocks(self, weight: Tensor) -> list[slice]:
        """Heads whose weights a processor's caches hold."""
        n_heads = len(weight)
        at_once = n_heads if weight.device.type != "cpu" else max(1, BLOCK_FLOATS // weight[0].numel())
        return [slice(start, start + at_once) for start in range(0, n_heads, at_once)]

    def _move_weights(self, heads: slice, z: Tensor, grad_hidden: Tensor, grad_z: Tensor, step: Step) -> None:
        """Give the derivative by the features of some heads, and move their rows of the classifier."""
        weight = self.moving.now["weight"][heads]
        # First the derivative, by the weights as they were in the forward pass; then they are moved.
        _product(grad_hidden[heads], weight.transpose(1, 2), self._products, grad_z[heads])
        grad = self._scratch.buffers.lend("grad_weight", *weight.shape)
        _product(z[heads].transpose(1, 2), grad_hidden[heads], self._products, grad)
        self.moving.move("weight", heads, grad, step.lr, step.decay)

    def _attention_grad(self, clips: StepClips, head_clips: HeadClips, grad_z: Tensor, mix: Tensor) -> Tensor:
        """From derivatives by the features, (H, B', S, D), to the one by the attention, (H, D)."""
        n_heads, _, n_statistics, dim = grad_z.shape
        n_clips = len(clips.rows)
        gain, _ = self._standard(mix)
        buffers = self._scratch.buffers
        grads = []
        for s in range(n_statistics):
            grad = buffers.lend(f"grad_{s}", n_clips, n_heads, dim).zero_()
            # Put back to all (clip, head) pairs; a pair that does not matter has gradient 0.
            scaled = (grad_z[:, :, s] * gain[:, s, None]).view(-1, dim)
            grad.view(-1, dim).index_copy_(0, head_clips.flat, scaled)
            grads.append(grad)
        first = self._buffers.lend("first", n_clips, n_heads, dim)
        if n_statistics > 1:
            spread_grad(grads[0], grads[1], first, self._buffers.lend("second", n_clips, n_heads, dim))
        total = torch.zeros(n_heads, dim, device=grad_z.device)
        for group, weights in zip(clips.groups[self.stream], self._weights, strict=True):
            x = self._read(group)  # read again: to keep every window until here would take too much memory
            moments = [(grads[0][group.clips], x)]
            if n_statistics > 1:
                moments.append((grads[1][group.clips], self._squares(group, x)))
            scores = attention_grad(weights, moments, buffers.lend("scores", *weights.shape))
            rows = scores.transpose(0, 1).reshape(n_heads, -1)  # (C, H, T) -> (H, R)
            total += _product(rows, x.flatten(0, 1), self._products)
        # The chain rule of direction = attention / window_std.
        by_attention: Tensor = total / self._window_std
        return by_attention


def _as(x: Tensor, dtype: torch.dtype, buffers: Buffers, name: str) -> Tensor:
    return x if x.dtype == dtype else buffers.lend(f"{name}_narrow", *x.shape, dtype=dtype).copy_(x)


def _product(a: Tensor, b: Tensor, dtype: torch.dtype, into: Tensor | None = None) -> Tensor:
    """Product of matrices, or batched product, float32 whatever its operands are narrowed to."""
    if dtype == torch.float32:
        return torch.matmul(a, b) if into is None else torch.matmul(a, b, out=into)
    if a.dim() == 3 and len(a) == 1:  # a batch of one takes several times as long as a plain product
        narrow = torch.mm(a[0].to(dtype), b[0].to(dtype))[None]
    else:
        narrow = torch.matmul(a.to(dtype), b.to(dtype))
    return narrow.float() if into is None else into.copy_(narrow)
