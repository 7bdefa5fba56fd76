"""In words: what the two ways to mix did here, and why a mean of probabilities does less."""

import numpy as np
from numpy.typing import NDArray

from ravfeat.report.fused import FusedRun
from ravfeat.report.mixing.findings import Agreement, Surface
from ravfeat.stats import Pairing

__all__ = ["mixing_words"]


def mixing_words(one: FusedRun, surface: Surface, agreement: Agreement) -> list[str]:
    """Write paragraphs; what was not measured here is not said."""
    found = Pairing(one.loglinear.compared, one.linear.compared).difference("uar", "pooled")
    first = (
        f"On test rows the log-linear rule has pooled UAR {found.value_a:.3f}, the linear rule {found.value_b:.3f}: a "
        f"difference of {found.value:+.3f} [{found.ci_low:+.3f}, {found.ci_high:+.3f}], p = {found.p:.4f} "
        "(uncorrected)."
    )
    if found.value <= 0:
        return [f"{first} Here a fitted mean of probabilities does no worse than their weighted product."]
    if found.ci_low > 0:
        first += " Why the mean does less:"
    else:
        first += " The interval does not tell it from zero; what sets the two apart:"
    return [first, *(words for words in (_likelihood(one, surface), _agreement(one, surface, agreement)) if words)]


def _likelihood(one: FusedRun, surface: Surface) -> str:
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
        f"even where it helps the decision. On the {one.rows} its likelihood is best with {_span(likeliest)} of the "
        f"weight on {surface.sides.names[0]}, its decisions with {_span(chosen)}. Weights of best likelihood would "
        f"have a UAR of {by_nll:.3f} there, those chosen have {by_uar:.3f} (mean over folds). That is why linear "
        "weights are chosen by UAR, ties by the NLL at the mixture's best temperature, and not by the plain NLL."
    )


def _agreement(one: FusedRun, surface: Surface, found: Agreement) -> str:
    if not found.n or found.loglinear <= found.linear:
        return ""
    first, second = surface.sides.names
    return (
        "Where systems agree, a mean adds no evidence: it says no more than the surest of them does. All name the same "
        f"emotion on {found.n} of {found.of} {one.rows}, and are right on {100 * found.right:.1f} % of these. There "
        f"the surest system gives that emotion {found.surest:.3f}, the mean {found.linear:.3f}, the weighted product "
        f"{found.loglinear:.3f}. A product of probabilities is Bayes' rule for streams that err independently given "
        f"the emotion: both weights would be 1. Fitted were {_span(surface.weights[:, 0])} for {first} and "
        f"{_span(surface.weights[:, 1])} for {second}."
    )


def _span(values: NDArray[np.float64]) -> str:
    low, high = f"{values.min():.2f}", f"{values.max():.2f}"
    return low if low == high else f"{low} to {high} (mean {values.mean():.2f})"
