"""The command line in this process: what needs no process of its own starts at once."""

import logging
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ravfeat.cli import main


@pytest.fixture(autouse=True, scope="module")
def reports_without_ink(blank_figures: None) -> None:
    """See there."""


@dataclass(frozen=True)
class Done:
    """How a command ended and what it said."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def here(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Done]]:
    """Run a command as `main` does, in a folder."""
    log = logging.getLogger("ravfeat")
    before = log.handlers[:], log.level

    def run(*arguments: object, cwd: Path | None = None) -> Done:
        capsys.readouterr()
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["ravfeat", *map(str, arguments)])
            if cwd is not None:
                patch.chdir(cwd)
            try:
                main()
                code: object = 0
            except SystemExit as end:
                code = end.code
        said = capsys.readouterr()
        assert isinstance(code, int)
        return Done(code, said.out, said.err)

    yield run
    log.handlers[:] = before[0]
    log.setLevel(before[1])
