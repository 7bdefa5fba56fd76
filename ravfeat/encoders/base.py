"""The encoder interface: a frozen model from clips to hidden states, its identity, and its batches.

A clip reaches an encoder in one or more pieces (a waveform; some pictures at a time), see `ravfeat.media.source`;
its hidden states are those of its pieces, concatenated.

Conventions
-----------
Hidden states are (T, L, D) float32; layer 0 is the input to the first block. An encoder's
*identity* determines its output; library versions and the device are provenance, recorded
separately.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ravfeat.model_origin import ModelOrigin
from ravfeat.schema import Stream
from ravfeat.short_repr import short_repr

__all__ = [
    "Batching",
    "Encoder",
    "EncoderInput",
    "EncoderSpec",
    "EncodingBatch",
    "FinishedBatch",
    "n_devices",
    "plan_batches",
    "start_encoding",
]

Batching = Literal["padded", "equal", "fixed", "pieces"]
"""``padded``: clips of different lengths share a batch exactly (attention mask); ``equal``: only
clips of the same length do; ``fixed``: every input has the same size anyway; ``pieces``: every frame
is encoded by itself, so that a clip's pieces are encoded as they come."""

Piece_contra = TypeVar("Piece_contra", contravariant=True)


@short_repr
@dataclass(frozen=True)
class EncoderSpec:
    """Description of an encoder: identity and output shape.

    Attributes
    ----------
    name : str
        Shown to users, and part of folder names; not part of the identity.
    stream : {"audio", "face"}
    weights : str
        SHA-256 over the weight files and the configuration, or ``none``.
    layer_convention : str
        Name and version of the meaning of the layer numbers.
    preprocessing : tuple of str
        Named, versioned steps from the decoded clip to the encoder's input.
    n_layers, dim : int
        Of the hidden states.
    frame_rate_hz : float
        Frames per second, to estimate the size of shards; nominal where it depends on the clip, 0 where every clip has
        one frame.
    source : ModelOrigin
        Where it came from and what it takes to load it again, as far as known; stored in every shard, not part of
        the identity.
    feature_names : tuple of str
        Of the ``dim`` dimensions, each once, where they have names; stored in every shard, not part of the identity.
    dtype : {"float16", "float32"}
        In which features are stored unless somebody says otherwise: float32 where their range or scale needs it.
    """

    name: str
    stream: Stream
    weights: str
    layer_convention: str
    preprocessing: tuple[str, ...]
    n_layers: int
    dim: int
    frame_rate_hz: float
    source: ModelOrigin = field(default_factory=ModelOrigin)
    feature_names: tuple[str, ...] = ()
    dtype: Literal["float16", "float32"] = "float16"

    def identity(self) -> dict[str, Any]:
        """Return the values that determine the features; see `ravfeat.cache.format.fingerprint`."""
        return {
            "stream": self.stream,
            "weights": self.weights,
            "layer_convention": self.layer_convention,
            "preprocessing": list(self.preprocessing),
        }


@short_repr
@dataclass(frozen=True)
class EncoderInput:
    """Model input of one piece of a clip.

    Attributes
    ----------
    values : ndarray
        Input array of one piece, without a batch axis, not padded to other clips. With batching
        ``pieces`` its first axis counts the frames.
    times_s : ndarray of shape (T,), float64
        Centre of every output frame of this piece, in seconds from the clip's start. Its length is the
        number of output frames to keep: models that pad their input return more. May be empty.
    columns : mapping of str to ndarray of shape (T,) or (T, n), float32
        Additional values of every frame, stored beside the features.
    """

    values: NDArray[Any]
    times_s: NDArray[np.float64]
    columns: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    @property
    def n_frames(self) -> int:
        """Number of output frames of this piece."""
        return len(self.times_s)


class Encoder(Protocol[Piece_contra]):
    """A frozen encoder; see CONTRIBUTING, "Adding things"."""

    spec: EncoderSpec
    batching: Batching

    def prepare(self, piece: Piece_contra) -> EncoderInput:
        """Convert a piece of a clip to the model's input; called from background threads.

        Raises
        ------
        ClipError
            Where the clip is too short or too long for the encoder.
        """
        ...

    def encode(self, batch: Sequence[EncoderInput]) -> list[NDArray[np.float32]]:
        """Encode pieces together.

        Returns
        -------
        list of ndarray of shape (T, L, D), float32
            Equal, up to rounding, to encoding each piece alone.
        """
        ...

    def provenance(self) -> dict[str, Any]:
        """Library versions and device; recorded, never part of the identity."""
        ...


class EncodingBatch(Protocol):
    """Handle of a batch that may still be running on its device."""

    def states(self) -> list[NDArray[np.float32]]:
        """Wait for the hidden states of `Encoder.encode`; callable once, from any thread."""
        ...

    @property
    def busy_s(self) -> float:
        """Seconds that the device computed; known once `states` has returned."""
        ...


@short_repr
@dataclass(frozen=True)
class FinishedBatch:
    """A batch that is already encoded; see `EncodingBatch`.

    Attributes
    ----------
    hidden_states : list of ndarray of shape (T, L, D), float32
    busy_s : float
    """

    hidden_states: list[NDArray[np.float32]]
    busy_s: float

    def states(self) -> list[NDArray[np.float32]]:
        """Return the hidden states."""
        return self.hidden_states


def start_encoding(encoder: Encoder[Any], batch: Sequence[EncoderInput]) -> EncodingBatch:
    """Start to encode pieces together.

    An encoder with a method ``start(batch)`` returns as soon as the work is queued on its device; all other
    encoders have finished when this returns.
    """
    # Optional, so that a new encoder needs no more than `Encoder`.
    if (start := getattr(encoder, "start", None)) is not None:
        handle: EncodingBatch = start(batch)
        return handle
    started = perf_counter()
    hidden_states = encoder.encode(batch)
    return FinishedBatch(hidden_states, perf_counter() - started)


def n_devices(encoder: Encoder[Any]) -> int:
    """Count the devices that an encoder computes on at once: that many batches must be under way to use all."""
    return int(getattr(encoder, "n_devices", 1))


def plan_batches(
    durations_s: Sequence[float], batching: Batching, *, max_clips: int, max_seconds: float
) -> list[list[int]]:
    """Group the clips of a shard into batches.

    Depends only on the planned lengths, never on which clips are already stored.

    Parameters
    ----------
    durations_s : sequence of float
        Planned clip lengths; NaN where unknown (such clips go alone).
    batching : {"padded", "equal", "fixed"}
    max_clips : int
    max_seconds : float
        Of a batch, padding included.

    Returns
    -------
    list of list of int
        Positions into ``durations_s``, each exactly once; long clips first, so that the largest batch
        allocates memory once for all.
    """
    # NaN sorts last; ties keep the order of the clips, which makes the plan reproducible.
    order = sorted(range(len(durations_s)), key=lambda i: (-np.nan_to_num(durations_s[i], nan=-1.0), i))
    if batching == "fixed":
        order = list(range(len(durations_s)))
    batches: list[list[int]] = []
    longest = 0.0
    for position in order:
        # The first clip of a batch is its longest, and decides to which length the others are padded.
        duration_s = durations_s[position]
        fits = (
            bool(batches)
            and len(batches[-1]) < max_clips
            and not np.isnan(duration_s)
            and (batching == "fixed" or (len(batches[-1]) + 1) * longest <= max_seconds)
            and (batching != "equal" or duration_s == longest)
        )
        if fits:
            batches[-1].append(position)
        else:
            batches.append([position])
            longest = duration_s
    return batches
