"""The file of the ledger: appending, reading, what was torn, changed, taken out, or is no file at all."""

import os
import resource
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from ravfeat.errors import CacheError
from ravfeat.ledger.file import append, read_ledger
from tests.ledger.test_line import TRIED

WRITER = """
import sys
from dataclasses import replace
from pathlib import Path
from ravfeat.ledger.file import append
from tests.ledger.test_line import TRIED
for number in range(int(sys.argv[3])):
    append(Path(sys.argv[1]), replace(TRIED, run=f"{sys.argv[2]}-{number}"))
"""


@pytest.fixture
def path(tmp_path):
    for name in ("a", "b", "c"):
        append(tmp_path / "ledger.jsonl", replace(TRIED, run=name))
    return tmp_path / "ledger.jsonl"


def test_lines_come_back_in_their_order_and_chained(path) -> None:
    ledger = read_ledger(path)
    assert [line.run for line in ledger.lines] == ["a", "b", "c"]
    assert [line.number for line in ledger.lines] == [1, 2, 3]
    assert [line.previous for line in ledger.lines[1:]] == [line.sha256 for line in ledger.lines[:2]]
    assert (ledger.faults, ledger.torn_bytes, ledger.first) == ((), 0, ledger.lines[0].sha256)
    assert ledger.find(ledger.lines[1].sha256) == ledger.lines[1]
    assert ledger.find("no such") is None


DAMAGES = {
    "changed": (lambda a, b, c: a + b.replace(b'"run":"b"', b'"run":"x"') + c, "line 2 is not what it was"),
    "without the second": (lambda a, b, c: a + c, "line 2 does not follow line 1"),
    "without the first": (lambda a, b, c: b + c, "line 1 is not the first one"),
    "swapped": (lambda a, b, c: a + c + b, "line 2 does not follow line 1"),
    "garbage": (lambda a, b, c: a + b"\xff\x00not a line\n" + c, "line 2"),
    "an empty line": (lambda a, b, c: b"\n" + a + b + c, "line 1"),
}


@pytest.mark.parametrize(("damage", "fault"), DAMAGES.values(), ids=DAMAGES)
def test_a_broken_chain_is_named_by_its_line_and_stays_broken_when_lines_follow(path, damage, fault) -> None:
    path.write_bytes(damage(*path.read_bytes().splitlines(keepends=True)))
    faults = read_ledger(path).faults
    assert faults[0].startswith(fault)
    line = append(path, replace(TRIED, run="d"))
    after = read_ledger(path)
    assert (after.faults, after.lines[-1]) == (faults, line)


def test_other_ends_of_lines_are_no_fault(path) -> None:
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert not read_ledger(path).faults


def test_a_last_line_that_was_changed_is_said_and_chained_to_as_it_is(path) -> None:
    path.write_bytes(path.read_bytes().replace(b'"run":"c"', b'"run":"x"'))
    assert append(path, TRIED).number == 4
    assert [fault[:6] for fault in read_ledger(path).faults] == ["line 3"]


def test_a_line_that_was_never_whole_is_passed_over_and_dropped_with_a_note(path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"clips":"c","dro')
    assert read_ledger(path).torn_bytes == 17
    assert len(read_ledger(path).lines) == 3
    line = append(path, replace(TRIED, run="d"))
    assert (line.number, line.dropped_bytes) == (4, 17)
    assert path.read_bytes() == whole + line.encode()
    assert read_ledger(path).faults == ()


def test_a_ledger_that_is_too_long_to_be_read_is_not_written_to(path) -> None:
    os.truncate(path, (256 << 20) + 1)
    with pytest.raises(CacheError, match="268435457 bytes, expected at most 268435456"):
        append(path, TRIED)


def test_a_last_line_that_only_lost_its_end_is_kept(path) -> None:
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    assert [line.run for line in read_ledger(path).lines] == ["a", "b", "c"]
    append(path, replace(TRIED, run="d"))
    ledger = read_ledger(path)
    assert [line.run for line in ledger.lines] == ["a", "b", "c", "d"]
    assert ledger.faults == ()


def test_processes_and_threads_that_write_at_once_lose_nothing(tmp_path) -> None:
    path = tmp_path / "ledger.jsonl"
    processes = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), name, "20"]) for name in "ab"]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: append(path, replace(TRIED, run=f"t-{number}")), range(20)))
    assert [process.wait() for process in processes] == [0, 0]
    ledger = read_ledger(path)
    assert (len(ledger.lines), ledger.faults, ledger.torn_bytes) == (60, (), 0)
    assert len({line.run for line in ledger.lines}) == 60


@pytest.mark.slow
def test_a_process_that_is_killed_leaves_a_ledger_that_goes_on(tmp_path) -> None:
    path = tmp_path / "ledger.jsonl"
    for _ in range(20):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path), "k", "100000"]) as process:
            before = path.stat().st_size if path.exists() else 0
            while not path.exists() or path.stat().st_size < before + 2000:
                os.sched_yield()
            process.send_signal(signal.SIGKILL)
        append(path, TRIED)
        assert read_ledger(path).faults == ()


def test_what_is_no_file_is_refused(tmp_path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "aim").write_text("kept")
    (tmp_path / "link").symlink_to(tmp_path / "aim")
    for name in ("folder", "pipe"):
        with pytest.raises(CacheError, match="is not a regular file"):
            append(tmp_path / name, TRIED)
    with pytest.raises(OSError, match="symbolic link"):
        append(tmp_path / "link", TRIED)
    assert (tmp_path / "aim").read_text() == "kept"
    with pytest.raises(CacheError, match="is not a regular file"):
        read_ledger(tmp_path / "pipe")
    with pytest.raises(CacheError, match=r"is missing; name the folder that holds the caches"):
        read_ledger(tmp_path / "nothing")


def test_a_line_that_the_disk_cannot_hold_is_taken_back(path) -> None:
    whole = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) + 10, limits[1]))
    try:
        with pytest.raises(OSError, match="only 10 of"):
            append(path, TRIED)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == whole
