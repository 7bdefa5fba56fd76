"""Format of the feature cache: file names, versions, contents of a shard, identity and fingerprint.

``cache/README.md`` at the top of the repository describes the same in prose for people who read a
shard with h5py alone; the two change together.

Conventions
-----------
Stored features are layer-major, (L, F, D), with the frames of all clips concatenated; readers return
(T, L, D). Layer-major, because training mostly reads one layer of all clips: a contiguous range of
bytes. Digests are SHA-256 in lower-case hex.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import CacheError, UsageError
from ravfeat.files import canonical_json, check_name
from ravfeat.schema import Store
from ravfeat.short_repr import short_repr

__all__ = [
    "CLIP_COLUMNS",
    "FAILED_COLUMNS",
    "FORMAT",
    "FORMAT_VERSION",
    "IDENTITY_FILE",
    "INDEX_FILE",
    "LOCK_FILE",
    "MANIFEST_FILE",
    "MAX_SHARD_BYTES",
    "MAX_SHARD_CLIPS",
    "POOLED_STATISTICS",
    "SUMS_FILE",
    "ClipRecord",
    "FailedClip",
    "ShardContent",
    "StoreRecipe",
    "cache_folder_name",
    "encoder_of_folder",
    "features_sha256",
    "fingerprint",
    "identity_text",
    "layers_sha256",
    "shard_file",
    "shard_number",
]

FORMAT = "ravfeat-shard"
FORMAT_VERSION = 2
"""Raised when a reader of the old version would misread the new one."""

MANIFEST_FILE = "manifest.parquet"
INDEX_FILE = "index.parquet"
IDENTITY_FILE = "identity.json"
SUMS_FILE = "SHA256SUMS"
LOCK_FILE = ".lock"

MAX_SHARD_BYTES = 256_000_000
MAX_SHARD_CLIPS = 128
"""Upper bound of the clips in a shard. A shard is in memory until it is written, and read again where one of its
clips has failed, so shards of small features must not grow without end."""

POOLED_STATISTICS: Mapping[str, tuple[str, ...]] = {"audio": ("mean", "std"), "face": ("mean", "std", "speed")}
"""Statistics that ``store="pooled"`` keeps of each stream, concatenated in the last axis."""

# 48 bits tell the caches of a folder apart; the whole identity is stored in every shard.
FINGERPRINT_LENGTH = 12


@short_repr
@dataclass(frozen=True)
class StoreRecipe:
    """Which part of an encoder's output is stored, and how. Part of a cache's identity.

    Attributes
    ----------
    layers : tuple of int, optional
        Layer numbers to keep, ascending; None keeps all.
    store : {"frames", "pooled"}
        Every frame, or one vector of statistics (`POOLED_STATISTICS`) per layer and clip.
    frame_stride : int
        Frames are averaged in windows of this many before they are stored.
    dtype : {"float16", "float32"}
    view : str
        Name and version of the view of the clip; ``clean`` is the unchanged clip.

    Raises
    ------
    UsageError
        Where a value is not allowed, or two of them exclude each other.
    """

    layers: tuple[int, ...] | None = None
    store: Store = "frames"
    frame_stride: int = 1
    dtype: Literal["float16", "float32"] = "float16"
    view: str = "clean"

    def __post_init__(self) -> None:
        # Ascending and each once, so that a choice of layers has one identity.
        if self.layers is not None and (not self.layers or list(self.layers) != sorted(set(self.layers))):
            raise UsageError(f"layers are {list(self.layers)}; expected one or more, each once, in ascending order")
        if self.store not in get_args(Store) or self.dtype not in {"float16", "float32"} or self.frame_stride < 1:
            raise UsageError(
                f"store '{self.store}', dtype '{self.dtype}', frame_stride {self.frame_stride}: expected frames or"
                " pooled, float16 or float32, at least 1"
            )
        if self.store == "pooled" and self.frame_stride > 1:
            raise UsageError("a frame_stride goes with store 'frames': pooled statistics are over all frames")

    def resolve_layers(self, n_layers: int) -> tuple[int, ...]:
        """Return the layer numbers for an encoder with ``n_layers`` layers (0 included).

        Raises
        ------
        CacheError
            Where a layer does not exist.
        """
        layers = tuple(range(n_layers)) if self.layers is None else self.layers
        if wrong := [layer for layer in layers if not 0 <= layer < n_layers]:
            raise CacheError(f"layers {wrong} do not exist: this encoder has layers 0 to {n_layers - 1}")
        return layers

    def statistics(self, stream: str) -> tuple[str, ...]:
        """Return the statistics stored of a clip's frames; empty where the frames themselves are stored."""
        return POOLED_STATISTICS[stream] if self.store == "pooled" else ()

    def identity(self, n_layers: int, stream: str = "audio") -> dict[str, Any]:
        """Return the part of the identity that this recipe determines."""
        return {
            # Resolved, so that None and a list of all layers are one identity.
            "layers": list(self.resolve_layers(n_layers)),
            "store": self.store,
            "statistics": list(self.statistics(stream)),
            "frame_stride": self.frame_stride,
            "dtype": self.dtype,
            "view": self.view,
        }

    def stored_shape(self, n_frames: int, n_layers: int, dim: int, stream: str = "audio") -> tuple[int, int, int]:
        """Return the stored shape (L, T, D) of a clip with ``n_frames`` encoder frames."""
        layers = len(self.resolve_layers(n_layers))
        if statistics := self.statistics(stream):
            return layers, 1, dim * len(statistics)
        # Rounded up: the last window may be shorter, and is kept.
        return layers, -(-n_frames // self.frame_stride), dim


def fingerprint(identity: Mapping[str, Any]) -> str:
    """Compute the SHA-256 of an identity's canonical JSON, shortened to 12 hex digits."""
    return hashlib.sha256(canonical_json(identity).encode()).hexdigest()[:FINGERPRINT_LENGTH]


def identity_text(identity: Mapping[str, Any]) -> str:
    """Format the identity as the readable JSON of ``identity.json``."""
    return json.dumps(identity, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def cache_folder_name(stream: str, encoder: str, identity: Mapping[str, Any]) -> str:
    """Return the folder name of the cache with this identity.

    Raises
    ------
    CacheError
        Where stream, encoder or view cannot be part of it.
    """
    name = f"{stream}-{encoder}{_folder_end(identity)}"
    return check_name(name, "the folder of the cache", CacheError, "give the encoder another name")


def encoder_of_folder(name: str, stream: str, identity: Mapping[str, Any]) -> str:
    """Extract the encoder's name from the name of a cache folder."""
    return name.removeprefix(f"{stream}-").removesuffix(_folder_end(identity))


def _folder_end(identity: Mapping[str, Any]) -> str:
    # The view is in the name so that a listing tells views apart; some file systems do not allow a colon.
    view = str(identity.get("view", "clean"))
    suffix = "" if view == "clean" else f"-{view.replace(':', '-')}"
    return f"{suffix}-{fingerprint(identity)}"


def shard_file(number: int) -> str:
    """Return a shard's file name."""
    return f"shard-{number:05d}.h5"


def shard_number(path: Path) -> int | None:
    """Parse a shard's number from its file name; None where it is not the name of a shard."""
    stem, _, digits = path.stem.partition("-")
    if stem != "shard" or path.suffix != ".h5" or not digits.isdecimal() or shard_file(int(digits)) != path.name:
        return None
    return int(digits)


@short_repr
@dataclass(frozen=True)
class ClipRecord:
    """Record of one stored clip in its shard.

    Attributes
    ----------
    clip_id, performance_id, actor, gender, label : str
        As in the manifest.
    n_samples : int
        Decoded samples (audio) or pictures (face), before any resampling.
    rate_hz : float
        Of the samples or pictures.
    input_sha256 : str
        Digest of the decoded input; equal digests mean one recording.
    features_sha256 : str
        Digest of the stored (L, T, D) block.
    frame_start, n_frames : int
        The clip's frames are ``features[:, frame_start:frame_start + n_frames]``.
    layers_sha256 : tuple of str
        Digest of every layer's (T, D) block, so that some layers can be checked alone. Empty in version 1.
    further : mapping of str to str or float
        What else is known of the clip: the part of it that is speech (`ravfeat.schema.ACTIVE_COLUMNS`); None where
        nothing is known.
    """

    clip_id: str
    performance_id: str
    actor: str
    gender: str
    label: str
    n_samples: int
    rate_hz: float
    input_sha256: str
    features_sha256: str
    frame_start: int
    n_frames: int
    layers_sha256: tuple[str, ...] = ()
    further: Mapping[str, str | float | None] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """Return the columns that every version has."""
        return {name: getattr(self, name) for name in CLIP_COLUMNS}


@short_repr
@dataclass(frozen=True)
class FailedClip:
    """A clip that belongs in a shard and could not be stored.

    Attributes
    ----------
    clip_id, performance_id, actor, gender, label : str
        As in the manifest.
    stage : {"decode", "encode"}
        Where it failed.
    reason : str
        One line.
    """

    clip_id: str
    performance_id: str
    actor: str
    gender: str
    label: str
    stage: str
    reason: str


CLIP_COLUMNS: tuple[str, ...] = tuple(f.name for f in fields(ClipRecord) if f.name not in {"layers_sha256", "further"})
FAILED_COLUMNS: tuple[str, ...] = tuple(f.name for f in fields(FailedClip))


@short_repr
@dataclass(frozen=True)
class ShardContent:
    """Contents of a shard file.

    Attributes
    ----------
    number : int
    about : mapping
        ``corpus``, ``synthetic``, ``stream``, ``encoder``: the same in all shards.
    identity : mapping
        Everything that determines the features; see `fingerprint`.
    provenance : mapping
        Library versions and device of the run that wrote the shard.
    clips : tuple of ClipRecord
        In the order of their frames.
    failed : tuple of FailedClip
    features : tuple of ndarray, each of shape (L, T, D)
        One per stored clip, in the stored dtype.
    times_s : tuple of ndarray, each of shape (T,), float64
        Time of every frame from the clip's start, in seconds.
    shape : tuple (L, D)
        Of the features; needed where every clip failed.
    columns : tuple of mapping of str to ndarray of shape (T,) or (T, n), float32
        Additional values of every frame, one mapping per stored clip, all with the same names; empty
        where there are none.
    source : mapping
        Where the encoder came from: ``repository``, ``revision``, ``licence``, as far as known.
    feature_names : tuple of str
        Of the encoder's dimensions, where they have names; see `ravfeat.feature_names`.
    """

    number: int
    about: Mapping[str, Any]
    identity: Mapping[str, Any]
    provenance: Mapping[str, Any]
    clips: tuple[ClipRecord, ...]
    failed: tuple[FailedClip, ...]
    features: tuple[NDArray[Any], ...]
    times_s: tuple[NDArray[np.float64], ...]
    shape: tuple[int, int]
    columns: tuple[Mapping[str, NDArray[np.float32]], ...] = ()
    source: Mapping[str, Any] = field(default_factory=dict)
    feature_names: tuple[str, ...] = ()

    def frame_columns(self) -> dict[str, NDArray[np.float32]]:
        """Concatenate every column over the frames of all clips."""
        names = self.columns[0] if self.columns else ()
        return {name: np.concatenate([clip[name] for clip in self.columns]).astype("<f4") for name in names}


def features_sha256(block: NDArray[Any]) -> str:
    """Compute the digest of one clip's (L, T, D) block: its little-endian bytes in C order."""
    # The same bytes on every machine, so that a copied cache can be verified anywhere.
    little = np.ascontiguousarray(block, dtype=block.dtype.newbyteorder("<"))
    return hashlib.sha256(little.data).hexdigest()


def layers_sha256(block: NDArray[Any]) -> tuple[str, ...]:
    """Compute the digest of every layer of one clip's (L, T, D) block."""
    return tuple(features_sha256(layer) for layer in block)
