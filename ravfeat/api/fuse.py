"""``ravfeat.fuse``: calibrate and fuse scores of finished runs and of other programs; as the command."""

from time import perf_counter
from typing import Literal

from typing_extensions import TypedDict

from ravfeat.api.arguments import AnyPath, Many, as_names, as_path, as_paths, checked, run_folder
from ravfeat.api.observer import Observer
from ravfeat.api.run import Run
from ravfeat.errors import UsageError
from ravfeat.fusion import fuse as fuse_table
from ravfeat.progress import Progress, shown_progress
from ravfeat.runs.folder import check_out
from ravfeat.runs.groups_file import joined_columns, read_groups
from ravfeat.runs.result import Fitted
from ravfeat.runs.tries import Tried
from ravfeat.runs.write import write_run
from ravfeat.scorefiles import check_apart, gather_scores
from ravfeat.scorefiles.doubts import score_doubts

__all__ = ["fuse"]

Rule = Literal["auto", "linear", "loglinear"]


class _Options(TypedDict):
    fusion: Rule
    allow_leak: bool
    force: bool
    no_ledger: bool


def fuse(
    scores: Many[AnyPath],
    *,
    fusion: Rule = "auto",
    out: AnyPath | None = None,
    as_written: Many[str] = (),
    allow_leak: bool = False,
    force: bool = False,
    no_ledger: bool = False,
    progress: Progress = None,
    observer: Observer | None = None,
) -> Run:
    """Calibrate and fuse scores: those of finished runs, and those that any other program made.

    What ``ravfeat fuse`` does, with its options as keywords; ``ravfeat fuse --help`` says what each is.

    Parameters
    ----------
    scores : path, or several
        Score files (CSV or Parquet) and runs.
    out : path, optional
        Where the run goes; by default a folder of its own under ``runs/``.
    progress : bool or callable, optional
        See `ravfeat.progress.shown_progress`.
    observer : Observer, optional
        Hears what happens, see `ravfeat.api.observer`.

    Returns
    -------
    Run

    Raises
    ------
    RavfeatError
        What the command ends with.

    Examples
    --------
    >>> run = ravfeat.fuse(["voice.csv", "runs/face"])  # doctest: +SKIP
    """
    observer = observer or Observer()
    checked("fuse", _Options, fusion=fusion, allow_leak=allow_leak, force=force, no_ledger=no_ledger)
    if not (paths := as_paths("scores", scores)):
        raise UsageError("expected at least one --scores, got none")
    target = run_folder(as_path("out", out), "fused")
    check_out(target, force=force)
    check_apart(target, paths)
    started = perf_counter()
    with shown_progress(progress):
        gathered = gather_scores(paths, allow_leak=allow_leak, as_written=as_names("as_written", as_written))
        for part in gathered.parts:
            observer.gathered(part)
            for doubt in score_doubts(part.predictions) if part.kind != "run" else ():
                if doubt.verdict != "info":
                    observer.warning(f"{part.path}: {doubt.sentence}")
        predictions, fused = fuse_table(gathered.predictions, fusion)
        groups = joined_columns(read_groups(part.path) for part in gathered.parts if part.path.is_dir())
        fitted = Fitted(predictions, (), gathered.about(), fused, groups)
        recipe = {"command": observer.command, "rule": fusion}
        records = write_run(target, fitted, recipe, force=force, tried=Tried("fuse", keep=not no_ledger))
    observer.trained(target, fitted, records, seconds=perf_counter() - started, trained_s=0.0)
    return Run(target)
