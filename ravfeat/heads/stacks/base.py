"""What batched heads in training share: the step, AdamW with a moving average of the weights, dropout masks.

Conventions
-----------
Axes: H heads, B clips of a step, K classes, A further axes. Heads with one seed share the masks of dropout, as all
heads of a stack share the clips of a step: nothing else crosses from head to head.
"""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.optim.adamw import adamw

from ravfeat.heads.stacks.batch import StepClips
from ravfeat.heads.windows import Windows

__all__ = [
    "AveragedAdamW",
    "Dropout",
    "DropoutMasks",
    "HeadClips",
    "Stack",
    "Start",
    "Step",
    "Tensors",
    "TrainingSetup",
    "parallel",
]

Tensors = dict[str, Tensor]

Dropout = Callable[[Tensor, float], Tensor]
"""From ``x``, of shape (H, B, ...), and the share to drop, to what is left, scaled up by as much."""

_NO_WEIGHT = 1e-6
"""Stands for the sum of weights in a step that no clip of a head is in."""

_In = TypeVar("_In")
_Out = TypeVar("_Out")


@dataclass(frozen=True)
class TrainingSetup:
    """What does not change from step to step.

    Attributes
    ----------
    weight_decay : float
        Decoupled, as in AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101).
    products : torch.dtype
        Of the operands of large products; sums, moments and parameters are float32.
    pool : ThreadPoolExecutor or None
        Side by side on a processor; None where a GPU does that by itself.
    """

    weight_decay: float
    products: torch.dtype = torch.float32
    pool: ThreadPoolExecutor | None = None


@dataclass(frozen=True)
class Start:
    """Heads before their first step.

    Attributes
    ----------
    windows : Windows
    params, constants : dict of Tensor
        With a leading head axis.
    seeds : tuple of int
        Of every head.
    setup : TrainingSetup
    """

    windows: Windows
    params: dict[str, Tensor]
    constants: dict[str, Tensor]
    seeds: tuple[int, ...]
    setup: TrainingSetup


@dataclass(frozen=True)
class HeadClips:
    """The clips of a step that matter to each head: those it trains on, or those it is to score.

    Attributes
    ----------
    places : Tensor of shape (H, B'), int64
        Among the clips of a step; a head with fewer has others at the end, which weigh nothing.
    flat : Tensor of shape (H * B',), int64
        The same in an array of (clip, head) pairs.
    """

    places: Tensor
    flat: Tensor

    @classmethod
    def of(cls, matters: Tensor) -> "HeadClips":
        """Make it of what matters, shape (H, B), bool."""
        n_heads, device = len(matters), matters.device
        # At least one place, or a step that no head trains on would make empty arrays.
        most = max(1, int(matters.sum(1).max()))
        # Stable: the clips of a head stay in the order of the step, whatever other heads' clips lie between them.
        places = torch.argsort((~matters).byte(), dim=1, stable=True)[:, :most]  # (H, B) -> (H, B')
        # Pair (clip, head) has the number clip * H + head: pooled statistics are stored clip by clip.
        flat = (places * n_heads + torch.arange(n_heads, device=device)[:, None]).flatten()
        return cls(places, flat)

    @property
    def width(self) -> int:
        """B'."""
        return self.places.shape[1]

    def matters(self, n_clips: int) -> Tensor:
        """Give what `of` was made of, other clips at the end included: (H, B), bool."""
        matters = torch.zeros(len(self.places), n_clips, device=self.places.device)
        return matters.scatter_(1, self.places, 1) > 0

    def take(self, x: Tensor) -> Tensor:
        """Take the clips of each head: (H, B, ...) -> (H, B', ...)."""
        return x[torch.arange(len(x), device=x.device)[:, None], self.places]

    def put_(self, x: Tensor, values: Tensor) -> Tensor:
        """Put (H, B', ...) back to where `take` took them from, in place of what is in `x`."""
        x[torch.arange(len(x), device=x.device)[:, None], self.places] = values
        return x


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes
    ----------
    clips : StepClips
    n_drawn : int
        Clips that were drawn for the step; those that no head of the stack trains on are not among `clips`.
    targets : Tensor of shape (B,), int64
    weights : Tensor of shape (H, B)
        Of the clips in every head's loss; 0 for a clip that is held out from it.
    label_smoothing : float
    lr : float
    decay : float
        Of the moving average.
    """

    clips: StepClips
    n_drawn: int
    targets: Tensor
    weights: Tensor
    label_smoothing: float
    lr: float
    decay: float

    def loss(self, logits: Tensor, head_clips: HeadClips) -> Tensor:
        """Sum over heads of the class-weighted mean cross-entropy of the clips they train on.

        Parameters
        ----------
        logits : Tensor of shape (H, B', K)
        head_clips : HeadClips
        """
        weights, targets = self.weights.gather(1, head_clips.places), self.targets[head_clips.places]
        losses = functional.cross_entropy(
            logits.flatten(0, 1), targets.flatten(), reduction="none", label_smoothing=self.label_smoothing
        ).view(weights.shape)
        # Each head's mean is over its own clips; the sum over heads leaves their gradients apart.
        return ((losses * weights).sum(1) / weights.sum(1).clamp_min(_NO_WEIGHT)).sum()


class Stack(Protocol):
    """Heads in training."""

    def clips(self, rows: NDArray[np.int64]) -> StepClips:
        """Prepare rows, longest first, for a step or for scoring."""
        ...

    def step(self, step: Step) -> None:
        """Train on some clips."""
        ...

    def logits(self, clips: StepClips, head_clips: HeadClips) -> Tensor:
        """Let every head score its clips with its averaged weights: shape (H, B', K)."""
        ...

    def averaged(self, head: int) -> dict[str, Tensor]:
        """Copy the averaged weights of one head, by name, without head axis."""
        ...


class AveragedAdamW:
    """Parameters that AdamW moves, and their exponential moving average.

    A processor moves them in parts that its caches hold: of what a step computes, only the parameters, their average
    and two moments have to come from memory, once.

    Parameters
    ----------
    params : dict of Tensor
        First values, with a leading head axis; copied.
    weight_decay : float
    """

    def __init__(self, params: dict[str, Tensor], weight_decay: float) -> None:
        # Copied to contiguous memory: the weights of a layer come as a slice of a larger tensor.
        self.now = {name: value.detach().clone(memory_format=torch.contiguous_format) for name, value in params.items()}
        self.average = {name: value.clone() for name, value in self.now.items()}
        self._firsts, self._seconds = (
            {name: torch.zeros_like(value) for name, value in self.now.items()} for _ in range(2)
        )
        device = next(iter(self.now.values())).device
        # The fused kernel counts the step up, once per call; all parts of one step must get the same number.
        self._steps, self._before = torch.zeros((), device=device), 0
        self._weight_decay = weight_decay

    def step(self, grads: dict[str, Tensor], lr: float, decay: float) -> None:
        """Move all of some parameters once."""
        all_heads = slice(None)
        for name, grad in grads.items():
            self.move(name, all_heads, grad, lr, decay)
        self.stepped()

    @torch.no_grad()
    def move(self, name: str, heads: slice, grad: Tensor, lr: float, decay: float) -> None:
        """Move some heads' part of a parameter against its gradient, and the average after it; end with `stepped`."""
        # A view: the kernel writes the new values into `self.now`. The function, as the class `torch.optim.AdamW` moves
        # whole tensors only, and some heads of one are moved here.
        values = self.now[name][heads]
        adamw(
            [values], [grad], [self._firsts[name][heads]], [self._seconds[name][heads]], [],
            [self._steps.fill_(self._before)], fused=True, amsgrad=False, maximize=False, beta1=0.9, beta2=0.999,
            lr=lr, weight_decay=self._weight_decay, eps=1e-8,
        )  # fmt: skip
        # average = decay * average + (1 - decay) * value
        self.average[name][heads].lerp_(values, 1 - decay)

    def stepped(self) -> None:
        """End a step in which every parameter was moved."""
        self._before += 1


class DropoutMasks:
    """Dropout masks, drawn for every seed from its own generator.

    Parameters
    ----------
    seeds : sequence of int
        Of every head.
    place : int
        Tells the masks of one place in a network from those of another.
    device : torch.device
    """

    def __init__(self, seeds: Sequence[int], place: int, device: torch.device) -> None:
        self._distinct = sorted(set(seeds))
        self._of_head = [self._distinct.index(seed) for seed in seeds]
        # One generator for every seed and place, whatever else is in the stack and whichever draws first.
        self._generators = [
            torch.Generator(device).manual_seed((seed * 1_000_003 + place + 1) % (1 << 62)) for seed in self._distinct
        ]
        self._device = device

    def draw(self, n_drawn: int, n_clips: int, width: int, share: float) -> Tensor:
        """Draw as many masks as a step drew clips, and give the first of them, one for each clip that a head trains on.

        How many are drawn does not depend on which heads are in the stack, and so neither does what a head gets.

        Returns
        -------
        Tensor of shape (seeds, B', width), float32
            0 for a share of entries, and what scales up the others.
        """
        masks = [
            # In place: uniform numbers become 0 or 1, then 0 or 1 / (1 - share).
            torch.rand(n_drawn, width, generator=generator, device=self._device)[:n_clips].ge_(share).div_(1 - share)
            for generator in self._generators
        ]
        return torch.stack(masks) if len(masks) > 1 else masks[0][None]

    def apply_(self, x: Tensor, masks: Tensor) -> Tensor:
        """Multiply (H, B', A) by the masks of every head's seed, in place."""
        if len(masks) == 1:
            return x.mul_(masks)
        for head, seed in enumerate(self._of_head):
            x[head].mul_(masks[seed])
        return x

    def of_heads(self, masks: Tensor) -> Tensor:
        """Give every head its masks: (seeds, B', A) becomes (H, B', A), or stays (1, B', A)."""
        return masks if len(masks) == 1 else masks[self._of_head]


def parallel(pool: ThreadPoolExecutor | None, work: Callable[[_In], _Out], items: Iterable[_In]) -> list[_Out]:
    """Apply `work` to every item, side by side where there is a pool; results in order."""
    return list(map(work, items) if pool is None else pool.map(work, items))
