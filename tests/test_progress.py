"""Progress of a loop: lines in a log, each in its time, and a bar only on a terminal."""

import logging
import os
import pty
import re
import subprocess
import sys
import termios
from collections.abc import Callable

import pytest

from ravfeat import progress
from ravfeat.errors import UsageError
from ravfeat.progress import ProgressBar, track_progress


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Callable[[float], None]:
    """Let seconds pass, without waiting for them; lines are on, one a minute."""
    now = [1000.0]
    monkeypatch.setattr(progress, "monotonic", lambda: now[0])
    monkeypatch.setattr(progress, "_lines", progress._Lines())
    monkeypatch.delenv("RAVFEAT_PROGRESS_S", raising=False)
    monkeypatch.setattr(logging.getLogger("ravfeat.progress"), "propagate", True)
    caplog.set_level(logging.INFO, "ravfeat.progress")

    def passes(seconds: float) -> None:
        now[0] += seconds

    return passes


def test_the_first_line_comes_after_ten_seconds_then_one_a_minute_and_a_last_one(wait, caplog) -> None:
    with ProgressBar(total=100, desc="encoding", unit="clip") as bar:
        for _ in range(80):
            wait(1)
            bar.update()
    assert caplog.messages == [
        "encoding: 10 of 100 (10 %), 1 clip/s, 01:30 left",
        "encoding: 70 of 100 (70 %), 1 clip/s, 00:30 left",
        "encoding: 80 of 100, 1 clip/s, ended after 01:20",
    ]


def test_items_are_counted_and_a_slow_loop_says_seconds_per_item(wait, caplog) -> None:
    for _ in track_progress(range(4), desc="folds", unit="fold"):
        wait(90)
    assert caplog.messages == [
        "folds: 1 of 4 (25 %), 90 s/fold, 04:30 left",
        "folds: 2 of 4 (50 %), 90 s/fold, 03:00 left",
        "folds: 3 of 4 (75 %), 90 s/fold, 01:30 left",
        "folds: 4 of 4 (100 %), 90 s/fold, 00:00 left",
        "folds: 4 of 4, 90 s/fold, ended after 06:00",
    ]


def test_a_line_names_the_loops_around_its_own_and_together_they_write_one_a_minute(wait, caplog) -> None:
    for fold in track_progress([0, 1], desc="folds", unit="fold"):
        with ProgressBar(total=50, desc=f"fold {fold}", unit="step", leave=False) as steps:
            for _ in range(50):
                wait(1)
                steps.update()
    assert caplog.messages == [
        "folds: 0 of 2 · fold 0: 10 of 50 (20 %), 1 step/s, 00:40 left",
        "fold 0: 50 of 50, 1 step/s, ended after 00:50",
        "folds: 1 of 2 · fold 1: 20 of 50 (40 %), 1 step/s, 00:30 left",
        "fold 1: 50 of 50, 1 step/s, ended after 00:50",
    ]


def test_what_was_done_before_does_not_count_for_the_rate(wait, caplog) -> None:
    with ProgressBar(total=100, initial=50, desc="fold 3", unit="step") as bar:
        wait(10)
        bar.update(10)
    assert caplog.messages[0] == "fold 3: 60 of 100 (60 %), 1 step/s, 00:40 left"


def test_a_note_is_asked_for_only_when_a_line_is_written(wait, caplog) -> None:
    asked = []

    def note() -> str:
        asked.append(1)
        return "2 failed"

    with ProgressBar(total=9, desc="encoding", unit="clip", note=note) as bar:
        for _ in range(9):
            wait(5)
            bar.annotate("clip a at 3 of 40 s")
            bar.update()
    assert len(asked) == len(caplog.messages) == 2
    assert caplog.messages[0].endswith("00:35 left, clip a at 3 of 40 s, 2 failed")


def test_bytes_are_scaled_and_a_loop_of_unknown_length_has_no_end(wait, caplog) -> None:
    with ProgressBar(total=4_000_000, desc="a.zip", unit="B", unit_scale=True) as bar:
        wait(10)
        bar.update(1_000_000)
    for _ in track_progress(iter("ab"), desc="reading", unit="file"):
        wait(61)
    assert caplog.messages[0] == "a.zip: 1.00M of 4.00M (25 %), 100k B/s, 00:30 left"
    assert caplog.messages[2] == "reading: 1, 61 s/file"


def test_short_loops_are_silent(wait, caplog) -> None:
    for _ in range(100):
        with ProgressBar(total=1, desc="training") as bar:
            wait(0.9)
            bar.update()
    assert caplog.messages == []


@pytest.mark.parametrize(("every", "lines"), [("0", 0), ("5", 20), ("", 2), ("200", 1)])
def test_the_environment_sets_the_seconds(every, lines, wait, caplog, monkeypatch) -> None:
    monkeypatch.setenv("RAVFEAT_PROGRESS_S", every)
    bar = ProgressBar(total=1000)
    with bar:
        for _ in range(100):
            wait(1)
            bar.update()
        assert len(caplog.messages) == lines


@pytest.mark.parametrize("every", ["soon", "-1", "nan", "inf"])
def test_other_than_seconds_is_refused(every, monkeypatch) -> None:
    monkeypatch.setattr(progress, "_lines", progress._Lines())
    monkeypatch.setenv("RAVFEAT_PROGRESS_S", every)
    with pytest.raises(UsageError, match=f"RAVFEAT_PROGRESS_S is '{every}'; expected the seconds"):
        list(track_progress([1]))


LOOP = """
import time
from ravfeat.cli.log import start_logging
from ravfeat.progress import track_progress
start_logging(0, None)
for _ in track_progress(range(14), desc="encoding", unit="clip"):
    time.sleep(0.1)
"""


def test_on_a_terminal_there_is_a_bar_and_no_line() -> None:
    terminal, end = pty.openpty()
    termios.tcsetwinsize(end, (24, 80))
    environment = os.environ | {"RAVFEAT_PROGRESS_S": "0.2"}
    with subprocess.Popen([sys.executable, "-c", LOOP], stderr=end, env=environment) as process:
        os.close(end)
        drawn = b""
        try:
            while piece := os.read(terminal, 4096):
                drawn += piece
        except OSError:  # the other end is closed
            pass
        assert process.wait() == 0
    os.close(terminal)
    assert drawn.count(b"\r") > 5
    assert b"encoding: 100%" in drawn
    assert b"of 14" not in drawn


def test_steps_that_must_be_done_again_are_not_counted_twice(wait, caplog) -> None:
    with ProgressBar(total=4, desc="training") as bar:
        bar.update(3)
        bar.go_back(1, 6)
        assert bar.count == 1
        wait(20)
        bar.update()
    assert caplog.messages[0] == "training: 2 of 6 (33 %), 10 s/step, 00:40 left"


def test_in_a_file_there_are_lines_and_no_bar(tmp_path) -> None:
    with (tmp_path / "err").open("wb") as file:
        environment = os.environ | {"RAVFEAT_PROGRESS_S": "0.2"}
        subprocess.run([sys.executable, "-c", LOOP], stderr=file, env=environment, check=True)
    text = (tmp_path / "err").read_text(encoding="utf-8")
    assert "\r" not in text
    *lines, last = text.splitlines()
    assert lines
    assert all(re.search(r" encoding: \d+ of 14 \(", line) for line in lines)
    assert " encoding: 14 of 14, " in last
