"""Multinomial logistic regression on each layer's pooled statistics.

Candidates are sets of layers times strengths C: every layer alone, all layers, and all but layer 0
(which most encoders use as the plain input to their first block).

Conventions
-----------
Axes: N clips, L layers, S statistics, D dimensions, K classes. C applies to standardised features
divided by the root of their number, so that one grid serves every width.
"""

from collections.abc import Iterator, Mapping, Sequence
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
from ravfeat.heads.gram import Scaler, scaler_kinds, set_products, set_rows
from ravfeat.heads.parallel import map_jobs
from ravfeat.heads.recipe import HeadRecipe, Layers, check_recipe
from ravfeat.heads.row_products import DenseProducts, RowProducts, TallProducts, is_tall
from ravfeat.heads.softmax_regression import regularization_path
from ravfeat.numerics.parts import WHOLE, of_parts
from ravfeat.numerics.pooling import Statistic
from ravfeat.schema import Part

__all__ = ["LogregHead", "LogregModel", "layer_sets"]


class _Choice(TypedDict):
    layers: Layers
    C: Positive


@dataclass(frozen=True, kw_only=True)
class LogregHead:
    """Balanced multinomial logistic regression.

    Parameters
    ----------
    layers : tuple of int, optional
        Encoder layers to choose among; all by default.
    std : bool
        False leaves the mean as the only statistic.
    grid : tuple of float
        Values of C to choose among, rising.
    statistics : tuple of str
        Names out of `ravfeat.numerics.pooling.STATISTICS`. ``speed``, the mean absolute delta, is a difference from
        frame to frame, not per second: a model that reads it holds for the frame rate it was trained on.
    parts : tuple of {"whole", "active"}
        What of a clip is pooled: all frames, and those of its speech; see `ravfeat.numerics.parts`.
    """

    name: ClassVar[str] = "logreg"
    seeded: ClassVar[bool] = False
    strength: ClassVar[str] = "C"
    choice: ClassVar[type] = _Choice

    layers: tuple[int, ...] | None = None
    std: bool = True
    grid: Annotated[tuple[Positive, ...], NotEmpty] = (1.0, 3.0, 10.0, 30.0)
    statistics: Annotated[tuple[Statistic, ...], NotEmpty] = ("mean", "std")
    parts: Annotated[tuple[Part, ...], NotEmpty] = WHOLE

    def sweep(self, features: ClipFeatures, y: NDArray[np.int64], n_classes: int, jobs: Sequence[Job]) -> list[Sweep]:
        """Score every set of layers with every C.

        Raises
        ------
        HeadError
            If a job cannot be trained, or has no validation rows.
        """
        check_jobs(jobs, y, n_classes)
        if any(not len(job.val) for job in jobs):
            raise HeadError(f"choosing layers and {self.strength} needs validation rows, got a job without any")
        statistics = clip_statistics(features, self._names, layers=self.layers)
        sets = layer_sets(features, self.layers)
        candidates = tuple(
            {"layers": [features.layers[position] for position in positions], self.strength: strength}
            for positions in sets
            for strength in self.grid
        )
        within = self._sets_within(features, sets)
        scores = map_jobs(
            lambda job: self._score(statistics, y, n_classes, job, within, features.blocks), jobs, self.name
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
        """Solve every job with its chosen layers and C."""
        check_jobs(jobs, y, n_classes)
        used = sorted({layer for choice in chosen for layer in choice["layers"]})
        statistics = clip_statistics(features, self._names, layers=used)

        source = source_of(features)

        def solve(task: tuple[Job, Mapping[str, Any]]) -> Model:
            job, choice = task
            of_layers = statistics[:, [used.index(layer) for layer in choice["layers"]]]
            return self._fit_one(of_layers, y, n_classes, job, choice, source)

        return map_jobs(solve, list(zip(jobs, chosen, strict=True)), self.name)

    def array_kinds(self, recipe: HeadRecipe) -> dict[str, ArrayKind]:
        """Scale, weights and intercept; see `ravfeat.heads.base.Head`."""
        check_recipe(recipe, concatenated=True, several_streams=False)
        chosen: Any = check_value(
            recipe["chosen"], self.choice, "chosen", HeadError, f"a {self.name} head chooses layers and {self.strength}"
        )
        return scaler_kinds(recipe, chosen["layers"], self._names) | {
            "weights": ArrayKind((len(self._names) * len(recipe["layers"]) * recipe["dim"], recipe["n_classes"])),
            "intercept": ArrayKind((recipe["n_classes"],)),
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]], recipe: Mapping[str, Any]) -> Model:
        """Rebuild a model from what `LogregModel.arrays` and `LogregModel.recipe` gave."""
        scaler = Scaler(np.asarray(arrays["mean"]), np.asarray(arrays["std"]))
        solution = np.asarray(arrays["weights"]), np.asarray(arrays["intercept"])
        return LogregModel(scaler, *solution, dict(recipe), self._names)

    @property
    def reading(self) -> Reading:
        """Pooled statistics."""
        return Reading(statistics=self._names)

    @property
    def _names(self) -> tuple[str, ...]:
        return of_parts(self.statistics if self.std else ("mean",), self.parts)

    def _sets_within(self, features: ClipFeatures, sets: list[list[int]]) -> list[list[int]]:
        positions = layer_positions(features, self.layers)
        # From places among all layers to places among those that were read.
        return [[positions.index(position) for position in layer_set] for layer_set in sets]

    def _score(
        self,
        statistics: NDArray[np.float32],
        y: NDArray[np.int64],
        n_classes: int,
        job: Job,
        sets: list[list[int]],
        blocks: tuple[int, ...],
    ) -> NDArray[np.float32]:
        scored: list[list[NDArray[np.float64]]] = [[] for _ in sets]
        width = int(np.prod(statistics.shape[2:]))
        tall = [number for number, positions in enumerate(sets) if is_tall(len(job.train), len(positions) * width)]
        for number in tall:
            train, val = set_rows(statistics, job, sets[number], blocks)
            for dual, intercept in self._path(TallProducts(train), y[job.train], n_classes, self.grid, train.shape[1]):
                scored[number].append(val @ (train.T @ dual) + intercept)
        others = [number for number in range(len(sets)) if number not in tall]
        for place, products in set_products(statistics, job, [sets[number] for number in others], blocks):
            wide = len(sets[others[place]]) * width
            for dual, intercept in self._path(products.train, y[job.train], n_classes, self.grid, wide):
                scored[others[place]].append(products.val @ dual + intercept)
        return np.stack([logits for of_set in scored for logits in of_set]).astype(np.float32)

    def _path(
        self,
        products: NDArray[np.floating] | RowProducts,
        y: NDArray[np.int64],
        n_classes: int,
        grid: Sequence[float],
        width: int,
    ) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Solve for every value of a rising grid; `width` numbers of a row were multiplied, and divided by it."""
        return regularization_path(products, y, n_classes, grid)

    def _fit_one(
        self,
        statistics: NDArray[np.float32],
        y: NDArray[np.int64],
        n_classes: int,
        job: Job,
        choice: Mapping[str, Any],
        source: Mapping[str, Any],
    ) -> Model:
        scaler = Scaler.of(statistics, job.train, source.get("blocks", ()))
        n_layers, width = statistics.shape[1], scaler.mean.size
        products = _products(scaler, statistics, job, source.get("blocks", ()))
        chosen = choice[self.strength]
        grid = [strength for strength in self.grid if strength < chosen] + [chosen]
        # Along the grid as in the sweep: each solution starts from the one before, and so ends where the sweep's did.
        *_, (dual, intercept) = self._path(products, y[job.train], n_classes, grid, width)
        # Back from rows to standardised statistics.
        weights = [scaler.rows(statistics, job.train, layer).T @ dual / width for layer in range(n_layers)]
        recipe = {
            "head": self.name,
            "settings": plain_settings(self),
            "chosen": dict(choice),
            "seed": job.seed,
            "n_classes": n_classes,
            "layers": list(choice["layers"]),
            **source,
        }
        solution = np.concatenate(weights).astype(np.float32), intercept.astype(np.float32)
        return LogregModel(scaler, *solution, recipe, self._names)


def layer_sets(features: ClipFeatures, layers: Sequence[int] | None) -> list[list[int]]:
    """List the sets of layers to choose among, as positions: each alone, all of them, and all but layer 0.

    Parameters
    ----------
    features : ClipFeatures
    layers : sequence of int, optional
        Encoder layers to choose among; all by default.
    """
    positions = layer_positions(features, layers)
    upper = [position for position in positions if features.layers[position] != 0]
    sets = [[position] for position in positions]
    sets += [wide for wide in (positions, upper) if len(wide) > 1]
    # Without layer 0 the two wide sets are the same; with one layer each set can be.
    return [layer_set for index, layer_set in enumerate(sets) if layer_set not in sets[:index]]


def _products(scaler: Scaler, statistics: NDArray[np.float32], job: Job, blocks: Sequence[int]) -> RowProducts:
    n_rows, n_layers, width = len(job.train), statistics.shape[1], scaler.mean.size
    if is_tall(n_rows, width):
        return TallProducts(set_rows(statistics, job, range(n_layers), blocks)[0])
    products = np.zeros((n_rows, n_rows), np.float32)
    for layer in range(n_layers):
        z = scaler.rows(statistics, job.train, layer)
        # Layer by layer: the wide matrix of all layers is never built for this.
        products += z @ z.T
    return DenseProducts(products / width)


@dataclass(frozen=True)
class LogregModel:
    """A solved logistic regression.

    Attributes
    ----------
    scaler : Scaler
        Of the chosen layers.
    weights : ndarray of shape (L * S * D, K), float32
    intercept : ndarray of shape (K,), float32
    recipe : dict
    statistics : tuple of str
    """

    scaler: Scaler
    weights: NDArray[np.float32]
    intercept: NDArray[np.float32]
    recipe: dict[str, Any]
    statistics: tuple[str, ...]

    def logits(self, features: ClipFeatures, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score clips; see `ravfeat.heads.base.Model`."""
        check_features(features, self.recipe)
        statistics = clip_statistics(select_clips(features, rows), self.statistics, layers=self.recipe["layers"])
        all_rows = np.arange(len(rows))
        # (N, L, S, D) -> (N, L * S * D), layers in the order in which `weights` has them.
        z = np.hstack([self.scaler.rows(statistics, all_rows, layer) for layer in range(statistics.shape[1])])
        return np.asarray(z @ self.weights + self.intercept, np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Scale, weights and intercept."""
        return {
            "mean": self.scaler.mean,
            "std": self.scaler.std,
            "weights": self.weights,
            "intercept": self.intercept,
        }

    def attention(self, features: ClipFeatures, rows: NDArray[np.int64]) -> None:
        """None: all frames count alike."""
        return

    @property
    def layer_weights(self) -> None:
        """None: layers are chosen, not weighed."""
        return
