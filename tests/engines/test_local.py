"""Extraction by several processes of this machine: real processes, really killed."""

import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ravfeat.cache import open_cache, verify_cache
from ravfeat.cache.parts import is_part
from ravfeat.engines.base import Answer, EngineOptions
from ravfeat.engines.local import LocalPool, local_devices
from ravfeat.engines.run import extract_with
from ravfeat.errors import UsageError
from ravfeat.extract.work_plan import WorkPlan
from tests.conftest import command_code
from tests.processes import Commands

pytestmark = pytest.mark.usefixtures("small_shards")

TWO = EngineOptions(workers=2)
SMALL = "import ravfeat.cache.writer as w; w.MAX_SHARD_CLIPS = 4\n"
SHARD = 4
BY_TWO = ("--device", "cpu", "--engine", "local", "--workers", 2)


def wait_until(ready: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_two_processes_make_what_one_makes_and_one_that_is_killed_is_replaced(
    named: Any, encoded: Any, tmp_path: Path, alone: dict[str, bytes], contents: Any
) -> None:
    encoded.slow(0.05)

    def kill_one() -> None:
        wait_until(lambda: len(encoded.lines) >= 6)
        os.kill(encoded.lines[0][0], signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    done = extract_with("local", named, tmp_path / "out", TWO)
    killer.join()
    assert done.given_up == {}
    assert contents(done.results[0].path) == alone
    assert done.results[0].written + done.results[0].present == 6
    assert len(encoded.pids) == 3
    twice = [name for name, count in encoded.times.items() if count > 1]
    assert len(encoded.times) == 22
    assert len(twice) < 2 * SHARD  # one shard was being written, and one encoded
    assert max(encoded.times.values()) <= 2


def test_a_worker_that_alone_is_told_to_end_is_replaced(
    named: Any, encoded: Any, tmp_path: Path, alone: dict[str, bytes], contents: Any
) -> None:
    encoded.slow(0.05)

    def end_one() -> None:
        wait_until(lambda: len(encoded.lines) >= 2)
        os.kill(encoded.lines[0][0], signal.SIGTERM)

    killer = threading.Thread(target=end_one)
    killer.start()
    done = extract_with("local", named, tmp_path / "out", TWO)
    killer.join()
    assert done.given_up == {}
    assert contents(done.results[0].path) == alone
    assert len(encoded.pids) == 3


def test_a_worker_that_dies_before_it_has_read_a_long_plan_is_an_answer(
    named: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text("import os, sys\nif '-c' in sys.orig_argv: os._exit(7)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    long = replace(named, encoders=("x" * (1 << 20),))  # more than a pipe takes while nobody reads
    with LocalPool([long], WorkPlan(())) as pool:
        pool.submit(0, ((1,),))
        assert pool.answers(30) == [Answer(0, "died", reason="it ended with code 7")]


@pytest.mark.slow
def test_a_shard_that_kills_its_workers_is_given_up_and_named(
    named: Any, encoded: Any, corpus: Any, tmp_path: Path, alone: dict[str, bytes], contents: Any
) -> None:
    encoded.deadly(corpus.manifest.clips[9], corpus.root)
    done = extract_with("local", named, tmp_path / "out", TWO)
    (folder,) = (tmp_path / "out").glob("synth/*")
    assert done.given_up == {str(folder / "shard-00002.h5"): "it was ended by SIGKILL"}
    made = contents(folder)
    assert {name for name in alone if name.startswith("shard") and made.get(name) != alone[name]} == {"shard-00002.h5"}
    assert len(open_cache(folder)) == 18


def test_a_killed_driver_takes_its_workers_with_it_and_the_next_one_goes_on(
    encoded: Any, clips: Path, tmp_path: Path, commands: Commands, stamps: Any
) -> None:
    encoded.slow(0.3)
    command = ("extract", "--data", clips, "--encoder", "logmel", "--out", tmp_path / "out", *BY_TWO)
    with commands.start(command_code(SMALL), command) as driver:
        wait_until(lambda: len(list(tmp_path.rglob("shard-?????.h5"))) >= 1)
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        wait_until(lambda: not any(map(is_alive, encoded.pids)), 15)
    (folder,) = (tmp_path / "out").glob("ravdess/*")
    before, first = stamps(folder), encoded.times
    assert 1 <= len(before) < 6
    encoded.slow(0)
    with commands.start(command_code(SMALL), command) as driver:
        out, err = driver.communicate()
        assert (driver.wait(), err) == (0, "")
    assert f"{6 - len(before)} shards written" in out
    assert {name: stamps(folder)[name] for name in before} == before
    assert verify_cache(folder) == []
    again = sum(encoded.times[name] - count for name, count in first.items())
    assert again <= 2 * SHARD  # those under way, less what they kept
    assert len(encoded.times) == 22


def test_interrupted_it_stops_its_workers_and_keeps_what_is_encoded(
    encoded: Any, clips: Path, tmp_path: Path, commands: Commands
) -> None:
    encoded.slow(0.3)
    command = ("extract", "--data", clips, "--encoder", "logmel", "--out", tmp_path / "out", *BY_TWO)
    with commands.start(command_code(SMALL), command) as driver:
        wait_until(lambda: len(list(tmp_path.rglob("shard-?????.h5"))) >= 1)
        driver.send_signal(signal.SIGINT)
        _, err = driver.communicate()
        assert driver.wait() == 1
    assert not any(map(is_alive, encoded.pids))
    assert len(err.strip().splitlines()) == 1
    assert err.strip().startswith("ravfeat: interrupted; ")
    (folder,) = (tmp_path / "out").glob("ravdess/*")
    cache = open_cache(folder)  # its index is right
    problems = {problem.where for problem in verify_cache(folder)}
    assert {where for where in problems if not is_part(where)} == set(cache.missing)
    assert f"clips are kept in {folder}" in err


def test_gpus_are_divided_among_the_workers() -> None:
    assert local_devices("cpu", EngineOptions()) == ["cpu", "cpu"]
    four = "cuda:0,cuda:1,cuda:2,cuda:5"
    assert local_devices(four, EngineOptions()) == ["cuda:0", "cuda:1", "cuda:2", "cuda:5"]
    assert local_devices(four, EngineOptions(gpus_per_worker=2)) == ["cuda:0,cuda:1", "cuda:2,cuda:5"]
    assert local_devices(four, EngineOptions(workers=1)) == ["cuda:0"]
    with pytest.raises(UsageError, match=r"3 workers with 2 GPUs each need 6, and --device .* has 4 here"):
        local_devices(four, EngineOptions(workers=3, gpus_per_worker=2))
