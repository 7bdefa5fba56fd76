"""Files decoded and prepared ahead of the encoder, in background threads, in order.

Offers
------
DecodedClip, decode, decode_ahead.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from ravfeat.encoders.base import Encoder, Prepared
from ravfeat.errors import ClipError, MediaError
from ravfeat.manifest import Clip
from ravfeat.media import read_waveform

__all__ = ["DecodedClip", "decode", "decode_ahead"]

_WORKERS = 2
_AHEAD = 24
"""Clips that wait for the encoder at most; bounds memory."""


@dataclass(frozen=True)
class DecodedClip:
    """One clip ready for the encoder, or the reason why it is not.

    Attributes
    ----------
    clip : Clip
    prepared : Prepared or None
        None where it failed.
    n_samples : int
        Decoded, before resampling.
    rate_hz : float
    input_sha256 : str
        Of the decoded samples.
    reason : str
        Why it failed, with the path relative to the data; empty where it did not.
    """

    clip: Clip
    prepared: Prepared | None
    n_samples: int = 0
    rate_hz: float = 0.0
    input_sha256: str = ""
    reason: str = ""


def decode(clip: Clip, root: Path | None, encoder: Encoder) -> DecodedClip:
    """Decode and prepare one clip; what is wrong with the clip comes back as its reason.

    Parameters
    ----------
    clip : Clip
    root : Path, optional
        What the clip's path is relative to; None where the clip is not in the data at hand.
    encoder : Encoder
    """
    if root is None:
        return DecodedClip(clip, None, reason=f"{clip.path} belongs in this cache and is not among the data given now")
    path = root / clip.path
    try:
        waveform = read_waveform(path)
        prepared = encoder.prepare(waveform)
    except (MediaError, ClipError, MemoryError) as error:
        # The reason is stored in the shard, which says nothing about the machine it was made on.
        reason = str(error).replace(str(path), clip.path) or "does not fit into memory"
        return DecodedClip(clip, None, reason=reason if clip.path in reason else f"{clip.path}: {reason}")
    return DecodedClip(clip, prepared, len(waveform.samples), float(waveform.sample_rate_hz), waveform.sha256)


def decode_ahead(clips: Iterable[Clip], work: Callable[[Clip], DecodedClip]) -> Generator[DecodedClip, None, None]:
    """Run ``work`` over clips in background threads and give the results in order."""
    with ThreadPoolExecutor(max_workers=_WORKERS, thread_name_prefix="decode") as pool:
        waiting: deque[Future[DecodedClip]] = deque()
        try:
            for clip in clips:
                waiting.append(pool.submit(work, clip))
                if len(waiting) > _AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
