"""How much of a number is knowing the actors: the identity probe, and what a split of random clips would have shown."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ravfeat.audit.baseline import Baseline, DisjointScores
from ravfeat.audit.verdicts import Line, info, not_possible, warn
from ravfeat.crosscorpus.pairs import CorpusPair
from ravfeat.errors import ProtocolError
from ravfeat.identity.probe import probe_identity, why_not
from ravfeat.identity.spread import ActorSpread, measure_spread
from ravfeat.metrics import uar
from ravfeat.protocols.folds import Fold, make_folds
from ravfeat.protocols.named import get_protocol
from ravfeat.splits.compare import CLIP_SPLIT
from ravfeat.stats import paired_difference

__all__ = ["check_clip_split", "check_identity"]

_PROBE = "identity probe"
_CLIP_SPLIT = "gain of a clip split"

_MIN_ACTORS = 4
_LITTLE = 0.1
"""Of the way from chance to 1, where the probe's interval must end; expression softmaxes are at 0.28."""

_MUCH = 0.3
"""Of the way from chance to 1, what the baseline must have for features that know nobody to be odd."""


def check_identity(baseline: Baseline, disjoint: Callable[[], DisjointScores], subject: str) -> list[Line]:
    """Probe how well the features of one system name the actor; see `ravfeat.identity.probe`.

    Features that tell emotions and nothing of who acts them are what a clip split looks like that was hidden by
    swapping clips among actors. On RAVDESS, Whisper tiny.en names 0.96 of the clips' actors, face geometry 0.95,
    expression softmaxes 0.31 (chance 0.042); with clips swapped among actors within each take, at most 0.06.
    """
    records = baseline.system.clips.records
    actors, emotions = [record.actor for record in records], [record.label for record in records]
    if reason := why_not(actors, emotions):
        return [not_possible(_PROBE, subject, reason)]
    probe = probe_identity(baseline.features, actors, emotions, baseline.statistics)
    named = (
        f"a linear probe names the actor of {probe.value:.3f} [{probe.ci_low:.3f}, {probe.ci_high:.3f}] of the"
        f" clips (chance {probe.chance:.3f})"
    )
    # Its interval need not hold chance: clips dealt at random keep one in 24 of their own.
    tells_nobody = probe.n_actors >= _MIN_ACTORS and _above_chance(probe.ci_high, probe.chance) < _LITTLE
    # The probe may be too weak, of few clips; then the means of actors differ all the same.
    if tells_nobody and not baseline.system.by_actor and _alike(measure_spread(baseline.features, actors, emotions)):
        line = _hides_nobody(disjoint(), named, subject, vars(probe))
        if line is not None:
            return [line]
    return [info(_PROBE, subject, f"{named}: the more, the more a clip split would flatter", **vars(probe))]


def _hides_nobody(disjoint: DisjointScores, named: str, subject: str, evidence: Mapping[str, Any]) -> Line | None:
    """Warn of features that know no actor where they know emotions well; None where they do not."""
    y, predicted = disjoint.probs.y, disjoint.probs.log_probs.argmax(-1)
    score, chance = uar(y, predicted), 1 / len(np.unique(y))
    if _above_chance(score, chance) <= _MUCH:
        return None
    return warn(
        _PROBE,
        subject,
        f"{named}: the features tell nothing of who it is, and the baseline has a UAR of {score:.3f} (chance"
        f" {chance:.3f}). Voices and faces tell both: so it looks where clips were swapped among actors, which hides a"
        " clip split, or where actors were made alike",
        **evidence,
        uar=score,
    )


def _alike(spread: ActorSpread | str) -> bool:
    return isinstance(spread, ActorSpread) and spread.by_chance


def _above_chance(value: float, chance: float) -> float:
    """Give 0 at chance and 1 where everything is right."""
    return (value - chance) / (1 - chance)


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
