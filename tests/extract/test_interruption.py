"""The real command, killed, interrupted, doubled and starved; what is left is always a cache that can go on.

Voices through log-mel, faces through an ONNX net, features brought from elsewhere: the same guarantees in the same
tests.
"""

import random
import resource
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ravfeat.cache import open_cache, verify_cache
from ravfeat.cache.parts import is_part
from ravfeat.corpora.ravdess import scan_ravdess
from ravfeat.encoders.registry import load_encoder
from ravfeat.extract import Extraction, run_extraction
from ravfeat.faces.source import FaceOptions
from ravfeat.importers import ImportOptions, plan_import
from tests.conftest import command_code
from tests.processes import Command, Commands, die_at
from tests.tinyfaces import write_net, write_videos

SMALL = "import ravfeat.cache.writer as w; w.MAX_SHARD_CLIPS = 2\n"
SLOW = """
import time
from {} import {} as E
encode = E.encode
def slow(self, batch):
    time.sleep({} * len(batch))
    return encode(self, batch)
E.encode = slow
"""
HELD = """
import time
from pathlib import Path
from {} import {} as E
encode, clips = E.encode, []
def held(self, batch):
    clips.extend(batch)
    deadline = time.monotonic() + 120
    while len(clips) > 12 and not Path({!r}).exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return encode(self, batch)
E.encode = held
"""


@dataclass(frozen=True)
class Job:
    """A command that fills a cache with 22 clips, and the same from Python."""

    command: tuple[object, ...]
    encoder: tuple[str, str]
    work: Callable[[], Extraction]

    def slow(self, seconds: float = 0.02) -> str:
        """Make shards of two clips and take time over every clip."""
        return SMALL + SLOW.format(*self.encoder, seconds)

    def held(self, until: Path) -> str:
        """Make shards of two clips and wait, after a few clips, for a file to be there."""
        return SMALL + HELD.format(*self.encoder, str(until))


def stems(clips: Path, modality: str) -> list[str]:
    return [f"{modality}{clip.clip_id[2:]}" for clip in scan_ravdess(clips)]


def voices(clips: Path, _: Path) -> Job:
    command = ("extract", "--data", clips, "--encoder", "logmel", "--device", "cpu")
    return Job(
        command,
        ("ravfeat.encoders.logmel", "LogMelEncoder"),
        lambda: Extraction(scan_ravdess(clips), clips, load_encoder("logmel", "cpu")),
    )


def faces(clips: Path, folder: Path) -> Job:
    videos, net = folder / "videos", write_net(folder / "tiny.onnx")
    write_videos(videos, stems(clips, "02"))
    options = FaceOptions(cropped=True)
    source = options.source(boxes=True, meshes=False)
    return Job(
        ("extract", "--data", videos, "--encoder", net, "--cropped", "--device", "cpu"),
        ("ravfeat.encoders.onnx", "OnnxEncoder"),
        lambda: Extraction(
            scan_ravdess(videos, "face"), videos, load_encoder(str(net), "cpu", faces=options), source=source
        ),
    )


def brought(clips: Path, folder: Path) -> Job:
    names = stems(clips, "02")
    values = np.random.default_rng(0).normal(size=(7 * len(names), 5))
    path = folder / "brought.npz"
    np.savez(path, names=names, offsets=np.arange(len(names) + 1) * 7, x=values)

    def work() -> Extraction:
        plan = plan_import(ImportOptions(path, "ravdess", clips, "brought", stream="face"))
        return Extraction(plan.manifest, plan.root, plan.encoder, source=plan.source)

    command = ("cache", "import", path, "--data", clips, "--name", "brought")
    return Job(command, ("ravfeat.importers.encoder", "ImportEncoder"), work)


JOBS = {"voices": voices, "faces": faces, "brought": brought}
extracting = pytest.mark.parametrize("job", ["voices", "faces"], indirect=True)
# One way of writing serves all three; what differs is what is read. So two of them take the long way by hand only.
mostly_voices = pytest.mark.parametrize(
    "job", ["voices", *(pytest.param(name, marks=pytest.mark.slow) for name in ("faces", "brought"))], indirect=True
)


@pytest.fixture(params=JOBS)
def job(request: pytest.FixtureRequest, clips: Path, tmp_path: Path) -> Job:
    return JOBS[request.param](clips, tmp_path)


Started = Callable[..., Command]


@pytest.fixture
def started(commands: Commands) -> Started:
    def start(job: Job, out: Path, *options: object, before: str = "") -> Command:
        return commands.start(command_code(before or job.slow()), [*job.command, "--out", out, *options])

    return start


def wait_for_shards(out: Path, count: int, process: Command) -> None:
    deadline = time.monotonic() + 180
    while sum(not is_part(path.name) for path in out.rglob("shard-*.h5")) < count:
        assert time.monotonic() < deadline
        assert process.poll() is None, "the extraction was over too soon for this test"
        time.sleep(0.001)


def end(process: Command) -> tuple[int, str, str]:
    out, err = process.communicate()
    return process.wait(), out, err


@pytest.fixture
def uninterrupted(job: Job, tmp_path: Path, contents: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    monkeypatch.setattr("ravfeat.cache.writer.MAX_SHARD_CLIPS", 2)
    return dict(contents(run_extraction(job.work(), tmp_path / "uninterrupted").path))


# Without a part in between less is at stake, and it takes as long.
@mostly_voices
@pytest.mark.parametrize("every_s", [pytest.param(15.0, marks=pytest.mark.slow), 0.0])
def test_killed_at_random_moments_and_gone_on_it_equals_an_uninterrupted_one(
    job: Job,
    started: Started,
    tmp_path: Path,
    uninterrupted: dict[str, bytes],
    contents: Any,
    stamps: Any,
    every_s: float,
) -> None:
    rng, out = random.Random(time.time_ns()), tmp_path / "out"
    parts = f"import ravfeat.extract.shard_writer as s; s.SAVE_EVERY_S = {every_s}\n"
    before: dict[str, Any] = {}
    for _ in range(5):
        with started(job, out, before=parts + job.slow(0.1)) as process:
            wait_for_shards(out, len(before) + 1, process)
            time.sleep(rng.uniform(0, 0.2))
            process.send_signal(signal.SIGKILL)
            process.wait()
        (folder,) = out.glob("ravdess/*")
        now = stamps(folder)
        assert {name: now[name] for name in before} == before  # what was done was not done again
        before = now
    assert 5 <= len(before) < 11
    with started(job, out) as process:
        code, printed, errors = end(process)
    assert (code, errors) == (0, "")
    assert f"{11 - len(before)} shards written" in printed
    assert {name: stamps(folder)[name] for name in before} == before
    assert contents(folder) == uninterrupted
    assert verify_cache(folder) == []


@mostly_voices
@pytest.mark.parametrize(
    ("call", "moment"),
    [
        pytest.param(1, "manifest under its temporary name", marks=pytest.mark.slow),
        pytest.param(3, "identity under its temporary name", marks=pytest.mark.slow),
        (5, "first shard under its temporary name"),
        (6, "first shard renamed"),
        pytest.param(7, "second shard under its temporary name", marks=pytest.mark.slow),
        (11, "index under its temporary name"),
        (12, "index renamed, sums not yet"),
        pytest.param(13, "sums under their temporary name", marks=pytest.mark.slow),
    ],
)
def test_killed_at_each_step_of_writing_it_goes_on(
    job: Job, started: Started, tmp_path: Path, contents: Any, call: int, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ravfeat.cache.writer.MAX_SHARD_CLIPS", 8)
    work = job.work()
    whole = contents(run_extraction(work, tmp_path / "whole").path)
    with started(job, tmp_path / "out", before=SMALL.replace("= 2", "= 8") + die_at(call)) as process:
        assert end(process)[0] == -signal.SIGKILL
    (folder,) = (tmp_path / "out").glob("ravdess/*")
    assert bool(list(folder.glob(".*.tmp"))) == ("temporary" in moment)
    result = run_extraction(work, tmp_path / "out")
    assert contents(result.path) == whole


@mostly_voices
@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM])
def test_interrupted_it_keeps_what_was_finished(
    job: Job, started: Started, tmp_path: Path, uninterrupted: dict[str, bytes], contents: Any, stamps: Any, number: int
) -> None:
    out = tmp_path / "out"
    with started(job, out, before=job.slow(0.1)) as process:
        wait_for_shards(out, 3, process)
        process.send_signal(number)
        code, _, errors = end(process)
    (folder,) = out.glob("ravdess/*")
    assert code == 1
    assert errors.strip().startswith("ravfeat: interrupted; ")
    assert len(errors.strip().splitlines()) == 1
    cache = open_cache(folder)  # its index is right
    assert 6 <= len(cache) < 22
    problems = {problem.where for problem in verify_cache(folder)}
    assert {where for where in problems if not is_part(where)} == set(cache.missing)
    before = stamps(folder)
    with started(job, out) as process:
        assert end(process)[0] == 0
    assert {name: stamps(folder)[name] for name in before} == before
    assert contents(folder) == uninterrupted


@extracting
def test_two_processes_fill_one_cache(
    job: Job, started: Started, tmp_path: Path, uninterrupted: dict[str, bytes], contents: Any
) -> None:
    out = tmp_path / "new" / "out"
    with (
        started(job, out, "--shard-index", 0, "--num-shards", 2) as first,
        started(job, out, "--shard-index", 1, "--num-shards", 2) as second,
    ):
        ends = [end(first), end(second)]
    assert [code for code, _, _ in ends] == [0, 0], ends
    assert "5 shards written" in ends[0][1]
    assert "6 shards written" in ends[1][1]
    (folder,) = out.glob("ravdess/*")
    assert contents(folder) == uninterrupted


@extracting
def test_a_second_writer_is_refused_and_the_first_goes_on(
    job: Job, started: Started, tmp_path: Path, uninterrupted: dict[str, bytes], contents: Any
) -> None:
    out = tmp_path / "out"
    go_on = tmp_path / "go-on"
    with started(job, out, before=job.held(go_on)) as first:  # as long as a busy machine takes to start the second
        wait_for_shards(out, 1, first)
        with started(job, out, before=SMALL) as second:
            code, _, errors = end(second)
        go_on.touch()
        assert code == 1
        assert "another process is writing shard-00000.h5" in errors
        assert "--shard-index I --num-shards N" in errors
        assert len(errors.splitlines()) == 1
        assert end(first)[0] == 0
    (folder,) = out.glob("ravdess/*")
    assert contents(folder) == uninterrupted


def test_a_file_that_may_not_grow_is_one_message_and_nothing_is_lost(
    clips: Path, tmp_path: Path, new_ravfeat: Any
) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    arguments = ("extract", "--data", clips, "--encoder", "logmel", "--out", tmp_path / "out")
    done = new_ravfeat(*arguments, before=SMALL.replace("= 2", "= 1"), preexec_fn=limit)
    assert done.returncode == 0  # a shard of one clip is small enough
    done = new_ravfeat(*arguments, "--dtype", "float32", preexec_fn=limit)
    assert done.returncode == 1
    assert "shard-00000.h5 cannot be written (File too large)" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.rglob("*.tmp"))
