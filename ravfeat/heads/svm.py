"""Support vector machines with a Gaussian (RBF) kernel on pooled statistics of several layers.

One machine for every class against all others (Rifkin & Klautau 2004, "In defense of one-vs-all classification"), each
with balanced classes; the distance from its margin is the class's logit. libsvm solves them, through scikit-learn. Sets
of layers, kernel widths and C are candidates; the kernel is that of ``kernel``.

Conventions
-----------
Axes: n training rows, K classes. ``gamma`` is relative to the mean distance, as of `ravfeat.heads.kernel`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypedDict

from ravfeat.documents import NotEmpty, Positive
from ravfeat.heads.arrays import ArrayKind
from ravfeat.heads.base import Sweep
from ravfeat.heads.checks import likeliest_at_best_scale
from ravfeat.heads.kernel import PooledKernelHead, Solution
from ravfeat.heads.recipe import HeadRecipe, Layers
from ravfeat.heads.softmax_regression import among_all_classes

__all__ = ["SvmHead"]


class _Choice(TypedDict):
    layers: Layers
    gamma: Positive
    C: Positive


@dataclass(frozen=True, kw_only=True)
class SvmHead(PooledKernelHead):
    """One-against-all support vector machines.

    Parameters
    ----------
    layers, std, statistics, parts, gammas
        As of `ravfeat.heads.kernel.PooledKernelHead`.
    grid : tuple of float
        Values of C to choose among.
    """

    name: ClassVar[str] = "svm"
    strength: ClassVar[str] = "C"
    choice: ClassVar[type] = _Choice

    grid: Annotated[tuple[Positive, ...], NotEmpty] = (1.0, 3.0, 10.0)

    @property
    def strengths(self) -> tuple[float, ...]:
        """`grid`."""
        return self.grid

    def choose(self, sweeps: Sequence[Sweep], y_val: Sequence[NDArray[np.int64]]) -> int:
        """Pick the lowest NLL on the validation rows, each candidate at its best scale."""
        return likeliest_at_best_scale(sweeps, y_val)

    def array_kinds(self, recipe: HeadRecipe) -> dict[str, ArrayKind]:
        """As of a kernel head, and the intercept; see `ravfeat.heads.base.Head`."""
        return super().array_kinds(recipe) | {"intercept": ArrayKind((recipe["n_classes"],))}

    def _solver(
        self, kernel: NDArray[np.floating], y: NDArray[np.int64], n_classes: int, clips: NDArray[np.int64] | None
    ) -> Callable[[float], Solution]:
        from sklearn.svm import SVC  # takes a second to import, which whoever predicts does not need

        products, present = np.asarray(kernel, np.float64), np.unique(y)

        def solve(strength: float) -> Solution:
            dual, intercept = np.zeros((len(present), len(y))), np.zeros(len(present))
            for place, label in enumerate(present):
                machine = SVC(C=strength, kernel="precomputed", class_weight="balanced").fit(products, y == label)
                dual[place, machine.support_] = machine.dual_coef_[0]
                intercept[place] = machine.intercept_[0]
            # With mean 0 over classes, which changes no probability.
            return among_all_classes(dual - dual.mean(0), intercept - intercept.mean(), present, n_classes)

        return solve
