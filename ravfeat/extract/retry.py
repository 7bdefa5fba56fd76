"""Clips that failed before: each is read once for all encoders that failed on it, to see who can store it now.

Nothing is written here. A shard is written again only where this finds that it would gain a clip.
"""

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from tqdm import tqdm

from ravfeat.cache.format import StoreRecipe
from ravfeat.encoders.base import Encoder, Prepared
from ravfeat.errors import ClipError
from ravfeat.extract.decode import ClipEnd, Event, Taker
from ravfeat.extract.reduce import ClipStore
from ravfeat.manifest import Clip

__all__ = ["Trial", "try_again"]

Read = Callable[[Mapping[Taker, Encoder[Any]], Clip], Generator[Event, None, None]]


@dataclass
class Trial:
    """Whether one clip can be stored now.

    Attributes
    ----------
    encoder : Encoder
    recipe : StoreRecipe
    """

    encoder: Encoder[Any]
    recipe: StoreRecipe
    _failed: bool = False
    _store: ClipStore = field(init=False)

    def __post_init__(self) -> None:
        self._store = ClipStore(self.recipe, self.encoder.spec.stream)

    def add(self, prepared: Prepared) -> None:
        """Encode the next piece; one without a face says nothing about the rest."""
        if self._failed or ("found" in prepared.columns and not prepared.columns["found"].any()):
            return
        try:
            states = self.encoder.encode([prepared])[0] if prepared.n_frames else None
            self._store.add(prepared, states)
        except (ClipError, MemoryError):
            self._failed = True

    def end(self, event: ClipEnd, taker: Taker) -> bool:
        """Say whether the clip can be stored."""
        if self._failed or event.recording is None or taker in event.reasons:
            return False
        try:
            self._store.finish()
        except (ClipError, MemoryError):
            return False
        return True


def try_again(
    failed: Mapping[Taker, Sequence[str]],
    trial: Callable[[Taker], Trial],
    clips: Mapping[str, Clip],
    read: Read,
) -> dict[Taker, set[str]]:
    """Find the failed clips that can be stored now.

    Parameters
    ----------
    failed : mapping of int to sequence of str
        Ids of failed clips, by the number of the encoder.
    trial : callable
        Gives a new trial for an encoder.
    clips : mapping of str to Clip
        What the caches plan, by ``clip_id``.
    read : callable
        Reads a clip for some encoders; see `ravfeat.extract.decode.read_clip`.

    Returns
    -------
    dict of int to set of str
    """
    takers: dict[str, list[Taker]] = {}
    for taker, clip_ids in failed.items():
        for clip_id in clip_ids:
            takers.setdefault(clip_id, []).append(taker)
    mended: dict[Taker, set[str]] = {taker: set() for taker in failed}
    for clip_id in tqdm(sorted(takers), desc="failed clips again", unit="clip", delay=1.0, disable=None):
        trials = {taker: trial(taker) for taker in takers[clip_id]}
        with closing(read({taker: one.encoder for taker, one in trials.items()}, clips[clip_id])) as events:
            for event in events:
                if isinstance(event, ClipEnd):
                    for taker, one in trials.items():
                        if one.end(event, taker):
                            mended[taker].add(clip_id)
                else:
                    for taker, prepared in event.prepared.items():
                        trials[taker].add(prepared)
    return mended
