"""Share of frames with a detected face, per clip, from the columns of a face cache."""

from dataclasses import dataclass

from ravfeat.cache.reader import Cache

__all__ = ["FaceCoverage", "face_coverage"]


@dataclass(frozen=True)
class FaceCoverage:
    """Share of frames of one clip with a face.

    Attributes
    ----------
    clip_id : str
    share : float
        1 where a face was found in every picture.
    n_frames : int
        Stored frames.
    several : int
        Frames with several faces, of which one was tracked; with a stride, frames that contain such a picture.
    """

    clip_id: str
    share: float
    n_frames: int
    several: int = 0


def face_coverage(cache: Cache) -> list[FaceCoverage]:
    """Compute the coverage of every clip, the lowest first; empty where the cache has no such column."""
    coverages = []
    for clip_id, columns in cache.all_columns():
        if "found" not in columns:
            break  # nor have the other clips: all shards of a cache have the same columns
        found = columns["found"]
        # Faces are counted only where a detector looks for them; a landmarker follows one.
        several = int((columns["faces"] > 1).sum()) if "faces" in columns else 0
        coverages.append(FaceCoverage(clip_id, float(found.mean()), len(found), several))
    return sorted(coverages, key=lambda coverage: (coverage.share, coverage.clip_id))
