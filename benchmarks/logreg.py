"""Nested choice of layers and C for logistic regression, against pipelines refitted from scratch.

The cache has the size of a pooled WavLM-large cache of RAVDESS: 1440 clips, 25 layers, mean and standard deviation of
1024 dimensions. Values are generated: what a layer says of the emotion rises and falls with its depth, beside what it
says of the actor and of nothing, so that there is something to choose. The alternative is `StandardScaler` and
`LogisticRegression` in a pipeline, fitted for every training set, set of layers and C, on as many threads side by side
as the head takes. It is timed on a slice and scaled by count: pipelines of one width take about the same time.
"""

import hashlib
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ravfeat.cache.format import ClipRecord, ShardContent, StoreRecipe, features_sha256
from ravfeat.cache.locks import WorkLock
from ravfeat.cache.writer import prepare_cache
from ravfeat.experiment.fit import FitPlan, PreparedPlan, load_system, prepare, train
from ravfeat.features.clips import ClipFeatures
from ravfeat.heads.base import Job, Sweep
from ravfeat.heads.logreg import LogregHead
from ravfeat.heads.parallel import map_jobs
from ravfeat.manifest import Clip, Manifest
from ravfeat.schema import RAVDESS_LABELS

__all__ = ["measure"]

ROUNDS = 5
N_ACTORS, TAKES, N_LAYERS, DIM = 24, 60, 25, 1024
SLICE = (11, 12, 13, 14, 15)
"""Layers that the pipelines are timed on, beside all layers together."""


def measure() -> Iterator[str]:
    """Measure and give one line for each figure."""
    with tempfile.TemporaryDirectory() as scratch:
        cache = _generate(Path(scratch))
        prepared = prepare(FitPlan(caches=(cache,), protocol="ravdess6", heads=("logreg",), select="nested"))
        task = _task(prepared)
        rounds = [(_timed(lambda: train(prepared)), _all_pipelines(task)) for _ in range(ROUNDS)]
    ours, plain = (np.array(side) for side in zip(*rounds, strict=True))  # (rounds, wall and processor)
    (ours_s, ours_cpu_s), (plain_s, plain_cpu_s) = np.median(ours, 0), np.median(plain, 0)
    ratios, cpu_ratios = (plain / ours).T
    yield (
        f"logreg nested over {N_LAYERS} layers, {len(task.y)} clips x {2 * DIM}, six folds: {ours_s:.1f} s against"
        f" {plain_s:.0f} s of scikit-learn pipelines (a slice, scaled by count), ratio {np.median(ratios):.1f} (median"
        f" of {ROUNDS} rounds, {ratios.min():.1f} to {ratios.max():.1f}); processor time {ours_cpu_s:.1f} s against"
        f" {plain_cpu_s:.0f} s, ratio {np.median(cpu_ratios):.1f}"
    )
    yield _agreement(task)


@dataclass(frozen=True)
class _Task:
    """What the head chooses on; `inner` holds the inner jobs of every outer fold."""

    features: ClipFeatures
    y: NDArray[np.int64]
    inner: tuple[tuple[Job, ...], ...]


_Fit = tuple[Job, Sequence[int], float]
"""Rows to fit and to score, neighbouring layers, C."""


def _task(prepared: PreparedPlan) -> _Task:
    system, inner = prepared.systems[0], prepared.inner[0] or {}
    features = load_system(prepared.plan, system, LogregHead().reading)
    jobs = tuple(tuple(Job(rows, val) for rows, val in inner[fold.number]) for fold in system.folds)
    return _Task(features, system.clips.y, jobs)


def _all_pipelines(task: _Task) -> NDArray[np.float64]:
    """Time pipelines of one layer and of all layers, and scale to every inner training set, set of layers and C."""
    grid, jobs = LogregHead().grid, task.inner[0]
    narrow = [(job, [layer], c) for job, layer in zip(jobs, SLICE, strict=True) for c in grid]
    wide = [(job, range(N_LAYERS), c) for job, c in zip(jobs, grid, strict=False)]
    each = len(grid) * sum(map(len, task.inner))
    of_one = _timed(lambda: _pipelines(task, narrow)) / len(narrow)
    of_all = _timed(lambda: _pipelines(task, wide)) / len(wide)
    return N_LAYERS * each * of_one + 2 * each * of_all


def _pipelines(task: _Task, fits: Sequence[_Fit]) -> list[NDArray[np.floating]]:
    return map_jobs(lambda fit: _pipeline(task, *fit), fits, "pipelines")


def _pipeline(task: _Task, job: Job, layers: Sequence[int], strength: float) -> NDArray[np.floating]:
    """Fit from scratch and score the validation rows."""
    wide = task.features.frames[:, layers[0] : layers[-1] + 1].reshape(len(task.y), -1).astype(np.float32)
    # The head's C is for features divided by the root of their number.
    solver = LogisticRegression(C=strength / wide.shape[1], class_weight="balanced", max_iter=1000)
    fitted = make_pipeline(StandardScaler(), solver).fit(wide[job.train], task.y[job.train])
    return np.asarray(fitted.decision_function(wide[job.val]))


def _agreement(task: _Task) -> str:
    """Compare choices among the layers of the slice, fold by fold, and logits."""
    head, same, apart = LogregHead(layers=SLICE), 0, 0.0
    for jobs in task.inner:
        y_val = [task.y[job.val] for job in jobs]
        sweeps = [_only_single(sweep) for sweep in head.sweep(task.features, task.y, len(RAVDESS_LABELS), jobs)]
        fits = [(job, one["layers"], one["C"]) for job in jobs for one in sweeps[0].candidates]
        said = iter(_pipelines(task, fits))
        plain = [Sweep(own.candidates, np.stack([next(said) for _ in own.candidates])) for own in sweeps]
        same += head.choose(sweeps, y_val) == head.choose(plain, y_val)
        apart = max(apart, *(float(np.abs(a.logits - b.logits).max()) for a, b in zip(sweeps, plain, strict=True)))
    return (
        f"logreg, choices among layers {SLICE[0]} to {SLICE[-1]} and {len(head.grid)} C: {same} of {len(task.inner)}"
        f" folds choose as the pipelines do; logits differ by {apart:.3f} at most"
    )


def _only_single(sweep: Sweep) -> Sweep:
    single = [number for number, one in enumerate(sweep.candidates) if len(one["layers"]) == 1]
    return Sweep(tuple(sweep.candidates[number] for number in single), sweep.logits[single])


def _timed(work: Callable[[], object]) -> NDArray[np.float64]:
    """Seconds on the wall, and of all processors together, which others on the machine disturb less."""
    start, cpu_start = time.perf_counter(), time.process_time()
    work()
    return np.array([time.perf_counter() - start, time.process_time() - cpu_start])


def _generate(folder: Path) -> Path:
    """Write a pooled cache of 1440 clips and give its folder."""
    n_layers, width = N_LAYERS, 2 * DIM
    clips = [_clip(actor, take) for actor in range(1, N_ACTORS + 1) for take in range(TAKES)]
    manifest = Manifest("ravdess", RAVDESS_LABELS, tuple(clips))
    recipe = StoreRecipe(store="pooled")
    identity = {"stream": "audio", "weights": "generated", "layer_convention": "toy/1", "preprocessing": ["toy/1"]}
    identity |= recipe.identity(n_layers, "audio") | {"statistics": ["mean", "std"]}
    about = {"corpus": "ravdess", "synthetic": True, "stream": "audio", "encoder": "generated"}
    cache = prepare_cache(folder, manifest, about, identity, lambda _: 2 * n_layers * width)
    values = _values(manifest.clips, n_layers, width)
    with WorkLock(cache.path) as lock:
        for number in sorted(set(cache.planned.shards.values())):
            own = [i for i, clip in enumerate(manifest) if cache.planned.shards[clip.clip_id] == number]
            records = [_record(manifest.clips[i], values[i], at) for at, i in enumerate(own)]
            features, times_s = tuple(values[i] for i in own), tuple(np.zeros(1) for _ in own)
            content = ShardContent(
                number, about, identity, {"device": "cpu"}, tuple(records), (), features, times_s, (n_layers, width)
            )
            cache.update_index(lock, {number: cache.write_shard(content)})
    return cache.path


def _clip(actor: int, take: int) -> Clip:
    label = RAVDESS_LABELS[(take + 4) // 8]  # 4 takes of neutral, 8 of every other emotion
    name = f"{actor:02d}-{take:02d}"
    return Clip(name, name, f"ravdess:{actor:02d}", "male" if actor % 2 else "female", label, f"{name}.wav", 1.0)


def _record(clip: Clip, block: NDArray[np.float16], at: int) -> ClipRecord:
    digest = hashlib.sha256(block.tobytes()).hexdigest()
    who = (clip.clip_id, clip.performance_id, clip.actor, clip.gender, clip.label)
    return ClipRecord(*who, 16000, 16000.0, digest, features_sha256(block), at, 1)


def _values(clips: tuple[Clip, ...], n_layers: int, width: int) -> NDArray[np.float16]:
    """Blocks of shape (n_layers, 1, width) for every clip."""
    rng = np.random.default_rng(0)
    y = np.array([RAVDESS_LABELS.index(clip.label) for clip in clips])
    actor = np.array([int(clip.actor[-2:]) for clip in clips])
    values = np.empty((len(clips), n_layers, 1, width), np.float16)
    hidden = rng.normal(size=(len(clips), 96)) / np.sqrt(1 + np.arange(96) / 4)  # what all layers share, with a decay
    emotion = rng.normal(size=(len(RAVDESS_LABELS), 96)) / np.sqrt(1 + np.arange(96) / 4)
    person = rng.normal(size=(N_ACTORS + 1, len(RAVDESS_LABELS), 96)) / np.sqrt(1 + np.arange(96) / 4)
    for layer in range(n_layers):
        depth = layer / max(1, n_layers - 1)
        clear = 0.2 + 0.22 * np.exp(-(((depth - 0.6) / 0.25) ** 2))
        own = hidden + clear * emotion[y] + 0.8 * person[actor].mean(1) * np.sqrt(8) + 0.5 * person[actor, y]
        wide = own @ rng.normal(size=(96, width)) / np.sqrt(20) + 0.5 * rng.normal(size=(len(clips), width))
        wide[:, width // 2 :] = np.exp(0.2 * wide[:, width // 2 :])  # a standard deviation is positive and skewed
        values[:, layer, 0] = wide * np.exp(rng.normal(size=width)) + rng.normal(size=width)
    return values
