"""What an encoder is: a frozen function from a clip to hidden states, with a name that says exactly which.

A clip reaches an encoder in one or more pieces (a waveform; some pictures at a time), see `ravfeat.media.source`;
its hidden states are those of its pieces, one after another.

Conventions
-----------
Hidden states are (T, L, D) float32; layer 0 is the input to the first block. An encoder's
*identity* decides what it computes; library versions and the device are provenance and live
elsewhere.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Literal, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ravfeat.schema import Stream

__all__ = ["Batching", "Encoder", "EncoderSpec", "Finished", "Prepared", "Underway", "begin", "plan_batches"]

Batching = Literal["padded", "equal", "fixed", "pieces"]
"""``padded``: clips of different lengths share a batch exactly (attention mask); ``equal``: only
clips of the same length do; ``fixed``: every input has the same size anyway; ``pieces``: every frame
is encoded by itself, so pieces of any clips share a batch."""

Piece_contra = TypeVar("Piece_contra", contravariant=True)


@dataclass(frozen=True)
class EncoderSpec:
    """Which encoder this is.

    Attributes
    ----------
    name : str
        For people and folder names; not part of the identity.
    stream : {"audio", "face"}
    weights : str
        SHA-256 over the weight files and the configuration, or ``none``.
    layer_convention : str
        Name and version of what each layer number means.
    preprocessing : tuple of str
        Named, versioned steps from the decoded clip to the encoder's input.
    n_layers, dim : int
        Of the hidden states.
    frame_rate_hz : float
        Frames per second; nominal where the clip decides, for planning.
    """

    name: str
    stream: Stream
    weights: str
    layer_convention: str
    preprocessing: tuple[str, ...]
    n_layers: int
    dim: int
    frame_rate_hz: float

    def identity(self) -> dict[str, Any]:
        """Give what decides the features; see `ravfeat.cache.format.fingerprint`."""
        return {
            "stream": self.stream,
            "weights": self.weights,
            "layer_convention": self.layer_convention,
            "preprocessing": list(self.preprocessing),
        }


@dataclass(frozen=True)
class Prepared:
    """One piece of a clip, ready for the encoder.

    Attributes
    ----------
    values : ndarray
        Input array of one piece, without a batch axis, not padded to other clips. With batching
        ``pieces`` its first axis counts the frames.
    times_s : ndarray of shape (T,), float64
        Centre of every frame that this piece will give, in seconds from the clip's start; its length
        says how many frames of the output are the piece's own. May be empty.
    columns : mapping of str to ndarray of shape (T,) or (T, n), float32
        What else is known of every frame; stored beside the features.
    """

    values: NDArray[Any]
    times_s: NDArray[np.float64]
    columns: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)

    @property
    def n_frames(self) -> int:
        """How many frames of the output are this piece's own."""
        return len(self.times_s)


class Encoder(Protocol[Piece_contra]):
    """A frozen encoder."""

    spec: EncoderSpec
    batching: Batching

    def prepare(self, piece: Piece_contra) -> Prepared:
        """Turn a piece of a clip into the encoder's input; runs in background threads.

        Raises
        ------
        ClipError
            Where the clip is too short or too long for the encoder.
        """
        ...

    def encode(self, batch: Sequence[Prepared]) -> list[NDArray[np.float32]]:
        """Encode pieces together.

        Returns
        -------
        list of ndarray of shape (T, L, D), float32
            The same, up to rounding, as if each piece were encoded alone.
        """
        ...

    def provenance(self) -> dict[str, Any]:
        """Library versions and device; recorded, never part of the identity."""
        ...


class Underway(Protocol):
    """A batch that an encoder has begun; where it computes on another device, it may not be through."""

    def states(self) -> list[NDArray[np.float32]]:
        """Wait for the hidden states, as `Encoder.encode` gives them; any thread may, once."""
        ...

    @property
    def busy_s(self) -> float:
        """Seconds that the device was at it; known when the states are there."""
        ...


@dataclass(frozen=True)
class Finished:
    """A batch that is through; see `Underway`.

    Attributes
    ----------
    given : list of ndarray of shape (T, L, D), float32
    busy_s : float
    """

    given: list[NDArray[np.float32]]
    busy_s: float

    def states(self) -> list[NDArray[np.float32]]:
        """Give the hidden states."""
        return self.given


def begin(encoder: Encoder[Any], batch: Sequence[Prepared]) -> Underway:
    """Begin to encode pieces together.

    An encoder with a ``begin(batch)`` of its own returns from it as soon as its device has the work; all others
    are through when this returns.
    """
    if (own := getattr(encoder, "begin", None)) is not None:
        underway: Underway = own(batch)
        return underway
    start = perf_counter()
    given = encoder.encode(batch)
    return Finished(given, perf_counter() - start)


def plan_batches(
    durations_s: Sequence[float], batching: Batching, *, max_clips: int, max_seconds: float
) -> list[list[int]]:
    """Group the clips of a shard into batches.

    Depends on the planned lengths only, never on what is already done.

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
        Positions into ``durations_s``, each exactly once; long clips first, so that memory is
        claimed once.
    """
    order = sorted(range(len(durations_s)), key=lambda i: (-np.nan_to_num(durations_s[i], nan=-1.0), i))
    if batching == "fixed":
        order = list(range(len(durations_s)))
    batches: list[list[int]] = []
    longest = 0.0
    for position in order:
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
