"""Retry failed clips: read each once, for all encoders that failed on it, to find those that succeed now.

Nothing is written here. A shard is written again only if this finds that it would gain a clip.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from ravfeat.cache.format import StoreRecipe
from ravfeat.encoders.base import Encoder, EncoderInput
from ravfeat.errors import ClipError
from ravfeat.extract.decode import ClipEnd, EncoderIndex, Event
from ravfeat.extract.reduce import ClipReducer
from ravfeat.manifest import Clip
from ravfeat.progress import track_progress

__all__ = ["StoreTrial", "retry_failed"]

Read = Callable[[Mapping[EncoderIndex, Encoder[Any]], Clip], Generator[Event, None, None]]


@dataclass
class StoreTrial:
    """Trial whether one clip can be stored now.

    Attributes
    ----------
    encoder : Encoder
    recipe : StoreRecipe
    """

    encoder: Encoder[Any]
    recipe: StoreRecipe
    _failed: bool = False
    _store: ClipReducer = field(init=False)

    def __post_init__(self) -> None:
        self._store = ClipReducer(self.recipe, self.encoder.spec.stream)

    def add(self, prepared: EncoderInput) -> None:
        """Encode the next piece; skip pieces without a face, which cost time and cannot fail the clip."""
        if self._failed or ("found" in prepared.columns and not prepared.columns["found"].any()):
            return
        try:
            states = self.encoder.encode([prepared])[0] if prepared.n_frames else None
            self._store.add(prepared, states)
        except (ClipError, MemoryError):
            self._failed = True

    def end(self, event: ClipEnd, index: EncoderIndex) -> bool:
        """Finish the trial; return whether the clip can be stored."""
        if self._failed or event.recording is None or index in event.reasons:
            return False
        try:
            self._store.finish()
        except (ClipError, MemoryError):
            return False
        return True


def retry_failed(
    failed: Mapping[EncoderIndex, Sequence[str]],
    trial: Callable[[EncoderIndex], StoreTrial],
    clips: Mapping[str, Clip],
    read: Read,
) -> dict[EncoderIndex, set[str]]:
    """Find the failed clips that can be stored now.

    Parameters
    ----------
    failed : mapping of int to sequence of str
        Ids of failed clips, by encoder.
    trial : callable
        Makes a new trial for an encoder.
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
    for clip_id in track_progress(sorted(indices), desc="failed clips again", unit="clip", delay=1.0):
        trials = {index: trial(index) for index in indices[clip_id]}
        with closing(read({index: attempt.encoder for index, attempt in trials.items()}, clips[clip_id])) as events:
            for event in events:
                if isinstance(event, ClipEnd):
                    for index, attempt in trials.items():
                        if attempt.end(event, index):
                            recovered[index].add(clip_id)
                else:
                    for index, prepared in event.prepared.items():
                        trials[index].add(prepared)
    return recovered
