"""Preview a face cache: crop stored boxes out of the videos again.

The crops are made from boxes and times in the shards, so the sheet shows the encoder's input, and whether these
columns are right.
"""

from collections.abc import Sequence
from pathlib import Path

from ravfeat.cache import Cache
from ravfeat.cache.face_coverage import face_coverage
from ravfeat.errors import CacheError, MediaError
from ravfeat.faces.crop import margin_of
from ravfeat.faces.sheet import SheetRow, stored_crops
from ravfeat.progress import track_progress

__all__ = ["chosen_clips", "preview_rows"]

_SIZE = 112
_UNCROPPED_MARGIN = 1.2  # for landmarks, whose box just encloses the points


def chosen_clips(cache: Cache, n: int) -> list[str]:
    """Choose clips to show: those with the lowest face coverage, up to half, then evenly spaced ones.

    Raises
    ------
    CacheError
        Where the cache holds no boxes.
    """
    coverages = face_coverage(cache)
    if not coverages or "box" not in cache.columns(coverages[0].clip_id):
        raise CacheError(f"{cache.path} holds no boxes of faces; a preview needs a cache that 'ravfeat extract' made")
    # Half of the sheet shows where detection is worst, the other half what is usual.
    worst = [coverage.clip_id for coverage in coverages if coverage.share < 1][: n // 2]
    rest = [clip_id for clip_id in cache.clip_ids if clip_id not in worst]
    n_rest = min(n - len(worst), len(rest))
    return worst + [rest[i * len(rest) // n_rest] for i in range(n_rest)]


def preview_rows(cache: Cache, root: Path, clip_ids: Sequence[str], *, n_pictures: int) -> list[SheetRow]:
    """Crop the stored boxes of some clips out of their videos.

    Parameters
    ----------
    cache : Cache
        Of the face stream.
    root : Path
        Folder that the clips' paths are relative to.
    clip_ids : sequence of str
    n_pictures : int
        Evenly spaced pictures of every clip.

    Raises
    ------
    CacheError
        For a clip that is not stored.
    MediaError
        Where a video is missing, or does not match the stored times.
    """
    clips = cache.planned_manifest.by_id()
    records = cache.records()
    margin = margin_of(cache.identity["preprocessing"]) or _UNCROPPED_MARGIN
    rows = []
    for clip_id in track_progress(clip_ids, desc="cutting", unit="clip", delay=1.0):
        columns = cache.columns(clip_id)  # raises for an unknown clip
        found, label = columns["found"], records[clip_id].label
        clip = clips[clip_id]
        path = root / clip.path
        if not path.is_file():
            raise MediaError(f"{path} is not there; --data must name the folder that the cache was made from")
        title = f"{clip_id}  {label}  found in {found.mean():.0%} of {len(found)} pictures"
        times_s = cache.times(clip_id)
        rows.append(
            stored_crops(
                path, times_s, columns["box"], found, margin=margin, n=n_pictures, size=_SIZE, title=title,
                start_s=clip.start_s, end_s=clip.end_s,
            )
        )  # fmt: skip
    return rows
