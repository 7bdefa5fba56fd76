"""Training of all folds from a cache of full size against a plain loop over folds and batches.

The cache is generated in the shape of WavLM-large over RAVDESS (13.6 GB). The plain loop would take most of an hour:
some of its steps are timed on the same features, in the same process, and multiplied by how many it would take.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.generated import write_cache
from benchmarks.memory import anonymous_memory
from benchmarks.plain_loop import BatchOf, from_cache, plain_step_s
from ravfeat.experiment.fit import FitPlan, PreparedPlan, load_training, prepare, train
from ravfeat.features.clips import ClipFeatures
from ravfeat.heads.base import Job
from ravfeat.heads.neural import NeuralHead
from ravfeat.heads.windows import Batch, Windows

__all__ = ["measure"]

ROUNDS = 5
PLAIN_STEPS = 6
SHORT_S = 60.0
WINDOWS = (16, 4, 1)
HEADS = ("attentive", "attentive-sum")


def measure(real: Path | None, generated: Path | None) -> Iterator[str]:
    """Measure and give one line for each figure.

    Parameters
    ----------
    real : Path, optional
        A cache of real recordings, for the training that a user meets most.
    generated : Path, optional
        A generated cache to use; else one is written to a temporary folder.
    """
    if real is not None:
        for head in HEADS:
            yield _line(_Case(real, head, {}, 1), rounds=ROUNDS)
    with TemporaryDirectory() as folder:
        path = generated or write_cache(Path(folder))
        for window in WINDOWS:
            for head in HEADS:
                for precision in ("float32", "bfloat16"):
                    settings = {"frame_average": window, "precision": precision}
                    yield _line(_Case(path, head, settings, 1), rounds=1)
        for seeds in (1, 5):
            yield _line(_Case(path, "attentive", {}, seeds), rounds=1)


@dataclass(frozen=True)
class _Case:
    cache: Path
    head: str
    settings: Mapping[str, Any]
    seeds: int

    def plan(self) -> FitPlan:
        return FitPlan((self.cache,), heads=(self.head,), settings=dict(self.settings), seeds=self.seeds)


@dataclass(frozen=True)
class _Measured:
    loading_s: float
    training_s: float
    peak_bytes: int


def _line(case: _Case, *, rounds: int) -> str:
    prepared = prepare(case.plan())
    measured = [_train(prepared)]
    while len(measured) < rounds and measured[0].training_s < SHORT_S:
        measured.append(_train(prepared))
    training, loading = (median(times) for times in zip(*((m.training_s, m.loading_s) for m in measured), strict=True))
    read, held = _plain_s(prepared)
    said = ", ".join(f"{name} {value}" for name, value in case.settings.items()) or "defaults"
    return (
        f"{6 * case.seeds} heads {case.head} ({said}) of {case.cache.name}: {training:.1f} s after {loading:.1f} s of"
        f" reading, anonymous memory {max(one.peak_bytes for one in measured) / 1e9:.2f} GB; plain loop by"
        f" {PLAIN_STEPS} of its steps {read:.0f} s, ratio {read / (training + loading):.1f}; with the windows in memory"
        f" {held:.0f} s, ratio {held / training:.1f}"
    )


def _train(prepared: PreparedPlan) -> _Measured:
    started = time.perf_counter()
    times: list[float] = []

    def load(plan: FitPlan, system: Any, reading: Any) -> ClipFeatures:
        features = load_training(plan, system, reading)
        times.append(time.perf_counter() - started)
        return features

    with anonymous_memory() as peak:
        train(prepared, load)
    total = time.perf_counter() - started
    return _Measured(times[0], total - times[0], peak.n_bytes)


def _plain_s(prepared: PreparedPlan) -> tuple[float, float]:
    """Seconds that the plain loop would take for all folds and seeds: reading every batch, and from memory."""
    (system,), ((head,),) = prepared.systems, prepared.heads
    if not isinstance(head, NeuralHead):
        raise TypeError(f"the plain loop trains networks, got {head.name}")
    features = load_training(prepared.plan, system, head.reading)
    windows = Windows.of(features, layers=None, window=head.frame_average, device="cpu")
    fold, schedule = system.folds[0], head.schedule()
    n_steps = -(-len(fold.train) // schedule.batch_size) * schedule.epochs * len(system.folds) * prepared.plan.seeds
    window = max(1, head.frame_average // system.caches[0].frame_stride)

    def held(rows: NDArray[np.int64]) -> Batch:
        return windows.batch(torch.from_numpy(rows)[None])

    def seconds(batch_of: BatchOf) -> float:
        job, y, classes = Job(fold.train, fold.val), system.clips.y, len(system.clips.classes)
        return n_steps * plain_step_s(head.net(), windows, batch_of, y, classes, job, schedule, PLAIN_STEPS)

    read = seconds(from_cache(system.caches[0], system.clip_ids[0], window))
    return read, seconds(held) if windows.stored is None else float("nan")
