"""RBF kernel ridge on a voice and its face at once, which learns from pairs of voice and face that nobody recorded.

The distance of two clips is a mean of the distance of their voices and that of their faces, each as in
`ravfeat.heads.block_kernel`. Beside every clip with its own face, training sees its voice, or a view of it, with the
face of other training clips of the same class: what two people show when they mean the same. Such pairs keep the
kernel from knowing 20 people by how their voice and face go together. Only the recorded pairs are centres; see
`ravfeat.heads.subset_ridge`. Validation and test clips have their own voice and face, always.

Conventions
-----------
Axes: N rows of features, n training rows, m centres, L layers, S statistics, D dimensions, K classes. Arrays of cache c
are named ``c.NAME``: the voice is 0, faces follow.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypedDict

from ravfeat.documents import Count, NotEmpty, Positive, Share, check_value
from ravfeat.errors import HeadError
from ravfeat.features.clips import ClipFeatures, Reading
from ravfeat.features.statistics import (
    FACE_MOTION_STATISTICS,
    check_features,
    clip_statistics,
    layer_positions,
    select_clips,
    source_of,
)
from ravfeat.heads.arrays import ArrayKind
from ravfeat.heads.base import Job, Model, Sweep
from ravfeat.heads.block_kernel import block_distances, centres_of
from ravfeat.heads.checks import check_jobs, likeliest, plain_settings
from ravfeat.heads.gram import Scaler
from ravfeat.heads.kernel_ridge import squared_distances
from ravfeat.heads.parallel import map_jobs
from ravfeat.heads.recipe import HeadRecipe, Layers, check_recipe
from ravfeat.heads.subset_ridge import SubsetRidge
from ravfeat.numerics.parts import WHOLE, of_parts
from ravfeat.numerics.pooling import Statistic
from ravfeat.schema import Part

__all__ = ["JointKernelHead", "JointKernelModel"]

Rows = NDArray[np.int64]
Floats = NDArray[np.float32]

_SCORED_AT_ONCE = 256
"""Clips whose kernel rows are held at once."""


class _Choice(TypedDict):
    share: Share
    gamma: Positive
    alpha: Positive


@dataclass(frozen=True, kw_only=True)
class JointKernelHead:
    """Kernel ridge on one voice and one or more caches of its face.

    Parameters
    ----------
    layers : tuple of int, optional
        Of the voice; by default all that were read but layer 0.
    std : bool
        False leaves the mean as the only statistic of the voice.
    statistics, face_statistics : tuple of str
        Names out of `ravfeat.numerics.pooling.STATISTICS`, of the voice and of the face.
    parts : tuple of {"whole", "active"}
        What of the voice is pooled.
    pairs : int
        Rows of every clip that pair its voice with another clip's face; its views take turns in them.
    shares : tuple of float
        Weights of the voice in the distance to choose among; caches of the face share the rest equally.
    gammas, alphas : tuple of float
        Kernel widths, relative to the mean distance, and ridge strengths to choose among.
    """

    name: ClassVar[str] = "joint-kernel"
    seeded: ClassVar[bool] = True
    several_streams: ClassVar[bool] = True
    stream: ClassVar[str] = "av"
    streams: ClassVar[tuple[str, ...]] = ("audio", "face")
    reads_views: ClassVar[bool] = True
    several_of_last: ClassVar[bool] = True

    layers: tuple[int, ...] | None = None
    std: bool = True
    statistics: Annotated[tuple[Statistic, ...], NotEmpty] = ("mean", "std", "min", "max", "speed")
    face_statistics: Annotated[tuple[Statistic, ...], NotEmpty] = FACE_MOTION_STATISTICS
    parts: Annotated[tuple[Part, ...], NotEmpty] = WHOLE
    pairs: Count = 4
    shares: Annotated[tuple[Share, ...], NotEmpty] = (0.6,)
    gammas: Annotated[tuple[Positive, ...], NotEmpty] = (0.5, 0.7)
    alphas: Annotated[tuple[Positive, ...], NotEmpty] = (0.03, 0.1)

    @property
    def reading(self) -> Reading:
        """Pooled statistics of the voice, and those of its face."""
        return Reading(statistics=self._of_voice, also=(Reading(statistics=self.face_statistics),))

    def sweep(self, features: ClipFeatures, y: Rows, n_classes: int, jobs: Sequence[Job]) -> list[Sweep]:
        """Score every share, gamma and alpha.

        Raises
        ------
        HeadError
            If a job cannot be trained, or has no validation rows.
        """
        check_jobs(jobs, y, n_classes)
        if any(not len(job.val) for job in jobs):
            raise HeadError("choosing share, gamma and alpha needs validation rows, got a job without any")
        candidates = tuple(
            {"share": share, "gamma": gamma, "alpha": alpha}
            for share, gamma, alpha in product(self.shares, self.gammas, self.alphas)
        )
        streams = self._statistics(features, self._voice_layers(features))
        groups = _same_rows(jobs)
        scored = map_jobs(
            lambda group: self._score(streams, y, n_classes, [jobs[index] for index in group]), groups, self.name
        )
        sweeps = {
            index: Sweep(candidates, logits)
            for group, of_group in zip(groups, scored, strict=True)
            for index, logits in zip(group, of_group, strict=True)
        }
        return [sweeps[index] for index in range(len(jobs))]

    def choose(self, sweeps: Sequence[Sweep], y_val: Sequence[Rows]) -> int:
        """Pick the lowest NLL on the validation rows; see `ravfeat.heads.checks.likeliest`."""
        return likeliest(sweeps, y_val)

    def fit(
        self, features: ClipFeatures, y: Rows, n_classes: int, jobs: Sequence[Job], chosen: Sequence[Mapping[str, Any]]
    ) -> list[Model]:
        """Solve every job with its chosen share, gamma and alpha."""
        check_jobs(jobs, y, n_classes)
        layers = self._voice_layers(features)
        streams = self._statistics(features, layers)
        models: dict[int, Model] = {}
        for group in _same_rows(jobs):
            distances = _Distances(streams, jobs[group[0]])
            rows = tuple(distances.stored())
            for index in group:
                job, choice = jobs[index], chosen[index]
                ridge = distances.ridge(_paired(job, y, self.pairs), y, n_classes, choice["share"], choice["gamma"])
                recipe = {
                    "head": self.name,
                    "settings": plain_settings(self),
                    "chosen": dict(choice),
                    "seed": job.seed,
                    "n_classes": n_classes,
                    "layers": layers,
                    **source_of(features),
                }
                dual = ridge.dual(choice["alpha"]).astype(np.float32)
                models[index] = JointKernelModel(distances.scalers, rows, dual, recipe, self)
        return [models[index] for index in range(len(jobs))]

    def array_kinds(self, recipe: HeadRecipe) -> dict[str, ArrayKind]:
        """Scales and centres of every cache, and dual coefficients; see `ravfeat.heads.base.Head`."""
        check_recipe(recipe, concatenated=False, several_streams=True)
        check_value(recipe["chosen"], _Choice, "chosen", HeadError, f"a {self.name} chooses share, gamma and alpha")
        if "also_dims" not in recipe:
            raise HeadError(f"also_dims is missing: the head '{self.name}' reads a voice and a face")
        kinds = {"dual": ArrayKind(("clips", recipe["n_classes"]))}
        streams: list[tuple[Layers, int]] = [(recipe["layers"], recipe["dim"])]
        streams += zip(recipe["also_layers"], recipe["also_dims"], strict=True)
        for number, (layers, dim) in enumerate(streams):
            shape = (len(layers), len(self._names(number)), dim)
            kinds |= {
                f"{number}.mean": ArrayKind(shape),
                f"{number}.std": ArrayKind(shape, positive=True),
                f"{number}.rows": ArrayKind(("clips", int(np.prod(shape))), "float16"),
            }
        return kinds

    def restore(self, arrays: Mapping[str, NDArray[Any]], recipe: Mapping[str, Any]) -> Model:
        """Rebuild a model from what `JointKernelModel.arrays` and `JointKernelModel.recipe` gave."""
        numbers = range(1 + len(recipe["also_dims"]))
        scalers = [Scaler(np.asarray(arrays[f"{n}.mean"]), np.asarray(arrays[f"{n}.std"])) for n in numbers]
        rows = [np.asarray(arrays[f"{n}.rows"]) for n in numbers]
        return JointKernelModel(tuple(scalers), tuple(rows), np.asarray(arrays["dual"]), dict(recipe), self)

    @property
    def _of_voice(self) -> tuple[str, ...]:
        return of_parts(self.statistics if self.std else ("mean",), self.parts)

    def _names(self, number: int) -> tuple[str, ...]:
        return self.face_statistics if number else self._of_voice

    def _voice_layers(self, features: ClipFeatures) -> list[int]:
        if self.layers is not None:
            layer_positions(features, self.layers)  # refuses those that there are not
            return list(self.layers)
        return [layer for layer in features.layers if layer > 0] or list(features.layers)

    def _statistics(self, features: ClipFeatures, layers: Sequence[int]) -> list[Floats]:
        """Statistics of every cache, each of shape (N, L, S, D)."""
        if not features.also:
            raise HeadError(f"the head '{self.name}' reads a voice and a face, these features are of one cache")
        voice = clip_statistics(replace(features, also=()), self._of_voice, layers=layers)
        return [voice, *(clip_statistics(stream, self.face_statistics) for stream in features.also)]

    def _score(self, streams: Sequence[Floats], y: Rows, n_classes: int, jobs: Sequence[Job]) -> list[Floats]:
        """Score jobs that differ in their seed alone."""
        distances = _Distances(streams, jobs[0])
        voices, faces = distances.of(jobs[0].val)
        scored: list[list[NDArray[np.float64]]] = [[] for _ in jobs]
        for share, gamma in product(self.shares, self.gammas):
            kernel = _kernel(voices, faces, share, gamma)
            for of_job, job in zip(scored, jobs, strict=True):
                ridge = distances.ridge(_paired(job, y, self.pairs), y, n_classes, share, gamma)
                of_job += [kernel @ ridge.dual(alpha) for alpha in self.alphas]
        return [np.stack(of_job).astype(np.float32) for of_job in scored]


class _Distances:
    """Distances to the centres of a job, of the voice and of the face; the same for every seed and every pair.

    Attributes
    ----------
    scalers : tuple of Scaler
        Of every cache, over its training rows.
    """

    def __init__(self, streams: Sequence[Floats], job: Job) -> None:
        self._streams, self._job, self._centres = streams, job, centres_of(job)
        # Views are of the voice alone: faces are scaled by the clips.
        self.scalers = tuple(
            Scaler.of(statistics, self._centres if number else job.train) for number, statistics in enumerate(streams)
        )
        self._voices = block_distances(streams[0], self.scalers[0], job.train, self._centres)
        self._faces = self._of_faces(self._centres)

    def of(self, rows: Rows) -> tuple[Floats, Floats]:
        """Distances of rows, each with its own voice and face, to the centres: shape (len(rows), m) each."""
        return block_distances(self._streams[0], self.scalers[0], rows, self._centres), self._of_faces(rows)

    def ridge(self, pairs: tuple[Rows, Rows, Rows], y: Rows, n_classes: int, share: float, gamma: float) -> SubsetRidge:
        """Set up the regression of pairs of voice and face; see `_paired`."""
        voices, faces, clips = pairs
        kernel = _kernel(
            self._voices[_places(voices, self._job.train)], self._faces[_places(faces, self._centres)], share, gamma
        )
        # The first pairs are the centres themselves.
        return SubsetRidge(kernel, kernel[: len(self._centres)], y[voices], n_classes, clips)

    def stored(self) -> Iterator[NDArray[np.float16]]:
        """Give the centres of every cache as a model keeps them."""
        for statistics, scaler in zip(self._streams, self.scalers, strict=True):
            yield scaler.wide_rows(statistics, self._centres).astype(np.float16)

    def _of_faces(self, rows: Rows) -> Floats:
        faces = [
            block_distances(statistics, scaler, rows, self._centres)
            for statistics, scaler in zip(self._streams[1:], self.scalers[1:], strict=True)
        ]
        return np.asarray(sum(faces) / np.float32(len(faces)), np.float32)


def _same_rows(jobs: Sequence[Job]) -> list[list[int]]:
    """Group jobs that train and score the same rows: they differ in their seed."""
    groups: dict[tuple[bytes, bytes], list[int]] = {}
    for index, job in enumerate(jobs):
        groups.setdefault((job.train.tobytes(), job.val.tobytes()), []).append(index)
    return list(groups.values())


def _places(rows: Rows, among: Rows) -> Rows:
    """Say where rows are in an array that holds each of them once."""
    order = np.argsort(among)
    return np.asarray(order[np.searchsorted(among[order], rows)], np.int64)


@dataclass(frozen=True)
class JointKernelModel:
    """A solved joint kernel.

    Attributes
    ----------
    scalers : tuple of Scaler
        Of every cache.
    rows : tuple of ndarray of shape (m, L * S * D), float16
        Standardised statistics of the centres, of every cache.
    dual : ndarray of shape (m, K), float32
    recipe : dict
    head : JointKernelHead
    """

    scalers: tuple[Scaler, ...]
    rows: tuple[NDArray[np.float16], ...]
    dual: Floats
    recipe: dict[str, Any]
    head: JointKernelHead

    def logits(self, features: ClipFeatures, rows: Rows) -> Floats:
        """Score clips; see `ravfeat.heads.base.Model`."""
        check_features(features, self.recipe)
        chosen = self.recipe["chosen"]
        scored = [np.zeros((0, self.dual.shape[1]), np.float32)]
        for start in range(0, len(rows), _SCORED_AT_ONCE):
            clips = select_clips(features, rows[start : start + _SCORED_AT_ONCE])
            streams = self.head._statistics(clips, self.recipe["layers"])
            voice, *faces = (self._apart(number, statistics) for number, statistics in enumerate(streams))
            face = np.asarray(sum(faces) / np.float32(len(faces)), np.float32)
            scored.append(_kernel(voice, face, chosen["share"], chosen["gamma"]) @ self.dual)
        return np.concatenate(scored).astype(np.float32)

    def _apart(self, number: int, statistics: Floats) -> Floats:
        z = self.scalers[number].wide_rows(statistics, np.arange(len(statistics)))
        return np.asarray(squared_distances(z, self.rows[number]) / np.float32(2 * z.shape[1]))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Scales and centres of every cache, and dual coefficients."""
        arrays: dict[str, NDArray[Any]] = {"dual": self.dual}
        for number, (scaler, rows) in enumerate(zip(self.scalers, self.rows, strict=True)):
            arrays |= {f"{number}.mean": scaler.mean, f"{number}.std": scaler.std, f"{number}.rows": rows}
        return arrays

    def attention(self, features: ClipFeatures, rows: Rows) -> None:
        """None: all frames count alike."""
        return

    @property
    def layer_weights(self) -> None:
        """None: all layers count alike."""
        return


def _kernel(voices: Floats, faces: Floats, share: float, gamma: float) -> Floats:
    return np.asarray(np.exp(-gamma * (share * voices + (1 - share) * faces)), np.float32)


def _paired(job: Job, y: Rows, pairs: int) -> tuple[Rows, Rows, Rows]:
    """Pair voices with faces: every clip with its own, then `pairs` times with that of any training clip of its class.

    Returns
    -------
    voices, faces : ndarray of int64
        Rows of features.
    clips : ndarray of int64
        Of the voices.
    """
    clips = centres_of(job)
    views = job.train if job.clips is None else job.train[job.clips != job.train]
    origin = views if job.clips is None else job.clips[job.clips != job.train]
    order = np.argsort(origin, kind="stable")
    starts = np.searchsorted(origin[order], clips)
    counts = np.searchsorted(origin[order], clips, side="right") - starts
    rng = np.random.default_rng(job.seed)
    voices, faces = [clips], [clips]
    for number in range(pairs):
        # A clip without views speaks for itself.
        turn = np.minimum(starts + number % np.maximum(counts, 1), max(0, len(order) - 1))
        voices.append(np.where(counts > 0, views[order[turn]] if len(order) else clips, clips))
        partners = np.empty_like(clips)
        for label in np.unique(y[clips]):
            members = np.flatnonzero(y[clips] == label)
            partners[members] = clips[rng.choice(members, len(members))]
        faces.append(partners)
    return np.concatenate(voices), np.concatenate(faces), np.tile(clips, 1 + pairs)
