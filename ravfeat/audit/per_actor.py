"""What standardising every actor by all of the actor's own clips would have given.

It needs no label, and still looks at all test clips of an actor at once (transductive): who meets an actor's first
clip cannot do it. Published numbers do it often, and seldom say so.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.audit.baseline import Apart, Cheap
from ravfeat.audit.context import Opened
from ravfeat.audit.verdicts import Line, info, pass_, warn
from ravfeat.features.clips import ClipFeatures
from ravfeat.stats import paired_difference

__all__ = ["check_per_actor", "check_transductive"]

_CHECK = "per-actor normalisation"
_USED = "nothing transductive"

_SMALL = 1e-6
"""Spread below which a statistic of an actor is left alone."""


def check_per_actor(cheap: Cheap, apart: Apart, subject: str) -> list[Line]:
    """Standardise the statistics of every actor's clips, and say what that does to the cheap head."""
    actors = np.array([one.actor for one in cheap.system.clips.records], object)
    found = paired_difference(cheap.graded(apart.folds, _standardised(cheap.features, actors)), apart.probs)
    return [
        info(
            _CHECK,
            subject,
            f"standardised by all clips of an actor, test actors too, the cheap head reads {found.value_a:.3f} instead"
            f" of {found.value_b:.3f} under '{apart.protocol}': {found.value:+.3f}"
            f" [{found.ci_low:+.3f}, {found.ci_high:+.3f}]; the run does not do it",
            **vars(found),
        )
    ]


def _standardised(features: ClipFeatures, actors: NDArray[Any]) -> ClipFeatures:
    frames = features.frames.astype(np.float32)  # one frame per clip
    for actor in np.unique(actors):
        own = frames[actors == actor]
        spread = own.std(0)
        frames[actors == actor] = (own - own.mean(0)) / np.where(spread > _SMALL, spread, 1)
    return replace(features, frames=frames)


def check_transductive(opened: Opened) -> list[Line]:
    """Say whether the recipe records that test clips took part in how features were prepared."""
    used = list(_transductive(opened.recipe, ""))
    if used:
        return [
            warn(
                _USED,
                "",
                f"the recipe records what looks at test clips without their labels: {'; '.join(used)}; say so beside"
                " the number",
                used=used,
            )
        ]
    return [pass_(_USED, "", "the recipe records nothing that looks at test clips as a whole")]


def _transductive(node: object, where: str) -> Iterator[str]:
    if isinstance(node, Mapping):
        for name, child in node.items():
            place = f"{where}.{name}" if where else str(name)
            if "transductive" in str(name) and child:
                yield f"{place}: {child}"
            else:
                yield from _transductive(child, place)
    elif isinstance(node, list):
        for child in node:
            yield from _transductive(child, where)
    elif isinstance(node, str) and "transductive" in node and not where.endswith("command"):
        yield f"{where}: {node}"
