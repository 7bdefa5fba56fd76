"""Progress of real commands in a file: of stderr, and of ``--log``."""

import os
import re
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ravfeat.corpora.synth import MARKER
from tests.conftest import command_code
from tests.processes import Command, Commands

SLOW = """
import time
import ravfeat.cache.writer as w
w.MAX_SHARD_CLIPS = 8
from ravfeat.encoders.logmel import LogMelEncoder as E
encode = E.encode
def slow(self, batch):
    time.sleep(0.05 * len(batch))
    return encode(self, batch)
E.encode = slow
"""
TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d "
ENCODING = (
    TIME + r"encoding: \d+ of 60 \(\d+ %\), [\d.e+]+ clip/s, [\d:]+ left,"
    r" [\d.e+]+ x real time, 0 failed, encoder busy \d+ %"
)


@pytest.fixture(scope="module")
def clips(generated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generated clips, in a folder that says nothing of being generated."""
    folder = tmp_path_factory.mktemp("clips") / "clips"
    return Path(shutil.copytree(generated, folder, ignore=shutil.ignore_patterns(MARKER)))


@pytest.fixture
def started(commands: Commands, tmp_path: Path, clips: Path) -> Callable[..., Command]:
    def start(*options: object, every: str = "0.5") -> Command:
        out = ("--data", clips, "--encoder", "logmel", "--out", tmp_path / "out")
        environment = os.environ | {"RAVFEAT_PROGRESS_S": every}
        return commands.start(command_code(SLOW), [*options, "extract", *out], env=environment)

    return start


def test_a_job_without_a_terminal_writes_lines_that_say_how_far_it_is(started) -> None:
    with started() as process:
        assert process.wait() == 0
        _, text = process.communicate()
    assert "\r" not in text
    *lines, last = text.splitlines()
    assert lines
    for line in lines:
        assert re.fullmatch(ENCODING, line)
    assert re.fullmatch(TIME + r"encoding: 60 of 60, .* ended after [\d:]+, .* 0 failed, encoder busy \d+ %", last)


def test_the_file_of_log_gets_the_command_the_lines_and_the_end(started, tmp_path, clips) -> None:
    for _ in range(2):
        with started("--log", tmp_path / "job.log") as process:
            assert process.wait() == 0
    first, *lines, last = (tmp_path / "job.log").read_text(encoding="utf-8").splitlines()
    assert f"ravfeat --log {tmp_path}/job.log extract --data {clips} " in first
    assert re.fullmatch(ENCODING, lines[0])
    assert " ravfeat --log " in last  # appended; the second run had nothing to encode


def test_an_interrupted_job_says_what_it_keeps_on_stderr_and_in_the_file(started, tmp_path, clips) -> None:
    with started("--log", tmp_path / "job.log", every="30") as process:
        deadline = time.monotonic() + 60
        while not list(tmp_path.rglob("shard-*.h5")):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 1
        (line,) = process.communicate()[1].strip().splitlines()
    message = re.fullmatch(
        r"ravfeat: (interrupted; (\d+) of 60 clips are kept in \S+/audio-logmel-\w+\. Run the same command again)", line
    )
    assert message
    assert 8 <= int(message[2]) < 60
    assert (tmp_path / "job.log").read_text(encoding="utf-8").endswith(f"{message[1]}\n")


def test_a_log_that_cannot_be_written_is_one_line_before_any_work(here: Any, tmp_path: Path) -> None:
    log = tmp_path / "no" / "job.log"
    done = here("--log", log, "extract", "--corpus", "synth", "--encoder", "logmel", cwd=tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line == f"ravfeat: {log}: No such file or directory; check the path"
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("every", ["soon"])
def test_seconds_that_are_none_are_a_wrong_call(every, started) -> None:
    with started(every=every) as process:
        assert process.wait() == 2
        assert "ravfeat: RAVFEAT_PROGRESS_S is 'soon'; expected the seconds" in process.communicate()[1]
