"""What a clip split would have shown."""

from collections.abc import Sequence
from typing import Any

from ravfeat.audit.baseline import Apart, Cheap
from ravfeat.audit.verdicts import Line, info, not_possible
from ravfeat.crosscorpus.pairs import CorpusPair
from ravfeat.errors import ProtocolError
from ravfeat.protocols.folds import Fold, make_folds
from ravfeat.protocols.named import get_protocol
from ravfeat.splits.compare import CLIP_SPLIT
from ravfeat.stats import paired_difference

__all__ = ["check_clip_split"]

_CHECK = "gain of a clip split"


def check_clip_split(cheap: Cheap, apart: Apart, subject: str) -> list[Line]:
    """Train the cheap head on random clips, and say how much more it reads than on actors it never met.

    Parameters
    ----------
    apart : Apart
        What the cheap head says where actors are kept apart.
    """
    if isinstance(cheap.system, CorpusPair):
        return [not_possible(_CHECK, subject, "random clips of two corpora would mix the corpora, too")]
    records = cheap.system.clips.records
    try:
        mixed = make_folds(get_protocol(CLIP_SPLIT), records, allow_leak=True)
    except ProtocolError as error:
        return [not_possible(_CHECK, subject, error)]
    found = paired_difference(cheap.graded(mixed), apart.probs, "uar", "pooled")
    sizes = [_teaching(folds) for folds in (mixed, apart.folds)]
    evidence: dict[str, Any] = {**vars(found), "protocol": apart.protocol, "teaching_clips": sizes}
    return [
        info(
            _CHECK,
            subject,
            f"the cheap head reads {found.value_a:.3f} on random clips (LEAKY) and {found.value_b:.3f} under"
            f" '{apart.protocol}': {found.value:+.3f} [{found.ci_low:+.3f}, {found.ci_high:+.3f}] is knowing the actors"
            f" (taught by {sizes[0]:.0f} and {sizes[1]:.0f} clips)",
            **evidence,
        )
    ]


def _teaching(folds: Sequence[Fold]) -> float:
    return sum(len(fold.train) + len(fold.val) for fold in folds) / len(folds)
