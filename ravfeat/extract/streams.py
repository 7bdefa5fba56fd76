"""Extract several encoders, and several views, of one stream in one run: their common source, their requests."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from ravfeat.cache.format import StoreRecipe
from ravfeat.encoders.base import Encoder
from ravfeat.errors import UsageError
from ravfeat.extract.request import Extraction, ExtractResult
from ravfeat.extract.run import extract_together
from ravfeat.faces.source import FaceOptions
from ravfeat.features.layers import parse_layers
from ravfeat.manifest import Manifest
from ravfeat.media.source import Source
from ravfeat.media.waveform_source import WaveformSource
from ravfeat.schema import Stream

__all__ = ["extract_stream", "source_of", "stream_requests"]


def source_of(stream: Stream, encoders: Sequence[Encoder[Any]], faces: FaceOptions) -> Source[Any]:
    """Make one source for all encoders of a stream.

    Parameters
    ----------
    stream : {"audio", "face"}
    encoders : sequence of Encoder
        Face encoders declare what they need of every picture: a box, landmarks, or both.
    faces : FaceOptions

    Raises
    ------
    UsageError
        Where an option of crops is given and no encoder uses crops.
    """
    if stream == "audio":
        return WaveformSource()
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
    dtype: Literal["float16", "float32"] | None = None,
    views: Sequence[str] = (),
    **options: Any,
) -> list[Extraction]:
    """Build the extractions of encoders of one stream, for `ravfeat.extract.extract_together`: view by view of each.

    Parameters
    ----------
    manifest : Manifest
    root : Path
        Folder that the manifest's paths are relative to.
    encoders : sequence of Encoder
        At least one, all of one stream.
    faces : FaceOptions
    recipe : StoreRecipe
        How the features of each encoder are stored; its ``layers`` and ``dtype`` are ignored.
    layers : str, optional
        Layers to store, such as ``6-12`` or ``0,9,24``, see `ravfeat.features.layers.parse_layers`; default all.
    dtype : {"float16", "float32"}, optional
        By default what each encoder asks for, which mostly is float16.
    views : sequence of str
        Names of views, each of which gets a cache of its own; see `ravfeat.media.augment`. Default that of the recipe.
    **options
        Further fields of `ravfeat.extract.Extraction`.

    Raises
    ------
    UsageError
        Where a view is named twice, or is not one, or the encoders look at faces.
    """
    source = source_of(encoders[0].spec.stream, encoders, faces)
    views = tuple(views) or (recipe.view,)
    if twice := [view for number, view in enumerate(views) if view in views[:number]]:
        raise UsageError(f"the view '{twice[0]}' is named twice; name every --view once")
    return [
        Extraction(
            manifest,
            root,
            encoder,
            replace(
                recipe,
                layers=parse_layers(layers, range(encoder.spec.n_layers)),
                dtype=dtype or encoder.spec.dtype,
                view=view,
            ),
            source,
            **options,
        )
        for encoder in encoders
        for view in views
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
