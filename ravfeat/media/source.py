"""Where clips come from: a source reads one clip, piece by piece, and says at the end what it read.

A voice is one piece, its waveform; a video comes as many pieces of some pictures each, so that a
clip of any length passes through bounded memory.
"""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from ravfeat.manifest import Clip

__all__ = ["Recording", "Source"]

Piece_co = TypeVar("Piece_co", covariant=True)


@dataclass(frozen=True)
class Recording:
    """What a clip's file held.

    Attributes
    ----------
    n_samples : int
        Decoded samples (audio) or pictures (face), before any resampling.
    rate_hz : float
        Of these; the mean rate where it varies, so that ``n_samples / rate_hz`` is the length in seconds.
    input_sha256 : str
        Digest of the decoded input; equal digests mean one recording.
    """

    n_samples: int
    rate_hz: float
    input_sha256: str


class Source(Protocol[Piece_co]):
    """How the clips of a stream are read."""

    @property
    def ahead(self) -> int:
        """Clips that may wait for the encoder; bounds memory."""
        ...

    def read(self, clip: Clip, root: Path) -> Generator[Piece_co, None, Recording]:
        """Read one clip.

        Runs in a background thread; nothing is read before the generator is advanced, and closing it
        frees what it holds.

        Parameters
        ----------
        clip : Clip
        root : Path
            What the clip's path is relative to.

        Yields
        ------
        piece
            In the order of time; what the encoders of this stream prepare.

        Returns
        -------
        Recording
            As the generator's value, once everything was read.

        Raises
        ------
        MediaError, ClipError
            Where the clip cannot be read to its end; pieces that were given are then forgotten.
        """
        ...

    def provenance(self) -> dict[str, Any]:
        """Give versions of the libraries that take part; recorded, never part of the identity."""
        ...
