"""Hand-written training of heads that pool every layer by itself: forward and backward, layer by layer.

What a layer gives to the classifier, what comes back, and the step of everything that belongs to the layer are done
while its windows are in a processor's caches; layers lie side by side on its cores. `ravfeat.heads.attention` and
`ravfeat.heads.attentive` have the same forward pass in plain operations.

Conventions
-----------
Axes: H heads, B clips of a step, C clips of a group, T windows, R = C * T, D dimensions, S statistics, W hidden width,
K classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ravfeat.heads.stacks.base import (
    AveragedAdamW,
    DropoutMasks,
    HeadClips,
    Start,
    Step,
    Tensors,
    parallel,
)
from ravfeat.heads.stacks.batch import StepClips
from ravfeat.heads.stacks.moments import ThreadBuffers
from ravfeat.heads.stacks.pooled_layer import PooledLayer
from ravfeat.heads.windows import Windows

__all__ = ["PooledSettings", "PooledStack"]

# Places in the network where dropout draws; those below are the layers.
_HIDDEN, _STREAMS = 1 << 20, 1 << 21


_KEPT, _SCRATCH = 9, 12
"""Numbers that a head holds for each dimension of a clip: in every layer, and in the one that is computed."""


@dataclass(frozen=True)
class PooledSettings:
    """Settings of the network.

    Attributes
    ----------
    std : bool
        Pool to mean and standard deviation, or to the mean alone.
    feature_dropout, dropout, stream_dropout : float
        Share of pooled features, of hidden units, and of clips that lose a stream as a whole.
    """

    std: bool
    feature_dropout: float
    dropout: float
    stream_dropout: float = 0.0


class PooledStack:
    """Heads of the network `ravfeat.heads.attentive.AttentiveNet`, or of several streams, in training.

    Parameters
    ----------
    settings : PooledSettings
    start : Start
    prefixes : sequence of str
        With which the names of every stream's parameters and constants begin.
    """

    def __init__(self, settings: PooledSettings, start: Start, prefixes: Sequence[str]) -> None:
        windows, params, setup = start.windows, start.params, start.setup
        self._settings, self._setup, self._windows = settings, setup, windows
        self._names = [f"{prefix}layer_mix" for prefix in prefixes]
        self._layers = _layers(settings, start, prefixes)
        shared = {name: params[name] for name in (*self._names, "hidden_bias", "class_weight", "class_bias")}
        self._shared = AveragedAdamW(shared, setup.weight_decay)
        self._hidden_masks = DropoutMasks(start.seeds, _HIDDEN, windows.device)
        self._stream_masks = [DropoutMasks(start.seeds, _STREAMS + s, windows.device) for s in range(len(prefixes))]
        self._prefixes = tuple(prefixes)

    @staticmethod
    def step_bytes(windows: Windows, n_clips: int, hidden: int) -> tuple[int, int]:
        """Estimate memory; see `ravfeat.heads.network.Network.step_bytes`."""
        shared = each = 0
        for stream in windows.streams:
            n_layers, rows = len(stream.layers), n_clips * int(stream.clip_lengths.max())
            shared = max(shared, min(rows * stream.dim, stream.group_floats))  # one layer of one group
            # What is pooled, attended and added to the hidden layer is kept for the way back.
            each += n_layers * (n_clips * (_KEPT * stream.dim + hidden) + rows)
            each += _SCRATCH * n_clips * stream.dim + 2 * rows + 4 * stream.dim * hidden
        return 20 * shared, 4 * each  # windows, their squares and their float16 and bfloat16 copies

    def clips(self, rows: NDArray[np.int64]) -> StepClips:
        """Prepare rows; see `ravfeat.heads.stacks.base.Stack`."""
        return StepClips.of(self._windows, rows)

    def step(self, step: Step) -> None:
        """Train on some clips; see `ravfeat.heads.stacks.base.Stack`."""
        settings, params, head_clips = self._settings, self._shared.now, HeadClips.of(step.weights > 0)
        n_drawn, n_clips = step.n_drawn, head_clips.width
        # One number for each clip and stream: all layers of a stream are dropped together.
        streams = None
        if settings.stream_dropout:
            streams = [masks.draw(n_drawn, n_clips, 1, settings.stream_dropout) for masks in self._stream_masks]
        mixes = [_mix(params[name].detach()) for name in self._names]

        def forward(layer: PooledLayer) -> Tensor:
            layer.draw(n_drawn, n_clips, settings.feature_dropout, None if streams is None else streams[layer.stream])
            return layer.forward(step.clips, mixes[layer.stream][:, layer.position], head_clips, average=False)

        # Layers are summed in their order, whichever thread is ready first, so that sums have the same bits.
        hidden = _sum(parallel(self._setup.pool, forward, self._layers)).requires_grad_()  # (H, B', W)
        mask = (
            self._hidden_masks.draw(n_drawn, n_clips, hidden.shape[-1], settings.dropout) if settings.dropout else None
        )
        head = {name: value.requires_grad_() for name, value in params.items() if name not in self._names}
        # Autograd sees only the small classifier after the hidden layer; the layers' part is written by hand.
        logits = _classify(hidden, head, None if mask is None else self._hidden_masks.of_heads(mask))
        grad_hidden, *grads = torch.autograd.grad(step.loss(logits, head_clips), [hidden, *head.values()])

        def backward(layer: PooledLayer) -> Tensor:
            return layer.backward(step, head_clips, grad_hidden, mixes[layer.stream][:, layer.position])

        grad_mixes = torch.stack(
            parallel(self._setup.pool, backward, self._layers), dim=1
        )  # (H, layers of all streams)
        gradients = dict(zip(head, grads, strict=True)) | self._mix_grads(grad_mixes, mixes)
        self._shared.step(gradients, step.lr, step.decay)

    def logits(self, clips: StepClips, head_clips: HeadClips) -> Tensor:
        """Score clips with the averaged weights; see `ravfeat.heads.stacks.base.Stack`."""
        params = self._shared.average
        mixes = [_mix(params[name]) for name in self._names]

        def forward(layer: PooledLayer) -> Tensor:
            return layer.forward(clips, mixes[layer.stream][:, layer.position], head_clips, average=True)

        return _classify(_sum(parallel(self._setup.pool, forward, self._layers)), params, None)

    def averaged(self, head: int) -> Tensors:
        """Copy the averaged weights of one head; see `ravfeat.heads.stacks.base.Stack`."""
        # Each layer trained its rows of one weight matrix; put together in order, they are the whole.
        weights = torch.cat([layer.moving.average["weight"][head] for layer in self._layers])
        attention = {
            f"{prefix}attention": torch.stack(
                [layer.moving.average["attention"][head] for layer in self._layers if layer.stream == s]
            )
            for s, prefix in enumerate(self._prefixes)
        }
        shared = {name: value[head].clone() for name, value in self._shared.average.items()}
        return shared | attention | {"hidden_weight": weights}

    def _mix_grads(self, grads: Tensor, mixes: Sequence[Tensor]) -> Tensors:
        ends = torch.tensor([0, *(mix.shape[1] for mix in mixes)]).cumsum(0).tolist()
        by_name = {}
        for name, mix, (start, stop) in zip(self._names, mixes, pairwise(ends), strict=True):
            of_stream = grads[:, start:stop]
            # mix = L * softmax(raw), so d mix_i / d raw_j = mix_i * ([i = j] - mix_j / L).
            shares = mix / mix.shape[1]  # (H, L)
            by_name[name] = mix * (of_stream - (of_stream * shares).sum(1, keepdim=True))
        return by_name


def _mix(raw: Tensor) -> Tensor:
    """Weights of layers with mean 1: (H, L)."""
    return raw.softmax(-1) * raw.shape[-1]


def _sum(parts: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(parts)).sum(0) if len(parts) > 1 else parts[0].clone()


def _classify(hidden: Tensor, params: Tensors, mask: Tensor | None) -> Tensor:
    """From the sums of the hidden layer, (H, B, W), to logits, (H, B, K)."""
    z = functional.gelu(hidden + params["hidden_bias"][:, None])
    z = z if mask is None else z * mask
    return z @ params["class_weight"] + params["class_bias"][:, None]


def _layers(settings: PooledSettings, start: Start, prefixes: Sequence[str]) -> list[PooledLayer]:
    """Cut the parameters of every layer of every stream out of the whole."""
    windows, params = start.windows, start.params
    layers: list[PooledLayer] = []
    scratch = ThreadBuffers(windows.device)
    begin, n_statistics = 0, 2 if settings.std else 1
    for s, (prefix, stream) in enumerate(zip(prefixes, windows.streams, strict=True)):
        # Rows of the classifier are cut in the order in which `pooled_layers` lays layers side by side.
        width = stream.dim * n_statistics
        for position in range(len(stream.layers)):
            first = {
                "attention": params[f"{prefix}attention"][:, position],
                "weight": params["hidden_weight"][:, begin : begin + width],
            }
            scale = {
                name.removeprefix(prefix): value[:, position, 0]  # (H, L, 1, S or 1, D) -> (H, S or 1, D)
                for name, value in start.constants.items()
                if name.startswith(prefix)
            }
            # The place is the layer's number over all streams, far below `_HIDDEN` and `_STREAMS`.
            masks = DropoutMasks(start.seeds, len(layers), windows.device)
            layers.append(PooledLayer(s, position, stream, first, scale, masks, start.setup, scratch))
            begin += width
    return layers
