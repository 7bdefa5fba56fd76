"""Pool a part of a clip: ``active:mean`` is the mean of the frames with speech in them, ``mean`` that of all frames.

Where the speech of a clip lies is measured once, at extraction, and stored as two shares of the clip's length, so that
one measurement holds for every encoder, every layer and every speed; see `ravfeat.media.active`.

Conventions
-----------
Axes: L layers, T frames of one clip, D dimensions, S statistics.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import RavfeatError
from ravfeat.numerics.pooling import STATISTICS, pool_block
from ravfeat.schema import Part

__all__ = ["WHOLE", "Shares", "active_frames", "is_statistic", "of_parts", "pool_parts", "reads_active"]

WHOLE: tuple[Part, ...] = ("whole",)
"""What is pooled unless something else is asked for."""

Shares = tuple[float, float]
"""Where a part begins and ends, as shares of the clip: ``0 <= start < end <= 1``."""

_ACTIVE = "active:"


def of_parts(statistics: Sequence[str], parts: Sequence[Part]) -> tuple[str, ...]:
    """Name statistics of parts: all of the first part, then all of the next.

    Examples
    --------
    >>> of_parts(("mean", "std"), ("whole", "active"))
    ('mean', 'std', 'active:mean', 'active:std')
    """
    return tuple(f"{_ACTIVE if part == 'active' else ''}{name}" for part in parts for name in statistics)


def reads_active(statistics: Sequence[str]) -> bool:
    """Whether one of the names is of the speech-active part."""
    return any(name.startswith(_ACTIVE) for name in statistics)


def is_statistic(name: str) -> bool:
    """Whether a name is one out of `ravfeat.numerics.pooling.STATISTICS`, of the whole or of a part."""
    return name.removeprefix(_ACTIVE) in STATISTICS


def active_frames(active: Shares, n_frames: int) -> slice:
    """Give the frames of a part of a clip: at least one, and all that the part touches.

    Examples
    --------
    >>> active_frames((0.26, 0.5), 10)
    slice(2, 5, None)
    """
    # The minimum: a start just below 1 is rounded to 1 by the product.
    first = min(math.floor(active[0] * n_frames), n_frames - 1)
    return slice(first, max(min(math.ceil(active[1] * n_frames), n_frames), first + 1))


def pool_parts(
    block: NDArray[np.floating], statistics: Sequence[str], active: Shares | None = None
) -> NDArray[np.float32]:
    """Describe one clip, layer-major, by statistics over the frames of its parts.

    Parameters
    ----------
    block : ndarray of shape (L, T, D)
    statistics : sequence of str
        As `of_parts` names them.
    active : (start, end), optional
        Needed where one of them is of the speech-active part.

    Returns
    -------
    ndarray of shape (L, S, D), float32

    Raises
    ------
    RavfeatError
        Where the active part is wanted and not known.
    """
    if not reads_active(statistics):
        return pool_block(block, statistics)
    if active is None:
        raise RavfeatError(
            f"{', '.join(statistics)}: where a clip's speech begins and ends is not known here; pool the whole clip"
        )
    pooled = np.empty((len(block), len(statistics), block.shape[2]), np.float32)
    for prefix, frames in (("", slice(None)), (_ACTIVE, active_frames(active, block.shape[1]))):
        places = [place for place, name in enumerate(statistics) if name.startswith(_ACTIVE) == bool(prefix)]
        if places:
            names = [statistics[place].removeprefix(prefix) for place in places]
            pooled[:, places] = pool_block(block[:, frames], names)
    return pooled
