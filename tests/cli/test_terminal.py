"""What comes from outside does not steer the terminal."""

import logging
from pathlib import Path

import pytest

from ravfeat.cli import errors, terminal
from ravfeat.cli.log import start_logging
from ravfeat.errors import CacheError
from ravfeat.progress import ProgressBar

HOSTILE = "\x1b[2J\x9b1m\u202e\rall\nravfeat: all is well"


def steers(text: str) -> bool:
    return any(character in text for character in "\x1b\x9b\u202e\r")


def test_names_are_printed_with_their_control_characters_as_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.echo(f"label {HOSTILE}")
    terminal.echo(f"label {HOSTILE}", err=True)
    out, err = capsys.readouterr()
    assert not steers(out + err)
    assert r"label \x1b[2J\x9b1m\u202e\rall" in out
    assert "\n  ravfeat: all is well" in err


def test_an_error_cannot_pass_for_another_message(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="1"), errors.reporting():
        raise CacheError(f"no clip '{HOSTILE}'")
    err = capsys.readouterr().err
    assert not steers(err)
    assert [line for line in err.splitlines() if line.startswith("ravfeat")] == [
        r"ravfeat: no clip '\x1b[2J\x9b1m\u202e\rall"
    ]


def test_a_wrong_call_is_told_without_obeying_it(capsys: pytest.CaptureFixture[str]) -> None:
    import click

    with pytest.raises(SystemExit, match="2"), errors.reporting():
        raise click.UsageError(f"no such option {HOSTILE}")
    assert not steers(capsys.readouterr().err)


def test_a_line_of_the_log_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        start_logging(1, tmp_path / "log")
        logging.getLogger("ravfeat.some").warning("clip %s failed", HOSTILE)
    finally:
        for name in ("ravfeat", "ravfeat.progress"):
            for handler in logging.getLogger(name).handlers:
                handler.close()
            logging.getLogger(name).handlers.clear()
    text = (tmp_path / "log").read_text() + capsys.readouterr().err
    assert not steers(text)
    assert not [line for line in text.splitlines() if line.startswith("ravfeat:")]


def test_a_bar_shows_the_names_in_it() -> None:
    bar = ProgressBar(total=2)
    bar.describe(HOSTILE)
    bar.annotate(HOSTILE)
    assert not steers(bar.line())
    assert "\n" not in bar.line()


def test_every_command_prints_through_this_module() -> None:
    direct = {}
    for path in sorted(Path(terminal.__file__).parent.glob("*.py")):
        direct[path.name] = path.read_text().count(" click.echo(")
    # The version; JSON, which has escapes of its own; an example in a docstring.
    assert {name: n for name, n in direct.items() if n} == {
        "__init__.py": 1, "doctor.py": 1, "renamed.py": 2, "terminal.py": 2
    }  # fmt: skip
