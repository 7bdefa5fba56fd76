"""Encoder adapter for imported features: returns the imported rows, transformed, as hidden states."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.encoders.base import Batching, EncoderInput, EncoderSpec
from ravfeat.encoders.cuda import is_folder_name
from ravfeat.errors import UsageError
from ravfeat.importers.transforms import Transform
from ravfeat.schema import Stream

__all__ = ["ImportEncoder", "ImportedPiece", "states_shape"]


@dataclass(frozen=True)
class ImportedPiece:
    """Consecutive imported rows of one clip.

    Attributes
    ----------
    values : ndarray of shape (T, ...), float32
    times_s : ndarray of shape (T,), float64
    columns : mapping of str to ndarray of shape (T,), float32
    """

    values: NDArray[np.float32]
    times_s: NDArray[np.float64]
    columns: Mapping[str, NDArray[np.float32]]


def states_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """Map the shape of a row to (layers, dim).

    (L, D) is read as L layers; points, (P, 2) or (P, 3), and every other shape become one layer.

    Examples
    --------
    >>> states_shape((7,)), states_shape((68, 2)), states_shape((13, 768))
    ((1, 7), (1, 136), (13, 768))
    """
    # Two or three columns are coordinates, not layers of two or three dimensions.
    if len(shape) == 2 and shape[1] not in {2, 3}:
        return shape[0], shape[1]
    return 1, int(np.prod(shape))


class ImportEncoder:
    """Encoder whose features were computed by another program; see `ravfeat.encoders.base.Encoder`.

    Parameters
    ----------
    name : str
        Shown to the user, and part of the cache's folder name.
    stream : {"audio", "face"}
    digest : str
        Of the files' contents; takes the place of the weights' digest in the identity.
    shape : tuple of int
        Of one row.
    transform : Transform
    steps : tuple of str
        Names and versions of the other processing steps.
    fps : float
        Nominal row rate, to estimate the size of shards.
    files : sequence of str
        Names of the files without folders; provenance.

    Raises
    ------
    UsageError
        Where the name is not a valid folder name.
    """

    batching: Batching = "pieces"

    def __init__(
        self,
        name: str,
        *,
        stream: Stream,
        digest: str,
        shape: tuple[int, ...],
        transform: Transform,
        steps: tuple[str, ...],
        fps: float,
        files: Sequence[str],
    ) -> None:
        if not is_folder_name(name):
            raise UsageError(
                f"--name '{name}' becomes a part of the cache's folder: use letters, digits, '_', '-' and '.'"
            )
        layers, dim = states_shape(shape if transform.gives is None else transform.gives)
        self.spec = EncoderSpec(
            name=name,
            stream=stream,
            weights=digest,
            layer_convention="as imported/1",
            preprocessing=(*steps, transform.step),
            n_layers=layers,
            dim=dim,
            frame_rate_hz=fps,
        )
        self._transform = transform
        self._files = tuple(files)

    def prepare(self, piece: ImportedPiece) -> EncoderInput:
        """Wrap the rows; the source has already checked them."""
        return EncoderInput(piece.values, piece.times_s, piece.columns)

    def encode(self, batch: Sequence[EncoderInput]) -> list[NDArray[np.float32]]:
        """Transform the rows, (T, ...) -> (T, L, D)."""
        shape = self.spec.n_layers, self.spec.dim
        return [self._transform.apply(piece.values).reshape(piece.n_frames, *shape) for piece in batch]

    def provenance(self) -> dict[str, Any]:
        """Return the names of the imported files and the numpy version."""
        return {"device": "cpu", "numpy": np.__version__, "files": list(self._files)}
