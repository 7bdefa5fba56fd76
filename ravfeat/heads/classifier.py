"""Heads from a user's own scikit-learn classifier, on pooled statistics.

The classifier gets arrays and nothing else: statistics and classes of the rows that may train, then statistics of the
rows to score. No label of a row that chooses or tests ever reaches it. Statistics are standardised by the training
rows, unless it is a Pipeline, which does that by itself.

Candidates are sets of layers times the entries of its grid: every layer alone, all of them, and all but layer 0, as of
``logreg``; with more than `MOST_CANDIDATES` of them only all layers together. Each candidate is judged by the
likelihood of the validation rows at its best scale. Probabilities become logits by their logarithm, cut at 1e-6; of
classifiers without any, the distances from their margins are the logits.

Conventions
-----------
Axes: N clips, n training rows, m rows to score, L layers, S statistics, D dimensions, K classes.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid
from sklearn.pipeline import Pipeline

from ravfeat.documents import NotEmpty
from ravfeat.errors import HeadError, PluginError
from ravfeat.escape import printable
from ravfeat.features.clips import ClipFeatures, Reading
from ravfeat.features.statistics import check_features, clip_statistics, layer_positions, select_clips, source_of
from ravfeat.heads.arrays import ArrayKind
from ravfeat.heads.base import Job, Model, Sweep
from ravfeat.heads.checks import check_jobs, likeliest_at_best_scale, plain_settings
from ravfeat.heads.gram import Scaler
from ravfeat.heads.logreg import layer_sets
from ravfeat.heads.own_code import OwnCode
from ravfeat.heads.parallel import map_jobs
from ravfeat.heads.recipe import HeadRecipe
from ravfeat.numerics.parts import WHOLE, of_parts
from ravfeat.numerics.pooling import Statistic
from ravfeat.numerics.softmax import softmax
from ravfeat.plugins import running_brought
from ravfeat.schema import Part

__all__ = ["MOST_CANDIDATES", "ClassifierFactory", "ClassifierHead", "ClassifierModel"]

MOST_CANDIDATES = 100
"""Up to so many, single layers are candidates beside all of them."""

_LEAST = 1e-6
"""Least probability whose logarithm is taken; a forest gives many of 0."""

_ABSENT = 1e-5
"""Largest probability of a class without training rows."""

_ALONE = 1e-3
"""Largest difference of a probability that rounding may make."""

_SHOWN = 200
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


@dataclass(frozen=True)
class ClassifierFactory:
    """Makes classifiers.

    Attributes
    ----------
    make : callable
        Gives one.
    again : callable
        Gives another `make`, of code that keeps nothing of what the first was called for.
    grid : tuple of mapping
        Parameters of every candidate.
    plain : tuple of dict
        The same as a recipe holds them: numbers, texts, and descriptions of what is neither.
    scales_itself : bool
        Whether it is a Pipeline, which standardises by itself or means not to.
    seeded : bool
        Whether some part of it takes a seed.
    """

    make: Callable[[], Any]
    again: Callable[[], Callable[[], Any]]
    grid: tuple[Mapping[str, Any], ...]
    plain: tuple[dict[str, Any], ...]
    scales_itself: bool
    seeded: bool

    @classmethod
    def of(
        cls, make: Callable[[], Any], grid: Any, reference: str, again: Callable[[], Callable[[], Any]]
    ) -> "ClassifierFactory":
        """Make it from a grid as scikit-learn takes it, a dict of lists or a list of such; None for no grid.

        Raises
        ------
        PluginError
            For another grid, an entry that the classifier does not take, and two entries that look alike.
        """
        with running_brought(reference, "its grid was read"):
            entries = tuple(ParameterGrid({} if grid is None else grid))
        plain = tuple({str(name): _plain(value) for name, value in entry.items()} for entry in entries)
        if not entries or len({repr(sorted(entry.items())) for entry in plain}) < len(plain):
            raise PluginError(
                f"'{printable(reference)}' has a grid of {len(entries)} entries, expected one or more, of which no two"
                " look alike in a recipe; give other values, or name what tells them apart"
            )
        factory = cls(make, again, entries, plain, scales_itself=False, seeded=False)
        made = [factory.new(entry, 0, reference) for entry in entries]
        pipelines = {isinstance(estimator, Pipeline) for estimator in made}
        if len(pipelines) > 1:
            raise PluginError(
                f"'{printable(reference)}' is a Pipeline for a part of its grid; make it one for all of it"
            )
        seeded = any(seeds_of(estimator) for estimator in made)
        return cls(make, again, entries, plain, scales_itself=pipelines == {True}, seeded=seeded)

    def new(self, params: Mapping[str, Any], seed: int, reference: str) -> Any:
        """Make a classifier with these parameters; whatever is called ``random_state`` in it becomes the seed.

        It shares nothing with another: a function may give the same object every time, or one that holds a part of the
        last, and so may a grid. What that learned for one fold would be known in the next, which tests those rows.
        """
        with running_brought(reference, "being made with the parameters of its grid"):
            estimator = deepcopy(self.make())
            if params:
                estimator = estimator.set_params(**deepcopy(dict(params)))
            seeds = dict.fromkeys(seeds_of(estimator), seed)
            return estimator.set_params(**seeds) if seeds else estimator

    def for_job(self) -> "ClassifierFactory":
        """Give one for a single job, whose code knows nothing of other jobs: their rows may be those that it tests."""
        return replace(self, make=self.again())


@dataclass(frozen=True, kw_only=True)
class ClassifierHead(OwnCode):
    """A user's own classifier.

    Parameters
    ----------
    layers : tuple of int, optional
        Encoder layers to choose among; all by default.
    std : bool
        False leaves the mean as the only statistic.
    statistics : tuple of str
        Names out of `ravfeat.numerics.pooling.STATISTICS`.
    parts : tuple of {"whole", "active"}
        What of a clip is pooled; see `ravfeat.numerics.parts`.
    """

    kind: ClassVar[Literal["classifier", "network"]] = "classifier"
    factory: ClassVar[ClassifierFactory]

    layers: tuple[int, ...] | None = None
    std: bool = True
    statistics: Annotated[tuple[Statistic, ...], NotEmpty] = ("mean", "std")
    parts: Annotated[tuple[Part, ...], NotEmpty] = WHOLE

    @property
    def reading(self) -> Reading:
        """Pooled statistics."""
        return Reading(statistics=self._names)

    @property
    def _names(self) -> tuple[str, ...]:
        return of_parts(self.statistics if self.std else ("mean",), self.parts)

    def sweep(self, features: ClipFeatures, y: NDArray[np.int64], n_classes: int, jobs: Sequence[Job]) -> list[Sweep]:
        """Fit every candidate of every job, and let it score the validation rows.

        Raises
        ------
        HeadError
            If a job cannot be trained, has no validation rows, or the code is not at hand.
        PluginError
            Where the classifier fails, or gives what are no scores of these classes.
        """
        self.check_present()
        check_jobs(jobs, y, n_classes)
        if any(not len(job.val) for job in jobs):
            raise HeadError("choosing layers and parameters needs validation rows, got a job without any")
        sets = self._layer_sets(features)
        candidates = tuple(
            {"layers": [features.layers[position] for position in positions], "params": params}
            for positions in sets
            for params in self.factory.plain
        )
        read = sorted({position for positions in sets for position in positions})
        statistics = clip_statistics(features, self._names, layers=[features.layers[position] for position in read])
        within = [[read.index(position) for position in positions] for positions in sets]

        def score(job: Job) -> NDArray[np.float32]:
            scored, factory = [], self.factory.for_job()
            for positions in within:
                train, val, _ = self._inputs(statistics[:, positions], job, features.blocks)
                for params in factory.grid:
                    fitted = self._fitted(factory, train, y[job.train], job.seed, params)
                    scored.append(fitted.logits(val.copy(), n_classes))
                    if positions is within[0]:
                        fitted.check_alone(val, n_classes)
            return np.stack(scored)

        return [Sweep(candidates, logits) for logits in map_jobs(score, jobs, self.name)]

    def choose(self, sweeps: Sequence[Sweep], y_val: Sequence[NDArray[np.int64]]) -> int:
        """Pick the lowest NLL on the validation rows, each candidate at its best scale."""
        return likeliest_at_best_scale(sweeps, y_val)

    def fit(
        self,
        features: ClipFeatures,
        y: NDArray[np.int64],
        n_classes: int,
        jobs: Sequence[Job],
        chosen: Sequence[Mapping[str, Any]],
    ) -> list[Model]:
        """Fit every job with its chosen layers and parameters."""
        self.check_present()
        check_jobs(jobs, y, n_classes)
        used = sorted({layer for choice in chosen for layer in choice["layers"]})
        statistics = clip_statistics(features, self._names, layers=used)
        about = {"head": self.name, "settings": plain_settings(self), "n_classes": n_classes, **source_of(features)}

        def solve(task: tuple[Job, Mapping[str, Any]]) -> Model:
            job, choice = task
            places = [used.index(layer) for layer in choice["layers"]]
            train, _, scaler = self._inputs(statistics[:, places], job, features.blocks)
            fitted = self._fitted(self.factory.for_job(), train, y[job.train], job.seed, self._params(choice))
            recipe = about | {"chosen": dict(choice), "seed": job.seed, "layers": list(choice["layers"])}
            return ClassifierModel(fitted, scaler, self._names, recipe | {"brought": self.record()})

        return map_jobs(solve, list(zip(jobs, chosen, strict=True)), self.name)

    def array_kinds(self, recipe: HeadRecipe) -> dict[str, ArrayKind]:
        """Refuse: such models are not kept; see `ClassifierModel.arrays`."""
        raise HeadError(_UNSAVED.format(self.name))

    def restore(self, arrays: Mapping[str, NDArray[Any]], recipe: Mapping[str, Any]) -> Model:
        """Refuse: such models are not kept; see `ClassifierModel.arrays`."""
        raise HeadError(_UNSAVED.format(self.name))

    def _layer_sets(self, features: ClipFeatures) -> list[list[int]]:
        sets = layer_sets(features, self.layers)
        if len(sets) * len(self.factory.grid) <= MOST_CANDIDATES:
            return sets
        return [layer_positions(features, self.layers)]

    def _params(self, choice: Mapping[str, Any]) -> Mapping[str, Any]:
        if choice["params"] not in self.factory.plain:
            raise HeadError(f"the grid of '{self.name}' has no entry {choice['params']}")
        return self.factory.grid[self.factory.plain.index(choice["params"])]

    def _inputs(
        self, statistics: NDArray[np.float32], job: Job, blocks: tuple[int, ...]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], Scaler | None]:
        """Training rows (n, L * S * D), validation rows, and what standardised them."""
        scaler = None if self.factory.scales_itself else Scaler.of(statistics, job.train, blocks)
        return _rows(statistics[job.train], scaler), _rows(statistics[job.val], scaler), scaler

    def _fitted(
        self,
        factory: ClassifierFactory,
        rows: NDArray[np.float32],
        labels: NDArray[np.int64],
        seed: int,
        params: Mapping[str, Any],
    ) -> "_Fitted":
        """Fit one classifier; it gets copies, with which it may do what it likes."""
        reference = self.brought.reference
        estimator = factory.new(params, seed, reference)
        present, classes = np.unique(labels, return_inverse=True)  # 0 to k - 1, as some classifiers want them
        with running_brought(reference, "fitting"):
            estimator.fit(rows.copy(), classes.astype(np.int64))
        return _Fitted(estimator, present, reference)


_UNSAVED = (
    "a model of the head '{}' is a Python object of a user's own code, which could be kept as a pickle only: a run"
    " keeps its predictions, and no model that could be exported or restored"
)


@dataclass(frozen=True)
class _Fitted:
    """A fitted classifier.

    Attributes
    ----------
    estimator : object
    present : ndarray of int64
        Classes that it was trained on; it knows them as 0 to k - 1.
    reference : str
    """

    estimator: Any
    present: NDArray[np.int64]
    reference: str

    def logits(self, rows: NDArray[np.float32], n_classes: int) -> NDArray[np.float32]:
        """Score rows (m, L * S * D), to (m, K)."""
        if not len(rows):
            return np.zeros((0, n_classes), np.float32)
        scores = self._scores(rows)
        logits = np.empty((len(scores), n_classes), np.float32)
        # No more than the mean less this, so that a class that was never seen is never favoured.
        logits[:] = scores.mean(1, keepdims=True) + np.log(_ABSENT)
        logits[:, self.present] = scores
        return logits

    def check_alone(self, rows: NDArray[np.float32], n_classes: int) -> None:
        """Refuse a classifier that scores a clip otherwise beside others, or every time: it would learn from tests.

        Raises
        ------
        PluginError
        """
        half = (len(rows) + 1) // 2
        together, fewer = (softmax(self.logits(part.copy(), n_classes)) for part in (rows, rows[:half]))
        if half and np.abs(together[:half] - fewer).max() > _ALONE:
            raise PluginError(
                f"'{self.reference}' scores the same clip otherwise where other clips lie beside it, or every time it"
                " is asked; each clip is scored alone: use no statistics of the rows to score, and no random numbers"
                " but those of random_state"
            )

    def _scores(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Logits of the classes that are present, (m, k)."""
        with running_brought(self.reference, "scoring clips"):
            if has_probabilities := hasattr(self.estimator, "predict_proba"):
                scores = np.asarray(self.estimator.predict_proba(rows), np.float64)
            elif hasattr(self.estimator, "decision_function"):
                scores = np.asarray(self.estimator.decision_function(rows), np.float64)
            else:
                raise PluginError(
                    f"'{self.reference}' gives {type(self.estimator).__name__}, which has neither predict_proba nor"
                    " decision_function; give a classifier that has one"
                )
        self._check(scores, len(rows), has_probabilities=has_probabilities)
        if scores.ndim == 1:
            scores = np.stack([-scores / 2, scores / 2], axis=1)  # two classes: the difference is the distance
        return np.log(np.clip(scores, _LEAST, None)) if has_probabilities else scores

    def _check(self, scores: NDArray[np.float64], n_rows: int, *, has_probabilities: bool) -> None:
        name, k = ("predict_proba" if has_probabilities else "decision_function"), len(self.present)
        two = k == 2 and not has_probabilities
        if scores.shape != (n_rows, k) and not (two and scores.shape == (n_rows,)):
            raise PluginError(
                f"'{self.reference}': {name} gives an array of shape {scores.shape} for {n_rows} clips of {k} classes,"
                f" expected ({n_rows}, {k}): one column for each class"
            )
        if not np.isfinite(scores).all():
            raise PluginError(f"'{self.reference}': {name} gives numbers that are not finite")
        if has_probabilities and ((scores < 0).any() or (np.abs(scores.sum(1) - 1) > 1e-2).any()):
            raise PluginError(f"'{self.reference}': predict_proba gives what are no probabilities; rows must sum to 1")
        if k == 3 and not has_probabilities and _scores_pairs(self.estimator):  # three classes, and three pairs of them
            raise PluginError(f"'{self.reference}': decision_function_shape='ovo' scores pairs of classes; use 'ovr'")
        columns = getattr(self.estimator, "classes_", None)
        if columns is not None and not np.array_equal(columns, np.arange(k)):
            raise PluginError(
                f"'{self.reference}' names its classes {list(columns)!r:.60}, expected 0 to {k - 1}, which it was given"
            )


@dataclass(frozen=True)
class ClassifierModel:
    """A fitted classifier with what it reads.

    Attributes
    ----------
    fitted : _Fitted
    scaler : Scaler or None
    statistics : tuple of str
    recipe : dict
    """

    kept: ClassVar[bool] = False
    """Whether a run can write it to files."""

    fitted: _Fitted = field(repr=False)
    scaler: Scaler | None = field(repr=False)
    statistics: tuple[str, ...]
    recipe: dict[str, Any]

    def logits(self, features: ClipFeatures, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score clips; see `ravfeat.heads.base.Model`."""
        check_features(features, self.recipe)
        statistics = clip_statistics(select_clips(features, rows), self.statistics, layers=self.recipe["layers"])
        return self.fitted.logits(_rows(statistics, self.scaler), self.recipe["n_classes"])

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Refuse: what a classifier of any kind has learned is no set of arrays, and a pickle is code.

        Raises
        ------
        HeadError
        """
        raise HeadError(_UNSAVED.format(self.recipe["head"]))

    def attention(self, features: ClipFeatures, rows: NDArray[np.int64]) -> None:
        """None: all frames count alike."""
        return

    @property
    def layer_weights(self) -> None:
        """None: layers are chosen, not weighed."""
        return


def seeds_of(estimator: Any) -> list[str]:
    """List the parameters of an estimator, and of what it is made of, that take a seed."""
    return [name for name in _parameters(estimator) if name.rpartition("__")[2] == "random_state"]


def copies_of(estimator: Any) -> Callable[[], Any]:
    """Give what makes unfitted copies of an estimator."""
    return lambda: clone(estimator)


def _parameters(estimator: Any) -> list[str]:
    return list(estimator.get_params(deep=True)) if hasattr(estimator, "get_params") else []


def _scores_pairs(estimator: Any) -> bool:
    settings: Mapping[str, Any] = estimator.get_params(deep=True) if hasattr(estimator, "get_params") else {}
    shapes = [value for name, value in settings.items() if name.endswith("decision_function_shape")]
    return any(isinstance(shape, str) and shape == "ovo" for shape in shapes)


def _rows(statistics: NDArray[np.float32], scaler: Scaler | None) -> NDArray[np.float32]:
    """Flatten rows of (n, L, S, D), standardised where there is a scaler; always an array of its own."""
    if scaler is not None:
        return scaler.wide_rows(statistics, np.arange(len(statistics)))
    # Not -1: there may be no rows.
    return np.array(statistics.reshape(len(statistics), int(np.prod(statistics.shape[1:]))), np.float32)


def _plain(value: Any) -> Any:
    """Give what JSON can hold of a parameter: itself, or what it is called."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool | int | str) or (isinstance(value, float) and np.isfinite(value)):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    text = getattr(value, "__qualname__", None) or " ".join(repr(value).split())
    return printable(_ADDRESS.sub("", str(text)))[:_SHOWN]
