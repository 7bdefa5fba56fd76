"""Heads on a device with little memory: they are trained to the CPU's numbers, or on the CPU, and nothing is lost."""

import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ravfeat.features.clips import ClipFeatures
from ravfeat.features.on_disk import Shard, StoredFrames
from ravfeat.heads import training_loop
from ravfeat.heads import windows as windows_module
from ravfeat.heads.base import Job
from ravfeat.heads.registry import HEADS, get_head
from ravfeat.heads.stacks import staging
from ravfeat.heads.windows import Windows
from ravfeat.resources import free_device_memory
from tests.heads.conftest import Problem, make
from tests.toycaches import actors_and_emotions
from tests.toyhead import RecurrentHead
from tests.writtencaches import write_cache

TOLERANCE = 3e-6
"""Documented difference of a head from the same one beside other heads."""

NETWORKS = ["attentive", "attentive-sum", "joint", RecurrentHead.name]
FEW_SETTINGS = {"joint": {"lrs": (5e-4,), "stream_dropouts": (0.3,)}}
Limit = Callable[[float], None]


@pytest.fixture
def limit() -> Iterator[Limit]:
    """Leaves so many megabytes of the device free."""
    if "fakecuda" not in sys.modules:
        pytest.skip("the memory of a real device is not limited")
    ext = sys.modules["fakecuda"].ext
    before = ext.memory(0)[2]

    def leave(megabytes: float) -> None:
        ext.set_limit(0, int(ext.memory(0)[0] + megabytes * 1e6))
        ext.reset_peak(0)

    yield leave
    ext.set_limit(0, before)


@pytest.fixture(scope="module", autouse=True)
def _toy_head() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(HEADS, RecurrentHead.name, RecurrentHead)
        yield


@pytest.fixture(scope="module")
def problem() -> Problem:
    return make(n_clips=60, n_layers=5, dim=32)


def features_for(name: str, problem: Problem) -> ClipFeatures:
    if name != "joint":
        return problem.features
    second = make(n_clips=60, n_layers=3, dim=7, seed=3).features
    # Of another dtype: buffers of both streams take turns.
    return replace(problem.features, also=(replace(second, frames=second.frames.astype(np.float32)),))


def jobs_of(problem: Problem, n: int = 5) -> list[Job]:
    every = np.concatenate([problem.train, problem.val])
    rows = [np.roll(every, 9 * number) for number in range(n)]
    return [Job(one[:36], one[36:], seed) for seed, one in enumerate(rows)]


def logits_of(name: str, device: str, problem: Problem, features: ClipFeatures, **settings) -> list[np.ndarray]:
    """What is scored under both selections: the sweep of inner folds, and the chosen model on the test rows."""
    head = get_head(name, epochs=2, hidden=16, frame_average=1, device=device, **FEW_SETTINGS.get(name, {}), **settings)
    jobs = jobs_of(problem)
    sweeps = head.sweep(features, problem.y, problem.n_classes, jobs)
    models = head.fit_chosen(features, problem.y, problem.n_classes, jobs)
    return [sweep.logits for sweep in sweeps] + [model.logits(features, problem.test) for model in models]


@pytest.fixture(scope="module")
def on_cpu(problem: Problem) -> Callable[[str], list[np.ndarray]]:
    made: dict[str, list[np.ndarray]] = {}

    def compute(name: str) -> list[np.ndarray]:
        if name not in made:
            made[name] = logits_of(name, "cpu", problem, features_for(name, problem))
        return made[name]

    return compute


def check(given: list[np.ndarray], expected: list[np.ndarray]) -> None:
    for ours, theirs in zip(given, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=TOLERANCE, rtol=TOLERANCE)  # NaN fails


@pytest.mark.parametrize("megabytes", [1000, 3])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_head_learns_the_same_however_little_memory_there_is(name, megabytes, problem, on_cpu, limit) -> None:
    limit(megabytes)
    check(logits_of(name, "cuda", problem, features_for(name, problem)), on_cpu(name))


def test_where_the_plan_is_wrong_heads_are_trained_in_parts(problem, on_cpu, limit, monkeypatch, caplog) -> None:
    monkeypatch.setattr(training_loop, "_DEVICE_SHARE", 1e6)
    limit(2)
    caplog.set_level("INFO", "ravfeat")
    check(logits_of("attentive", "cuda", problem, problem.features), on_cpu("attentive"))
    assert "are trained in two parts" in caplog.text


@pytest.mark.parametrize("name", ["attentive", "attentive-sum", "joint"])
def test_windows_that_leave_the_device_give_the_same_numbers(name, problem, on_cpu, monkeypatch) -> None:
    monkeypatch.setattr(windows_module, "ON_DEVICE", 0)
    monkeypatch.setattr(windows_module, "BUFFER_BYTES", 20_000)  # a few clips in each, so that they are used again
    monkeypatch.setattr(staging, "BUFFER_BYTES", 1 << 15)
    check(logits_of(name, "cuda", problem, features_for(name, problem)), on_cpu(name))


class _Frames:
    """A shard's features in memory."""

    def __init__(self, frames: np.ndarray) -> None:
        self.frames, self.dtype = frames, frames.dtype

    def read(self, layers: slice, frames: slice, out: np.ndarray) -> None:
        out[...] = self.frames[layers, frames].reshape(out.shape)

    def expect(self, layers=None, frames=None) -> None: ...


@pytest.mark.parametrize("name", ["attentive", "attentive-sum"])
def test_clips_on_the_disk_reach_the_device_whole(name, problem, on_cpu, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(windows_module, "BUFFER_BYTES", 20_000)
    frames, offsets = problem.features.frames.transpose(1, 0, 2), problem.features.offsets
    shard = Shard(_Frames(np.ascontiguousarray(frames)), nullcontext)
    zeros = np.zeros(len(offsets) - 1, np.int64)
    stored = StoredFrames((shard,), tuple(range(len(frames))), 32, zeros, offsets[:-1], np.diff(offsets))
    features = replace(problem.features, frames=problem.features.frames[:0], stored=stored)
    check(logits_of(name, "cuda", problem, features), on_cpu(name))


def test_one_stream_on_the_device_and_one_beside_it(problem, on_cpu, limit) -> None:
    features = features_for("joint", problem)
    limit(0.4)
    windows = Windows.of(features, layers=None, window=1, device="cuda")
    assert [stream.means.device.type for stream in windows.streams] == ["cpu", "cuda"]
    limit(6)
    check(logits_of("joint", "cuda", problem, features), on_cpu("joint"))


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_planned_fits(name, problem, limit, caplog) -> None:
    """No attempt fails where memory is planned; heads take a fair part of it."""
    caplog.set_level("INFO", "ravfeat")
    limit(8)
    free = free_device_memory("cuda")
    head = get_head(name, epochs=1, hidden=64, frame_average=1, device="cuda", **FEW_SETTINGS.get(name, {}))
    head.sweep(features_for(name, problem), problem.y, problem.n_classes, jobs_of(problem, 15))
    assert "memory ran out" not in caplog.text
    peak = sys.modules["fakecuda"].ext.memory(0)[1]
    assert peak > 0.2 * free


def test_trained_heads_wait_in_main_memory(problem) -> None:
    head = get_head("attentive", epochs=1, device="cuda")
    (model,) = head.fit_chosen(problem.features, problem.y, problem.n_classes, [problem.job()])
    assert {value.device.type for value in (model.params | model.constants).values()} == {"cpu"}
    assert model.device == "cuda"


@pytest.mark.filterwarnings("ignore:one head does not fit into the memory of cuda")
def test_a_head_that_fits_nowhere_on_the_device_is_trained_on_the_processor(problem, on_cpu, limit) -> None:
    limit(0.2)
    check(logits_of("attentive", "cuda", problem, problem.features), on_cpu("attentive"))


def test_what_does_not_fit_is_said(problem, limit) -> None:
    limit(0.2)
    with pytest.warns(UserWarning, match="one head does not fit into the memory of cuda: training goes on on the proc"):
        logits_of("attentive", "cuda", problem, problem.features)


def test_bfloat16_products_are_near(problem, on_cpu, limit) -> None:
    for megabytes in (1000, 6):
        limit(megabytes)
        given = logits_of("attentive", "cuda", problem, problem.features, precision="bfloat16")
        for ours, theirs in zip(given, on_cpu("attentive"), strict=True):
            np.testing.assert_allclose(ours, theirs, atol=0.05)


@pytest.fixture(scope="module")
def caches(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("caches")
    takes = actors_and_emotions(actors=6, dim=24)
    rng = np.random.default_rng(5)
    face = [replace(take, features=rng.normal(size=(9, 1, 8)).astype(np.float32)) for take in takes]
    voice = write_cache(folder / "voice", takes, stream="audio", dtype="float16")
    return voice, write_cache(folder / "face", face, stream="face", dtype="float16")


@pytest.mark.filterwarnings("ignore:one head does not fit into the memory of cuda")
@pytest.mark.parametrize("megabytes", [0.1, 0.3, 1, 2, 4, 8, 16, 1000])
def test_fit_heads_ends_well_at_every_limit(megabytes, caches, here, limit, tmp_path) -> None:
    limit(megabytes)
    heads = ("--head", "attentive", "--head", "attentive-sum", "--head", "joint", "--fusion", "none")
    inputs = [argument for cache in caches for argument in ("--cache", str(cache))]
    done = here("fit-heads", *inputs, *heads, "--protocol", "group3", "--epochs", "1", "--frame-average", "1",
                "--device", "cuda", "--out", str(tmp_path / "run"))  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "predictions.parquet").is_file()
