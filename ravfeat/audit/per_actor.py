"""Per-actor normalisation: what standardising every actor by all of the actor's own clips would have given.

It needs no label, and still looks at all test clips of an actor at once (transductive): who meets an actor's first
clip cannot do it. Published numbers do it often, and seldom say so.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.audit.baseline import Baseline, DisjointScores
from ravfeat.audit.context import RunContext
from ravfeat.audit.verdicts import Line, info, pass_, warn
from ravfeat.features.clips import ClipFeatures
from ravfeat.stats import paired_difference

__all__ = ["check_per_actor", "check_transductive"]

_CHECK = "per-actor normalisation"
_USED = "nothing transductive"

_SMALL = 1e-6
"""Spread below which a statistic of an actor is left alone."""


def check_per_actor(baseline: Baseline, disjoint: DisjointScores, subject: str) -> list[Line]:
    """Standardise the statistics of every actor's clips, and tell what that does to the baseline."""
    if baseline.system.by_actor:
        return [
            warn(
                _CHECK,
                subject,
                "TRANSDUCTIVE: the run itself standardises every actor by all clips of the actor, test actors too, and"
                " so does every baseline of this audit; what that gives says a run without --normalise",
            )
        ]
    actors = np.array([record.actor for record in baseline.system.clips.records], object)
    gain = paired_difference(baseline.score(disjoint.folds, _standardised(baseline.features, actors)), disjoint.probs)
    return [
        info(
            _CHECK,
            subject,
            f"standardised by all clips of an actor, test actors too, the baseline has a UAR of {gain.value_a:.3f}"
            f" instead of {gain.value_b:.3f} under '{disjoint.protocol}': {gain.value:+.3f}"
            f" [{gain.ci_low:+.3f}, {gain.ci_high:+.3f}]; the recipe does not record that the run did it",
            **vars(gain),
        )
    ]


def _standardised(features: ClipFeatures, actors: NDArray[Any]) -> ClipFeatures:
    frames = features.frames.astype(np.float32)  # one frame per clip
    for actor in np.unique(actors):
        clips = frames[actors == actor]
        spread = clips.std(0)
        frames[actors == actor] = (clips - clips.mean(0)) / np.where(spread > _SMALL, spread, 1)
    return replace(features, frames=frames)


def check_transductive(context: RunContext) -> list[Line]:
    """Tell whether the recipe records that test clips took part in how features were prepared."""
    entries = list(_transductive(context.recipe.record, ""))
    if entries:
        return [
            warn(
                _USED,
                "",
                f"the recipe records what looks at test clips without their labels: {'; '.join(entries)}; say so beside"
                " the number",
                used=entries,
            )
        ]
    return [pass_(_USED, "", "the recipe records nothing that looks at test clips as a whole")]


def _transductive(node: object, where: str) -> Iterator[str]:
    if isinstance(node, Mapping):
        for name, child in node.items():
            path = f"{where}.{name}" if where else str(name)
            if "transductive" in str(name) and child:
                yield f"{path}: {child}"
            else:
                yield from _transductive(child, path)
    elif isinstance(node, list):
        for child in node:
            yield from _transductive(child, where)
    elif isinstance(node, str) and "transductive" in node and not where.endswith("command"):
        yield f"{where}: {node}"
