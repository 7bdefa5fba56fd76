"""Parts of unfinished shards: clips that are encoded and whose shard is not complete yet.

A part is a shard file with fewer clips under another name, so it has the same digests. Readers of a cache never see
it; the run that continues an interrupted one takes its clips over, and whoever finishes the shard removes it.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.cache.digests import check_shard
from ravfeat.cache.format import ShardContent, shard_file
from ravfeat.cache.shard import UNREADABLE, ShardHeader, open_shard, read_header
from ravfeat.errors import ShardError
from ravfeat.files import sha256_of

__all__ = ["is_part", "part_file", "part_header", "part_number", "present_parts", "read_content", "read_part"]

_DIGITS = 16
_PART = re.compile(rf"shard-\d{{5,}}\.part-(\d{{4,}})-([0-9a-f]{{{_DIGITS}}})\.h5")


def part_file(shard: int, part: int, sha256: str) -> str:
    """Return the file name of a part of a shard, with the first digits of its SHA-256: no table has its digest.

    Examples
    --------
    >>> part_file(3, 0, "c0ffee" * 10)
    'shard-00003.part-0000-c0ffeec0ffeec0ff.h5'
    """
    return f"{shard_file(shard).removesuffix('.h5')}.part-{part:04d}-{sha256[:_DIGITS]}.h5"


def is_part(name: str) -> bool:
    """Whether a file name is that of a part."""
    return _PART.fullmatch(name) is not None


def part_number(path: Path) -> int:
    """Parse the number of a part from its file name.

    Examples
    --------
    >>> part_number(Path("shard-00003.part-0012-c0ffeec0ffeec0ff.h5"))
    12
    """
    match = _PART.fullmatch(path.name)
    return int(match[1]) if match else 0


def present_parts(folder: Path, shard: int) -> list[Path]:
    """List the parts of a shard in the order in which they were written."""
    paths = folder.glob(f"{shard_file(shard).removesuffix('.h5')}.part-*.h5")
    return sorted((path for path in paths if is_part(path.name)), key=part_number)


def read_part(path: Path) -> ShardContent:
    """Read a part and check every digest.

    Raises
    ------
    ShardError
        Where it is damaged.
    """
    part_header(path)
    return read_content(path)


def read_content(path: Path) -> ShardContent:
    """Read all of a shard's file and check every digest; HDF5 must be known to open it.

    Raises
    ------
    ShardError
        Where it is damaged.
    """
    header = read_header(path)
    if problems := check_shard(path, header).problems:
        raise ShardError(f"{path} is damaged: {problems[0]}")
    with open_shard(path) as file:
        try:
            features, frames = file["features"][...], file["frames"]
            # HDF5 lists names by the alphabet. In the order in which they were written, so that the shard gets the
            # bytes of one that was never interrupted.
            names = sorted(frames, key=lambda name: frames[name].id.get_offset() or 0)
            columns = {name: frames[name][...] for name in names}
        except UNREADABLE as error:
            raise ShardError(f"{path} is damaged: its features cannot be read ({error})") from error
    return _content(header, features, columns)


def part_header(path: Path) -> ShardHeader:
    """Read the metadata of a part; errors as `read_part`."""
    # Before HDF5 sees it: damage can make HDF5 loop for ever.
    match = _PART.fullmatch(path.name)
    if match is None or not path.is_file() or not sha256_of(path).startswith(match[2]):
        raise ShardError(f"{path} is damaged: it does not match the digest in its name")
    return read_header(path)


def _content(header: ShardHeader, features: NDArray[Any], frames: dict[str, NDArray[Any]]) -> ShardContent:
    ranges = [slice(clip.frame_start, clip.frame_start + clip.n_frames) for clip in header.clips]
    times_s = frames.pop("time_s")
    return ShardContent(
        number=header.number,
        about=header.about,
        identity=header.identity,
        provenance=header.provenance,
        clips=header.clips,
        failed=header.failed,
        # Copies, so that a clip does not keep the whole part in memory, and is contiguous like a fresh one.
        features=tuple(np.ascontiguousarray(features[:, frame_range]) for frame_range in ranges),
        times_s=tuple(times_s[frame_range] for frame_range in ranges),
        shape=(header.shape[0], header.shape[2]),
        columns=tuple({name: values[frame_range] for name, values in frames.items()} for frame_range in ranges),
        source=header.source,
        feature_names=header.feature_names,
    )
