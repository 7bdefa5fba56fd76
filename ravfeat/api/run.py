"""``ravfeat.open_run``: a finished run as tables, folds and heads."""

from functools import cached_property
from pathlib import Path

from ravfeat.api.arguments import AnyPath, as_path
from ravfeat.errors import UsageError
from ravfeat.runs.read import Run as RunFiles
from ravfeat.runs.read import read_run

__all__ = ["Run", "open_run"]


class Run:
    """A finished run; make one with `open_run`.

    Attributes
    ----------
    path : Path
        Folder of the run.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __repr__(self) -> str:
        return f"<Run {self.path}>"

    @cached_property
    def files(self) -> RunFiles:
        """The run as it was read and checked; see `ravfeat.runs.read`."""
        return read_run(self.path)


def open_run(path: AnyPath) -> Run:
    """Open a run's folder, and check that its files belong together.

    Raises
    ------
    PredictionsError
        Where it is no run, or a file is missing, damaged, or of another run.
    """
    folder = as_path("path", path)
    if folder is None:
        raise UsageError("open_run(None): expected the folder of a run")
    run = Run(folder)
    _ = run.files
    return run
