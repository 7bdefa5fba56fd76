"""Read parts of recordings by time: every file is opened where the part lies, or decoded once for many parts.

A part is the samples from ``round(start · rate)`` to ``round(end · rate)`` of the mono waveform, so that parts of a
file are bit for bit what the same sounds would be in files of their own. Of lossless files soundfile reads any sample
directly; others must be decoded from their beginning, and the last ones are kept in memory.
"""

import math
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from threading import Lock

from ravfeat.errors import MediaError
from ravfeat.media.sound import Waveform, check_audible, exact_length, read_exactly, read_waveform
from ravfeat.resources import memory_budget

__all__ = ["PartReader"]

_MAX_BYTES = 1 << 30
_LATE_S = 0.05
"""Ends so much later than the file's are rounded ones."""

_FileKey = tuple[str, int, int]


class PartReader:
    """Reader of parts of audio files; any number of threads may use one.

    Parameters
    ----------
    limit_bytes : int, optional
        Of the decoded files that are kept beside the last one; by default an eighth of the free memory, at most 1 GiB.
    """

    def __init__(self, limit_bytes: int | None = None) -> None:
        self._limit = limit_bytes
        self._lengths: OrderedDict[_FileKey, tuple[int, int] | None] = OrderedDict()
        self._decoded: OrderedDict[_FileKey, Waveform] = OrderedDict()
        self._looking, self._decoding = Lock(), Lock()

    def read(self, path: Path, start_s: float = math.nan, end_s: float = math.nan) -> Waveform:
        """Read a part, or the whole file where start and end are NaN.

        Parameters
        ----------
        path : Path
        start_s, end_s : float
            Seconds from the start of the recording; NaN for its own start or end.

        Raises
        ------
        MediaError
            As `ravfeat.media.sound.read_waveform`, and where the part does not lie in the file.
        """
        if math.isnan(start_s) and math.isnan(end_s):
            return read_waveform(path)
        try:
            return self._part(path, start_s, end_s)
        except MediaError as error:
            end = "the end" if math.isnan(end_s) else f"{end_s:g} s"
            raise MediaError(f"{error} (the part from {0 if math.isnan(start_s) else start_s:g} s to {end})") from error

    def _part(self, path: Path, start_s: float, end_s: float) -> Waveform:
        key = _key(path)
        length = self._length(key, path)
        if length is not None:
            first, stop = _samples(path, start_s, end_s, *length)
            return read_exactly(path, first, stop)
        whole = self._whole(key, path)
        rate, late_s = whole.sample_rate_hz, whole.start_s
        first, stop = _samples(path, start_s - late_s, end_s - late_s, len(whole.samples), rate)
        # A copy, so that the part does not keep the whole file in memory.
        samples = whole.samples[first:stop].copy()
        check_audible(path, samples)
        begins_s = 0.0 if math.isnan(start_s) else start_s
        return replace(whole, samples=samples, start_s=max(0.0, late_s - begins_s))

    def _length(self, key: _FileKey, path: Path) -> tuple[int, int] | None:
        with self._looking:
            if key not in self._lengths:
                self._lengths[key] = exact_length(path)
                if len(self._lengths) > 10_000:
                    self._lengths.popitem(last=False)
            return self._lengths[key]

    def _whole(self, key: _FileKey, path: Path) -> Waveform:
        # One file at a time: threads that need the same one wait for it, others do not decode a second one into memory.
        with self._decoding:
            if key in self._decoded:
                self._decoded.move_to_end(key)
                return self._decoded[key]
            waveform = self._decoded[key] = read_waveform(path)
            limit = min(_MAX_BYTES, memory_budget() // 8) if self._limit is None else self._limit
            while len(self._decoded) > 1 and sum(kept.samples.nbytes for kept in self._decoded.values()) > limit:
                self._decoded.popitem(last=False)
            return waveform


def _key(path: Path) -> _FileKey:
    try:
        status = path.stat()
    except OSError:
        return str(path), 0, 0  # reading it says why
    return str(path), status.st_size, status.st_mtime_ns


def _samples(path: Path, start_s: float, end_s: float, n_samples: int, rate: int) -> tuple[int, int]:
    """Return the first sample of a part, and the one behind its last."""
    first = 0 if math.isnan(start_s) else max(0, round(start_s * rate))
    stop = n_samples if math.isnan(end_s) else round(end_s * rate)
    if first >= min(stop, n_samples) or stop > n_samples + _LATE_S * rate:
        raise MediaError(f"{path} has no such part: it holds {n_samples / rate:.3f} s of sound")
    return first, min(stop, n_samples)
