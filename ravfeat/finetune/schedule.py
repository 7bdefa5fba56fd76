"""Learning rates: up in a straight line, down in a straight line."""

__all__ = ["rate_factor"]


def rate_factor(step: int, total: int, warm_up: float) -> float:
    """Give what the peak rates are multiplied with.

    Parameters
    ----------
    step : int
        From 0.
    total : int
    warm_up : float
        Share of the steps in which the rate rises.

    Examples
    --------
    >>> [rate_factor(step, 5, 0.2) for step in range(5)]
    [1.0, 1.0, 0.75, 0.5, 0.25]
    """
    rising = max(1, round(warm_up * total))
    if step < rising:
        return (step + 1) / rising
    return (total - step) / max(1, total - rising)
