"""What engines share: the plan, the lock of the driver, options that do not go together."""

from pathlib import Path
from typing import Any

import pytest

from ravfeat.cache import verify_cache
from ravfeat.encoders.registry import load_encoder
from ravfeat.engines.base import EngineOptions, Problem
from ravfeat.engines.run import extract_with
from ravfeat.errors import CacheError, MissingExtraError, RavfeatError, UsageError
from ravfeat.extract import run_extraction
from tests.processes import Commands

pytestmark = pytest.mark.usefixtures("small_shards")

HOLD = """
import sys, time
from pathlib import Path
from ravfeat.cache.locks import WorkLock
lock = WorkLock(Path(sys.argv[1]))
lock.claim_driver()
Path(sys.argv[2]).touch()
time.sleep(600)
"""


def test_a_second_driver_is_refused(named: Any, corpus: Any, tmp_path: Path, commands: Commands) -> None:
    path = run_extraction(corpus.extraction(encoder=load_encoder("logmel", "cpu")), tmp_path / "out").path
    (path / "shard-00001.h5").unlink()
    with commands.start(HOLD, [path, tmp_path / "held"]) as holder:
        while not (tmp_path / "held").exists():
            assert holder.poll() is None
        with pytest.raises(CacheError, match=r"another 'ravfeat extract --engine' hands out the shards of .*wait for"):
            extract_with("local", named, tmp_path / "out", EngineOptions())


def test_a_finished_cache_needs_no_workers(named: Any, corpus: Any, tmp_path: Path) -> None:
    path = run_extraction(corpus.extraction(encoder=load_encoder("logmel", "cpu")), tmp_path / "out").path
    done = extract_with("local", named, tmp_path / "out", EngineOptions())
    assert (done.results[0].written, done.results[0].present, done.given_up) == (0, 6, {})
    assert verify_cache(path) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (EngineOptions(address="auto"), "--address goes with --engine ray; --engine local has no cluster"),
        (EngineOptions(slurm={"partition": "gpu"}), "--slurm goes with --engine slurm, not with --engine local"),
        (EngineOptions(gpus_per_worker=2), "--gpus-per-worker goes with GPUs, not with --device cpu"),
    ],
)
def test_options_that_do_not_go_together_are_refused(named: Any, tmp_path: Path, options: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        extract_with("local", named, tmp_path / "out", options)
    assert not (tmp_path / "out").exists()


def test_errors_of_workers_are_those_of_this_process() -> None:
    error = Problem.of(UsageError("so not")).error()
    assert (type(error), str(error)) == (UsageError, "so not")
    missing = Problem.of(MissingExtraError("torch", "extract")).error()
    assert type(missing) is RavfeatError
    assert "pip install 'ravfeat[extract]'" in str(missing)
