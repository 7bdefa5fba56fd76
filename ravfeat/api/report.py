"""``ravfeat.report``: make one HTML page from finished runs; as the command."""

from pathlib import Path

from ravfeat.api.arguments import AnyPath, Many, as_path, as_paths
from ravfeat.errors import UsageError
from ravfeat.report import build_report
from ravfeat.runs.format import runs_of

__all__ = ["report"]


def report(runs: Many[AnyPath], *, out: AnyPath | None = None, with_audio: AnyPath | None = None) -> Path:
    """Make one self-contained HTML page, its Markdown and its figures from finished runs.

    What ``ravfeat report`` does, with its options as keywords; ``ravfeat report --help`` says what each is.

    Parameters
    ----------
    runs : path, or several
        Folders of runs, or what `ravfeat.open_run` gave.
    out : path, optional
        Folder that gets the report; default ``report/`` in the first run.
    with_audio : path, optional
        Folder with recordings that are put into the page.

    Returns
    -------
    Path
        Of ``report.html``, which needs no other file.

    Raises
    ------
    RavfeatError
        Where a run is damaged, or runs do not belong together.

    Examples
    --------
    >>> page = ravfeat.report("runs/a")  # doctest: +SKIP
    """
    if not (given := as_paths("runs", runs)):
        raise UsageError("expected at least one run, got none")
    folders = [run for path in given for run in runs_of(path)]
    return build_report(folders, as_path("out", out) or given[0] / "report", audio=as_path("with_audio", with_audio))
