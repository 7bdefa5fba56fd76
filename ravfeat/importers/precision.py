"""Refuse an import whose columns float16 would flatten."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import ClipError, CorpusError, MediaError
from ravfeat.importers.encoder import ImportEncoder
from ravfeat.importers.source import ImportSource
from ravfeat.manifest import Manifest
from ravfeat.numerics.rounding import SAMPLE, describe_flattened, evenly, flattened_columns

__all__ = ["check_float16"]


def check_float16(
    where: Path, manifest: Manifest, source: ImportSource, encoder: ImportEncoder, names: Sequence[str] = ()
) -> None:
    """Compare a sample of the rows, as they would be stored, with the same in float16.

    Parameters
    ----------
    where : Path
        The imported file or folder.
    manifest : Manifest
    source, encoder
        Of the import.
    names : sequence of str
        Of the columns; where they are not one for each dimension, dimensions are named by their number.

    Raises
    ------
    CorpusError
        Naming the columns that would lose their values.
    """
    rows = _sample(where, manifest, source, encoder)
    if columns := flattened_columns(rows):
        layers, dim = encoder.spec.n_layers, encoder.spec.dim
        listed = names if len(names) == layers * dim else _numbered(layers, dim)
        text = describe_flattened(columns, [listed[column.column] for column in columns])
        raise CorpusError(f"{where}: float16 would lose most of what {text} say; store them with --dtype float32")


def _numbered(layers: int, dim: int) -> list[str]:
    return [
        f"dimension {at}" if layers == 1 else f"dimension {at} of layer {layer}"
        for layer in range(layers)
        for at in range(dim)
    ]


def _sample(where: Path, manifest: Manifest, source: ImportSource, encoder: ImportEncoder) -> NDArray[np.float32]:
    """Return some rows of some clips, evenly chosen, (N, L * D)."""
    clips = [clip for clip in manifest if clip.path]  # those without features have none
    chosen = [clips[at] for at in evenly(len(clips), SAMPLE)]
    per_clip = -(-SAMPLE // max(len(chosen), 1))
    width = encoder.spec.n_layers * encoder.spec.dim
    sample = [np.empty((0, width), np.float32)]
    for clip in chosen:
        try:
            pieces = [encoder.prepare(piece) for piece in source.read(clip, where)]
        except (ClipError, MediaError):
            continue  # the import says so of this clip
        states = np.concatenate(encoder.encode(pieces)).reshape(-1, width)
        sample.append(states[evenly(len(states), per_clip)])
    rows = np.concatenate(sample)
    return rows[np.isfinite(rows).all(axis=1)]
