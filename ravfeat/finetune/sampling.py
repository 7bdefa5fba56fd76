"""Whatever is drawn at random, from names alone: seed, fold, epoch, step.

Nothing depends on what was drawn before, so a training that was interrupted goes on as if it had not been.
"""

import hashlib
import json

import numpy as np
from numpy.typing import NDArray

__all__ = ["draw_of", "epoch_batches"]

Rows = NDArray[np.int64]


def draw_of(what: str, *numbers: int) -> int:
    """Give the seed of one draw, from 0 to 2 ** 63 - 1.

    Examples
    --------
    >>> draw_of("order", 0, 1) == draw_of("order", 0, 1), draw_of("order", 0, 1) == draw_of("order", 0, 2)
    (True, False)
    """
    text = json.dumps([what, *numbers])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def epoch_batches(rows: Rows, batch_clips: int, *numbers: int) -> list[Rows]:
    """Shuffle rows and deal them into as equal batches as can be.

    Parameters
    ----------
    rows : ndarray of int64
    batch_clips : int
        A batch holds at most as many.
    *numbers
        Seed, fold and epoch.
    """
    order = np.random.default_rng(draw_of("order", *numbers)).permutation(rows)
    return np.array_split(order, n_batches(len(rows), batch_clips))


def n_batches(n_rows: int, batch_clips: int) -> int:
    """Count the batches of an epoch."""
    return -(-n_rows // batch_clips)
