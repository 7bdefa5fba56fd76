"""The one training loop: all heads of one kind at once.

Heads share the clips of every step: features are read once and serve all folds and seeds. Every head weighs the
clips by class and gives those that are held out from it no weight at all; parameters carry a leading head axis, and
the loss is the sum over heads. Which clips a step draws depends on how many rows there are and how large a share of
them a head trains on, never on the heads beside it; first weights and dropout come from a head's seed. So a stack
of six is six stacks of one, computed together.

Conventions
-----------
Axes: H heads, M rows, B clips of a step, K classes, E epochs, L layers, D dimensions.
"""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from ravfeat.heads.base import Job
from ravfeat.heads.checks import balanced_weights, check_jobs
from ravfeat.heads.parallel import one_thread_each
from ravfeat.heads.stacks.base import Own, Recipe, Stack, Start, Step
from ravfeat.heads.stacks.batch import by_length
from ravfeat.heads.windows import Batch, Windows
from ravfeat.resources import memory_budget

__all__ = ["Dropout", "Net", "Schedule", "Trained", "first_weights", "stacked_logits", "train"]

STATE_SHARE = 4
"""One part in so many of the memory is for the heads of one stack; more heads go into further stacks, each of which
reads the features again."""

EVALUATION_FLOATS = 1 << 23
"""Numbers that a batch holds which a trained head scores; larger arrays are new memory every time, which is slow."""

_SCORED = 128
_STATES = 7
"""Copies of its parameters that a head takes: the average, two moments, two that are kept, and what a step needs."""


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
        Clips that teach a head in one step, on average; a step draws as many more as are held out.
    lr : float
        Peak of the one-cycle learning rate (Smith & Topin 2019, arXiv:1708.07120).
    weight_decay : float
        Decoupled, as in AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101).
    label_smoothing : float
    ema : float
        Decay per step of the moving average of the weights, which is what a trained head is.
    precision : {"float32", "bfloat16"}
        Of the operands of large products; everything else is float32.
    """

    epochs: int
    stop: int | None = None
    batch_size: int = 32
    lr: float = 5e-4
    weight_decay: float = 1e-2
    label_smoothing: float = 0.1
    ema: float = 0.99
    precision: Literal["float32", "bfloat16"] = "float32"

    def clips_per_step(self, n_rows: int, n_train: int) -> int:
        """Clips that a step draws out of all rows, so that about `batch_size` of them teach.

        A multiple of 8: folds that differ by a few clips share their steps.
        """
        return max(8, 8 * round(self.batch_size * n_rows / n_train / 8))

    def steps_per_epoch(self, n_rows: int, n_train: int) -> int:
        """Count the steps that draw every row once."""
        return math.ceil(n_rows / self.clips_per_step(n_rows, n_train))


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

    def constants(self, windows: Windows, rows: Sequence[NDArray[np.int64]]) -> dict[str, Tensor]:
        """Give what is fixed before training, with a head axis: statistics of every head's training rows."""
        ...

    def init(self, windows: Windows, n_classes: int, generator: torch.Generator) -> dict[str, Tensor]:
        """First parameters of one head."""
        ...

    def forward(
        self, params: dict[str, Tensor], constants: dict[str, Tensor], batch: Batch, dropout: Dropout | None
    ) -> Tensor:
        """Logits of shape (H, B, K); parameters and constants carry a leading head axis."""
        ...

    def stack(self, start: Start) -> Stack:
        """Put heads into training; it computes what `forward` does."""
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
    leader : dict of Tensor
        Parameters after the epoch that led; empty where nobody asked for one.
    leading : int
        That epoch, from 0; -1 where nobody asked.
    """

    params: dict[str, Tensor]
    constants: dict[str, Tensor]
    val_logits: NDArray[np.float32]
    leader: dict[str, Tensor]
    leading: int = -1


Lead = Callable[[int, NDArray[np.float32]], int]
"""From the number of a job and its logits after every epoch so far, (E, n_val, K), to the epoch that leads."""


def train(
    net: Net,
    windows: Windows,
    y: NDArray[np.int64],
    n_classes: int,
    jobs: Sequence[Job],
    schedules: Sequence[Schedule],
    *,
    score_epochs: bool,
    lead: Lead | None = None,
) -> list[Trained]:
    """Train one head per job.

    Parameters
    ----------
    net : Net
    windows : Windows
    y : ndarray of shape (M,), int64
    n_classes : int
    jobs : sequence of Job
    schedules : sequence of Schedule, one per job
    score_epochs : bool
        Score ``job.val`` after every epoch.
    lead : callable, optional
        Keep the parameters of the epoch that it names; needs `score_epochs`.

    Returns
    -------
    list of Trained
        In the order of `jobs`.
    """
    check_jobs(jobs, y, n_classes)
    results: dict[int, Trained] = {}
    stacks = _stacks(net, windows, n_classes, jobs, schedules)
    steps = sum(stack.n_steps for stack in stacks)
    cpu = windows.device.type == "cpu"
    with (
        tqdm(total=steps, desc="training", unit="step", disable=None, leave=False) as bar,
        one_thread_each() if cpu else nullcontext() as pool,
        ThreadPoolExecutor(1) as reader,
    ):
        for stack in stacks:
            training = _Training(net, windows, y, n_classes, jobs, stack, pool, reader)
            results |= training.run(lead, bar.update, score_epochs=score_epochs)
    return [results[index] for index in range(len(jobs))]


def first_weights(generator: torch.Generator, fan_in: int, fan_out: int) -> Tensor:
    """Uniform within ±1 / sqrt(fan_in), of shape (fan_in, fan_out)."""
    bound = fan_in**-0.5
    return torch.empty(fan_in, fan_out, device=generator.device).uniform_(-bound, bound, generator=generator)


@dataclass(frozen=True)
class _Members:
    """Jobs that share a stack: their numbers, how long each trains, and what they have in common."""

    numbers: tuple[int, ...]
    stops: tuple[int, ...]
    schedule: Schedule
    per_epoch: int

    @property
    def n_steps(self) -> int:
        return self.per_epoch * max(self.stops)


def _stacks(
    net: Net, windows: Windows, n_classes: int, jobs: Sequence[Job], schedules: Sequence[Schedule]
) -> list[_Members]:
    """Jobs that can share a stack, at most as many as memory bears."""
    n_rows = len(windows.lengths)
    alike: dict[tuple[int, Schedule], list[int]] = {}
    for number, (job, schedule) in enumerate(zip(jobs, schedules, strict=True)):
        per_epoch = schedule.steps_per_epoch(n_rows, len(job.train))
        alike.setdefault((per_epoch, replace(schedule, stop=None)), []).append(number)
    one = net.init(windows, n_classes, torch.Generator(windows.device)) if jobs else {}
    state = _STATES * sum(value.numel() * value.element_size() for value in one.values())
    at_most = max(1, memory_budget() // STATE_SHARE // max(1, state))
    found = []
    for (per_epoch, schedule), members in alike.items():
        n_stacks = math.ceil(len(members) / at_most)
        for part in np.array_split(np.array(members), n_stacks):
            numbers = tuple(part.tolist())
            stops = tuple(schedules[number].stop or schedule.epochs for number in numbers)
            found.append(_Members(numbers, stops, schedule, per_epoch))
    return found


def one_cycle(step: int, total: int, peak: float) -> float:
    """Learning rate of `step` out of `total`: cosine up over 30 %, cosine down to almost nothing."""
    top = max(1, round(0.3 * total))
    if step < top:
        return peak * (0.04 + 0.96 * (1 - math.cos(math.pi * step / top)) / 2)
    return peak * (1e-4 + (1 - 1e-4) * (1 + math.cos(math.pi * (step - top) / max(1, total - top))) / 2)


def _stack(per_head: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([one[name] for one in per_head]) for name in per_head[0]}


class _Training:
    """A stack in training."""

    def __init__(
        self,
        net: Net,
        windows: Windows,
        y: NDArray[np.int64],
        n_classes: int,
        jobs: Sequence[Job],
        members: _Members,
        pool: ThreadPoolExecutor | None,
        reader: ThreadPoolExecutor,
    ) -> None:
        device, self.schedule = windows.device, members.schedule
        self.windows, self.members, self.reader = windows, members, reader
        self.jobs = [jobs[number] for number in members.numbers]
        self.y = torch.from_numpy(np.ascontiguousarray(y, np.int64)).to(device)
        self.weights = torch.from_numpy(_row_weights(self.jobs, y, n_classes)).to(device)  # (H, M)
        self.judged = torch.zeros(self.weights.shape, dtype=torch.bool)
        for head, job in enumerate(self.jobs):
            self.judged[head, torch.from_numpy(job.val)] = True
        self.judged = self.judged.to(device)
        self.taught = np.zeros(len(y), bool)
        self.taught[np.concatenate([job.train for job in self.jobs])] = True
        self.constants = net.constants(windows, [job.train for job in self.jobs])
        generators = [torch.Generator(device).manual_seed(job.seed) for job in self.jobs]
        params = _stack([net.init(windows, n_classes, generator) for generator in generators])
        recipe = Recipe(self.schedule.weight_decay, getattr(torch, self.schedule.precision), pool)
        self.stack = net.stack(Start(windows, params, self.constants, tuple(job.seed for job in self.jobs), recipe))
        self.steps = 0
        self.expected: list[Future[None]] = []
        self.scores: list[list[NDArray[np.float32]]] = [[] for _ in self.jobs]
        self.kept: dict[int, dict[str, Tensor]] = {}
        self.leaders: dict[int, tuple[int, dict[str, Tensor]]] = {}

    def run(self, lead: Lead | None, advance: Callable[[int], object], *, score_epochs: bool) -> dict[int, Trained]:
        """Train to the last stop; keep every head as it was at its own."""
        order = np.random.default_rng(0)
        for epoch in range(max(self.members.stops)):
            steps = np.array_split(order.permutation(len(self.y)), self.members.per_epoch)
            for number, drawn in enumerate(steps):
                self._ahead(steps[number + 1 : number + 2])
                self._step(drawn)
                advance(1)
            if score_epochs:
                self._score(epoch, lead)
            self._keep(epoch)
        return {number: self._trained(head) for head, number in enumerate(self.members.numbers)}

    def _step(self, drawn: NDArray[np.int64]) -> None:
        # Clips that teach no head of this stack are not read, and change nothing; but a step is a step.
        taught = drawn[self.taught[drawn]]
        clips = self.stack.clips(by_length(self.windows, taught if len(taught) else drawn[:1]))
        self.steps += 1
        # Early on the average forgets faster, or the first weights would linger in it.
        decay = min(self.schedule.ema, self.steps / (self.steps + 10))
        total = self.schedule.epochs * self.members.per_epoch
        self.stack.step(
            Step(
                clips=clips,
                n_drawn=len(drawn),
                targets=self.y[clips.places],
                weights=self.weights[:, clips.places],
                label_smoothing=self.schedule.label_smoothing,
                lr=one_cycle(self.steps - 1, total, self.schedule.lr),
                decay=decay,
            )
        )

    def _ahead(self, following: Sequence[NDArray[np.int64]]) -> None:
        """Have the clips of the following step in memory by the time it begins."""
        if not self.windows.on_disk:
            return
        for one in self.expected:
            one.result()  # what went wrong there is not kept quiet
        self.expected = [self.reader.submit(self.windows.read_ahead, drawn[self.taught[drawn]]) for drawn in following]

    def _score(self, epoch: int, lead: Lead | None) -> None:
        rows = np.unique(np.concatenate([job.val for job in self.jobs]))
        if not len(rows):
            return
        logits = self._logits(by_length(self.windows, rows))
        for head, job in enumerate(self.jobs):
            self.scores[head].append(logits[head, job.val])
            if lead is None or epoch >= self.members.stops[head]:
                continue
            if lead(self.members.numbers[head], np.stack(self.scores[head])) == epoch:
                self.leaders[head] = (epoch, self._params(head))

    def _logits(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Let every head score those of some rows that judge it: shape (H, M, K), the other rows meaningless."""
        found: NDArray[np.float32] | None = None
        for chunk in np.array_split(rows, math.ceil(len(rows) / _SCORED)):
            own = Own.of(self.judged[:, torch.from_numpy(chunk).to(self.judged.device)])
            with torch.no_grad():
                logits = self.stack.logits(self.stack.clips(chunk), own).cpu().numpy()
            if found is None:
                found = np.zeros((len(logits), len(self.y), logits.shape[2]), np.float32)
            found[np.arange(len(found))[:, None], chunk[own.places.cpu().numpy()]] = logits
        return np.zeros((0, 0, 0), np.float32) if found is None else found

    def _keep(self, epoch: int) -> None:
        for head, stop in enumerate(self.members.stops):
            if stop == epoch + 1:
                self.kept[head] = self._params(head)

    def _params(self, head: int) -> dict[str, Tensor]:
        return self.stack.averaged(head)

    def _trained(self, head: int) -> Trained:
        scores = self.scores[head][: self.members.stops[head]]
        leading, leader = self.leaders.get(head, (-1, {}))
        constants = {name: value[head].clone() for name, value in self.constants.items()}
        logits = np.stack(scores) if scores else np.zeros((0, 0, 0), np.float32)
        return Trained(self.kept[head], constants, logits, leader, leading)


def _row_weights(jobs: Sequence[Job], y: NDArray[np.int64], n_classes: int) -> NDArray[np.float32]:
    """Weight of every row in the loss of every head, shape (H, M); 0 where it must not teach."""
    weights = np.zeros((len(jobs), len(y)), np.float32)
    for own, job in zip(weights, jobs, strict=True):
        own[job.train] = balanced_weights(y[job.train], n_classes)[y[job.train]]
    return weights


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
    at_once = max(1, EVALUATION_FLOATS // (len(rows) * windows.floats_per_clip))
    padded = np.stack([np.resize(own, longest) if len(own) else np.zeros(longest, np.int64) for own in rows])
    parts = []
    for start in range(0, longest, at_once):
        chunk = torch.from_numpy(padded[:, start : start + at_once]).to(windows.device)
        parts.append(net.forward(params, constants, windows.batch(chunk), None).cpu().numpy())
    logits = np.concatenate(parts, axis=1)
    return [logits[head, : len(own)] for head, own in enumerate(rows)]
