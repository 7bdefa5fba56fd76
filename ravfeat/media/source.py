"""The source interface: read a clip piece by piece, and describe the recording at the end.

A waveform is a single piece; a video is many pieces of a few pictures each, so that clips of any length
need bounded memory.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ravfeat.manifest import Clip

__all__ = ["Recording", "Source"]

Piece_co = TypeVar("Piece_co", covariant=True)


@dataclass(frozen=True)
class Recording:
    """Description of a decoded clip.

    Attributes
    ----------
    n_samples : int
        Decoded samples (audio) or pictures (face), before any resampling.
    rate_hz : float
        Samples or pictures per second; the mean rate where it varies, so that ``n_samples / rate_hz`` is the
        length in seconds.
    input_sha256 : str
        Digest of the decoded input; equal digests mean one recording.
    further : mapping of str to float
        What else was measured, stored in columns of these names; see `ravfeat.media.active`.
    """

    n_samples: int
    rate_hz: float
    input_sha256: str
    further: Mapping[str, float] = field(default_factory=dict)


class Source(Protocol[Piece_co]):
    """Reader of the clips of a stream."""

    @property
    def readers(self) -> int:
        """Number of clips to read at the same time, each by a thread; bounds memory."""
        ...

    def read(self, clip: Clip, root: Path) -> Generator[Piece_co, None, Recording]:
        """Read one clip.

        Runs in a background thread. Nothing is read before the generator is advanced; closing it releases
        its resources.

        Parameters
        ----------
        clip : Clip
        root : Path
            Folder that the clip's path is relative to.

        Yields
        ------
        piece
            Input of `Encoder.prepare`, in the order of time.

        Returns
        -------
        Recording
            As the generator's return value, after the last piece.

        Raises
        ------
        MediaError, ClipError
            Where the clip cannot be read to its end; pieces already yielded are then discarded.
        """
        ...

    def provenance(self) -> dict[str, Any]:
        """Return the versions of the decoding libraries; recorded, never part of the identity."""
        ...
