"""What all commands have in common: help, exit codes, one message and no traceback."""

import shutil
import sys
from unittest.mock import Mock

import pytest

from ravfeat.cli import command_line, group

COMMANDS = [
    ["extract"], ["fit-heads"], ["fuse"], ["report"], ["download"], ["download", "ravdess"],
    ["cache"], ["cache", "info"], ["cache", "ls"], ["cache", "verify"], ["cache", "rebuild-index"],
    ["cache", "import"], ["cache", "preview"], ["compare-splits"], ["doctor"], ["fine-tune"],
]  # fmt: skip

BLOCK = """
import importlib.abc, sys
class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {package!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker())
"""

RAISE = """
import ravfeat.corpora
def fail(*_, **__):
    {what}
ravfeat.corpora.load_corpus = fail
"""


def assert_one_line(done, text: str, code: int = 1) -> None:
    assert done.returncode == code, done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("ravfeat: ")
    assert text in line
    assert done.stdout == ""


def test_help_lists_every_command_and_shows_the_way_from_download_to_report(new_ravfeat) -> None:
    done = new_ravfeat("--help")
    assert done.returncode == 0
    listed = done.stdout.partition("Commands:")[2]
    assert [line.split()[0] for line in listed.splitlines() if line.strip()] == [
        "audit", "cache", "compare-splits", "demo", "doctor", "download", "explore", "export-heads", "extract",
        "fine-tune", "fit-heads", "fuse", "heads", "importance", "ledger", "list", "predict", "report", "reproduce",
        "stress", "sweep",
    ]  # fmt: skip
    for command in (
        "doctor",
        "download ravdess",
        "extract",
        "cache verify",
        "fit-heads",
        "stress",
        "sweep",
        "importance",
        "compare-splits",
        "fuse",
        "demo",
        "report",
    ):
        assert f"  ravfeat {command} " in done.stdout


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_shows_an_example_of_itself(command, here) -> None:
    done = here(*command, "--help")
    assert done.returncode == 0
    examples = [line for line in done.stdout.splitlines() if line.startswith(f"  ravfeat {' '.join(command)}")]
    assert examples


def test_the_version_is_that_of_the_package(ravfeat) -> None:
    from ravfeat import __version__

    assert ravfeat("--version").stdout == f"ravfeat {__version__}\n"


@pytest.mark.parametrize("arguments", [["encode"], ["extract", "--frobnicate"], ["cache", "mend"], ["report"]])
def test_a_wrong_call_ends_with_2_and_says_where_help_is(arguments, here) -> None:
    done = here(*arguments)
    assert done.returncode == 2
    assert "Error: " in done.stderr
    assert "Traceback" not in done.stderr


def test_without_a_command_the_help_is_shown(here) -> None:
    done = here()
    assert done.returncode == 2
    assert "fit-heads" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "package", "extra"),
    [
        (["extract", "--corpus", "synth", "--encoder", "logmel"], "soundfile", "extract"),
        (["extract", "--data", "{clips}", "--encoder", "wavlm-large"], "torch", "extract"),
        (["extract", "--data", "{clips}", "--encoder", "wavlm-large"], "transformers", "extract"),
        (["fit-heads", "--cache", "{cache}"], "torch", "heads"),
        (["fit-heads", "--cache", "{cache}"], "scipy", "fuse"),
        (["report", "runs/a"], "matplotlib", "report"),
        (["report", "runs/a"], "jinja2", "report"),
    ],
)
def test_a_missing_extra_is_one_line_that_says_what_to_install(
    arguments, package, extra, new_ravfeat, generated, whole_cache, tmp_path
) -> None:
    shutil.copytree(generated / "Actor_01", tmp_path / "clips")
    given = [argument.format(clips=tmp_path / "clips", cache=whole_cache) for argument in arguments]
    done = new_ravfeat(*given, before=BLOCK.format(package=package), cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    message = f"ravfeat: this needs the package '{package}': pip install 'ravfeat[{extra}]'"
    assert done.stderr.strip().splitlines() == [message]


def test_reading_a_cache_needs_no_extra(new_ravfeat, whole_cache) -> None:
    code = "".join(
        BLOCK.format(package=package)
        for package in ("torch", "sklearn", "scipy", "av", "soundfile", "soxr", "transformers", "matplotlib", "jinja2")
    )
    assert new_ravfeat("cache", "verify", whole_cache, before=code).returncode == 0


def test_ctrl_c_is_one_line(ravfeat, tmp_path) -> None:
    interrupt = "import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(5)"
    done = ravfeat("extract", before=RAISE.format(what=interrupt), cwd=tmp_path)
    lines = [line for line in done.stderr.splitlines() if line]
    assert done.returncode == 1
    assert lines == [
        "ravfeat: interrupted; finished files are kept, no half of one is left. Run the same command again"
    ]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(28, "No space left on device", "/x/y"), "/x/y: No space left on device; make room and run"),
        (PermissionError(13, "Permission denied", "/x/y"), "/x/y: Permission denied; check who may read and"),
        (NotADirectoryError(20, "Not a directory", "/x/y"), "/x/y: Not a directory; check the path"),
        (MemoryError("12 GB"), "not enough memory (12 GB); end other programs"),
        (RuntimeError("CUDA out of memory.\nMore."), "not enough memory (CUDA out of memory.); end other programs"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_the_system_refuses_is_one_line(error, message, here, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("ravfeat.api.extract.load_corpus", Mock(side_effect=error))
    assert_one_line(here("extract", cwd=tmp_path), message)


def test_twice_verbose_shows_where_an_error_came_from(here, tmp_path) -> None:
    assert "Traceback" not in here("extract", cwd=tmp_path).stderr
    assert "Traceback" in here("-vv", "extract", cwd=tmp_path).stderr


def test_a_mistake_of_ours_is_not_hidden(ravfeat, tmp_path) -> None:
    done = ravfeat("extract", before=RAISE.format(what="raise ZeroDivisionError('ours')"), cwd=tmp_path)
    assert done.returncode == 1
    assert "ZeroDivisionError: ours" in done.stderr


def test_the_command_line_is_that_of_the_command_and_not_of_the_process(monkeypatch) -> None:
    monkeypatch.setattr(sys, "argv", ["another-program", "--its", "options"])
    with group.make_context("ravfeat", ["fuse", "--out", "a folder"]):
        assert command_line() == "ravfeat fuse --out 'a folder'"
    assert command_line() is None
