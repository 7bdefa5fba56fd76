"""Collect the clips of one shard, in any order, until all are stored or have failed."""

from collections.abc import Collection, Mapping
from typing import Any

from ravfeat.cache.format import ClipRecord, FailedClip, ShardContent, StoreRecipe
from ravfeat.encoders.base import EncoderSpec
from ravfeat.extract.reduce import StoredClip
from ravfeat.manifest import Clip
from ravfeat.media.source import Recording

__all__ = ["RestoredClip", "ShardBuilder"]

RestoredClip = tuple[Recording, StoredClip]
"""A clip that an interrupted run has encoded."""


class ShardBuilder:
    """Contents of one shard before it is written.

    Parameters
    ----------
    number : int
    clips : tuple of Clip
        Planned clips of the shard, sorted by id.
    spec : EncoderSpec
    recipe : StoreRecipe
    """

    def __init__(self, number: int, clips: tuple[Clip, ...], spec: EncoderSpec, recipe: StoreRecipe) -> None:
        self.number = number
        self.clips = clips
        self._spec = spec
        self._recipe = recipe
        self._stored: dict[str, RestoredClip] = {}
        self._failed: dict[str, tuple[str, str]] = {}
        self._in_parts: set[str] = set()
        self._n_parts = 0

    def restore(self, clips: Mapping[str, RestoredClip], n_parts: int) -> None:
        """Take over clips from the parts that an interrupted run left."""
        self._stored |= clips
        self._in_parts |= clips.keys()
        self._n_parts = n_parts

    def add(self, clip: Clip, recording: Recording, stored: StoredClip) -> None:
        """Add one encoded clip."""
        self._stored[clip.clip_id] = recording, stored

    def fail(self, clip: Clip, stage: str, reason: str) -> None:
        """Record why a clip cannot be stored; the first reason counts."""
        # A restored clip is encoded once more where its batch lacks another clip; what is stored is not lost by it.
        if clip.clip_id not in self._stored:
            self._failed.setdefault(clip.clip_id, (stage, reason))

    def has_failed(self, clip: Clip) -> bool:
        """Whether a clip cannot be stored."""
        return clip.clip_id in self._failed

    @property
    def n_frames(self) -> int:
        """Number of encoder frames of the stored clips."""
        return sum(stored.n_frames for _, stored in self._stored.values())

    @property
    def n_fallback(self) -> int:
        """Number of those frames without a face."""
        return sum(stored.n_fallback for _, stored in self._stored.values())

    @property
    def n_several(self) -> int:
        """Number of those frames with several faces."""
        return sum(stored.n_several for _, stored in self._stored.values())

    @property
    def complete(self) -> bool:
        """Whether every clip of the shard was stored or failed."""
        return len(self._stored) + len(self._failed) == len(self.clips)

    def content(
        self, about: Mapping[str, Any], identity: Mapping[str, Any], provenance: Mapping[str, Any]
    ) -> ShardContent:
        """Assemble the contents of the shard file; clips in the order of their ids, not of their arrival."""
        return self._content(about, identity, provenance, self._stored, self._failed)

    def next_part(
        self, about: Mapping[str, Any], identity: Mapping[str, Any], provenance: Mapping[str, Any]
    ) -> tuple[int, ShardContent] | None:
        """Assemble the stored clips that no part holds yet, and number the part; None where there are none.

        Failed clips are left out: a run that continues tries them again.
        """
        clip_ids = self._stored.keys() - self._in_parts
        if not clip_ids:
            return None
        self._in_parts |= clip_ids
        self._n_parts += 1
        return self._n_parts - 1, self._content(about, identity, provenance, clip_ids, frozenset())

    def _content(
        self,
        about: Mapping[str, Any],
        identity: Mapping[str, Any],
        provenance: Mapping[str, Any],
        stored_ids: Collection[str],
        failed_ids: Collection[str],
    ) -> ShardContent:
        records, failed, stored_clips = [], [], []
        start = 0
        for clip in self.clips:
            facts = (clip.clip_id, clip.performance_id, clip.actor, clip.gender, clip.label)
            if clip.clip_id in failed_ids:
                failed.append(FailedClip(*facts, *self._failed[clip.clip_id]))
                continue
            if clip.clip_id not in stored_ids:
                continue
            recording, stored = self._stored[clip.clip_id]
            source = (recording.n_samples, recording.rate_hz, recording.input_sha256)
            n_frames = stored.block.shape[1]
            place = (start, n_frames, stored.layers_sha256)
            further = {**recording.further, **clip.described}
            records.append(ClipRecord(*facts, *source, stored.sha256, *place, further))
            stored_clips.append(stored)
            start += n_frames
        spec = self._spec
        layers, _, dim = self._recipe.stored_shape(1, spec.n_layers, spec.dim, spec.stream)
        return ShardContent(
            number=self.number,
            about=about,
            identity=identity,
            provenance=provenance,
            clips=tuple(records),
            failed=tuple(failed),
            features=tuple(stored.block for stored in stored_clips),
            times_s=tuple(stored.times_s for stored in stored_clips),
            shape=(layers, dim),
            columns=tuple(stored.columns for stored in stored_clips),
        )
