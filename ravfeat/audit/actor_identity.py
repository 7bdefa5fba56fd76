"""How much of a number is knowing the actors: the identity probe, and what a split of random clips would have shown."""

from collections.abc import Sequence
from typing import Any

from ravfeat.audit.baseline import Baseline, DisjointScores
from ravfeat.audit.verdicts import Line, info, not_possible
from ravfeat.crosscorpus.pairs import CorpusPair
from ravfeat.errors import ProtocolError
from ravfeat.identity.probe import probe_identity, why_not
from ravfeat.protocols.folds import Fold, make_folds
from ravfeat.protocols.named import get_protocol
from ravfeat.splits.compare import CLIP_SPLIT
from ravfeat.stats import paired_difference

__all__ = ["check_clip_split", "check_identity"]

_PROBE = "identity probe"
_CLIP_SPLIT = "gain of a clip split"


def check_identity(baseline: Baseline, subject: str) -> list[Line]:
    """Probe how well the features of one system name the actor; see `ravfeat.identity.probe`."""
    records = baseline.system.clips.records
    actors, emotions = [record.actor for record in records], [record.label for record in records]
    if reason := why_not(actors, emotions):
        return [not_possible(_PROBE, subject, reason)]
    probe = probe_identity(baseline.features, actors, emotions, baseline.statistics)
    return [
        info(
            _PROBE,
            subject,
            f"a linear probe names the actor of {probe.value:.3f} [{probe.ci_low:.3f}, {probe.ci_high:.3f}] of the"
            f" clips (chance {probe.chance:.3f}): the more, the more a clip split would flatter",
            **vars(probe),
        )
    ]


def check_clip_split(baseline: Baseline, disjoint: DisjointScores, subject: str) -> list[Line]:
    """Train the baseline on random clips, and tell how much its UAR gains over folds that keep the actors apart."""
    if isinstance(baseline.system, CorpusPair):
        return [not_possible(_CLIP_SPLIT, subject, "random clips of two corpora would mix the corpora, too")]
    try:
        folds = make_folds(get_protocol(CLIP_SPLIT), baseline.system.clips.records, allow_leak=True)
    except ProtocolError as error:
        return [not_possible(_CLIP_SPLIT, subject, error)]
    gain = paired_difference(baseline.score(folds), disjoint.probs, "uar", "pooled")
    sizes = [_training_clips(folds), _training_clips(disjoint.folds)]
    # "teaching_clips" is the name in audit.json
    evidence: dict[str, Any] = {**vars(gain), "protocol": disjoint.protocol, "teaching_clips": sizes}
    return [
        info(
            _CLIP_SPLIT,
            subject,
            f"the baseline has a UAR of {gain.value_a:.3f} on random clips (LEAKY) and of {gain.value_b:.3f} under"
            f" '{disjoint.protocol}': {gain.value:+.3f} [{gain.ci_low:+.3f}, {gain.ci_high:+.3f}] is knowing the actors"
            f" (trained on {sizes[0]:.0f} and {sizes[1]:.0f} clips)",
            **evidence,
        )
    ]


def _training_clips(folds: Sequence[Fold]) -> float:
    return sum(len(fold.train) + len(fold.val) for fold in folds) / len(folds)
