"""Were the features centred or standardised per actor before they came here? Tested on the features themselves.

Such features look at all clips of a test actor at once (transductive). A recipe tells only what ravfeat did.
"""

from dataclasses import asdict

from ravfeat.audit.baseline import Baseline
from ravfeat.audit.verdicts import Line, not_possible, pass_, warn
from ravfeat.errors import listed
from ravfeat.identity.spread import SHARE, ActorSpread, measure_spread

__all__ = ["check_prepared"]

_CHECK = "features prepared per actor"
_SHOWN = 4


def check_prepared(baseline: Baseline, subject: str) -> list[Line]:
    """Measure how far the actors' means lie apart; see `ravfeat.identity.spread`.

    There is no line where the run itself standardises actors.
    """
    if baseline.system.by_actor:  # 'per-actor normalisation' says so
        return []
    records = baseline.system.clips.records
    spread = measure_spread(
        baseline.features, [record.actor for record in records], [record.label for record in records]
    )
    if isinstance(spread, str):
        return [not_possible(_CHECK, subject, f"cannot be told: {spread}")]
    seen = (
        f"the means of {spread.n_actors} actors vary {spread.f:.2g} times as much as chance gives (median of"
        f" {spread.n_dims} dimensions), {spread.share:.0%} of the dimensions less than {spread.limit:.2g} times"
    )
    if signs := _signs(spread):
        finding = (
            f"TRANSDUCTIVE features: {'; '.join(signs)} ({seen}). So it is where all clips of an actor, test actors"
            " too, prepared that actor's features"
        )
        return [warn(_CHECK, subject, finding, **asdict(spread))]
    finding = (
        f"{seen}; no sign of centring, by all clips, by those of one class or of some actors, or of standard"
        " deviations made equal"
    )
    return [pass_(_CHECK, subject, finding, **asdict(spread))]


def _signs(spread: ActorSpread) -> list[str]:
    signs = ["the actors' means are equal"] if spread.centred else []
    if classes := spread.centred_classes:
        signs.append(f"the actors' means of {', '.join(classes)} clips are equal")
    if spread.even >= SHARE:
        signs.append(f"the actors' standard deviations are equal in {spread.even:.0%} of the dimensions")
    if equal := spread.equal_actors:
        signs.append(f"{listed(equal, _SHOWN)} have one mean, {len(equal)} of {spread.n_actors} actors")
    return signs
