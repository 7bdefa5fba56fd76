"""The trained network: the encoder's top layers and a head on all its layers.

The head is one of `ravfeat.heads` with a head axis of length 1: same network, same first weights, same pooling.
Nothing in this file knows about folds, files or epochs.

Conventions
-----------
Axes: B clips, L layers, T frames, W windows, D dimensions, K classes; H = 1 heads.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ravfeat.encoders.hidden_states import full_precision
from ravfeat.encoders.top_layers import SplitEncoder
from ravfeat.finetune.frozen import FrozenClip
from ravfeat.finetune.steps import n_windows, window_means
from ravfeat.heads.network import Dropout, Network
from ravfeat.heads.windows import Batch, Windows
from ravfeat.resources import attempt_in_halves

__all__ = ["FineTuneNetwork", "Tensors"]

Tensors = dict[str, Tensor]


class FineTuneNetwork:
    """The top layers of an encoder and a head on all its layers.

    Parameters
    ----------
    split : SplitEncoder
    net : Network
        The head's network.
    window : int
        Frames the head averages.
    half : bool
        Run the trained layers of the encoder in bfloat16 (autocast); all else is computed in float32.
    """

    def __init__(self, split: SplitEncoder, net: Network, *, window: int, half: bool) -> None:
        self._split, self._net, self._window, self._half = split, net, window, half
        # Copies, because the encoder is trained in place and every fold starts from here.
        self._pretrained = {name: value.detach().clone() for name, value in split.learned.items()}
        self.head: Tensors = {}
        self.constants: Tensors = {}

    def start(self, clips: Iterable[list[FrozenClip]], n_classes: int, seed: int) -> None:
        """Go back to the pretrained layers and a new head, whose scale is that of some clips.

        Parameters
        ----------
        clips : iterable of list of FrozenClip
            Training clips as they are.
        n_classes : int
        seed : int
            Of the head's first weights.
        """
        self.load({f"encoder.{name}": value for name, value in self._pretrained.items()})
        windows = self._windows(clips)
        generator = torch.Generator(windows.device).manual_seed(seed)
        n_clips = len(windows.lengths)
        self.constants = self._net.constants(windows, [np.arange(n_clips)])
        self.head = _with_head_axis(self._net.init(windows, n_classes, generator))
        for value in self.head.values():
            value.requires_grad_()

    @property
    def params(self) -> Tensors:
        """All trained parameters, by name: ``encoder.…`` and ``head.…``, sorted."""
        encoder = {f"encoder.{name}": value for name, value in self._split.learned.items()}
        params = encoder | {f"head.{name}": value for name, value in self.head.items()}
        # Sums over all of them (the length of the gradient) must not depend on where they were read from.
        return dict(sorted(params.items()))

    def restore(self, params: Mapping[str, Tensor], constants: Mapping[str, Tensor]) -> bool:
        """Take over the parameters of an interrupted process; False where the encoder has others."""
        encoder = {
            name.removeprefix("encoder."): value.shape for name, value in params.items() if name.startswith("encoder.")
        }
        if encoder != {name: value.shape for name, value in self._pretrained.items()}:
            return False
        device = self._split.device
        self.constants = {name: value.to(device) for name, value in constants.items()}
        heads = {name.removeprefix("head."): value for name, value in params.items() if name.startswith("head.")}
        self.head = {name: value.clone().to(device).requires_grad_() for name, value in heads.items()}
        self.load(params)
        return True

    @torch.no_grad()
    def load(self, params: Mapping[str, Tensor]) -> None:
        """Set values of trained parameters."""
        learned = self.params
        for name, value in params.items():
            learned[name].copy_(value)

    def keep_less(self) -> bool:
        """Keep only the input of every trained layer for the way back; False where that is so already."""
        kept_all, self._split.recompute = not self._split.recompute, True
        return kept_all

    def logits(self, clips: Sequence[FrozenClip]) -> Tensor:
        """Score clips, without dropout.

        Returns
        -------
        Tensor of shape (B, K), float32
        """
        self._split.train(training=False)
        return self._logits(clips, lambda x, p: x)

    def backward(self, clips: Sequence[FrozenClip], draw: int, loss: Callable[[Tensor], Tensor]) -> None:
        """Differentiate a loss of the logits of clips by all parameters, and add that to their gradients.

        Parameters
        ----------
        clips : sequence of FrozenClip
        draw : int
            Seed of all dropout.
        loss : callable
            From logits of shape (B, K) to a number.
        """
        # Layers that are computed again on the way back must be as they were: in training, and in full precision.
        with full_precision(), self._dropout(draw) as dropout:
            torch.autograd.backward(loss(self._logits(clips, dropout)))

    def _logits(self, clips: Sequence[FrozenClip], dropout: Dropout) -> Tensor:
        scores = self._net.forward(self.head, self.constants, self._batch(clips), dropout)
        return scores[0].to(self._split.device)  # (H, B, K) -> (B, K)

    def _batch(self, clips: Sequence[FrozenClip]) -> Batch:
        entry = torch.nn.utils.rnn.pad_sequence([clip.entry for clip in clips], batch_first=True)
        entry = entry.to(self._split.device)
        with torch.autocast(entry.device.type, torch.bfloat16, enabled=self._half):
            # Lengths of what is attended to; those without the encoder's own padding follow below.
            upper = self._split.upper(entry, [len(clip.entry) for clip in clips])  # (N, B, T, D)
        lengths = [clip.n_frames for clip in clips]
        top = window_means(upper, lengths, self._window)  # (N, B, W, D)
        # Zero beyond a clip's last window, as `window_means` leaves the upper layers.
        lower = torch.zeros(len(clips[0].means), *top.shape[1:])
        for row, clip in enumerate(clips):
            lower[:, row, : clip.means.shape[1]] = clip.means
        means = torch.cat([lower.to(top.device), top])[:, None]  # (L, B, W, D) -> (L, H, B, W, D)
        counts = torch.tensor([n_windows(n, self._window) for n in lengths])
        padding = torch.arange(top.shape[2]) >= counts[:, None]
        return Batch(means, None, padding.to(top.device)[None])

    @contextmanager
    def _dropout(self, draw: int) -> Iterator[Dropout]:
        device = self._split.device
        # The encoder's layers draw from torch's global generator: seed it, and put its state back afterwards.
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(draw)
            self._split.train(training=True)
            try:
                yield _dropout(torch.Generator(device).manual_seed(draw))
            finally:
                self._split.train(training=False)

    @torch.no_grad()
    def _windows(self, clips: Iterable[list[FrozenClip]]) -> Windows:
        """Windows of all layers of some clips, as a head reads them from a cache."""

        def windows(batch_clips: Sequence[FrozenClip]) -> tuple[Tensor, Tensor]:
            batch = self._batch(batch_clips)
            valid = ~batch.padding[0]  # (B, W)
            # In main memory: those of all clips are more than a batch.
            return batch.means[:, 0][:, valid].cpu(), valid.sum(1)  # (L, B, W, D) -> (L, F, D)

        parts = [part for batch_clips in clips for part in attempt_in_halves(windows, batch_clips)]
        means, counts = torch.cat([part for part, _ in parts], dim=1), torch.cat([lengths for _, lengths in parts])
        # A clip's first window is the sum of the lengths before it.
        starts, layers = counts.cumsum(0) - counts, tuple(range(len(means)))
        return Windows(means, None, starts, counts, layers, at=self._split.device)


def _dropout(generator: torch.Generator) -> Dropout:
    """Dropout of one head, shape (1, ...), whose places all draw from one generator."""

    def dropout(x: Tensor, p: float) -> Tensor:
        if p == 0:
            return x
        draws = torch.rand(x.shape, generator=generator, device=x.device)
        return x * (draws >= p).to(x.dtype).div_(1 - p)

    return dropout


def _with_head_axis(values: Mapping[str, Any]) -> Tensors:
    """Give every tensor a head axis."""
    return {name: value[None].contiguous() for name, value in values.items()}
