"""Read the lengths of clips from file headers, with a progress bar where there are many files."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Literal

from ravfeat.manifest import Clip
from ravfeat.progress import track_progress
from ravfeat.schema import Stream

__all__ = ["with_durations"]


def with_durations(root: Path, clips: Sequence[Clip], stream: Stream) -> Iterator[Clip]:
    """Fill in ``duration_s`` of every clip for a stream; NaN where a file cannot be probed."""
    from ravfeat.media.probe import probe_duration  # brings decoders, which who only reads names can do without

    track: Literal["audio", "video"] = "video" if stream == "face" else "audio"
    # More threads than processors: they wait for the disk.
    with ThreadPoolExecutor(max_workers=8) as pool:
        durations = pool.map(lambda clip: probe_duration(root / clip.path, track), clips)
        bar = track_progress(durations, total=len(clips), desc="reading headers", unit="clip", delay=1.0)
        for clip, duration_s in zip(clips, bar, strict=True):
            yield replace(clip, duration_s=duration_s)
