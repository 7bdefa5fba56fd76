"""Describe an extraction by names, so that processes on other machines can load the encoders and do a part of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

from ravfeat.cache.format import StoreRecipe, fingerprint
from ravfeat.encoders.base import Encoder
from ravfeat.encoders.registry import describe_encoder, load_encoder
from ravfeat.encoders.threads import set_team_size, team_size
from ravfeat.errors import CorpusError, EncoderError
from ravfeat.extract.encode import BATCH_FRAMES
from ravfeat.extract.open_caches import identity_of
from ravfeat.extract.request import Extraction
from ravfeat.extract.streams import stream_requests
from ravfeat.extract.work_plan import WorkPlan
from ravfeat.faces.source import FaceOptions
from ravfeat.manifest import Manifest
from ravfeat.short_repr import short_repr

__all__ = ["NamedWork"]


@short_repr
@dataclass(frozen=True)
class NamedWork:
    """What ``ravfeat extract`` was asked to do with one stream; small and picklable once it is `to_send`.

    Attributes
    ----------
    root : Path
        Folder that the manifest's paths are relative to; the same on all machines.
    encoders : tuple of str
        Names, all of one stream; see `ravfeat.encoders.registry.load_encoder`.
    manifest : Manifest, optional
        What a plan is made from. Processes that get the plan read it from the caches instead.
    device, faces, tf32
        See `ravfeat.encoders.registry.load_encoder`.
    recipe : StoreRecipe
        Its ``layers`` and ``dtype`` are ignored.
    layers, dtype, views
        See `ravfeat.extract.streams.stream_requests`.
    batch_clips, batch_s, batch_frames
        See `ravfeat.extract.request.Extraction`.
    threads : int, optional
        That torch computes with; default as many as it chooses.
    """

    root: Path
    encoders: tuple[str, ...]
    manifest: Manifest | None = None
    device: str = "auto"
    faces: FaceOptions = field(default_factory=FaceOptions)
    tf32: bool = False
    recipe: StoreRecipe = field(default_factory=StoreRecipe)
    layers: str | None = None
    dtype: Literal["float16", "float32"] | None = None
    views: tuple[str, ...] = ()
    batch_clips: int | None = None
    batch_s: float | None = None
    batch_frames: int = BATCH_FRAMES
    threads: int | None = None

    def to_send(self) -> Self:
        """Return the work without the manifest."""
        return replace(self, manifest=None)

    def on(self, device: str) -> Self:
        """Return the work for another device."""
        return replace(self, device=device)

    def as_here(self) -> Self:
        """Return the work with the number of threads that this process computes with, for the same bits."""
        return replace(self, threads=team_size())

    def describe(self) -> Sequence[Extraction]:
        """Return the extractions for planning; of their encoders only the ``spec`` is used.

        Raises
        ------
        EncoderError, MissingExtraError
            See `ravfeat.encoders.registry.load_encoder`.
        """
        if self.manifest is None:
            raise CorpusError("this work has no manifest any more, and can only be planned where it was begun")
        described = [describe_encoder(name, faces=self.faces) for name in self.encoders]
        return self._requests(self.manifest, described)

    def load(self, plan: WorkPlan) -> Sequence[Extraction]:
        """Return the extractions with their encoders on this process's device, and the clips of the plan.

        Raises
        ------
        EncoderError
            Where an encoder is another one here than where the plan was made.
        """
        loaded = [load_encoder(name, self.device, faces=self.faces, tf32=self.tf32) for name in self.encoders]
        set_team_size(self.threads)
        manifests = [cache.available(cache.folder().planned.manifest) for cache in plan.caches]
        requests = self._requests(manifests[0], loaded)
        for request, cache in zip(requests, plan.caches, strict=True):
            here, planned = fingerprint(identity_of(request)), fingerprint(cache.identity)
            if here != planned:
                raise EncoderError(
                    f"the encoder '{request.encoder.spec.name}' has the fingerprint {here} here, and {planned} where"
                    " the work was planned: the machines have different weights or models under this name; make them"
                    " the same"
                )
        return [replace(request, manifest=manifest) for request, manifest in zip(requests, manifests, strict=True)]

    def _requests(self, manifest: Manifest, encoders: Sequence[Encoder[Any]]) -> list[Extraction]:
        return stream_requests(
            manifest, self.root, encoders, faces=self.faces, recipe=self.recipe, layers=self.layers,
            dtype=self.dtype, views=self.views, batch_clips=self.batch_clips, batch_s=self.batch_s,
            batch_frames=self.batch_frames,
        )  # fmt: skip
