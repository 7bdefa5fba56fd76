"""Compare a media file with the sizes in its raw header: cut off, or several recordings joined into one file.

Decoders read what is there. A file of which a third is missing often ends without an error, and of recordings joined
with `cat` most decoders return the first. So the outermost chunks of a file (RIFF, IFF, boxes, elements, pages,
packets) are walked here, without decoding. FLAC and other raw streams (adts, ac3) and program streams
(mpg) have no sizes.
"""

import math
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ravfeat.errors import MediaError

__all__ = ["is_placeholder", "promised_share"]

_HEAD = 1024
"""Bytes read of each chunk; an Ogg page has the longest header that is walked, a NIST file the longest of all."""

_MOST_BEHIND = 0.05
"""Share of a file that may stand behind the samples and be no chunk."""

_MOST_CHUNKS = 1 << 20
"""More are not walked, so that a file made of tiny ones takes seconds."""

_SAMPLES = frozenset({b"data", b"SSND", b"BODY"})
"""Names of the chunk of samples: RIFF, AIFF, 8SVX."""

_PLACEHOLDER_SLACK = 1 << 16
_TORN = 1 << 62
"""Length of a chunk whose header is cut off."""


@dataclass(frozen=True)
class _Format:
    """How a format is divided into chunks.

    Attributes
    ----------
    begins : callable
        Whether a file with these first bytes has this format.
    length : callable
        Bytes of the chunk that begins with these, of which so many bytes are left in the file; None or 0 where that is
        unknown, or behind the last chunk.
    parts : bool
        Whether the recording is spread over many chunks, so that nobody knows how many are missing where the last one
        is cut off; otherwise the size of one chunk tells it.
    bounded : bool
        Whether decoders stop where the samples end by the header, whatever stands behind them.
    again : callable, optional
        Whether another recording begins with the chunk that begins with these, after the chunk that began with those;
        by default, where a file could begin with it.
    closes : callable
        Whether the last chunk may be the last one.
    intact : callable, optional
        Whether the checksum of a whole chunk is right; decoders leave out what is not.
    """

    begins: Callable[[bytes], bool]
    length: Callable[[bytes, int], int | None]
    parts: bool = False
    bounded: bool = False
    again: Callable[[bytes, bytes], bool] | None = None
    closes: Callable[[bytes], bool] = lambda _: True
    intact: Callable[[bytes], bool] | None = None

    def repeats(self, previous: bytes, head: bytes) -> bool:
        return self.again(previous, head) if self.again else self.begins(head)


def is_placeholder(n_bytes: int) -> bool:
    """Whether a 32-bit size is what programs write that do not know it yet: 0, near 2**31 or near 2**32."""
    n_missing = min(abs(n_bytes - (1 << bits)) for bits in (31, 32))
    return n_bytes == 0 or n_missing <= _PLACEHOLDER_SLACK


def promised_share(path: Path) -> float:
    """Return the size that a file should have by its own header, divided by its size.

    Returns
    -------
    float
        1 where the file is whole, or its format or this header promises nothing; more than 1 where it was cut off,
        infinite where nobody knows how much is missing.

    Raises
    ------
    MediaError
        Where a second recording follows the first.
    OSError
        Where the system cannot read the file.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(_HEAD)
        for known in _FORMATS:
            if known.begins(head):
                return _promised_end(path, file, size, known) / size
    return 1.0


def _promised_end(path: Path, file: BinaryIO, size: int, known: _Format) -> float:
    end, previous, n_chunks = 0, b"", 0
    while end < size and n_chunks < _MOST_CHUNKS:
        head = _read(file, end, _HEAD)
        if end and known.repeats(previous, head):
            raise MediaError(_several(path, end))
        length = known.length(head, size - end)
        if not length:
            if known.bounded and end and head[:4] not in _SAMPLES and size - end > max(_HEAD, _MOST_BEHIND * size):
                raise MediaError(_unread(path, size - end))
            break
        if known.intact and end + length <= size and not known.intact(_read(file, end, length)):
            raise MediaError(f"{path} is damaged: the checksum at byte {end} is wrong; copy it again")
        end, previous, n_chunks = end + length, head, n_chunks + 1
    if known.parts and n_chunks < _MOST_CHUNKS and (end > size or not known.closes(previous)):
        return math.inf
    return max(end, size)


def _read(file: BinaryIO, start: int, n_bytes: int) -> bytes:
    file.seek(start)
    return file.read(n_bytes)


def _unread(path: Path, n_bytes: int) -> str:
    return (
        f"{path} holds {n_bytes} bytes behind the end that its header promises, perhaps of the recording, which"
        f" decoders would not read; if so, keep them: ffmpeg -ignore_length 1 -i {path.name} NEW{path.suffix}; if not,"
        " leave out the option"
    )


def _several(path: Path, start: int) -> str:
    return (
        f"{path} holds several recordings, one after the other (another begins at byte {start}); decoders would read"
        " only the first, or all as one: split them into files"
    )


def _little(head: bytes, start: int, n_bytes: int) -> int:
    return int.from_bytes(head[start : start + n_bytes], "little")


def _big(head: bytes, start: int, n_bytes: int) -> int:
    return int.from_bytes(head[start : start + n_bytes], "big")


def _known(n_bytes: int, *, before: int) -> int | None:
    return None if is_placeholder(n_bytes) or n_bytes >= _TORN else before + n_bytes


def _is_wav(head: bytes) -> bool:
    return head[:4] in {b"RIFF", b"RIFX", b"RF64", b"BW64"} and head[8:12] == b"WAVE"


def _wav_length(head: bytes, left: int) -> int | None:
    if head[:4] == b"RIFX":
        return _known(_big(head, 4, 4), before=8)
    if head[12:16] == b"ds64":
        return _known(_little(head, 20, 8), before=8)
    if _is_wav(head):
        return 12
    return _chunk_length(head, _little(head, 4, 4), left)


def _chunk_length(head: bytes, n_bytes: int, left: int) -> int | None:
    length = 8 + n_bytes + n_bytes % 2  # chunks have an even length
    if head[:4] in _SAMPLES:
        return _known(n_bytes, before=8) if length > left else length if n_bytes else None
    # Only the samples count: what stands behind them may be cut, or be no chunk at all.
    return length if 8 <= length <= left else None


def _avi_length(head: bytes, _: int) -> int | None:
    return _known(_little(head, 4, 4), before=8) if head[:4] == b"RIFF" else None


def _iff_length(head: bytes, left: int) -> int | None:
    if head[:4] == b"FORM":
        return 12
    return _chunk_length(head, _big(head, 4, 4), left)


def _au_length(head: bytes, _: int) -> int | None:
    return _known(_big(head, 8, 4), before=_big(head, 4, 4)) if head[:4] == b".snd" else None


def _w64_length(head: bytes, _: int) -> int | None:
    return _known(_little(head, 16, 8), before=0) if head[:4] == b"riff" else None


def _caf_length(head: bytes, _: int) -> int | None:
    # 2**64 - 1 stands for a length that is not known.
    return 8 if head[:4] == b"caff" else _known(_big(head, 4, 8), before=12) if len(head) >= 12 else None


def _voc_length(head: bytes, _: int) -> int | None:
    if head.startswith(b"Creative Voice File"):
        return _little(head, 20, 2)
    return 4 + _little(head, 1, 3) if head[0] else None


def _nist_length(head: bytes, _: int) -> int | None:
    patterns = [rb"^%s -i (\d{1,9})\s" % name for name in (b"sample_count", b"sample_n_bytes", b"channel_count")]
    header = re.match(rb"NIST_1A\s+(\d{1,9})\s", head)
    fields = [re.search(pattern, head, re.MULTILINE) for pattern in patterns]
    if not header or not all(fields) or not re.search(rb"^sample_coding -s\d+ pcm\s", head, re.MULTILINE):
        return None
    return int(header[1]) + math.prod(int(field[1]) for field in fields if field)


def _ogg_length(head: bytes, _: int) -> int | None:
    if head[:4] != b"OggS":
        return None
    n_segments = head[26] if len(head) > 26 else _HEAD
    return 27 + n_segments + sum(head[27 : 27 + n_segments]) if len(head) >= 27 + n_segments else _TORN


def _page_flag(head: bytes, bit: int) -> bool:
    return len(head) > 5 and head[:4] == b"OggS" and bool(head[5] & bit)


_BACKWARDS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def _is_intact_page(page: bytes) -> bool:
    """Compare the checksum of an Ogg page, which is that of zlib with all bits in reverse order."""
    data = (page[:22] + bytes(4) + page[26:]).translate(_BACKWARDS)
    checksum = zlib.crc32(data, 0xFFFFFFFF) ^ 0xFFFFFFFF  # zlib inverts at both ends, Ogg does not
    return checksum.to_bytes(4, "big").translate(_BACKWARDS) == page[22:26]


def _flv_length(head: bytes, _: int) -> int | None:
    # Header and tags are each followed by four bytes.
    if head[:3] == b"FLV":
        return _big(head, 5, 4) + 4
    if head[0] & 0x1F not in {8, 9, 18}:
        return None
    return 11 + _big(head, 1, 3) + 4


def _box_length(head: bytes, left: int) -> int | None:
    length, name = _big(head, 0, 4), head[4:8]
    if not name.isalnum():
        return None
    return left if length == 0 else _big(head, 8, 8) if length == 1 else length


_MPEG_KBPS = {
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MPEG_HZ = (44_100, 48_000, 32_000)


def _is_mpeg(head: bytes) -> bool:
    return head[:3] == b"ID3" or bool(_mpeg_length(head, 0))


def _mpeg_length(head: bytes, _: int) -> int | None:
    """Layers II and III; where the first frame counts all others, decoders compare them with it."""
    if head[:3] == b"ID3":
        return 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=False))
    if len(head) < 4 or head[0] != 0xFF or head[1] < 0xE0 or re.search(rb"Xing|Info|VBRI", head[:64]):
        return None
    version, layer = {3: 1, 2: 2, 0: 4}.get(head[1] >> 3 & 3, 0), 4 - (head[1] >> 1 & 3)
    bitrate, rate = head[2] >> 4, head[2] >> 2 & 3
    if not version or layer not in {2, 3} or bitrate in {0, 15} or rate == 3:
        return None
    kbps = _MPEG_KBPS[(1, layer) if version == 1 else (2, 2)][bitrate - 1]
    coefficient = 144_000 if version == 1 or layer == 2 else 72_000
    return coefficient * kbps // (_MPEG_HZ[rate] // version) + (head[2] >> 1 & 1)


_EBML, _SEGMENT, _CLUSTER = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67", b"\x1f\x43\xb6\x75"


def _ebml_length(head: bytes, _: int) -> int | None:
    # The leading zero bits of its first byte say how long an identifier is, and likewise a size.
    id_bytes = 9 - head[0].bit_length()
    if id_bytes > 4 or len(head) <= id_bytes:
        return None
    size_bytes = 9 - head[id_bytes].bit_length()
    if size_bytes > 8:
        return None
    most = (1 << 7 * size_bytes) - 1
    length = _big(head, id_bytes, size_bytes) & most
    before = id_bytes + size_bytes
    if length != most:
        return before + length
    # Without a size, as in recordings of browsers: walk what is in it.
    return before if head[:4] in {_SEGMENT, _CLUSTER} else None


_FORMATS = (
    _Format(_is_wav, _wav_length, bounded=True),
    _Format(lambda head: head[:4] == b"RIFF" and head[8:12] == b"AVI ", _avi_length),
    _Format(lambda head: head[:4] == b"FORM", _iff_length, bounded=True),
    _Format(lambda head: head[:4] == b".snd", _au_length, bounded=True),
    _Format(lambda head: head[:8] == b"riff\x2e\x91\xcf\x11", _w64_length, bounded=True),
    _Format(lambda head: head[:4] == b"caff", _caf_length),
    _Format(lambda head: head.startswith(b"Creative Voice File"), _voc_length),
    _Format(lambda head: head[:7] == b"NIST_1A", _nist_length, bounded=True),
    _Format(
        lambda head: head[:4] == b"OggS",
        _ogg_length,
        parts=True,
        # The first pages of all tracks stand together.
        again=lambda previous, head: _page_flag(head, 2) and not _page_flag(previous, 2),
        closes=lambda head: _page_flag(head, 4),
        intact=_is_intact_page,
    ),
    _Format(lambda head: head[:3] == b"FLV", _flv_length, parts=True),
    _Format(
        lambda head: head[4:8] in {b"ftyp", b"moov", b"mdat", b"wide", b"skip", b"free"},
        _box_length,
        parts=True,
        again=lambda _, head: head[4:8] == b"ftyp",
    ),
    _Format(lambda head: head[:4] == _EBML, _ebml_length, parts=True),
    _Format(_is_mpeg, _mpeg_length, parts=True, again=lambda _, head: False),
    _Format(
        lambda head: len(head) > 376 and head[0] == head[188] == head[376] == 0x47,
        lambda _, left: -(-left // 188) * 188,
        parts=True,
    ),
)
