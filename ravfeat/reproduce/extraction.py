"""Extract the features of a study that no cache holds yet, or give the reason why they cannot be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ravfeat.cache.format import StoreRecipe
from ravfeat.corpora import data_root, load_corpus
from ravfeat.encoders.base import Encoder
from ravfeat.encoders.registry import load_encoder, stream_of
from ravfeat.errors import RavfeatError
from ravfeat.extract.streams import extract_stream
from ravfeat.faces.source import FaceOptions
from ravfeat.manifest import Manifest
from ravfeat.reproduce.caches import PUBLISHED, Materials
from ravfeat.reproduce.options import StudyOptions
from ravfeat.schema import Stream

__all__ = ["GIGABYTES", "Wish", "make_caches", "wishes_of"]

GIGABYTES: Mapping[str, float] = {
    "wavlm-large": 13.6,
    "hubert-base": 5.3,
    "facial-emotions": 0.25,
    "mobilenet-v2": 0.42,
    "landmarks": 0.5,
    "face-geometry": 0.02,
}
"""Of all 1440 clips, every frame and layer, float16."""


@dataclass(frozen=True)
class Wish:
    """An encoder whose features would answer a row.

    Attributes
    ----------
    role : str
    encoder : str
        As ``ravfeat extract --encoder`` takes it.
    """

    role: str
    encoder: str


def wishes_of(materials: Materials, options: StudyOptions) -> list[Wish]:
    """Say what could be extracted: published encoders without a cache, and the one that stands in."""
    if options.data is None:
        return []
    wishes = [Wish(role, PUBLISHED[role]) for role in materials.missing]
    if options.encoder is not None and materials.voice("wavlm") is None:
        wishes.append(Wish("voice", options.encoder))
    return wishes


def make_caches(wishes: Sequence[Wish], options: StudyOptions) -> dict[str, str]:
    """Extract what can be, reading every file once for all encoders of a stream.

    Returns
    -------
    dict of str to str
        Why roles could not be extracted; the study goes on without them, and says so in its rows.
    """
    reasons: dict[str, str] = {}
    streams: dict[Stream, list[Wish]] = {}
    for wish in wishes:
        try:
            streams.setdefault(stream_of(wish.encoder), []).append(wish)
        except RavfeatError as error:
            reasons[wish.role] = _reason(wish, error)
    for stream, stream_wishes in streams.items():
        try:
            # The recordings first: without them nobody should wait for an encoder of a gigabyte.
            manifest = load_corpus("ravdess", options.data, stream=stream)
            reasons |= _extract(stream, stream_wishes, manifest, options)
        except RavfeatError as error:
            reasons |= {wish.role: _reason(wish, error) for wish in stream_wishes}
    return reasons


def _reason(wish: Wish, error: RavfeatError) -> str:
    return f"no cache of {wish.encoder}, and none can be made: {error}"


def _extract(stream: Stream, wishes: Sequence[Wish], manifest: Manifest, options: StudyOptions) -> dict[str, str]:
    reasons: dict[str, str] = {}
    faces = FaceOptions(models=options.models) if stream == "face" else FaceOptions()
    encoders: list[Encoder[Any]] = []
    for wish in wishes:
        try:
            encoders.append(load_encoder(wish.encoder, options.device, faces=faces))
        except RavfeatError as error:
            reasons[wish.role] = _reason(wish, error)
    if encoders:
        root = data_root("ravdess", options.data)
        extract_stream(manifest, root, encoders, options.home, faces=faces, recipe=StoreRecipe())
    return reasons
