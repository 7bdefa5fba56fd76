"""Sentences on linear and log-linear fusion: what either rule did here, and why a mean of probabilities does less."""

import numpy as np
from numpy.typing import NDArray

from ravfeat.report.fused import FusedRun
from ravfeat.report.mixing.findings import Surface, SystemAgreement
from ravfeat.stats import Pairing

__all__ = ["mixing_words"]


def mixing_words(fused_run: FusedRun, surface: Surface, agreement: SystemAgreement) -> list[str]:
    """Write paragraphs; what was not measured here is not said."""
    difference = Pairing(fused_run.loglinear.compared, fused_run.linear.compared).difference("uar", "pooled")
    first = (
        f"On test rows the log-linear rule has pooled UAR {difference.value_a:.3f}, the linear rule "
        f"{difference.value_b:.3f}: a difference of {difference.value:+.3f} [{difference.ci_low:+.3f}, "
        f"{difference.ci_high:+.3f}]; its p-value stands among all pairs of the run, corrected for them."
    )
    if difference.value <= 0:
        return [f"{first} Here a fitted mean of probabilities does no worse than their weighted product."]
    if difference.ci_low > 0:
        first += " Why the mean does less:"
    else:
        first += " The interval does not tell it from zero; what sets the two apart:"
    return [
        first,
        *(words for words in (_likelihood(fused_run, surface), _agreement(fused_run, surface, agreement)) if words),
    ]


def _likelihood(fused_run: FusedRun, surface: Surface) -> str:
    shares = surface.curves[0].shares
    likeliest, chosen = shares[surface.likeliest], shares[surface.chosen]
    by_nll, by_uar = (
        float(np.mean([curve.uar[at] for curve, at in zip(surface.curves, picked, strict=True)]))
        for picked in (surface.likeliest, surface.chosen)
    )
    if by_nll >= by_uar:
        return ""
    return (
        "A mean of probabilities is never surer than its surest part, so weight on a second one costs it likelihood "
        f"even where it helps the decision. On the {fused_run.rows} its likelihood is best with {_span(likeliest)} of "
        f"the weight on {surface.sides.names[0]}, its decisions with {_span(chosen)}. Weights of best likelihood would "
        f"have a UAR of {by_nll:.3f} there, those chosen have {by_uar:.3f} (mean over folds). That is why linear "
        "weights are chosen by UAR, ties by the NLL at the mixture's best temperature, and not by the plain NLL."
    )


def _agreement(fused_run: FusedRun, surface: Surface, agreement: SystemAgreement) -> str:
    if not agreement.n or agreement.loglinear <= agreement.linear:
        return ""
    first, second = surface.sides.names
    return (
        "Where systems agree, a mean adds no evidence: it says no more than the surest of them does. All name the same "
        f"emotion on {agreement.n} of {agreement.of} {fused_run.rows}, and are right on {100 * agreement.right:.1f} % "
        f"of these. There the surest system gives that emotion {agreement.surest:.3f}, the mean "
        f"{agreement.linear:.3f}, the weighted product {agreement.loglinear:.3f}. A product of probabilities is Bayes' "
        "rule for streams that err independently given the emotion: both weights would be 1. Fitted were "
        f"{_span(surface.weights[:, 0])} for {first} and {_span(surface.weights[:, 1])} for {second}."
    )


def _span(values: NDArray[np.float64]) -> str:
    low, high = f"{values.min():.2f}", f"{values.max():.2f}"
    return low if low == high else f"{low} to {high} (mean {values.mean():.2f})"
