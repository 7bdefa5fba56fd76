"""How long and at which learning rate a network trains: one cosine cycle over a fixed number of epochs."""

import math
from dataclasses import dataclass
from typing import Literal

__all__ = ["Schedule", "one_cycle"]


@dataclass(frozen=True)
class Schedule:
    """How heads are trained.

    Attributes
    ----------
    epochs : int
        Length of the one-cycle schedule, in passes over the training rows.
    stop : int or None
        Stop after this epoch of that schedule; None runs to its end.
    batch_size : int
        Clips that a head trains on in one step, on average; a step draws as many more as are held out.
    lr : float
        Peak of the one-cycle learning rate (Smith & Topin 2019, arXiv:1708.07120).
    weight_decay : float
        Decoupled, as in AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101).
    label_smoothing : float
    ema : float
        Decay per step of the exponential moving average of the weights, which is what a trained head is.
    precision : {"float32", "bfloat16"}
        Of the operands of large products; everything else is float32.
    """

    epochs: int
    stop: int | None = None
    batch_size: int = 32
    lr: float = 5e-4
    weight_decay: float = 1e-2
    label_smoothing: float = 0.1
    ema: float = 0.99
    precision: Literal["float32", "bfloat16"] = "float32"

    def clips_per_step(self, n_rows: int, n_train: int) -> int:
        """Clips that a step draws out of all rows, so that a head trains on about `batch_size` of them.

        A multiple of 8: folds that differ by a few clips share their steps.
        """
        return max(8, 8 * round(self.batch_size * n_rows / n_train / 8))

    def steps_per_epoch(self, n_rows: int, n_train: int) -> int:
        """Count the steps that draw every row once."""
        return math.ceil(n_rows / self.clips_per_step(n_rows, n_train))


def one_cycle(step: int, total: int, peak: float) -> float:
    """Learning rate of `step` out of `total`: cosine up over 30 %, cosine down to almost nothing."""
    # From 4 % of the peak up to it, then down to 0.01 %.
    top = max(1, round(0.3 * total))
    if step < top:
        return peak * (0.04 + 0.96 * (1 - math.cos(math.pi * step / top)) / 2)
    return peak * (1e-4 + (1 - 1e-4) * (1 + math.cos(math.pi * (step - top) / max(1, total - top))) / 2)
