"""Training of one fold: epochs of steps, scored after each on the validation actors; the best epoch is kept.

Conventions
-----------
Axes: N clips, E epochs, K classes. Every draw (order, view, dropout) comes from seed, fold, epoch and step; see
`ravfeat.finetune.steps`.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ravfeat.errors import HeadError
from ravfeat.finetune.frozen import FrozenClip, FrozenStates
from ravfeat.finetune.network import FineTuneNetwork, Tensors
from ravfeat.finetune.plan import FineTunePlan
from ravfeat.finetune.steps import draw_of, epoch_batches, n_batches, rate_factor
from ravfeat.heads.base import Job, Sweep
from ravfeat.heads.checks import balanced_weights, check_jobs
from ravfeat.heads.neural import best_epoch
from ravfeat.media.augment import CLEAN
from ravfeat.progress import track_progress
from ravfeat.protocols.folds import Fold
from ravfeat.resources import attempt, attempt_in_halves

__all__ = ["FoldResult", "FoldTraining", "Progress"]

_log = logging.getLogger(__name__)

Rows = NDArray[np.int64]
Logits = NDArray[np.float32]


@dataclass(frozen=True)
class Progress:
    """A fold after some epochs: all it takes to go on as if nothing had happened.

    Attributes
    ----------
    params, best : dict of Tensor
        Trained parameters, now and after the best epoch so far.
    first, second : dict of Tensor
        The optimiser's moving averages of gradients and of their squares.
    constants : dict of Tensor
        See `ravfeat.heads.network.Network.constants`.
    val_logits : ndarray of shape (E, N, K), float32
        After every epoch.
    """

    params: Tensors
    best: Tensors
    first: Tensors
    second: Tensors
    constants: Tensors
    val_logits: Logits


@dataclass(frozen=True)
class FoldResult:
    """Epoch, logits and parameters of a trained fold.

    Attributes
    ----------
    epoch : int
        The best on validation rows, from 1.
    val_logits, test_logits : ndarray of shape (N, K), float32
        After the best epoch, in the order of the fold's rows.
    params, constants : dict of Tensor
        After the best epoch.
    """

    epoch: int
    val_logits: Logits
    test_logits: Logits
    params: Tensors
    constants: Tensors


class FoldTraining:
    """Trains one fold with one seed.

    Parameters
    ----------
    plan : FineTunePlan
    network : FineTuneNetwork
        Started anew by `begin`, or as it was by `go_on`.
    states : FrozenStates
    y : ndarray of shape (N,), int64
    n_classes : int
    fold : Fold
    seed : int
    """

    def __init__(
        self,
        plan: FineTunePlan,
        network: FineTuneNetwork,
        states: FrozenStates,
        y: Rows,
        n_classes: int,
        fold: Fold,
        seed: int,
    ) -> None:
        check_jobs([Job(fold.train, fold.val, seed)], y, n_classes)
        self.plan, self.network, self.states, self.fold = plan, network, states, fold
        self._y, self._n_classes, self._key = y, n_classes, (seed, fold.number)
        self._weights = torch.from_numpy(balanced_weights(y[fold.train], n_classes))
        self.n_steps = n_batches(len(fold.train), plan.batch_clips)
        self._val_logits: list[Logits] = []
        self._best: Tensors = {}

    @property
    def epochs_done(self) -> int:
        """Epochs trained so far."""
        return len(self._val_logits)

    def begin(self) -> None:
        """Start from the pretrained layers and a new head."""
        clips = self._clean(self.fold.train, "training clips as they are")
        self.network.start(clips, self._n_classes, draw_of("head", *self._key))
        self._optimizer = self._new_optimizer()

    def go_on(self, progress: Progress) -> bool:
        """Start from where an interrupted process was; False where what it left is not of this network and fold."""
        rows = (self.plan.epochs, len(self.fold.val), self._n_classes)
        epochs, *of_rows = progress.val_logits.shape or (0,)
        shapes = [
            {name: value.shape for name, value in part.items()}
            for part in (progress.params, progress.best, progress.first, progress.second)
        ]
        fits = 0 < epochs <= rows[0] and tuple(of_rows) == rows[1:] and shapes.count(shapes[0]) == len(shapes)
        if not fits or not self.network.restore(progress.params, progress.constants):
            _log.warning("fold %d: its checkpoint is of another network: it is trained from the start", self._key[1])
            return False
        self._optimizer = self._new_optimizer()
        # As AdamW would have counted: the count corrects the bias of its averages. Each parameter gets its own copy,
        # because it is counted up in place.
        steps = torch.tensor(float(len(progress.val_logits) * self.n_steps))
        for name, value in self.network.params.items():
            averages = {"exp_avg": progress.first[name], "exp_avg_sq": progress.second[name]}
            state = {key: average.clone().to(value.device) for key, average in averages.items()}
            self._optimizer.state[value] = {"step": steps.clone(), **state}
        self._val_logits = list(progress.val_logits)
        self._best = dict(progress.best)
        return True

    def progress(self) -> Progress:
        """Give everything that `go_on` takes."""
        params = self.network.params
        first, second = (
            {name: self._optimizer.state[value][key] for name, value in params.items()}
            for key in ("exp_avg", "exp_avg_sq")
        )
        return Progress(params, self._best, first, second, self.network.constants, np.stack(self._val_logits))

    def train_epoch(self, advance: Callable[[], object]) -> None:
        """Pass over the training clips once, then score the validation clips."""
        epoch = self.epochs_done
        batches = epoch_batches(self.fold.train, self.plan.batch_clips, *self._key, epoch)
        # Clips as they are need no draw, and `FrozenStates` can keep them; views are drawn anew in each epoch.
        draw = None if self.plan.augment == CLEAN else draw_of("view", *self._key, epoch)
        for number, clips in enumerate(self.states.of(batches, draw=draw)):
            dropout = draw_of("dropout", *self._key, epoch, number)
            self._step(clips, self._y[batches[number]], epoch * self.n_steps + number, dropout)
            advance()
        self._val_logits.append(self.score(self.fold.val))
        # The best epoch is only known afterwards; of all epochs so far, its parameters are kept.
        if self._pick() == epoch:
            self._best = {name: value.detach().clone() for name, value in self.network.params.items()}

    def result(self) -> FoldResult:
        """Score the test clips with the parameters of the best epoch."""
        best = self._pick()
        # The test clips are scored once, after the epoch was chosen.
        self.network.load(self._best)
        tested = self.score(self.fold.test)
        return FoldResult(best + 1, self._val_logits[best], tested, self._best, self.network.constants)

    @torch.no_grad()
    def score(self, rows: Rows) -> Logits:
        """Score unchanged clips, without dropout."""
        clips = self._clean(rows, "scoring")

        def logits(batch: Sequence[FrozenClip]) -> Logits:
            return self.network.logits(batch).cpu().numpy()

        return np.concatenate([part for batch in clips for part in attempt_in_halves(logits, batch)])

    def _clean(self, rows: Rows, purpose: str) -> Iterable[list[FrozenClip]]:
        batches = np.array_split(rows, n_batches(len(rows), self.plan.batch_clips))
        return track_progress(self.states.of(batches), total=len(batches), desc=purpose, unit="batch", leave=False)

    def _pick(self) -> int:
        logits = np.stack(self._val_logits)
        # The rule by which heads choose their epoch; a candidate is told by its place alone.
        return best_epoch([Sweep(({},) * len(logits), logits)], [self._y[self.fold.val]])

    def _step(self, clips: Sequence[FrozenClip], labels: Rows, step: int, dropout: int) -> None:
        factor = rate_factor(step, self.plan.epochs * self.n_steps, self.plan.warm_up)
        for group in self._optimizer.param_groups:
            # Encoder and head rise and fall together, each to its own peak.
            group["lr"] = group["peak"] * factor
        self._differentiate(clips, torch.from_numpy(labels), dropout)
        torch.nn.utils.clip_grad_norm_(self.network.params.values(), self.plan.clip_norm)
        self._optimizer.step()

    def _differentiate(self, clips: Sequence[FrozenClip], labels: Tensor, dropout: int) -> None:
        def backward() -> None:
            self._optimizer.zero_grad(set_to_none=True)
            self.network.backward(clips, dropout, lambda logits: self._loss(logits, labels))

        short = attempt(backward)
        # Not in halves: dropout draws for a whole batch. To compute layers again gives the same numbers.
        if isinstance(short, MemoryError) and self.network.keep_less():
            _log.info(
                "memory ran out (%s): layers keep only their input, and are computed again on the way back", short
            )
            short = attempt(backward)
        if isinstance(short, MemoryError):
            raise short

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Class-weighted mean cross-entropy, as heads are trained with."""
        losses = functional.cross_entropy(
            logits, labels.to(logits.device), reduction="none", label_smoothing=self.plan.label_smoothing
        )
        weights = self._weights[labels].to(logits.device)
        loss = (losses * weights).sum() / weights.sum()
        # Before the step: NaN would spread to all parameters, and every epoch after would be lost.
        if not torch.isfinite(loss):
            seed, fold = self._key
            raise HeadError(
                f"fold {fold}, seed {seed}: the loss is {loss.item()} in epoch {self.epochs_done + 1}; lower --lr"
                f" ({self.plan.lr:g}) or --head-lr ({self.plan.head_lr:g})"
            )
        return loss

    def _new_optimizer(self) -> torch.optim.AdamW:
        groups: list[dict[str, Any]] = []
        for part, rate in (("encoder.", self.plan.lr), ("head.", self.plan.head_lr)):
            params = [value for name, value in self.network.params.items() if name.startswith(part)]
            groups.append({"params": params, "lr": rate, "peak": rate})
        return torch.optim.AdamW(groups, weight_decay=self.plan.weight_decay, foreach=False)
