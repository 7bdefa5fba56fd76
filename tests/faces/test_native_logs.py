"""What is left out of the error stream, and what is not."""

import logging
import os
import threading

import pytest

from ravfeat.faces.native_logs import captured_output, filtered_stderr

CHATTER = (
    "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.\n"
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
    "W0000 00:00:1795473865.754422    8189 inference_feedback_manager.cc:114] Feedback manager requires a model.\n"
    "W0000 00:00:1795473865.758004    8191 face_landmarker_graph.cc:174] Sets FaceBlendshapesGraph acceleration.\n"
)
NEWS = (
    "ERROR: The model is not a valid Flatbuffer buffer\n"
    "E0000 00:00:1.5 7 face_landmarker_graph.cc:9] broken\n"
    "WARNING: something else\n"
)


def say(text: str) -> None:
    """As native code does, past sys.stderr."""
    os.write(2, text.encode())


def test_only_the_known_lines_are_left_out(capfd: pytest.CaptureFixture[str]) -> None:
    with filtered_stderr():
        say(CHATTER + NEWS + CHATTER)
        assert capfd.readouterr().err == ""
    assert capfd.readouterr().err == NEWS


def test_a_bar_on_the_same_line_stays(capfd: pytest.CaptureFixture[str]) -> None:
    with filtered_stderr():
        say(f"\r 40%|####      | {CHATTER}\r 50%|#####     | ")
    assert capfd.readouterr().err == "\r 40%|####      | \r 50%|#####     | "


def test_what_is_said_before_an_error_comes_through(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with filtered_stderr():
            say(NEWS)
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        fail()
    assert capfd.readouterr().err == NEWS
    say("afterwards")
    assert capfd.readouterr().err == "afterwards"


def test_more_than_a_pipe_holds_comes_through(capfd: pytest.CaptureFixture[str]) -> None:
    with filtered_stderr():
        say("x" * 300_000)
    assert capfd.readouterr().err == "x" * 300_000


def test_the_last_of_several_threads_writes(capfd: pytest.CaptureFixture[str]) -> None:
    inside, leave = threading.Event(), threading.Event()

    def other() -> None:
        with filtered_stderr():
            say("other\n")
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with filtered_stderr():
        thread.start()
        assert inside.wait(10)
        say("own\n" + CHATTER)
    assert capfd.readouterr().err == ""
    leave.set()
    thread.join()
    assert capfd.readouterr().err == "other\nown\n"


def test_at_debug_nothing_is_left_out(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, logger="ravfeat"), filtered_stderr():
        say(CHATTER)
    assert capfd.readouterr().err == CHATTER


def test_files_are_closed_again() -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 (counting, not reading names)
    for _ in range(3):
        with filtered_stderr():
            pass
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_what_is_captured_is_returned_and_not_shown(capfd: pytest.CaptureFixture[str]) -> None:
    say("before ")
    with captured_output() as texts:
        print("by Python")
        say("native " * 20_000)
    say("after")
    assert "".join(texts) == "by Python\n" + "native " * 20_000
    assert capfd.readouterr() == ("", "before after")


def test_what_others_have_said_meanwhile_stays_theirs(capfd: pytest.CaptureFixture[str]) -> None:
    with filtered_stderr():
        say(CHATTER + "first\n")
        with captured_output() as texts:
            say("captured")
        say("last\n")
    assert texts == ["", "captured"]
    assert capfd.readouterr().err == "first\nlast\n"


def test_without_an_error_stream_python_is_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: int) -> int:
        raise OSError("no such descriptor")

    monkeypatch.setattr(os, "dup", refuse)
    with captured_output() as texts:
        print("by Python")
    assert texts == ["by Python\n", ""]
