"""Folds that share an effect: heads that are better or worse for all actors of a fold make intervals too narrow."""

import math

from ravfeat.audit.context import RunContext
from ravfeat.audit.verdicts import Line, info, not_possible, warn
from ravfeat.schema import FUSED_STREAMS
from ravfeat.stats import fold_effect
from ravfeat.stats.fold_effect import FEWEST_FOLDS, STRONG

__all__ = ["check_fold_effect"]

_CHECK = "folds share an effect"


def check_fold_effect(context: RunContext) -> list[Line]:
    """Analyse what was fused, or every system where nothing was; only a strong effect is a warning.

    Strong is p up to `STRONG` divided by the number of systems looked at, so that of a thousand runs without an effect
    about one is warned of, however many systems it has.
    """
    predictions = context.predictions
    if predictions is None:
        return [not_possible(_CHECK, "", context.refusal)]
    systems = predictions.systems()
    looked_at = [name for name in systems if name.stream == FUSED_STREAMS[0]] or systems
    lines = []
    for system in looked_at:
        # Decisions are those of a maximum: no temperature moves them.
        effect = fold_effect(predictions.seed_averaged(system))
        if effect is None:
            reason = f"not told by fewer than {FEWEST_FOLDS} folds of two actors or more, each tested in one fold only"
            lines.append(info(_CHECK, str(system), reason))
            continue
        strong = effect.p <= STRONG / len(looked_at)
        meaning = (
            "the folds share an effect, so intervals over actors are too narrow"
            if strong
            else "no strong effect of folds is seen; a weak one could not be, among so few"
        )
        evidence = {name: value for name, value in vars(effect).items() if math.isfinite(value)}
        finding = f"actors' UAR on {effect.n_folds} folds: {effect.said}: {meaning}"
        lines.append((warn if strong else info)(_CHECK, str(system), finding, **evidence))
    return lines
