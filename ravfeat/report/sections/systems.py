"""The sections on single systems: learned layer weights, and every system by itself."""

from collections.abc import Sequence

from ravfeat.report.findings.graded import Graded
from ravfeat.report.page.document import Section
from ravfeat.report.sections.system_figures import confusion_of, layers_of, recall_of

__all__ = ["layer_section", "system_section"]

_MANY = 6  # systems; more are opened on demand


def layer_section(graded: Sequence[Graded]) -> Section | None:
    """Show learned layer weights; None where no head learned any."""
    figures = tuple(layers_of(entry, entry.layers) for entry in graded if entry.layers is not None)
    if not figures:
        return None
    why = (
        "A head with layer weights says which depths of the encoder it reads. Weights of neighbouring layers stand in "
        "for each other, so the shape means more than a single dot."
    )
    return Section("layers", "Layer weights", (why,), figures)


def system_section(graded: Sequence[Graded]) -> Section:
    """Show recall and confusion of every system."""
    honest = any(not entry.leaky for entry in graded)
    many = len(graded) > _MANY
    subsections = tuple(
        Section(
            f"system-{entry.slug}",
            str(entry.system),
            paragraphs=(f"{entry.conditions} · run {entry.run.name}",),
            figures=(recall_of(entry), confusion_of(entry)),
            leaky=entry.leaky,
            folded=many or entry.role == "alternative" or (honest and entry.leaky),
        )
        for entry in graded
    )
    return Section("systems", "System by system", subsections=subsections)
