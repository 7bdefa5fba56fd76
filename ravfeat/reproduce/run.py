"""Run a reproduction step by step, going on from finished steps, and write its table and report."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ravfeat.audit import audit_run, write_audit
from ravfeat.errors import RavfeatError, UsageError
from ravfeat.files import replace_file
from ravfeat.progress import ProgressBar
from ravfeat.report import build_report
from ravfeat.report.study.lines import StudyLine, record
from ravfeat.report.study.section import study_section
from ravfeat.report.study.table import markdown
from ravfeat.reproduce.plan import Study
from ravfeat.reproduce.read import ablation_scores, lines_of
from ravfeat.reproduce.steps import Step
from ravfeat.reproduce.work import do_step, is_done, run_folders
from ravfeat.runs.audit_file import read_audit

__all__ = ["STUDY_FILE", "Outcome", "check_study_out", "folder_of", "run_study"]

STUDY_FILE = "study.json"
"""Marks the folder of a study, and holds its lines."""


@dataclass(frozen=True)
class Outcome:
    """What a study gave.

    Attributes
    ----------
    lines : list of StudyLine
    failed : dict of str to str
        Steps that could not be done, with the reason.
    n_kept : int
        Steps that were done before.
    report : Path or None
        The page; None where no step gave a run.
    audit : str
        What came of trying to break the headline's number; empty where it was not tried.
    """

    lines: list[StudyLine]
    failed: dict[str, str]
    n_kept: int
    report: Path | None
    audit: str = ""


def check_study_out(out: Path) -> None:
    """Refuse a folder that holds something else than a study.

    Raises
    ------
    UsageError
    """
    ours = (out / STUDY_FILE).is_file() or (out / "steps").is_dir()
    if out.exists() and not ours and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} exists and holds no reproduced study; choose another --out")


def folder_of(study: Study, step: Step) -> Path:
    """Give the folder of a step."""
    return study.options.out / "steps" / step.name


def run_study(study: Study, command: str | None = None) -> Outcome:
    """Do the steps that are not done yet, audit the headline, then write ``study.json``, ``study.md`` and ``report/``.

    A step that cannot be done leaves its reason in the rows that wait for it; the others go on.

    Parameters
    ----------
    study : Study
    command : str or None
        The command line, for the recipes of the runs; None where the study is made from Python.

    Raises
    ------
    UsageError
        Where the output folder holds something else.
    """
    out = study.options.out
    check_study_out(out)
    (out / "steps").mkdir(parents=True, exist_ok=True)
    finished: dict[str, Path] = {}
    failed: dict[str, str] = {}
    n_kept = 0
    with ProgressBar(total=len(study.steps), unit="step") as bar:
        for step in study.steps:
            bar.describe(step.title)
            folder = folder_of(study, step)
            try:
                if is_done(step, folder):
                    n_kept += 1
                else:
                    do_step(step, folder, command)
                finished[step.name] = folder
            except RavfeatError as error:
                failed[step.name] = str(error)
            bar.update()
    audit = _audit_headline(study, finished, failed)
    lines = lines_of(study, finished, failed)
    ablations = ablation_scores(study, finished)
    replace_file(out / "study.md", markdown(lines, ablations).encode())
    runs = _reported(study, finished)
    page = build_report(runs, out / "report", front=study_section(lines, ablations)) if runs else None
    document = {"lines": [record(line) for line in lines], "failed": failed}
    replace_file(out / STUDY_FILE, (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode())
    return Outcome(lines, failed, n_kept, page, audit)


def _audit_headline(study: Study, finished: Mapping[str, Path], failed: dict[str, str]) -> str:
    """Try to break the number that the study is quoted for, and say what came of it; the report says more."""
    step = headline_of(study)
    if step is None or step.name not in finished:
        return ""
    folder = finished[step.name]
    try:
        audit = read_audit(folder)
        if audit is None or audit.stale:
            write_audit(audit_run(folder, device=study.options.device, quick=True))
            audit = read_audit(folder)
    except RavfeatError as error:
        failed[f"audit of {step.name}"] = str(error)
        return ""
    return "" if audit is None else f"{folder}: {audit.badge}"


def headline_of(study: Study) -> Step | None:
    """Give the step whose number a study is quoted for: late fusion of all there is, else the frozen voice."""
    figures = {entry.row.key: entry.figures for entry in study.entries if entry.figures}
    if "10" in figures:
        return figures["10"][-1].step
    return figures["5"][0].step if "5" in figures else None


def _reported(study: Study, finished: Mapping[str, Path]) -> list[Path]:
    """Give the runs that the report shows in full: those of the rows; further ablations have a table of their own."""
    rows = {figure.step.name for entry in study.entries for figure in entry.figures}
    shown = [step for step in study.steps if step.name in rows & finished.keys()]
    return [run for step in shown for run in run_folders(step, finished[step.name])]
