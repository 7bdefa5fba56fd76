"""L-BFGS for convex losses of linear scores, in the space of the rows.

A point is a pair: dual coefficients of the rows and the scores that they give, both of shape (K, n).
Scores are linear in the coefficients, so steps, their sums and everything L-BFGS multiplies are pairs
too, and no product with the n x n inner products is needed but the one in the first guess of the
inverse curvature. With the curvature of the loss itself as the first guess a handful of steps suffice.

The memory is in compact form (Byrd, Nocedal & Schnabel 1994, "Representations of quasi-Newton
matrices"): a step costs a few products with matrices of ten rows instead of twenty passes over pairs.

Conventions
-----------
Axes: n rows, K classes, m remembered steps. Gradients have shape (K, n); the change of the loss along
a step is the inner product of the gradient with the step's scores.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["Loss", "Precondition", "minimise"]

_FLOATS = NDArray[np.float64]

Loss = Callable[[_FLOATS], tuple[float, _FLOATS]]
"""Value and gradient at a point of shape (2, K, n)."""

Precondition = Callable[[_FLOATS], _FLOATS]
"""First guess of inverse curvature times a gradient: a pair of shape (2, K, n). Linear and positive."""

_REMEMBERED = 10
_MAX_STEPS = 500
_MAX_HALVINGS = 20
_SUFFICIENT = 1e-4
_ROUNDING = 1e-9


def minimise(loss: Loss, precondition: Precondition, start: _FLOATS, enough: float) -> _FLOATS:
    """Descend from `start` until a step promises less than `enough`.

    Parameters
    ----------
    loss : Loss
    precondition : Precondition
    start : ndarray of shape (2, K, n)
    enough : float
        Stops where gradient times step, twice what the loss lies above its least, is below this.

    Returns
    -------
    ndarray of shape (2, K, n)
    """
    point, memory = start, _Memory(start.shape)
    value, gradient = loss(point)
    guess = precondition(gradient)
    for _ in range(_MAX_STEPS):
        step = memory.correct(guess, gradient)
        # step[1] are the scores of the step: gradients are by scores, not by coefficients.
        slope = float(np.vdot(gradient, step[1]))
        if slope < enough:
            break
        taken = _search(loss, point, value, step, slope)
        if taken is None:  # the loss is as flat as its arithmetic is fine
            break
        moved, value, new_gradient = taken
        new_guess = precondition(new_gradient)
        # The first guess is linear, so its change is the guess of the change: no further solve.
        memory.remember(moved - point, new_gradient - gradient, new_guess - guess)
        point, gradient, guess = moved, new_gradient, new_guess
    return point


def _search(
    loss: Loss, point: _FLOATS, value: float, step: _FLOATS, slope: float
) -> tuple[_FLOATS, float, _FLOATS] | None:
    """Halve a step until it lowers the loss enough: where it leads, value and gradient there."""
    length = 1.0
    for _ in range(_MAX_HALVINGS):
        moved = point - length * step
        new_value, new_gradient = loss(moved)
        # Armijo's condition: the loss falls by at least a small share of what the slope promises.
        if new_value < value - _SUFFICIENT * length * slope:
            return moved, new_value, new_gradient
        length /= 2  # a step that promises a descent gives one when it is short enough
    return None


class _Memory:
    """The last steps and how the gradient changed along them."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        size = shape[1] * shape[2]
        self._steps = np.empty((_REMEMBERED, 2, size))
        self._changes = np.empty((_REMEMBERED, size))
        self._guesses = np.empty((_REMEMBERED, 2, size))  # the first guess times the changes
        self._along = np.empty((_REMEMBERED, _REMEMBERED))  # steps by changes
        self._curved = np.empty((_REMEMBERED, _REMEMBERED))  # changes by guesses
        self._order: list[int] = []

    def remember(self, step: _FLOATS, change: _FLOATS, guess: _FLOATS) -> None:
        """Add a step; the oldest is dropped. One along which rounding hides the curvature is passed over."""
        if np.vdot(step[1], change) <= _ROUNDING * np.linalg.norm(step[1]) * np.linalg.norm(change):
            return
        # The slot of the oldest step is used again, so nothing moves in memory.
        slot = len(self._order) if len(self._order) < _REMEMBERED else self._order.pop(0)
        self._order.append(slot)
        self._steps[slot], self._guesses[slot] = step.reshape(2, -1), guess.reshape(2, -1)
        self._changes[slot] = change.ravel()
        n = len(self._order)
        # Only the newest change's column: the triangle that is used pairs a change with steps no newer than itself.
        self._along[:n, slot] = self._steps[:n, 1] @ self._changes[slot]
        self._curved[:n, slot] = self._curved[slot, :n] = self._changes[:n] @ self._guesses[slot, 1]

    def correct(self, guess: _FLOATS, gradient: _FLOATS) -> _FLOATS:
        """Correct the first guess of a step by the curvature along the remembered steps."""
        if not self._order:
            return guess
        # Slots are overwritten in turn; `order` lists them from the oldest step to the newest.
        n, order = len(self._order), np.array(self._order)
        # Byrd et al.'s inverse formula: R is the triangle of steps by changes, D its diagonal, `curved` is D + Y' H Y.
        inverse = np.linalg.inv(np.triu(self._along[order[:, None], order]))
        curved = self._curved[order[:, None], order] + np.diag(self._along[order, order])
        seen = (self._steps[:n, 1] @ gradient.ravel())[order]
        guessed = (self._changes[:n] @ guess[1].ravel())[order]
        of_guesses, of_steps = np.empty(n), np.empty(n)
        of_guesses[order] = share = inverse @ seen
        of_steps[order] = (curved @ share - guessed) @ inverse
        moved = of_steps @ self._steps[:n].reshape(n, -1) - of_guesses @ self._guesses[:n].reshape(n, -1)
        return np.asarray(guess + moved.reshape(guess.shape))
