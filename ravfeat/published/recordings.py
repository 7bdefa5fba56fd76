"""Digests of the recordings that heads learned from, ``recordings.json``: to say of a recording that it taught them."""

from collections.abc import Iterable, Mapping, Sequence

from ravfeat.cache import Cache
from ravfeat.errors import HeadError
from ravfeat.published.documents import Recordings
from ravfeat.published.format import RECORDINGS_FILE, REMEDY, HeadFolder
from ravfeat.published.parts import PublishedClip

__all__ = ["distinct", "read_recordings", "recordings_of", "taught"]

_MAX_BYTES = 32 << 20  # 200,000 digests


def recordings_of(cache: Cache, clip_ids: Sequence[str], names: Sequence[str], system: int) -> Recordings:
    """List digests of what was decoded.

    Parameters
    ----------
    cache : Cache
    clip_ids, names : sequence of str
        What the cache calls the clips, and what the system does.
    system : int
        Number of the system.
    """
    records = cache.records(clip_ids)
    clips = [(name, records[clip_id].input_sha256) for name, clip_id in zip(names, clip_ids, strict=True)]
    return {"stream": str(cache.about["stream"]), "system": system, "clips": clips}


def distinct(recordings: Iterable[Recordings]) -> list[Recordings]:
    """Leave out what another system of the stream says already: several encoders heard the same recordings."""
    kept: list[Recordings] = []
    for entry in recordings:
        if all((entry["stream"], entry["clips"]) != (other["stream"], other["clips"]) for other in kept):
            kept.append(entry)
    return kept


def read_recordings(folder: HeadFolder, n_systems: int) -> list[Recordings]:
    """Read the file; nothing where the head does not say.

    Raises
    ------
    HeadError
        For a damaged file, or one that speaks of a system that is not there.
    """
    if RECORDINGS_FILE not in folder.document["files"]:
        return []
    recordings: list[Recordings] = folder.read_json(RECORDINGS_FILE, list[Recordings], _MAX_BYTES)
    if odd := [entry["system"] for entry in recordings if entry["system"] >= n_systems]:
        raise HeadError(
            f"{folder.path / RECORDINGS_FILE}: it names the system {odd[0]}, counted from 0, of {n_systems}; {REMEDY}"
        )
    return recordings


def taught(
    recordings: Sequence[Recordings], stream: str, tested: Mapping[int, Sequence[PublishedClip]]
) -> frozenset[str]:
    """Give the digests of a stream's recordings, but for those of clips that every system tested."""
    digests: set[str] = set()
    for entry in recordings:
        if entry["stream"] == stream:
            names = {clip.clip_id for clip in tested.get(entry["system"], ())}
            digests |= {digest for clip_id, digest in entry["clips"] if clip_id not in names}
    return frozenset(digests)
