"""Read the lengths of files from their headers, with a progress bar where there are many files."""

import math
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Literal

from ravfeat.manifest import Clip
from ravfeat.progress import track_progress
from ravfeat.schema import Stream

__all__ = ["file_lengths", "with_durations"]


def with_durations(root: Path, clips: Sequence[Clip], stream: Stream) -> Iterator[Clip]:
    """Fill in ``duration_s`` of every clip for a stream; NaN where a file cannot be probed."""
    lengths_s = file_lengths(root, [clip.path for clip in clips], stream)
    for clip in clips:
        start_s = 0.0 if math.isnan(clip.start_s) else clip.start_s
        end_s = lengths_s[clip.path] if math.isnan(clip.end_s) else clip.end_s
        yield replace(clip, duration_s=end_s - start_s if end_s > start_s else math.nan)


def file_lengths(root: Path, paths: Iterable[str], stream: Stream) -> dict[str, float]:
    """Read the lengths of files in seconds, each once; NaN where a file cannot be probed."""
    from ravfeat.media.probe import probe_duration  # brings decoders, which who only reads names can do without

    track: Literal["audio", "video"] = "video" if stream == "face" else "audio"
    files = list(dict.fromkeys(paths))
    # More threads than processors: they wait for the disk.
    with ThreadPoolExecutor(max_workers=8) as pool:
        durations = pool.map(lambda path: probe_duration(root / path, track), files)
        bar = track_progress(durations, total=len(files), desc="reading headers", unit="file", delay=1.0)
        return dict(zip(files, bar, strict=True))
