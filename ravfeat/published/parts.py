"""Parts of a published head: systems, the caches each reads, temperatures and fusion weights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from ravfeat.cache.format import fingerprint
from ravfeat.calibrate import Temperature
from ravfeat.errors import HeadError
from ravfeat.features.clips import Reading
from ravfeat.files import check_name
from ravfeat.fusion import FoldFusion
from ravfeat.media.augment import CLEAN
from ravfeat.model_origin import ModelOrigin
from ravfeat.predictions import System
from ravfeat.published.documents import CacheEntry, FoldClips, LearnedEntry, SystemEntry
from ravfeat.schema import CONTROL_STREAMS, FUSED_STREAMS, AverageViews

__all__ = [
    "Learned", "Need", "PublishedClip", "PublishedSystem", "Source", "at", "clips_of", "clips_record", "mixed_in",
    "stem_of",
]  # fmt: skip

Source = int | Literal["refit"]
"""Whose heads: those of one fold, or those that were refitted on all actors."""


class PublishedClip(NamedTuple):
    """A clip that a fold tested."""

    clip_id: str
    performance_id: str


@dataclass(frozen=True)
class Need:
    """A cache that a system reads.

    Attributes
    ----------
    encoder : str
        What the cache calls it.
    fingerprint : str
        Of the identity.
    identity : mapping
        Weights digest, layer convention, preprocessing, layers, store, stride, dtype, view …
    content_sha256 : str
        Of the features that the heads were trained on; another corpus through the same encoder has another.
    layers : tuple of int or None
        The layers to read; None reads all.
    model : ModelOrigin or None
        What it takes to make the encoder again; None where the cache did not say it.
    view_names : tuple of str
        Views of the clips that are averaged with them, see `PublishedSystem.average`.
    """

    encoder: str
    fingerprint: str
    identity: Mapping[str, Any]
    content_sha256: str
    layers: tuple[int, ...] | None
    model: ModelOrigin | None = None
    view_names: tuple[str, ...] = ()

    @property
    def views(self) -> tuple["Need", ...]:
        """The caches of these views: they have this cache's identity but for the view."""
        return tuple(map(self.of_view, self.view_names))

    def of_view(self, name: str) -> "Need":
        """Give the cache of one view of the clips; the digest of its content is not recorded."""
        identity = {**self.identity, "view": name}
        return replace(self, identity=identity, fingerprint=fingerprint(identity), content_sha256="", view_names=())

    def record(self) -> dict[str, Any]:
        """Give plain values for ``head.toml``; TOML has no empty value, so those are left out."""
        read = {} if self.layers is None else {"read_layers": list(self.layers)}
        held = {name: value for name, value in self.identity.items() if value is not None}
        cache = {"encoder": self.encoder, "fingerprint": self.fingerprint, "content_sha256": self.content_sha256}
        views = {"views": list(self.view_names)} if self.view_names else {}
        return cache | read | views | {"identity": held} | ({} if self.model is None else {"model": self.model})

    @classmethod
    def of(cls, record: CacheEntry) -> "Need":
        """Read what `record` gave."""
        layers = tuple(record["read_layers"]) if "read_layers" in record else None
        return cls(
            record["encoder"], record["fingerprint"], record["identity"], record["content_sha256"], layers,
            record.get("model"), tuple(record.get("views", ())),
        )  # fmt: skip


@dataclass(frozen=True)
class PublishedSystem:
    """One system: caches and a head on top of them.

    Attributes
    ----------
    system : System
    seeds : tuple of int
        Ascending; their probabilities are averaged.
    reading : Reading
        What the head needs of a cache.
    needs : tuple of Need
        More than one where caches are concatenated.
    trained_on : str
        ``clean``, or ``clean + gain-1:seed0`` where the heads were trained on views of the clips too.
    average : {"none", "scores", "statistics"}
        What of a clip is averaged over the clip and the views that its `needs` name.
    """

    system: System
    seeds: tuple[int, ...]
    reading: Reading
    needs: tuple[Need, ...]
    trained_on: str = CLEAN
    average: AverageViews = "none"

    @property
    def reads(self) -> tuple[Need, ...]:
        """All caches that are read: those of the clips, and those of their views that are averaged."""
        return (*self.needs, *(view for need in self.needs for view in need.views))

    @property
    def folder(self) -> str:
        """Name of the folder that holds its heads; a HeadError where its names cannot be those of a folder."""
        return check_name("-".join(self.system), "the folder of a system", HeadError, "export the heads again")

    def record(self) -> dict[str, Any]:
        """Give plain values for ``head.toml``."""
        first, *others = (_plain_reading(reading) for reading in (self.reading, *self.reading.also))
        reading = first | ({"also": others} if others else {})
        caches = [need.record() for need in self.needs]
        record = {"seeds": list(self.seeds), "trained_on": self.trained_on, "reading": reading, "caches": caches}
        average = {} if self.average == "none" else {"average_views": self.average}
        return self.system._asdict() | average | record

    @classmethod
    def of(cls, record: SystemEntry) -> "PublishedSystem":
        """Read what `record` gave."""
        read = record["reading"]
        also = tuple(Reading(of["window"], tuple(of["statistics"])) for of in read.get("also", ()))
        reading = Reading(read["window"], tuple(read["statistics"]), also)
        needs = tuple(Need.of(need) for need in record["caches"])
        system = System(record["stream"], record["features"], record["head"])
        none: AverageViews = "none"
        average = record.get("average_views", none)
        return cls(system, tuple(record["seeds"]), reading, needs, record["trained_on"], average)


def _plain_reading(reading: Reading) -> dict[str, Any]:
    return {"window": reading.window, "statistics": list(reading.statistics)}


@dataclass(frozen=True)
class Learned:
    """Temperatures and weights of one fold, or of the heads that were refitted on all actors.

    Attributes
    ----------
    temperatures : tuple of float
        One for each system, in their order.
    fusion : FoldFusion or None
        Weights and temperatures only; no scores.
    fused : tuple of float
        Temperatures of the mixtures, in the order of `ravfeat.schema.FUSED_STREAMS`; empty without fusion.
    """

    temperatures: tuple[float, ...]
    fusion: FoldFusion | None = None
    fused: tuple[float, ...] = ()

    def record(self) -> dict[str, Any]:
        """Give plain values for ``learned.json``."""
        plain: dict[str, Any] = {"temperatures": list(self.temperatures)}
        if self.fusion is None:
            return plain
        mixed = {
            "system_temperatures": [temperature.temperature_ for temperature in self.fusion.temperatures],
            "chosen": self.fusion.chosen,
            "single": self.fusion.single,
            "linear": self.fusion.linear.tolist(),
            "loglinear": self.fusion.loglinear.tolist(),
            "temperatures": dict(zip(FUSED_STREAMS, self.fused, strict=True)),
        }
        return plain | {"fusion": mixed}

    @classmethod
    def of(cls, record: LearnedEntry) -> "Learned":
        """Read what `record` gave."""
        temperatures = tuple(record["temperatures"])
        if "fusion" not in record:
            return cls(temperatures)
        mixed = record["fusion"]
        fusion = FoldFusion(
            fold=-1,
            temperatures=tuple(map(at, mixed["system_temperatures"])),
            linear=np.array(mixed["linear"], np.float64),
            loglinear=np.array(mixed["loglinear"], np.float64),
            single=mixed["single"],
            chosen=mixed["chosen"],
            singles=(),
            scores={},
            split="",
            n=0,
        )
        of_stream: Mapping[str, Any] = mixed["temperatures"]
        return cls(temperatures, fusion, tuple(of_stream[stream] for stream in FUSED_STREAMS))


def mixed_in(systems: Sequence[System]) -> list[int]:
    """Say which systems a fusion mixes, by their place: all but controls."""
    return [number for number, system in enumerate(systems) if system.stream not in CONTROL_STREAMS]


def at(value: float) -> Temperature:
    """Give the temperature of a value that was learned before."""
    temperature = Temperature()
    temperature.temperature_, temperature.at_bound_ = value, ""
    return temperature


def clips_record(clips: Mapping[int, Sequence[Sequence[PublishedClip]]]) -> list[dict[str, Any]]:
    """Give plain values for ``clips.json``: of every fold, the tested clips of every system."""
    return [
        {"fold": fold, "systems": [[list(clip) for clip in of_system] for of_system in tested]}
        for fold, tested in clips.items()
    ]


def clips_of(record: Sequence[FoldClips]) -> dict[int, tuple[tuple[PublishedClip, ...], ...]]:
    """Read what `clips_record` gave."""
    return {
        entry["fold"]: tuple(tuple(PublishedClip(*clip) for clip in of_system) for of_system in entry["systems"])
        for entry in record
    }


def stem_of(folder: Path, part: PublishedSystem, source: Source, seed: int) -> Path:
    """Say where a head lies in the folder, without suffix."""
    if source == "refit":
        return folder / "refit" / part.folder / f"seed-{seed}"
    return folder / "folds" / part.folder / f"fold-{source}-seed-{seed}"
