"""Measure the sound of clips: loudness, peak, clipping, silence, rate, channels; each file is decoded once."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import MediaError
from ravfeat.explore.doubts import Doubt, listed, times
from ravfeat.explore.fingerprint import envelope_moves, near_pairs
from ravfeat.explore.listing import Listing
from ravfeat.explore.recordings import Pair, pair_of
from ravfeat.explore.telling import Telling, binned, telling
from ravfeat.manifest import Clip
from ravfeat.media.active import active_part
from ravfeat.media.probe import probe_channels
from ravfeat.media.waveform_source import WaveformSource
from ravfeat.progress import track_progress

__all__ = ["MEASURES", "ClipSound", "Sounds", "listen"]

MEASURES: Mapping[str, str] = {
    "duration_s": "length (s)",
    "loudness_db": "loudness (RMS, dB of full scale)",
    "peak_db": "peak (dB of full scale)",
    "silence": "silent share",
}
"""Fields of `ClipSound` that are compared with labels and actors, and what they are called."""

_FULL_SCALE = 0.999
_CLIPPED_SAMPLES = 10
_OFFSET = 0.02
_QUIET_DB, _FAR = -65.0, 4.0
_SILENT = 0.7
_THREADS = 4


@dataclass(frozen=True)
class ClipSound:
    """What a clip sounds like.

    Attributes
    ----------
    row : int
        Its place in the listing.
    duration_s : float
    rate_hz, channels : int
        Channels are 0 where the header does not tell.
    loudness_db : float
        Root mean square of the mono mix, in dB relative to a full-scale square wave.
    peak_db : float
    clipped : int
        Samples at full scale beside another such sample.
    silence : float
        Share of the clip before and after its speech, see `ravfeat.media.active`.
    offset : float
        Mean of the samples.
    sha256 : str
        Of the decoded samples; equal digests are one recording.
    """

    row: int
    duration_s: float
    rate_hz: int
    channels: int
    loudness_db: float
    peak_db: float
    clipped: int
    silence: float
    offset: float
    sha256: str


@dataclass(frozen=True)
class Sounds:
    """What the clips of a corpus sound like.

    Attributes
    ----------
    clips : tuple of ClipSound
    unreadable : mapping of str to str
        Clips that cannot be decoded, with the reason.
    asked : int
        Clips that were listened to, of all.
    compared : tuple of str
        Ids of the clips that could be decoded, all compared with each other.
    pairs : tuple of Pair
        Clips that are nearly the same by their sound, equal samples left out.
    label_told, actor_told : mapping of str to Telling
        How well one measure by itself names the label and the actor; by the names of `MEASURES`.
    doubts : tuple of Doubt
    """

    clips: tuple[ClipSound, ...]
    unreadable: Mapping[str, str]
    asked: int
    compared: tuple[str, ...]
    pairs: tuple[Pair, ...]
    label_told: Mapping[str, Telling]
    actor_told: Mapping[str, Telling]
    doubts: tuple[Doubt, ...]

    def column(self, name: str) -> NDArray[np.float64]:
        """Give one field of all clips that could be decoded."""
        return np.array([getattr(clip, name) for clip in self.clips], np.float64)


def listen(listing: Listing, clips: Sequence[Clip], root: Path, rows: Sequence[int]) -> Sounds:
    """Decode some clips, measure them and compare all with each other.

    Parameters
    ----------
    listing : Listing
    clips : sequence of Clip
        Of the listing, in its order.
    root : Path
        What their paths are relative to.
    rows : sequence of int
        Clips to decode.
    """
    heard, moves, unreadable = [], [], {}
    with ThreadPoolExecutor(_THREADS) as pool:
        results = pool.map(lambda row: _hear(clips[row], root, row), rows)
        bar = track_progress(results, total=len(rows), desc="listening", unit="clip", leave=False, delay=1.0)
        for row, result in zip(rows, bar, strict=True):
            if isinstance(result, str):
                unreadable[clips[row].clip_id] = result
            else:
                heard.append(result[0])
                moves.append(result[1])
    near = near_pairs(moves)
    same = {(a, b) for a, b, _ in near if heard[a].sha256 == heard[b].sha256}
    pairs = tuple(
        pair_of(listing, heard[a].row, heard[b].row, alike, "sound") for a, b, alike in near if (a, b) not in same
    )
    ids = listing.columns["clip_id"]
    label_told, actor_told = (_told(heard, values) for values in (listing.labels, listing.actors))
    return Sounds(
        tuple(heard), unreadable, len(rows), tuple(ids[clip.row] for clip in heard), pairs, label_told, actor_told,
        tuple(_doubts(heard, unreadable, ids, label_told)),
    )  # fmt: skip


def _hear(clip: Clip, root: Path, row: int) -> tuple[ClipSound, NDArray[np.float32]] | str:
    try:
        waveform = next(WaveformSource().read(clip, root))
    except MediaError as error:
        return str(error).replace(f"{root}/", "")
    x, rate_hz = waveform.samples, waveform.sample_rate_hz
    at_full_scale = np.abs(x) >= _FULL_SCALE
    part = active_part(x, rate_hz)
    sound = ClipSound(
        row,
        waveform.duration_s,
        rate_hz,
        probe_channels(root / clip.path),
        _db(float(np.sqrt(np.mean(np.square(x, dtype=np.float64))))),
        _db(float(np.abs(x).max())),
        int((at_full_scale[1:] & at_full_scale[:-1]).sum()),
        1 - (part.end - part.start),
        float(x.mean(dtype=np.float64)),
        waveform.sha256,
    )
    return sound, envelope_moves(x, rate_hz)


def _db(amplitude: float) -> float:
    return 20 * float(np.log10(max(amplitude, 1e-6)))


def _told(heard: Sequence[ClipSound], values: Sequence[str]) -> dict[str, Telling]:
    targets = [values[clip.row] for clip in heard]
    if len(set(targets)) < 2:
        return {}
    return {name: telling(binned(np.array([getattr(clip, name) for clip in heard])), targets) for name in MEASURES}


def _doubts(
    heard: Sequence[ClipSound], unreadable: Mapping[str, str], ids: Sequence[str], label_told: Mapping[str, Telling]
) -> Iterator[Doubt]:
    if unreadable:
        reasons = listed([f"{clip_id}: {reason}" for clip_id, reason in unreadable.items()], 3)
        yield Doubt("sound", f"{times(len(unreadable), 'clip')} cannot be decoded: {reasons}", tuple(unreadable))
    if not heard:
        return
    loudness = np.array([clip.loudness_db for clip in heard])
    middle = float(np.median(loudness))
    # In units of the spread that half of the clips have (the median absolute deviation, as a standard deviation).
    far = np.abs(loudness - middle) > _FAR * max(1.4826 * float(np.median(np.abs(loudness - middle))), 1.0)
    cases = {
        f"clipped: at least {_CLIPPED_SAMPLES} samples at full scale beside another one": [
            clip.clipped >= _CLIPPED_SAMPLES for clip in heard
        ],
        f"very quiet: below {_QUIET_DB:g} dB of full scale": [clip.loudness_db < _QUIET_DB for clip in heard],
        f"far louder or quieter than the middle of all clips ({middle:.0f} dB)": far.tolist(),
        f"silent for more than {100 * _SILENT:.0f} % of their length, before and after the speech": [
            clip.silence > _SILENT for clip in heard
        ],
        "not centred: the mean of their samples is not zero": [abs(clip.offset) > _OFFSET for clip in heard],
    }
    for words, marks in cases.items():
        if clips := tuple(ids[clip.row] for clip, mark in zip(heard, marks, strict=True) if mark):
            yield Doubt("sound", f"{times(len(clips), 'clip')} {words}", clips)
    for name, noun in (("rate_hz", "sampling rate (Hz)"), ("channels", "number of channels")):
        counts = dict(sorted(_count(heard, name).items()))
        if len(counts) > 1:
            parts = listed([f"{value} in {times(n, 'clip')}" for value, n in counts.items()])
            yield Doubt("sound", f"the {noun} differs: {parts}; a head can learn who was recorded how")
    for name, told in label_told.items():
        if told.gain >= 0.5:
            yield Doubt(
                "sound", f"{MEASURES[name]} by itself names the label with a UAR of {told.value:.2f} (chance"
                f" {told.chance:.2f}): it may be the recording that is learned", grave=True,
            )  # fmt: skip


def _count(heard: Sequence[ClipSound], name: str) -> dict[int, int]:
    values = [getattr(clip, name) for clip in heard]
    return {value: values.count(value) for value in set(values)}
