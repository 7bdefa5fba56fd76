"""The section on calibration: reliability diagrams before and after temperature scaling."""

from collections.abc import Sequence

from ravfeat.predictions import CROSSFIT
from ravfeat.report.best_systems import best_systems
from ravfeat.report.calibration.figures import reliability_figure
from ravfeat.report.calibration.tables import reliability_table, temperature_table
from ravfeat.report.graded import Graded
from ravfeat.report.page.document import PageFigure, Section

__all__ = ["calibration_section", "reliability_of"]

_MANY = 6  # systems; of more, only some are drawn at once


def calibration_section(graded: Sequence[Graded]) -> Section:
    """Show how sure systems are and how often right, before and after their temperatures."""
    shown, rest = _parted(graded)
    parts: tuple[Section, ...] = ()
    if rest:
        figures = tuple(reliability_of(entry) for entry in rest)
        parts = (Section("calibration-rest", f"The other {len(rest)} systems", figures=figures, folded=True),)
    return Section(
        "calibration",
        "Calibration",
        paragraphs=tuple(_words(graded)),
        figures=tuple(reliability_of(entry) for entry in shown),
        tables=(temperature_table(graded),),
        subsections=parts,
    )


def _words(graded: Sequence[Graded]) -> list[str]:
    words = [
        "Each dot is a fifteenth of the test clips, sorted by how sure the system is of its decision: on the dotted "
        "diagonal it is right as often as it says. A temperature per system and fold divides the logits; it changes "
        f"how sure a system is and not what it decides. It is learned from {_rows(graded)}, never from the fold's test "
        "rows."
    ]
    if any(entry.role != "single" for entry in graded):
        words.append(
            "A fused system is mixed from calibrated ones and calibrated once more. By the log-linear rule this "
            "changes next to nothing, for its weights were of lowest NLL already; by the linear rule it sharpens what "
            "a mean has blurred."
        )
    return words


def _rows(graded: Sequence[Graded]) -> str:
    splits = {fold.split for entry in graded if entry.role == "single" for fold in entry.calibration.folds}
    names = [name for split, name in (("val", "validation rows"), (CROSSFIT, "other folds' rows")) if split in splits]
    return " or ".join(names)


def _parted(graded: Sequence[Graded]) -> tuple[list[Graded], list[Graded]]:
    """Who is drawn at once, and who on demand: of many, the best of each stream and what was fused."""
    honest = [entry for entry in graded if not entry.leaky] or list(graded)
    if len(honest) > _MANY:
        best = [entry for run in best_systems(honest) for entry in run.entries]
        honest = best or honest[:_MANY]
    shown = {id(entry) for entry in honest}
    return honest, [entry for entry in graded if id(entry) not in shown]


def reliability_of(entry: Graded) -> PageFigure:
    """Reliability before and after calibration."""
    before, after = (entry.records[metric, "pooled"]["value"] for metric in ("ece_uncalibrated", "ece"))
    return PageFigure(
        name=f"{entry.slug}-reliability",
        title="Reliability before and after calibration",
        caption=f"{entry.system}: ECE {before:.3f} → {after:.3f} (15 bins). {entry.conditions}",
        alt=f"Reliability of {entry.system}, {entry.conditions}, accuracy by confidence in 15 bins of equal mass: "
        f"expected calibration error {before:.3f} as the system said it, {after:.3f} at its temperatures.",
        canvas=reliability_figure(entry),
        table=reliability_table(entry),
    )
