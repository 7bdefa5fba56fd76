"""Pictures with boxes and landmarks that a test makes up."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ravfeat.faces.base import Faces, Mesh

SIDE = 80


def faces_of(n: int, *, seed: int = 0, start_s: float = 0.0, side: int = SIDE) -> Faces:
    """Pictures of noise, each with a box somewhere in it; every third face was not found."""
    rng = np.random.default_rng(seed)
    corners = rng.uniform(5, 20, (n, 2))
    found = np.arange(n) % 3 != 1
    return Faces(
        pictures=tuple(rng.integers(0, 256, (n, side, side + 16, 3), np.uint8)),
        times_s=start_s + np.arange(n) / 25,
        boxes=np.concatenate([corners, corners + rng.uniform(30, 50, (n, 2))], axis=1).astype(np.float32),
        confidence=np.where(found, 0.9, 0).astype(np.float32),
        found=found,
        meshes=(),
        mesh_found=np.empty(0, np.bool_),
    )


def cropped_faces(pictures: NDArray[np.uint8]) -> Faces:
    """Square pictures that are faces already, (n, side, side, 3)."""
    n, side = pictures.shape[:2]
    return Faces(
        pictures=tuple(pictures),
        times_s=np.arange(n) / 25,
        boxes=np.tile(np.array([0, 0, side, side], np.float32), (n, 1)),
        confidence=np.ones(n, np.float32),
        found=np.ones(n, np.bool_),
        meshes=(),
        mesh_found=np.empty(0, np.bool_),
    )


def mesh_of(seed: int = 0) -> Mesh:
    """A cloud of points with its eyes apart."""
    rng = np.random.default_rng(seed)
    return Mesh(
        points=rng.uniform(0, 300, (478, 3)).astype(np.float32),
        blendshapes=rng.uniform(0, 1, 52).astype(np.float32),
        pose=np.eye(4, dtype=np.float32),
    )


def with_meshes(meshes: Sequence[Mesh | None], found: Sequence[bool]) -> Faces:
    """Pictures without boxes, one for each mesh."""
    n = len(meshes)
    return Faces(
        pictures=tuple(np.zeros((n, 8, 8, 3), np.uint8)),
        times_s=np.arange(n) / 25,
        boxes=np.empty((0, 4), np.float32),
        confidence=np.empty(0, np.float32),
        found=np.empty(0, np.bool_),
        meshes=tuple(meshes),
        mesh_found=np.array(found, np.bool_),
    )
