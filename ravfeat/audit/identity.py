"""How well the features name the actor."""

from ravfeat.audit.baseline import Cheap
from ravfeat.audit.verdicts import Line, info, not_possible
from ravfeat.splits.identity_probe import probe_identity, why_not

__all__ = ["check_identity"]

_CHECK = "identity probe"


def check_identity(cheap: Cheap, subject: str) -> list[Line]:
    """Probe the features of one system; see `ravfeat.splits.identity_probe`."""
    records = cheap.system.clips.records
    actors, emotions = [one.actor for one in records], [one.label for one in records]
    if reason := why_not(actors, emotions):
        return [not_possible(_CHECK, subject, reason)]
    found = probe_identity(cheap.features, actors, emotions, cheap.statistics)
    return [
        info(
            _CHECK,
            subject,
            f"a linear probe names the actor of {found.value:.3f} [{found.ci_low:.3f}, {found.ci_high:.3f}] of the"
            f" clips (chance {found.chance:.3f}): the more, the more a clip split would flatter",
            **vars(found),
        )
    ]
