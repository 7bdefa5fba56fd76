"""RBF kernels on pooled statistics of several layers: what such heads share, and kernel ridge regression.

Sets of layers, kernel widths and strengths of the penalty are candidates; for kernel ridge `ravfeat.heads.kernel_ridge`
solves for them.

Conventions
-----------
Axes: N clips, n training rows, m rows to score, L layers, S statistics, D dimensions, K classes.
``gamma`` is relative: the kernel is ``exp(-gamma * d2 / mean d2)`` over the training rows.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypedDict

from ravfeat.documents import NotEmpty, Positive, check_value
from ravfeat.errors import HeadError
from ravfeat.features.clips import ClipFeatures, Reading
from ravfeat.features.statistics import (
    check_features,
    clip_statistics,
    layer_positions,
    select_clips,
    source_of,
)
from ravfeat.heads.arrays import ArrayKind
from ravfeat.heads.base import Job, Model, Sweep
from ravfeat.heads.checks import check_jobs, likeliest, plain_settings
from ravfeat.heads.gram import Scaler, scaler_kinds, set_products
from ravfeat.heads.kernel_ridge import KernelRidge, mean_distance, squared_distances
from ravfeat.heads.parallel import map_jobs
from ravfeat.heads.recipe import HeadRecipe, Layers, check_recipe
from ravfeat.numerics.parts import WHOLE, of_parts
from ravfeat.numerics.pooling import Statistic
from ravfeat.schema import Part

__all__ = ["KernelHead", "KernelModel", "PooledKernelHead", "Solution"]

Solution = tuple[NDArray[np.float64], NDArray[np.float64] | None]
"""Dual coefficients of shape (n, K), and an intercept of shape (K,) where there is one."""

_SCORED_AT_ONCE = 256
"""Clips whose kernel rows are held at once."""


class _Choice(TypedDict):
    layers: Layers
    gamma: Positive
    alpha: Positive


@dataclass(frozen=True, kw_only=True)
class PooledKernelHead(ABC):
    """What heads with an RBF kernel on pooled statistics share; a subclass solves for the coefficients of the rows.

    Parameters
    ----------
    layers : tuple of int, optional
        Encoder layers to use, all together; by default sets of layers are candidates.
    std : bool
        False leaves the mean as the only statistic.
    statistics : tuple of str
        Names out of `ravfeat.numerics.pooling.STATISTICS`.
    parts : tuple of {"whole", "active"}
        What of a clip is pooled: all frames, and those of its speech; see `ravfeat.numerics.parts`.
    gammas : tuple of float
        Relative kernel widths to choose among.
    """

    name: ClassVar[str]
    seeded: ClassVar[bool] = False
    strength: ClassVar[str]
    """What `strengths` are called in a choice."""
    choice: ClassVar[type]

    layers: tuple[int, ...] | None = None
    std: bool = True
    statistics: Annotated[tuple[Statistic, ...], NotEmpty] = ("mean", "std", "min", "max")
    parts: Annotated[tuple[Part, ...], NotEmpty] = WHOLE
    gammas: Annotated[tuple[Positive, ...], NotEmpty] = (0.25, 0.5, 1.0)

    @property
    @abstractmethod
    def strengths(self) -> tuple[float, ...]:
        """Strengths of the penalty to choose among."""

    @abstractmethod
    def _solver(
        self, kernel: NDArray[np.floating], y: NDArray[np.int64], n_classes: int, clips: NDArray[np.int64] | None
    ) -> Callable[[float], Solution]:
        """Give what solves for a strength, for training rows with this kernel, of shape (n, n)."""

    @property
    def reading(self) -> Reading:
        """Pooled statistics."""
        return Reading(statistics=self._names)

    def sweep(self, features: ClipFeatures, y: NDArray[np.int64], n_classes: int, jobs: Sequence[Job]) -> list[Sweep]:
        """Score every set of layers with every gamma and alpha.

        Raises
        ------
        HeadError
            If a job cannot be trained, or has no validation rows.
        """
        check_jobs(jobs, y, n_classes)
        if any(not len(job.val) for job in jobs):
            raise HeadError(f"choosing layers, gamma and {self.strength} needs validation rows, got a job without any")
        sets = self._layer_sets(features)
        used = sorted({layer for layers in sets for layer in layers})
        statistics = clip_statistics(features, self._names, layers=used)
        candidates = tuple(
            {"layers": layers, "gamma": gamma, self.strength: strength}
            for layers in sets
            for gamma in self.gammas
            for strength in self.strengths
        )
        # Only layers of some set are pooled; positions count among these.
        positions = [[used.index(layer) for layer in layers] for layers in sets]
        scores = map_jobs(
            lambda job: self._score(statistics, y, n_classes, job, positions, features.blocks), jobs, self.name
        )
        return [Sweep(candidates, logits) for logits in scores]

    def choose(self, sweeps: Sequence[Sweep], y_val: Sequence[NDArray[np.int64]]) -> int:
        """Pick the lowest NLL on the validation rows; see `ravfeat.heads.checks.likeliest`."""
        return likeliest(sweeps, y_val)

    def fit(
        self,
        features: ClipFeatures,
        y: NDArray[np.int64],
        n_classes: int,
        jobs: Sequence[Job],
        chosen: Sequence[Mapping[str, Any]],
    ) -> list[Model]:
        """Solve every job with its chosen layers, gamma and strength."""
        check_jobs(jobs, y, n_classes)
        used = sorted({layer for choice in chosen for layer in choice["layers"]})
        statistics = clip_statistics(features, self._names, layers=used)
        models: list[Model] = []
        for job, choice in zip(jobs, chosen, strict=True):
            of_layers = statistics[:, [used.index(layer) for layer in choice["layers"]]]
            recipe = {
                "head": self.name,
                "settings": plain_settings(self),
                "chosen": dict(choice),
                "seed": job.seed,
                "n_classes": n_classes,
                "layers": list(choice["layers"]),
                **source_of(features),
            }
            models.append(self._fit_one(of_layers, y, n_classes, job, recipe))
        return models

    def array_kinds(self, recipe: HeadRecipe) -> dict[str, ArrayKind]:
        """Scale, training rows and dual coefficients; see `ravfeat.heads.base.Head`."""
        check_recipe(recipe, concatenated=True, several_streams=False)
        remedy = f"a {self.name} head chooses layers, gamma and {self.strength}"
        chosen: Any = check_value(recipe["chosen"], self.choice, "chosen", HeadError, remedy)
        return scaler_kinds(recipe, chosen["layers"], self._names) | {
            "rows": ArrayKind(("clips", len(self._names) * len(recipe["layers"]) * recipe["dim"]), "float16"),
            "dual": ArrayKind(("clips", recipe["n_classes"])),
            "width": ArrayKind((1,), "float64", positive=True),
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]], recipe: Mapping[str, Any]) -> Model:
        """Rebuild a model from what `KernelModel.arrays` and `KernelModel.recipe` gave."""
        scaler = Scaler(np.asarray(arrays["mean"]), np.asarray(arrays["std"]))
        solution = [np.asarray(arrays[name]) for name in ("rows", "dual", "width")]
        intercept = None if "intercept" not in arrays else np.asarray(arrays["intercept"])
        return KernelModel(scaler, solution[0], solution[1], solution[2], dict(recipe), self._names, intercept)

    @property
    def _names(self) -> tuple[str, ...]:
        return of_parts(self.statistics if self.std else ("mean",), self.parts)

    def _layer_sets(self, features: ClipFeatures) -> list[list[int]]:
        """List the upper half of the layers, the middle half, all of them, as layer numbers."""
        if self.layers is not None:
            layer_positions(features, self.layers)
            return [list(self.layers)]
        all_layers = list(features.layers)
        n = len(all_layers)
        sets = [all_layers[n // 2 :], all_layers[n // 4 : 3 * n // 4 + 1], all_layers]
        return [layers for index, layers in enumerate(sets) if layers not in sets[:index]]

    def _score(
        self,
        statistics: NDArray[np.float32],
        y: NDArray[np.int64],
        n_classes: int,
        job: Job,
        sets: list[list[int]],
        blocks: tuple[int, ...],
    ) -> NDArray[np.float32]:
        scored: list[list[NDArray[np.floating]]] = [[] for _ in sets]
        for number, products in set_products(statistics, job, sets, blocks):
            train, val = products.distances()  # (n, n), (m, n)
            # Relative to the mean distance, one gamma means the same for every encoder, width and set of layers.
            width = mean_distance(train)
            for gamma in self.gammas:
                # What is prepared for each gamma serves every strength.
                solve = self._solver(np.exp(-gamma / width * train), y[job.train], n_classes, job.clips)
                kernel = np.exp(-gamma / width * val)  # (m, n)
                scored[number] += [_scores(kernel, *solve(strength)) for strength in self.strengths]
        return np.stack([logits for of_set in scored for logits in of_set]).astype(np.float32)

    def _fit_one(
        self, statistics: NDArray[np.float32], y: NDArray[np.int64], n_classes: int, job: Job, recipe: dict[str, Any]
    ) -> "KernelModel":
        scaler = Scaler.of(statistics, job.train, recipe.get("blocks", ()))
        # The rows are part of the model: rounding them before solving keeps its file small and exact.
        rows = scaler.wide_rows(statistics, job.train).astype(np.float16)
        # Not divided by the number of layers, as in the sweep: gamma is relative to the mean distance, so that cancels.
        squared = squared_distances(rows.astype(np.float32), rows) / (rows.shape[1] // statistics.shape[1])
        width = mean_distance(squared)
        chosen = recipe["chosen"]
        solve = self._solver(np.exp(-chosen["gamma"] / width * squared), y[job.train], n_classes, job.clips)
        dual, free = solve(chosen[self.strength])
        intercept = None if free is None else free.astype(np.float32)
        one_width = np.array([width], np.float64)
        return KernelModel(scaler, rows, dual.astype(np.float32), one_width, recipe, self._names, intercept)


@dataclass(frozen=True, kw_only=True)
class KernelHead(PooledKernelHead):
    """RBF kernel ridge regression.

    Parameters
    ----------
    layers, std, statistics, parts, gammas
        As of `PooledKernelHead`.
    alphas : tuple of float
        Ridge strengths to choose among.
    """

    name: ClassVar[str] = "kernel"
    strength: ClassVar[str] = "alpha"
    choice: ClassVar[type] = _Choice

    alphas: Annotated[tuple[Positive, ...], NotEmpty] = (0.03, 0.1, 0.3)

    @property
    def strengths(self) -> tuple[float, ...]:
        """`alphas`."""
        return self.alphas

    def _solver(
        self, kernel: NDArray[np.floating], y: NDArray[np.int64], n_classes: int, clips: NDArray[np.int64] | None
    ) -> Callable[[float], Solution]:
        ridge = KernelRidge(kernel, y, n_classes, clips)
        return lambda alpha: (ridge.dual(alpha), None)


def _scores(
    kernel: NDArray[np.floating], dual: NDArray[np.floating], intercept: NDArray[np.floating] | None
) -> NDArray[np.floating]:
    """Logits of rows with this kernel from the training rows, (m, n) to (m, K)."""
    return np.asarray(kernel @ dual if intercept is None else kernel @ dual + intercept)


@dataclass(frozen=True)
class KernelModel:
    """A solved model of an RBF kernel.

    Attributes
    ----------
    scaler : Scaler
        Of the chosen layers.
    rows : ndarray of shape (n, L * S * D), float16
        Standardised statistics of the training rows.
    dual : ndarray of shape (n, K), float32
    width : ndarray of shape (1,), float64
        Mean squared distance of training rows, which gamma is relative to.
    recipe : dict
    statistics : tuple of str
    intercept : ndarray of shape (K,), float32, or None
    """

    scaler: Scaler
    rows: NDArray[np.float16]
    dual: NDArray[np.float32]
    width: NDArray[np.float64]
    recipe: dict[str, Any]
    statistics: tuple[str, ...]
    intercept: NDArray[np.float32] | None = None

    def logits(self, features: ClipFeatures, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score clips; see `ravfeat.heads.base.Model`."""
        check_features(features, self.recipe)
        # Only the clips that are scored are pooled, and their kernel rows are held a few at a time.
        statistics = clip_statistics(select_clips(features, rows), self.statistics, layers=self.recipe["layers"])
        n_layers = statistics.shape[1]
        scored = [np.zeros((0, self.dual.shape[1]), np.float32)]
        for start in range(0, len(rows), _SCORED_AT_ONCE):
            chunk = np.arange(start, min(start + _SCORED_AT_ONCE, len(rows)))
            z = self.scaler.wide_rows(statistics, chunk)
            squared = squared_distances(z, self.rows) / (z.shape[1] // n_layers)
            kernel = np.exp(-self.recipe["chosen"]["gamma"] / self.width[0] * squared)
            scored.append(_scores(kernel, self.dual, self.intercept))
        return np.concatenate(scored).astype(np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Scale, training rows and dual coefficients."""
        return {
            "mean": self.scaler.mean,
            "std": self.scaler.std,
            "rows": self.rows,
            "dual": self.dual,
            "width": self.width,
            **({} if self.intercept is None else {"intercept": self.intercept}),
        }

    def attention(self, features: ClipFeatures, rows: NDArray[np.int64]) -> None:
        """None: all frames count alike."""
        return

    @property
    def layer_weights(self) -> None:
        """None: layers are chosen, not weighed."""
        return
