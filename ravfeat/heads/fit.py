"""The one training loop: many small heads at once.

Heads of equally many training rows share one stack: every parameter carries a leading head axis,
every head draws its own batches, dropout masks and first weights from its own generator, and the
loss is the sum over heads. Nothing crosses from head to head, so a stack of six is six stacks of
one, computed together.

Conventions
-----------
Axes: H heads, B clips of a batch, K classes, E epochs, L layers, D dimensions.

Offers
------
Schedule, Net, Dropout, Trained, train, stacked_logits, first_weights.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from tqdm import tqdm

from ravfeat.heads.base import Job
from ravfeat.heads.checks import balanced_weights, check_jobs
from ravfeat.heads.parallel import one_thread_each
from ravfeat.heads.windows import Batch, Windows

__all__ = ["Dropout", "Net", "Schedule", "Trained", "first_weights", "stacked_logits", "train"]

STACK_BYTES = {"cpu": 16 << 20, "cuda": 2 << 30}
"""Activations one stack may hold by kind of device; more heads than fit go into further stacks.

A GPU wants few large steps; a CPU is twice as fast while a stack stays near its caches."""

EVALUATION_CLIPS = 64


@dataclass(frozen=True)
class Schedule:
    """How a stack is trained.

    Attributes
    ----------
    epochs : int
        Length of the one-cycle schedule, in passes over the training rows.
    stop : int or None
        Stop after this epoch of that schedule; None runs to its end.
    batch_size : int
        Clips a batch holds at most; the batches of an epoch are as equal as they can be.
    lr : float
        Peak of the one-cycle learning rate (Smith & Topin 2019, arXiv:1708.07120).
    weight_decay : float
        Decoupled, as in AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101).
    label_smoothing : float
    ema : float
        Decay per step of the moving average of the weights, which is what a trained head is.
    """

    epochs: int
    stop: int | None = None
    batch_size: int = 32
    lr: float = 5e-4
    weight_decay: float = 1e-2
    label_smoothing: float = 0.1
    ema: float = 0.99


class Dropout:
    """Dropout masks of H heads, each from its own generator."""

    def __init__(self, generators: Sequence[torch.Generator]) -> None:
        self._generators = generators

    def __call__(self, x: Tensor, p: float) -> Tensor:
        """Zero a share `p` of `x`, of shape (H, ...), and scale up the rest."""
        if p == 0:
            return x
        draws = [torch.rand(x.shape[1:], generator=g, device=x.device) for g in self._generators]
        return x * (torch.stack(draws) >= p).to(x.dtype).div_(1 - p)


class Net(Protocol):
    """A network written for stacks of heads."""

    def constants(self, windows: Windows, rows: NDArray[np.int64]) -> dict[str, Tensor]:
        """Give what is fixed before training: statistics of one head's training rows."""
        ...

    def init(self, windows: Windows, n_classes: int, generator: torch.Generator) -> dict[str, Tensor]:
        """First parameters of one head."""
        ...

    def forward(
        self, params: dict[str, Tensor], constants: dict[str, Tensor], batch: Batch, dropout: Dropout | None
    ) -> Tensor:
        """Logits of shape (H, B, K); parameters and constants carry a leading head axis."""
        ...


@dataclass(frozen=True)
class Trained:
    """One trained head.

    Attributes
    ----------
    params, constants : dict of Tensor
        Without head axis, on the device of the training.
    val_logits : ndarray of shape (E, n_val, K), float32
        After every epoch; E is 0 if nothing was to be scored.
    """

    params: dict[str, Tensor]
    constants: dict[str, Tensor]
    val_logits: NDArray[np.float32]


def train(
    net: Net,
    windows: Windows,
    y: NDArray[np.int64],
    n_classes: int,
    jobs: Sequence[Job],
    schedules: Sequence[Schedule],
    *,
    score_epochs: bool,
) -> list[Trained]:
    """Train one head per job.

    Parameters
    ----------
    net : Net
    windows : Windows
    y : ndarray of shape (N,), int64
    n_classes : int
    jobs : sequence of Job
    schedules : sequence of Schedule, one per job
    score_epochs : bool
        Score ``job.val`` after every epoch.

    Returns
    -------
    list of Trained
        In the order of `jobs`.
    """
    check_jobs(jobs, y, n_classes)
    results: dict[int, Trained] = {}
    stacks = list(_stacks(windows, jobs, schedules))
    steps = sum(_n_steps(jobs[members[0]], schedules[members[0]]) for members in stacks)
    with tqdm(total=steps, desc="training", unit="step", disable=None, leave=False) as bar:

        def work(members: list[int]) -> dict[int, Trained]:
            stack = _Stack(net, windows, y, n_classes, [jobs[m] for m in members], schedules[members[0]])
            scores = stack.run(score_epochs=score_epochs, advance=bar.update)
            return {m: stack.trained(h, scores[h]) for h, m in enumerate(members)}

        for trained in _map_stacks(work, stacks, windows.device):
            results.update(trained)
    return [results[index] for index in range(len(jobs))]


def _map_stacks(
    work: Callable[[list[int]], dict[int, Trained]], stacks: Sequence[list[int]], device: torch.device
) -> Iterator[dict[int, Trained]]:
    if device.type != "cpu":
        yield from map(work, stacks)
        return
    with one_thread_each() as pool:
        yield from pool.map(work, stacks)


def first_weights(generator: torch.Generator, fan_in: int, fan_out: int) -> Tensor:
    """Uniform within ±1 / sqrt(fan_in), of shape (fan_in, fan_out)."""
    bound = fan_in**-0.5
    return torch.empty(fan_in, fan_out, device=generator.device).uniform_(-bound, bound, generator=generator)


def _n_batches(n_rows: int, schedule: Schedule) -> int:
    return math.ceil(n_rows / schedule.batch_size)


def _n_steps(job: Job, schedule: Schedule) -> int:
    return _n_batches(len(job.train), schedule) * (schedule.stop or schedule.epochs)


def _stacks(windows: Windows, jobs: Sequence[Job], schedules: Sequence[Schedule]) -> Iterator[list[int]]:
    """Jobs that can share a stack, at most as many as memory bears."""
    per_head = schedules[0].batch_size * windows.floats_per_clip * 4 * 3 if jobs else 1
    at_most = max(1, STACK_BYTES.get(windows.device.type, STACK_BYTES["cuda"]) // per_head)
    alike: dict[tuple[int, Schedule], list[int]] = {}
    for index, (job, schedule) in enumerate(zip(jobs, schedules, strict=True)):
        alike.setdefault((len(job.train), schedule), []).append(index)
    for members in alike.values():
        for start in range(0, len(members), at_most):
            yield members[start : start + at_most]


def one_cycle(step: int, total: int, peak: float) -> float:
    """Learning rate of `step` out of `total`: cosine up over 30 %, cosine down to almost nothing."""
    top = max(1, round(0.3 * total))
    if step < top:
        return peak * (0.04 + 0.96 * (1 - math.cos(math.pi * step / top)) / 2)
    return peak * (1e-4 + (1 - 1e-4) * (1 + math.cos(math.pi * (step - top) / max(1, total - top))) / 2)


def _stack(per_head: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([one[name] for one in per_head]) for name in per_head[0]}


class _Stack:
    """Heads in training: parameters, their moving average, and each head's generators."""

    def __init__(
        self,
        net: Net,
        windows: Windows,
        y: NDArray[np.int64],
        n_classes: int,
        jobs: Sequence[Job],
        schedule: Schedule,
    ) -> None:
        device = windows.device
        self.net, self.windows, self.jobs, self.schedule = net, windows, jobs, schedule
        self.y = torch.from_numpy(np.ascontiguousarray(y, np.int64)).to(device)
        generators = [torch.Generator(device).manual_seed(job.seed) for job in jobs]
        self.orders = [np.random.default_rng(job.seed) for job in jobs]
        self.dropout = Dropout(generators)
        self.constants = _stack([net.constants(windows, job.train) for job in jobs])
        first = _stack([net.init(windows, n_classes, g) for g in generators])
        self.params = {name: value.requires_grad_() for name, value in first.items()}
        self.averaged = {name: value.detach().clone() for name, value in first.items()}
        self.weights = torch.stack([torch.from_numpy(balanced_weights(y[job.train], n_classes)) for job in jobs])
        self.weights = self.weights.to(device)
        self.optimizer = torch.optim.AdamW(self.params.values(), lr=schedule.lr, weight_decay=schedule.weight_decay)
        self.steps = 0

    def run(self, *, score_epochs: bool, advance: Callable[[int], object]) -> list[NDArray[np.float32]]:
        schedule = self.schedule
        n_batches = _n_batches(len(self.jobs[0].train), schedule)
        scores: list[list[NDArray[np.float32]]] = [[] for _ in self.jobs]
        for _ in range(schedule.stop or schedule.epochs):
            orders = [order.permutation(job.train) for order, job in zip(self.orders, self.jobs, strict=True)]
            for rows in np.array_split(np.stack(orders), n_batches, axis=1):
                self._step(torch.from_numpy(rows).to(self.windows.device), schedule.epochs * n_batches)
                advance(1)
            if score_epochs:
                epoch = stacked_logits(
                    self.net, self.averaged, self.constants, self.windows, [job.val for job in self.jobs]
                )
                for own, logits in zip(scores, epoch, strict=True):
                    own.append(logits)
        return [np.stack(own) if own else np.zeros((0, 0, 0), np.float32) for own in scores]

    def _step(self, rows: Tensor, total: int) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = one_cycle(self.steps, total, self.schedule.lr)
        logits = self.net.forward(self.params, self.constants, self.windows.batch(rows), self.dropout)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(self._loss(logits, self.y[rows]))
        self.optimizer.step()
        self.steps += 1
        # Early on the average forgets faster, or the first weights would linger in it.
        decay = min(self.schedule.ema, self.steps / (self.steps + 10))
        with torch.no_grad():
            for name, value in self.params.items():
                self.averaged[name].lerp_(value, 1 - decay)

    def _loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Sum over heads of the class-weighted mean cross-entropy."""
        weights = self.weights.gather(1, targets)  # (H, K), (H, B) -> (H, B)
        losses = functional.cross_entropy(
            logits.flatten(0, 1), targets.flatten(), reduction="none", label_smoothing=self.schedule.label_smoothing
        ).reshape(targets.shape)
        return ((losses * weights).sum(1) / weights.sum(1)).sum()

    def trained(self, head: int, val_logits: NDArray[np.float32]) -> Trained:
        params = {name: value[head].clone() for name, value in self.averaged.items()}
        return Trained(params, {name: value[head].clone() for name, value in self.constants.items()}, val_logits)


@torch.inference_mode()
def stacked_logits(
    net: Net,
    params: dict[str, Tensor],
    constants: dict[str, Tensor],
    windows: Windows,
    rows: Sequence[NDArray[np.int64]],
) -> list[NDArray[np.float32]]:
    """Score rows of every head of a stack.

    Parameters
    ----------
    rows : sequence of ndarray of int64, one per head
        They may differ in length; shorter ones are padded with their own first rows.

    Returns
    -------
    list of ndarray of shape (len(rows[h]), K), float32
    """
    longest = max(len(own) for own in rows)
    padded = np.stack([np.resize(own, longest) if len(own) else np.zeros(longest, np.int64) for own in rows])
    parts = []
    for start in range(0, longest, EVALUATION_CLIPS):
        chunk = torch.from_numpy(padded[:, start : start + EVALUATION_CLIPS]).to(windows.device)
        parts.append(net.forward(params, constants, windows.batch(chunk), None).cpu().numpy())
    logits = np.concatenate(parts, axis=1)
    return [logits[head, : len(own)] for head, own in enumerate(rows)]
