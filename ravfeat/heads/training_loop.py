"""The one training loop of all networks: the heads of every fold and seed at once.

Heads share the clips of every step: features are read once and serve all folds and seeds. Every head weighs the
clips by class and gives those that are held out from it no weight at all; parameters carry a leading head axis, and
the loss is the sum over heads. Which clips a step draws depends on how many rows there are and how large a share of
them a head trains on, never on the heads beside it; first weights and dropout come from a head's seed. So six heads
trained together are the same six heads as trained one by one.

Conventions
-----------
Axes: H heads, M rows, B clips of a step, K classes, E epochs, L layers, D dimensions.
"""

import logging
import math
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from ravfeat.heads.base import Job
from ravfeat.heads.checks import balanced_weights, check_jobs
from ravfeat.heads.network import Network
from ravfeat.heads.parallel import one_thread_each
from ravfeat.heads.schedule import Schedule, one_cycle
from ravfeat.heads.stacks.base import HeadClips, Start, Step, Tensors, TrainingSetup
from ravfeat.heads.stacks.batch import by_length
from ravfeat.heads.windows import Windows
from ravfeat.progress import ProgressBar
from ravfeat.resources import attempt, free_device_memory, memory_budget

__all__ = ["TrainedNetwork", "train"]

STATE_SHARE = 4
"""One part in so many of the memory is for the heads of one stack; more heads go into further stacks, each of which
reads the features again."""

_SCORED = 128
"""Clips that are scored at once after an epoch."""

_STATES = 7
"""Copies of its parameters that a head takes: the average, two moments, two that are kept, and what a step needs."""

_DEVICE_SHARE = 0.8
"""Share of a GPU's free memory that heads and their steps are planned to take; estimates err by less than the rest."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainedNetwork:
    """One trained head.

    Attributes
    ----------
    params, constants : dict of Tensor
        Without head axis, in main memory.
    val_logits : ndarray of shape (E, n_val, K), float32
        After every epoch; E is 0 if nothing was to be scored.
    leader : dict of Tensor
        Parameters after the epoch that `Lead` named; empty without one.
    leading : int
        That epoch, from 0; -1 without one.
    """

    params: Tensors
    constants: Tensors
    val_logits: NDArray[np.float32]
    leader: Tensors
    leading: int = -1


Lead = Callable[[int, NDArray[np.float32]], int]
"""From the number of a job and its logits after every epoch so far, (E, n_val, K), to the epoch that leads."""


def train(
    net: Network,
    windows: Windows,
    y: NDArray[np.int64],
    n_classes: int,
    jobs: Sequence[Job],
    schedules: Sequence[Schedule],
    *,
    score_epochs: bool,
    lead: Lead | None = None,
) -> list[TrainedNetwork]:
    """Train one head per job.

    Parameters
    ----------
    net : Network
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
    list of TrainedNetwork
        In the order of `jobs`.

    Raises
    ------
    MemoryError
        Where not even one head can be trained, however little of it is in memory.
    """
    check_jobs(jobs, y, n_classes)
    while isinstance(groups := attempt(lambda: _group_jobs(net, windows, n_classes, jobs, schedules)), MemoryError):
        _need_less(windows, groups)
    trained: dict[int, TrainedNetwork] = {}
    with (
        ProgressBar(total=sum(map(_n_steps, groups)), desc="training", unit="step", leave=False) as bar,
        # Reads the next step from the disk while this one is computed.
        ThreadPoolExecutor(1) as reader,
    ):
        while groups:
            group, begun = groups[0], bar.count

            def train_group(group: _JobGroup = group) -> dict[int, TrainedNetwork]:
                with one_thread_each() if windows.device.type == "cpu" else nullcontext() as pool:
                    training = _Training(net, windows, y, n_classes, jobs, group, pool, reader)
                    return training.run(lead, bar.update, score_epochs=score_epochs)

            result = attempt(train_group)
            if isinstance(result, MemoryError):
                # Groups that are done stay done; this one begins again, with less of it in memory.
                groups[:1] = _smaller(group, windows, result)
                bar.go_back(begun, begun + sum(map(_n_steps, groups)))
            else:
                trained |= result
                del groups[0]
    return [trained[number] for number in range(len(jobs))]


@dataclass(frozen=True)
class _JobGroup:
    """Jobs that share a stack: their numbers, how long each trains, and what they have in common."""

    numbers: tuple[int, ...]
    stops: tuple[int, ...]
    schedule: Schedule
    per_epoch: int


def _n_steps(group: _JobGroup) -> int:
    return group.per_epoch * max(group.stops)


def _group_jobs(
    net: Network, windows: Windows, n_classes: int, jobs: Sequence[Job], schedules: Sequence[Schedule]
) -> list[_JobGroup]:
    """Jobs that can share a stack, at most as many as memory bears."""
    n_rows = len(windows.lengths)
    # Heads can share their steps where an epoch has as many and the schedule is one; each may stop at another epoch.
    alike: dict[tuple[int, Schedule], list[int]] = {}
    for number, (job, schedule) in enumerate(zip(jobs, schedules, strict=True)):
        per_epoch = schedule.steps_per_epoch(n_rows, len(job.train))
        alike.setdefault((per_epoch, replace(schedule, stop=None)), []).append(number)
    groups = []
    for (per_epoch, schedule), members in alike.items():
        at_most = _heads_at_once(net, windows, n_classes, jobs[members[0]], math.ceil(n_rows / per_epoch))
        for part in np.array_split(np.array(members), math.ceil(len(members) / at_most)):
            numbers = tuple(part.tolist())
            stops = tuple(schedules[number].stop or schedule.epochs for number in numbers)
            groups.append(_JobGroup(numbers, stops, schedule, per_epoch))
    return groups


def _heads_at_once(net: Network, windows: Windows, n_classes: int, job: Job, n_clips: int) -> int:
    """Count the heads that memory bears in one stack, in steps that draw so many clips."""
    # Made only to be measured.
    state = _STATES * _n_bytes(net.init(windows, n_classes, torch.Generator(windows.device)))
    if windows.device.type != "cuda":
        return max(1, memory_budget() // STATE_SHARE // max(1, state))
    shared, each = net.step_bytes(windows, n_clips)
    room = _DEVICE_SHARE * free_device_memory(windows.device) - shared
    return max(1, int(room / max(1, state + each)))


def _n_bytes(tensors: Tensors) -> int:
    return sum(value.numel() * value.element_size() for value in tensors.values())


def _smaller(group: _JobGroup, windows: Windows, short: MemoryError) -> list[_JobGroup]:
    """Give what to train in place of a group for which memory ran out: half as many heads, or one with less."""
    n_heads, device = len(group.numbers), windows.device
    if device.type == "cuda":
        torch.cuda.empty_cache()  # of blocks that have the sizes which the failed attempt needed
    if n_heads == 1:
        _need_less(windows, short)
        return [group]
    _log.info("memory ran out (%s): %d heads are trained in two parts", short, n_heads)
    halves = slice(0, n_heads // 2), slice(n_heads // 2, n_heads)
    return [replace(group, numbers=group.numbers[half], stops=group.stops[half]) for half in halves]


def _need_less(windows: Windows, short: MemoryError) -> None:
    device = windows.device
    if not (change := windows.need_less()):
        raise short
    if windows.device == device:
        _log.info("memory ran out (%s): %s", short, change)
    else:
        warnings.warn(f"{change}; fewer layers, or an average over more frames, need less ({short})", stacklevel=3)


class _Training:
    """The heads of one group of jobs in training."""

    def __init__(
        self,
        net: Network,
        windows: Windows,
        y: NDArray[np.int64],
        n_classes: int,
        jobs: Sequence[Job],
        group: _JobGroup,
        pool: ThreadPoolExecutor | None,
        reader: ThreadPoolExecutor,
    ) -> None:
        device, self.schedule = windows.device, group.schedule
        self.windows, self.group, self.reader = windows, group, reader
        self.jobs = [jobs[number] for number in group.numbers]
        self.y = torch.from_numpy(np.ascontiguousarray(y, np.int64)).to(device)
        self.weights = torch.from_numpy(_row_weights(self.jobs, y, n_classes)).to(device)  # (H, M)
        self.scored = torch.zeros(self.weights.shape, dtype=torch.bool)  # (H, M): validation rows of every head
        for head, job in enumerate(self.jobs):
            self.scored[head, torch.from_numpy(job.val)] = True
        self.scored = self.scored.to(device)
        self.n_drawn = math.ceil(len(y) / group.per_epoch)  # clips of a step
        self.trained_on = np.zeros(len(y), bool)  # (M,): by any of the heads
        self.trained_on[np.concatenate([job.train for job in self.jobs])] = True
        self.constants = net.constants(windows, [job.train for job in self.jobs])
        generators = [torch.Generator(device).manual_seed(job.seed) for job in self.jobs]
        params = _with_head_axis([net.init(windows, n_classes, generator) for generator in generators])
        setup = TrainingSetup(self.schedule.weight_decay, getattr(torch, self.schedule.precision), pool)
        self.stack = net.stack(Start(windows, params, self.constants, tuple(job.seed for job in self.jobs), setup))
        self.steps = 0
        self.reading: list[Future[None]] = []
        self.val_logits: list[list[NDArray[np.float32]]] = [[] for _ in self.jobs]
        self.final: dict[int, Tensors] = {}
        self.leaders: dict[int, tuple[int, Tensors]] = {}

    def run(
        self, lead: Lead | None, advance: Callable[[int], object], *, score_epochs: bool
    ) -> dict[int, TrainedNetwork]:
        """Train to the last stop; keep every head as it was at its stop."""
        # Not from a job's seed: heads of all seeds share the clips of a step.
        order = np.random.default_rng(0)
        for epoch in range(max(self.group.stops)):
            steps = np.array_split(order.permutation(len(self.y)), self.group.per_epoch)
            for number, drawn in enumerate(steps):
                # A slice, because the last step of an epoch has no next one.
                self._read_ahead(steps[number + 1 : number + 2])
                self._step(drawn)
                advance(1)
            if score_epochs:
                self._score(epoch, lead)
            for head, stop in enumerate(self.group.stops):
                if stop == epoch + 1:
                    self.final[head] = _on_host(self.stack.averaged(head))
        return {number: self._trained(head) for head, number in enumerate(self.group.numbers)}

    def _step(self, drawn: NDArray[np.int64]) -> None:
        # Clips that no head of this stack trains on are not read, and change nothing; but a step is a step.
        rows = drawn[self.trained_on[drawn]]
        clips = self.stack.clips(by_length(self.windows, rows if len(rows) else drawn[:1]))
        self.steps += 1
        # Early on the average forgets faster, or the first weights would linger in it.
        decay = min(self.schedule.ema, self.steps / (self.steps + 10))
        # Of the whole schedule: a head that stops early has learned what the longer training had learned by then.
        total = self.schedule.epochs * self.group.per_epoch
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

    def _read_ahead(self, next_steps: Sequence[NDArray[np.int64]]) -> None:
        """Have the clips of the next step in memory by the time it begins."""
        if not self.windows.on_disk:
            return
        for future in self.reading:
            future.result()  # an error in the reader's thread is raised here
        self.reading = [
            self.reader.submit(self.windows.read_ahead, drawn[self.trained_on[drawn]]) for drawn in next_steps
        ]

    def _score(self, epoch: int, lead: Lead | None) -> None:
        rows = np.unique(np.concatenate([job.val for job in self.jobs]))
        if not len(rows):
            return
        logits = self._logits(by_length(self.windows, rows))
        for head, job in enumerate(self.jobs):
            self.val_logits[head].append(logits[head, job.val])
            if lead is None or epoch >= self.group.stops[head]:
                continue
            if lead(self.group.numbers[head], np.stack(self.val_logits[head])) == epoch:
                self.leaders[head] = (epoch, _on_host(self.stack.averaged(head)))

    def _logits(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Let every head score its validation rows: shape (H, M, K), all other rows meaningless."""
        scores: NDArray[np.float32] | None = None
        # On a GPU no more than in a step, which is what memory was planned for.
        at_once = _SCORED if self.windows.device.type == "cpu" else min(_SCORED, self.n_drawn)
        for chunk in np.array_split(rows, math.ceil(len(rows) / at_once)):
            head_clips = HeadClips.of(self.scored[:, torch.from_numpy(chunk).to(self.scored.device)])
            with torch.no_grad():
                logits = self.stack.logits(self.stack.clips(chunk), head_clips).cpu().numpy()  # (H, B', K)
            if scores is None:
                scores = np.zeros((len(logits), len(self.y), logits.shape[2]), np.float32)
            # A head with fewer clips than B' writes its surplus to rows that it does not validate, which nobody reads.
            scores[np.arange(len(scores))[:, None], chunk[head_clips.places.cpu().numpy()]] = logits
        return np.zeros((0, 0, 0), np.float32) if scores is None else scores

    def _trained(self, head: int) -> TrainedNetwork:
        # A head that stops early is scored to the end with the others; those epochs are not its own.
        val_logits = self.val_logits[head][: self.group.stops[head]]
        leading, leader = self.leaders.get(head, (-1, {}))
        constants = _on_host({name: value[head].clone() for name, value in self.constants.items()})
        logits = np.stack(val_logits) if val_logits else np.zeros((0, 0, 0), np.float32)
        return TrainedNetwork(self.final[head], constants, logits, leader, leading)


def _on_host(tensors: Tensors) -> Tensors:
    return {name: value.cpu() for name, value in tensors.items()}


def _with_head_axis(per_head: Sequence[Tensors]) -> Tensors:
    return {name: torch.stack([params[name] for params in per_head]) for name in per_head[0]}


def _row_weights(jobs: Sequence[Job], y: NDArray[np.int64], n_classes: int) -> NDArray[np.float32]:
    """Weight of every row in the loss of every head, shape (H, M); 0 where the head does not train on it."""
    weights = np.zeros((len(jobs), len(y)), np.float32)
    for row_weights, job in zip(weights, jobs, strict=True):
        # Balanced among the head's own training rows.
        row_weights[job.train] = balanced_weights(y[job.train], n_classes)[y[job.train]]
    return weights
