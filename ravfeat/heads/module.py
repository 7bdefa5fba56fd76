"""Heads from a user's own torch network on padded frames, trained by the one loop through autograd.

The network is a `torch.nn.Module` with ``forward(frames, mask) -> logits``: frames of shape (B, T, L, D), every
dimension of every layer standardised by the windows of the training clips, 0 where there is padding; mask of shape
(B, T), True where there is a window; logits of shape (B, K). It never gets a label: losses are taken here. Schedule,
weight decay, label smoothing, moving average and the choice of the epoch are those of ``attentive``.

Before it trains, it is tried on random numbers: what padding changes, what keeps running statistics, and what gives
other shapes is refused, as its scores would depend on which clips lie beside a clip.

Conventions
-----------
Axes: L layers, H heads, B clips, T windows, D dimensions, K classes.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call

from ravfeat.documents import Count, Positive, Share
from ravfeat.errors import PluginError
from ravfeat.features.clips import ClipFeatures
from ravfeat.heads.attention import pooling_constants
from ravfeat.heads.base import Sweep
from ravfeat.heads.network import Dropout, Network
from ravfeat.heads.neural import NeuralHead, last_or_clearly_better
from ravfeat.heads.own_code import OwnCode
from ravfeat.heads.windows import Batch, Windows
from ravfeat.plugins import running_brought

__all__ = ["ModuleHead", "ModuleNet"]

_PREFIX = "module."
_SEED_BITS = 62
_TOLERANCE = 1e-3
"""Largest difference that padding may make, as a share of the largest logit."""

_RANDOM = threading.RLock()
"""Held while torch's own random numbers are drawn: they are one stream for all threads."""

_MADE = threading.local()
"""Modules of this thread, whose parameters a forward pass sets."""

_DRAWS: dict[tuple["ModuleNet", int, int], bool] = {}
"""Whether a module draws random numbers in training, by its network, layers and dimensions."""


@dataclass(frozen=True)
class ModuleNet(Network):
    """A user's module, for batched heads.

    Parameters
    ----------
    factory : callable
        ``factory(n_layers, dim, n_classes)`` gives a module.
    reference : str
        What to call it in messages.
    n_classes : int
    """

    factory: Callable[[int, int, int], Any]
    reference: str
    n_classes: int

    def constants(self, windows: Windows, rows: Sequence[NDArray[np.int64]]) -> dict[str, Tensor]:
        """Scale of windows over the training rows."""
        scales = pooling_constants(windows, rows, std=False)
        return {name: scales[name] for name in ("window_mean", "window_std")}

    def init(self, windows: Windows, n_classes: int, generator: torch.Generator) -> dict[str, Tensor]:
        """First parameters of one head: those that the module has after torch was seeded with the head's seed.

        Raises
        ------
        PluginError
            Where it is no module that can be trained here.
        """
        module = self.make(len(windows.layers), windows.dim, generator.initial_seed())
        params = {name: param.detach() for name, param in module.named_parameters() if param.requires_grad}
        # Without values only their shapes are asked for; see `ravfeat.heads.network.network_shapes`.
        if any(param.is_meta for param in params.values()):
            return {_PREFIX + name: param for name, param in params.items()}
        lengths = windows.clip_lengths
        _try_module(self, len(windows.layers), windows.dim, int(lengths.max()), int(lengths.min()))
        return {_PREFIX + name: param.to(windows.device) for name, param in params.items()}

    def forward(
        self, params: dict[str, Tensor], constants: dict[str, Tensor], batch: Batch, dropout: Dropout
    ) -> Tensor:
        """Logits of shape (H, B, K), one head after the other."""
        mean, std = (constants[name].transpose(0, 1) for name in ("window_mean", "window_std"))  # (L, H, 1, 1, D)
        masks = ~batch.padding  # (H, B, T)
        # (L, H, B, T, D) -> (H, B, T, L, D)
        frames = ((batch.means - mean) / std).permute(1, 2, 3, 0, 4) * masks[..., None, None]
        seeds = _seeds(len(masks), dropout, masks.device) if torch.is_grad_enabled() else [0] * len(masks)
        logits = []
        for head, seed in enumerate(seeds):
            own = {name.removeprefix(_PREFIX): value[head] for name, value in params.items()}
            logits.append(self._of_head(own, frames[head], masks[head], seed))
        return torch.stack(logits)

    def make(self, n_layers: int, dim: int, seed: int) -> nn.Module:
        """Make a module, with torch's random numbers from a seed and as they were afterwards.

        Raises
        ------
        PluginError
            Where the factory fails, or gives what is no module of single precision.
        """
        with _drawing(seed, torch.device("cpu")), running_brought(self.reference, "being made"):
            module = self.factory(n_layers, dim, self.n_classes)
        if not isinstance(module, nn.Module):
            raise PluginError(
                f"'{self.reference}' gives {type(module).__name__} for n_layers, dim and n_classes, expected a"
                " torch.nn.Module"
            )
        trained = [param for param in module.parameters() if param.requires_grad]
        if not trained or {param.dtype for param in trained} != {torch.float32}:
            kinds = ", ".join(sorted({str(param.dtype) for param in trained})) or "none"
            raise PluginError(f"'{self.reference}' has parameters of {kinds}, expected some that train, of float32")
        return module

    def _of_head(self, params: dict[str, Tensor], frames: Tensor, mask: Tensor, seed: int) -> Tensor:
        """Score clips (B, T, L, D) with the parameters of one head, to (B, K)."""
        training = torch.is_grad_enabled()
        module = self._module(frames.shape[2], frames.shape[3], frames.device)
        module.train(training)
        # Threads wait for each other only where the module draws random numbers of its own, as in dropout.
        alone = training and _DRAWS.get((self, *frames.shape[2:]), True)
        with _drawing(seed, frames.device) if alone else nullcontext():
            logits = self.score(module, params, frames, mask)
        if not training and not torch.isfinite(logits).all():
            raise PluginError(f"'{self.reference}' gives logits that are not finite; its training went astray")
        return logits

    def score(self, module: nn.Module, params: dict[str, Tensor], frames: Tensor, mask: Tensor) -> Tensor:
        """Let a module score clips with some parameters in place of its own.

        Raises
        ------
        PluginError
            Where it fails, or gives other than logits of these clips.
        """
        with running_brought(self.reference, f"scoring {len(frames)} clips of {frames.shape[1]} windows"):
            logits = functional_call(module, params, (frames, mask))
        expected = (len(frames), self.n_classes)
        if not isinstance(logits, Tensor) or tuple(logits.shape) != expected:
            given = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise PluginError(f"'{self.reference}' gives {given}, expected logits of shape {expected}")
        return logits

    def _module(self, n_layers: int, dim: int, device: torch.device) -> nn.Module:
        """Give this thread's module; what in it does not train is as it is after torch was seeded with 0."""
        made: dict[Any, nn.Module] = _MADE.__dict__.setdefault("modules", {})
        key = (self, n_layers, dim, str(device))
        if key not in made:
            made[key] = self.make(n_layers, dim, 0).to(device)
        return made[key]


@lru_cache(maxsize=16)
def _try_module(net: ModuleNet, n_layers: int, dim: int, longest: int, shortest: int) -> None:
    """Try a module on two clips of random numbers, and note whether it draws any itself in training.

    Raises
    ------
    PluginError
        Where scores of a clip depend on the clip beside it or differ from call to call, and where a module keeps
        running statistics: a head is the average of its weights over the steps, which those do not fit.
    """
    module = net.make(n_layers, dim, 0)
    frames = torch.randn(2, longest, n_layers, dim, generator=torch.Generator().manual_seed(0))
    mask = torch.arange(longest) < torch.tensor([[longest], [shortest]])
    frames = frames * mask[..., None, None]
    module.eval()
    with torch.inference_mode():
        together, again = (net.score(module, {}, frames, mask)[1:] for _ in range(2))
        alone = net.score(module, {}, frames[1:, :shortest], mask[1:, :shortest])
    if not torch.equal(together, again):
        raise PluginError(f"'{net.reference}' scores the same clips otherwise every time, when it is not in training")
    if not torch.allclose(together, alone, atol=_TOLERANCE * max(1.0, float(together.abs().max()))):
        raise PluginError(
            f"'{net.reference}' scores a clip otherwise where a longer one lies beside it: use the mask, which is True"
            " where there is a window, so that padding counts for nothing, and no statistics over several clips"
        )
    buffers = {name: value.clone() for name, value in module.named_buffers()}
    module.train()
    with _RANDOM, torch.random.fork_rng(devices=[]), torch.inference_mode():
        before = torch.get_rng_state()
        net.score(module, {}, frames, mask)
        _DRAWS[net, n_layers, dim] = not torch.equal(before, torch.get_rng_state())
    if changed := [name for name, value in module.named_buffers() if not torch.equal(value, buffers[name])]:
        raise PluginError(
            f"'{net.reference}' keeps running statistics ({changed[0]}), as BatchNorm does, which do not fit weights"
            " that are averaged over steps; use LayerNorm or GroupNorm"
        )


@contextmanager
def _drawing(seed: int, device: torch.device) -> Iterator[None]:
    """Let torch's random numbers begin with a seed, and go on afterwards as if nothing had been drawn."""
    devices = [device] if device.type == "cuda" else []
    with _RANDOM, torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def _seeds(n_heads: int, dropout: Dropout, device: torch.device) -> list[int]:
    """Draw a seed for every head from the numbers of its own that a step drops by, whatever heads are beside it."""
    bits = dropout(torch.ones(n_heads, 1, _SEED_BITS, device=device), 0.5)[:, 0] > 0  # (H, 62)
    return [sum(1 << place for place, bit in enumerate(of_head) if bit) for of_head in bits.tolist()]


@dataclass(frozen=True, kw_only=True)
class ModuleHead(OwnCode, NeuralHead):
    """A user's own network; of the settings of `NeuralHead` those of the training hold."""

    kind: ClassVar[Literal["classifier", "network"]] = "network"
    seeded: ClassVar[bool] = True
    factory: ClassVar[Callable[[int, int, int], Any]]

    batch_size: Count = 64
    lr: Positive = 8e-4
    ema: Share = 0.98

    def net(self) -> ModuleNet:
        """Refuse: the module is made for a number of classes; see `net_for`."""
        raise NotImplementedError

    def net_for(self, n_classes: int) -> ModuleNet:
        """Build the network for a number of classes.

        Raises
        ------
        HeadError
            Where the code is not at hand.
        """
        self.check_present()
        return ModuleNet(type(self).factory, self.brought.reference, n_classes)

    def choose(self, sweeps: Sequence[Sweep], y_val: Sequence[NDArray[np.int64]]) -> int:
        """Keep the last epoch of a single sweep unless another is clearly better."""
        return last_or_clearly_better(sweeps, y_val)

    def _recipe(self, windows: Windows, n_classes: int, features: ClipFeatures) -> dict[str, Any]:
        return super()._recipe(windows, n_classes, features) | {"brought": dict(self.record())}
