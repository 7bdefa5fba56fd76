"""The section with the verdicts of `ravfeat audit`."""

from collections.abc import Sequence
from dataclasses import replace

from ravfeat.report.page.document import Column, Section, Table, TableRow
from ravfeat.runs.audit_file import AuditRecord
from ravfeat.runs.read import Run

__all__ = ["audit_section"]

_COLUMNS = (Column("Check"), Column("Verdict", short=True), Column("On"), Column("What was found"))

_WHY = (
    "'ravfeat audit' tries to break a number: it counts over who is on which side, learns and chooses again what was"
    " learned and chosen, and permutes the labels. 'pass' is an attempt that failed; 'not possible' is none. 'info'"
    " says what the number owes to knowing actors and sentences. 'Held' means that these attempts found nothing, and"
    " that all of those that look at features, folds, rows, labels, heads and training could be made."
)


def audit_section(runs: Sequence[Run]) -> Section | None:
    """Show the audits of some runs; None where none was audited."""
    parts = [_part(number, run, run.audit) for number, run in enumerate(runs, start=1) if run.audit is not None]
    if not parts:
        return None
    rest = [run.name for run in runs if run.audit is None]
    missing = (f"Not audited: {', '.join(rest)}.",) if rest else ()
    if len(parts) == 1 and not rest:
        return replace(parts[0], anchor="audit", title="The audit", paragraphs=(_WHY, *parts[0].paragraphs))
    return Section("audit", "The audit", (_WHY, *missing), subsections=tuple(parts))


def _part(number: int, run: Run, audit: AuditRecord) -> Section:
    rows = tuple(
        TableRow((line.check, _verdict(line.verdict), line.subject, line.finding), quiet=line.verdict == "not possible")
        for line in audit.lines
    )
    odd = [line for line in audit.lines if line.verdict in ("leak", "edited") and not audit.stale]
    points = tuple(f"{line.check}{f', {line.subject}' if line.subject else ''}: {line.finding}" for line in odd)
    table = Table(f"Every attempt on {run.name}", _COLUMNS, rows, folded=f"{len(rows)} attempts", cards=True)
    return Section(
        f"audit-{number}", run.name, (_sentence(audit),), tables=(table,), points=points, leaky=run.predictions.leaky
    )


def _sentence(audit: AuditRecord) -> str:
    if audit.stale:
        return (
            f"STALE: {' and '.join(audit.stale)} changed since this audit; it says nothing about the numbers here."
            " Audit the run again."
        )
    if audit.broken:
        return "BROKEN. What broke the numbers:"
    passed = sum(line.verdict == "pass" for line in audit.lines)
    looked = f"{passed} checks found no leak and no edit."
    if audit.shortfalls:
        return f"Held as far as could be tried: {looked} But {'; '.join(audit.shortfalls)}."
    return f"Held: {looked}"


def _verdict(verdict: str) -> str:
    return verdict.upper() if verdict in ("leak", "edited") else verdict
