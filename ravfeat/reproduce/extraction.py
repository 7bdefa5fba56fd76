"""Features that no cache holds yet: extracted once, or the reason why they cannot be.

Offers
------
Wish, wishes_of, make_caches.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ravfeat.cache.format import StoreRecipe
from ravfeat.corpora import data_root, load_corpus
from ravfeat.encoders.registry import load_encoder, stream_of
from ravfeat.errors import RavfeatError
from ravfeat.extract.streams import extract_stream
from ravfeat.faces.source import FaceOptions
from ravfeat.reproduce.materials import PUBLISHED, Materials
from ravfeat.reproduce.options import StudyOptions
from ravfeat.schema import Stream

__all__ = ["GIGABYTES", "Wish", "make_caches", "wishes_of"]

GIGABYTES: Mapping[str, float] = {
    "wavlm-large": 13.6,
    "hubert-base": 5.3,
    "facial-emotions": 0.25,
    "mobilenet-v2": 0.42,
    "landmarks": 0.5,
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


def make_caches(wishes: list[Wish], options: StudyOptions) -> dict[str, str]:
    """Extract what can be, file by file once for all encoders of a stream.

    Returns
    -------
    dict of str to str
        Why roles could not be extracted.
    """
    reasons: dict[str, str] = {}
    for wish in wishes:
        try:
            _extract(wish, options)
        except RavfeatError as error:  # the study goes on without it, and says so in its rows
            reasons[wish.role] = f"no cache of {wish.encoder}, and none can be made: {error}"
    return reasons


def _extract(wish: Wish, options: StudyOptions) -> None:
    data: Path | None = options.data
    stream: Stream = stream_of(wish.encoder)
    manifest = load_corpus("ravdess", data, stream=stream)
    faces = FaceOptions(models=options.models) if stream == "face" else FaceOptions()
    encoder = load_encoder(wish.encoder, options.device, faces=faces)
    root = data_root("ravdess", data)
    extract_stream(manifest, root, [encoder], options.home, faces=faces, recipe=StoreRecipe())
