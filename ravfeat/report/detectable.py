"""Sentences on how large a difference must be to be told from zero, one for every set of comparable systems."""

from collections.abc import Sequence

from ravfeat.report.differences.findings import groups
from ravfeat.report.graded import Graded
from ravfeat.stats import detectable

__all__ = ["detectable_words"]


def detectable_words(graded: Sequence[Graded]) -> list[str]:
    """Say it of the systems of every protocol, apart for LEAKY ones of every run; not of mixtures that nobody chose."""
    together = [[entry for entry in group if entry.role != "alternative"] for group in groups(graded)]
    words = []
    for group in together:
        said = detectable([entry.compared for entry in group]).said
        named = f"{group[0].protocol}: {said}" if len(together) > 1 else f"{said[0].upper()}{said[1:]}"
        words.append(f"{named}.")
    return list(dict.fromkeys(words))
