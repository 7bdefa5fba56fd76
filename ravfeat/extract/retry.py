"""Retry failed clips: read each once, for all encoders that failed on it, to find those that succeed now.

Nothing is written here. A shard is written again only if this finds that it would gain a clip.
"""

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from ravfeat.cache.format import StoreRecipe
from ravfeat.encoders.base import Encoder
from ravfeat.extract.decode import EncoderIndex, Event, PreparedPiece
from ravfeat.extract.encode import Read, encode_clip
from ravfeat.extract.reduce import ClipReducer
from ravfeat.manifest import Clip
from ravfeat.progress import track_progress

__all__ = ["retry_failed"]


def retry_failed(
    failed: Mapping[EncoderIndex, Sequence[str]],
    encoders: Mapping[EncoderIndex, tuple[Encoder[Any], StoreRecipe]],
    clips: Mapping[str, Clip],
    read: Read,
) -> dict[EncoderIndex, set[str]]:
    """Find the failed clips that can be stored now.

    Parameters
    ----------
    failed : mapping of int to sequence of str
        Ids of failed clips, by encoder.
    encoders : mapping of int to (Encoder, StoreRecipe)
    clips : mapping of str to Clip
        Planned clips of all caches, by ``clip_id``.
    read : callable
        Reads a clip for some encoders; see `ravfeat.extract.decode.read_clip`.

    Returns
    -------
    dict of int to set of str
        Clip ids, by encoder.
    """
    indices: dict[str, list[EncoderIndex]] = {}
    for index, clip_ids in failed.items():
        for clip_id in clip_ids:
            indices.setdefault(clip_id, []).append(index)
    recovered: dict[EncoderIndex, set[str]] = {index: set() for index in failed}

    def read_faces(trying: Mapping[EncoderIndex, Encoder[Any]], clip: Clip) -> Generator[Event, None, None]:
        with closing(read(trying, clip)) as events:
            yield from map(_without_faceless, events)

    for clip_id in track_progress(sorted(indices), desc="failed clips again", unit="clip", delay=1.0):
        trying = {index: encoders[index][0] for index in indices[clip_id]}
        reducers = {index: ClipReducer(encoders[index][1], encoder.spec.stream) for index, encoder in trying.items()}
        for index in encode_clip(clips[clip_id], read_faces, trying, reducers).results:
            recovered[index].add(clip_id)
    return recovered


def _without_faceless(event: Event) -> Event:
    """Drop pieces without a face, which take time to encode and cannot make a clip fail or succeed."""
    if not isinstance(event, PreparedPiece):
        return event
    with_face = {
        index: prepared
        for index, prepared in event.prepared.items()
        if "found" not in prepared.columns or prepared.columns["found"].any()
    }
    return replace(event, prepared=with_face)
