"""Extract several encoders of one stream in one run: choose their common source, build their requests."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ravfeat.cache.format import StoreRecipe
from ravfeat.encoders.base import Encoder
from ravfeat.errors import UsageError
from ravfeat.extract.request import Extraction, ExtractResult
from ravfeat.extract.run import extract_together
from ravfeat.faces.source import FaceOptions
from ravfeat.features.layers import parse_layers
from ravfeat.manifest import Manifest
from ravfeat.media.augment import CLEAN
from ravfeat.media.source import Source
from ravfeat.media.waveform_source import WaveformSource
from ravfeat.schema import Stream

__all__ = ["extract_stream", "source_of", "stream_requests"]


def source_of(stream: Stream, encoders: Sequence[Encoder[Any]], faces: FaceOptions, view: str = CLEAN) -> Source[Any]:
    """Make one source for all encoders of a stream.

    Parameters
    ----------
    stream : {"audio", "face"}
    encoders : sequence of Encoder
        Face encoders declare what they need of every picture: a box, landmarks, or both.
    faces : FaceOptions
    view : str
        View of the waveforms; see `ravfeat.media.augment`.

    Raises
    ------
    UsageError
        Where an option of crops is given and no encoder uses crops, or a view is given for faces.
    """
    if stream == "audio":
        return WaveformSource(view=view)
    if view != CLEAN:
        names = ", ".join(encoder.spec.name for encoder in encoders)
        raise UsageError(f"view '{view}' is a view of sound, and {names} looks at faces; views go with voices only")
    needs = {need for encoder in encoders for need in encoder.needs}  # type: ignore[attr-defined]
    if "detector" not in needs and (faces.cropped or faces.margin is not None):
        raise UsageError("--cropped and --crop-margin go with an encoder of crops; landmarks looks at whole pictures")
    return faces.source(boxes="detector" in needs, meshes="landmarker" in needs)


def stream_requests(
    manifest: Manifest,
    root: Path,
    encoders: Sequence[Encoder[Any]],
    *,
    faces: FaceOptions,
    recipe: StoreRecipe,
    layers: str | None = None,
    **options: Any,
) -> list[Extraction]:
    """Build the extractions of encoders of one stream, for `ravfeat.extract.extract_together`.

    Parameters
    ----------
    manifest : Manifest
    root : Path
        Folder that the manifest's paths are relative to.
    encoders : sequence of Encoder
        At least one, all of one stream.
    faces : FaceOptions
    recipe : StoreRecipe
        How the features of each encoder are stored; its ``layers`` are ignored.
    layers : str, optional
        Layers to store, such as ``6-12`` or ``0,9,24``, see `ravfeat.features.layers.parse_layers`; default all.
    **options
        Further fields of `ravfeat.extract.Extraction`.
    """
    source = source_of(encoders[0].spec.stream, encoders, faces, recipe.view)
    return [
        Extraction(
            manifest,
            root,
            encoder,
            replace(recipe, layers=parse_layers(layers, range(encoder.spec.n_layers))),
            source,
            **options,
        )
        for encoder in encoders
    ]


def extract_stream(
    manifest: Manifest, root: Path, encoders: Sequence[Encoder[Any]], out: Path, **options: Any
) -> list[ExtractResult]:
    """Extract the missing shards of encoders of one stream, reading every file once.

    Parameters
    ----------
    manifest, root, encoders, **options
        See `stream_requests`.
    out : Path
        Folder of all caches.
    """
    return extract_together(stream_requests(manifest, root, encoders, **options), out)
