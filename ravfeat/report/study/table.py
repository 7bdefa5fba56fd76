"""The lines of a study as a table, and as Markdown of its own."""

from collections.abc import Sequence

from ravfeat.escape import markdown_text
from ravfeat.report.page.document import Column, Table, TableRow
from ravfeat.report.study.lines import StudyLine, StudyScore, ValueInterval

__all__ = ["ablation_table", "markdown", "study_table"]

_NONE = "-"
_NOTHING = (_NONE, _NONE, _NONE)
_COLUMNS = (
    Column("TableRow", short=True),
    Column("System"),
    Column("Published"),
    Column("Ours: WA, fold mean ± sd", numeric=True),
    Column("Ours: UAR, pooled", numeric=True),
    Column("Protocol, select, seeds, n"),
    Column("Encoder, and what differs"),
)
_CAPTION = (
    "Published numbers are fold-mean accuracies (WA) in percent where nothing else is said. Ours are shares; WA is"
    " plain accuracy, UAR mean recall; in brackets 95 % intervals over actors. A row whose encoder or media are not"
    " on this machine says so; below it stands what an encoder that is here gives in its place. Such a number is no"
    " reproduction of the published one."
)


def study_table(lines: Sequence[StudyLine]) -> Table:
    """Set what was published beside what came out."""
    return Table(_CAPTION, _COLUMNS, tuple(row for line in lines for row in _rows(line)), cards=True)


def ablation_table(scores: Sequence[StudyScore]) -> Table:
    """Set the parts of a head side by side."""
    columns = (Column("What is left"), *_COLUMNS[3:6])
    rows = tuple(TableRow((score.label, *_numbers(score), score.conditions), score.leaky) for score in scores)
    caption = "The head attentive with parts of it taken away, and each layer alone; everything else as it was."
    return Table(caption, columns, rows, cards=True)


def _rows(line: StudyLine) -> list[TableRow]:
    name = f"{line.system}{' (stand-in)' if line.stand_in else ''}"
    notes = "; ".join(line.differs if line.stand_in else filter(None, (line.encoder, *line.differs))) or _NONE
    rows = [
        TableRow(
            (line.key, _labelled(name, score), line.published, *_numbers(score), score.conditions, notes), score.leaky
        )
        for score in line.scores
    ]
    rows += [TableRow((line.key, name, line.published, *_NOTHING, _sentence(finding))) for finding in line.said]
    if line.missing:
        setup = "" if line.setup == _NONE else f" {_sentence(line.setup)}"
        if setup and line.published != _NONE:
            setup = f" Published with {line.setup}."
        reason = f"{_sentence(line.missing)}{setup}"
        rows.append(TableRow((line.key, name, line.published, "not here", *_NOTHING[1:], reason), quiet=True))
    return rows


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}{'' if words.endswith('.') else '.'}"


def _labelled(name: str, score: StudyScore) -> str:
    return f"{name}: {score.label}" if score.label else name


def _numbers(score: StudyScore) -> tuple[str, str]:
    spread = "" if score.wa_sd is None else f" ± {score.wa_sd:.3f}"
    leaky = " LEAKY" if score.leaky else ""
    return f"{score.wa[0]:.3f}{spread} {_ends(score.wa)}{leaky}", f"{score.uar[0]:.3f} {_ends(score.uar)}{leaky}"


def _ends(interval: ValueInterval) -> str:
    return f"[{interval[1]:.3f}, {interval[2]:.3f}]"


def markdown(lines: Sequence[StudyLine], ablations: Sequence[StudyScore]) -> str:
    """Write ``study.md``."""
    parts = ["# The study, row by row", *_markdown(study_table(lines))]
    if ablations:
        parts += ["## Ablations", *_markdown(ablation_table(ablations))]
    return "\n\n".join(parts) + "\n"


def _markdown(table: Table) -> tuple[str, str]:
    head = [[column.title for column in table.columns], ["---"] * len(table.columns)]
    lines = [*head, *([markdown_text(cell) for cell in row.cells] for row in table.rows)]
    return markdown_text(table.caption), "\n".join(f"| {' | '.join(line)} |" for line in lines)
