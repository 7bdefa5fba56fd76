"""Per-frame transforms of imported rows: similarity, geometry, log-softmax, none. Nothing is trained."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import UsageError
from ravfeat.faces.geometry import GEOMETRY, GEOMETRY_NAMES, face_geometry, geometry_usable
from ravfeat.faces.similarity import EYES, SIMILARITY, eyes_apart, similarity_normalise

__all__ = ["TRANSFORMS", "Transform", "TransformName", "get_transform", "landmark_shaped", "probability_rows"]

TransformName = Literal["similarity", "geometry", "log-softmax", "none"]

_Floats = NDArray[np.float32]

_FLOOR = 1e-6  # keeps the logarithm of a probability of 0 finite
_SUM_TOLERANCE = 1e-3  # probabilities stored as float16 add up to 1 within 5e-4


@dataclass(frozen=True)
class Transform:
    """A per-frame transform.

    Attributes
    ----------
    name : {"similarity", "geometry", "log-softmax", "none"}
    step : str
        Name and version of the computation; part of the identity.
    fits : callable
        Whether rows of a shape can be transformed.
    expects : str
        Which rows fit, for messages.
    usable : callable
        For rows (T, ...): which of them can be transformed, (T,) bool.
    complaint : str
        Why the other rows are unusable, for messages.
    apply : callable
        Rows (T, ...), all usable → rows of the shape `gives`, float32.
    gives : tuple of int, optional
        Shape of a transformed row; None where it is that of the row.
    """

    name: TransformName
    step: str
    fits: Callable[[tuple[int, ...]], bool]
    expects: str
    usable: Callable[[NDArray[Any]], NDArray[np.bool_]]
    complaint: str
    apply: Callable[[_Floats], _Floats]
    gives: tuple[int, ...] | None = None


def landmark_shaped(shape: tuple[int, ...]) -> bool:
    """Whether a row of this shape is 68 or 478 points in two or three dimensions."""
    return len(shape) == 2 and shape[0] in EYES and shape[1] in {2, 3}


def probability_rows(values: NDArray[Any]) -> NDArray[np.bool_]:
    """Test which rows of (T, K) are probabilities: within [0, 1], with sum 1; returns (T,) bool."""
    wide = values.astype(np.float64)
    inside = ((wide >= 0) & (wide <= 1 + _SUM_TOLERANCE)).all(axis=1)
    return np.asarray(inside & (np.abs(wide.sum(axis=1) - 1) <= _SUM_TOLERANCE))


def _log_softmax(values: _Floats) -> _Floats:
    # Renormalised after the floor, so that the exponentials add up to 1 again. (T, K) -> (T, K)
    logs = np.log(np.maximum(values.astype(np.float64), _FLOOR))
    return np.asarray(logs - np.log(np.exp(logs).sum(axis=1, keepdims=True)), np.float32)


def _all_usable(values: NDArray[Any]) -> NDArray[np.bool_]:
    return np.ones(len(values), np.bool_)


_LANDMARKS = "68 or 478 points in two or three dimensions"
_EYES_TOGETHER = "the two eyes are in one place"

TRANSFORMS: Mapping[TransformName, Transform] = {
    "similarity": Transform(
        "similarity",
        SIMILARITY,
        landmark_shaped,
        _LANDMARKS,
        eyes_apart,
        _EYES_TOGETHER,
        lambda values: np.asarray(similarity_normalise(values), np.float32),
    ),
    "geometry": Transform(
        "geometry",
        GEOMETRY,
        landmark_shaped,
        _LANDMARKS,
        geometry_usable,
        _EYES_TOGETHER,
        face_geometry,
        gives=(len(GEOMETRY_NAMES),),
    ),
    "log-softmax": Transform(
        "log-softmax",
        f"log-softmax: ln(max(p, {_FLOOR:g})), exponentials adding up to 1/1",
        lambda shape: len(shape) == 1 and shape[0] >= 2,
        "at least two probabilities that add up to 1",
        probability_rows,
        f"they do not lie in [0, 1] and add up to 1 (within {_SUM_TOLERANCE:g})",
        _log_softmax,
    ),
    "none": Transform("none", "no transform/1", lambda _: True, "any numbers", _all_usable, "", lambda values: values),
}


def get_transform(name: str, shape: tuple[int, ...]) -> Transform:
    """Look up a transform and check that it fits rows of a shape.

    Raises
    ------
    UsageError
        Where no transform has this name, or it does not fit such rows.
    """
    transform = {str(key): value for key, value in TRANSFORMS.items()}.get(name)
    if transform is None:
        raise UsageError(f"no transform '{name}'; choose from auto, {', '.join(TRANSFORMS)}")
    if not transform.fits(shape):
        raise UsageError(
            f"--transform {name} takes rows of {transform.expects}, these have the shape {shape}; give --transform none"
        )
    return transform
