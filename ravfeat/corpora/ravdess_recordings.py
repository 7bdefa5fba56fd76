"""The 1440 speech recordings of RAVDESS: how long each is, and the digest of its decoded sound.

What a cache says of its inputs can be held against it: whether the recording under a name is the one that RAVDESS
gives that name.

- **Length** in pictures of 1001/30000 s. Every recording was cut on a picture of its video: as decoded, the length is
  a whole number of them, to half a sample. Neither decoder, resampler nor sampling rate changes it, and voice and
  pictures of a performance have the same. Two actors who say one sentence with one emotion and one strength have
  another length in 96 of 100 pairs.
- **Digest**: the first 16 hexadecimal digits (2^-64 is safe against accident) of ``input_sha256`` (``cache/README.md``)
  of the mono copy at 16 kHz, FLAC of 16 bits. Of another copy, such as the 48 kHz originals, nothing can be said by
  digests; by lengths it can.

``ravdess_recordings.tsv`` holds them; its test makes every row anew from the recordings.

Source: Livingstone SR, Russo FA (2018), PLoS ONE 13(5): e0196391, doi:10.5281/zenodo.1188976.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

__all__ = ["DIGITS", "PICTURE_S", "Recorded", "by_digest", "ravdess_recordings"]

PICTURE_S = 1001 / 30_000
"""Length of a picture of RAVDESS's videos in seconds."""

DIGITS = 16
"""Hexadecimal digits of a digest that are kept."""

_FILE = "ravdess_recordings.tsv"


@dataclass(frozen=True)
class Recorded:
    """A recording as published.

    Attributes
    ----------
    performance_id : str
        Its name without the modality, such as ``01-06-01-02-01-12``.
    pictures : int
        Its length; see `PICTURE_S`.
    digest : str
        Of its sound at 16 kHz.
    """

    performance_id: str
    pictures: int
    digest: str

    @property
    def actor(self) -> str:
        """Two digits."""
        return self.performance_id[-2:]


@cache
def ravdess_recordings() -> Mapping[str, Recorded]:
    """Give all recordings by performance.

    Examples
    --------
    >>> len(ravdess_recordings()), ravdess_recordings()["01-06-01-02-01-12"].pictures
    (1440, 101)
    """
    lines = resources.files("ravfeat.corpora").joinpath(_FILE).read_text(encoding="ascii").splitlines()
    rows = (line.split("\t") for line in lines if not line.startswith("#"))
    return {performance: Recorded(performance, int(pictures), digest) for performance, pictures, digest in rows}


@cache
def by_digest() -> Mapping[str, tuple[Recorded, ...]]:
    """Give all recordings by digest; two takes of actor 07 are one recording, as published."""
    found: dict[str, tuple[Recorded, ...]] = {}
    for recording in ravdess_recordings().values():
        found[recording.digest] = (*found.get(recording.digest, ()), recording)
    return found
