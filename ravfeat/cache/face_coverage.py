"""How often a face was found, from the columns that a face cache keeps of every frame."""

from dataclasses import dataclass

from ravfeat.cache.reader import Cache

__all__ = ["Found", "faces_found"]


@dataclass(frozen=True)
class Found:
    """Share of frames of one clip in which a face was found.

    Attributes
    ----------
    clip_id : str
    share : float
        1 where it was found in every picture.
    n_frames : int
        Stored frames.
    several : int
        Frames with several faces, of which one was followed; with a stride, frames that hold such a picture.
    """

    clip_id: str
    share: float
    n_frames: int
    several: int = 0


def faces_found(cache: Cache) -> list[Found]:
    """Give the share of every clip, the worst first; empty where the cache does not know."""
    found = []
    for clip_id, columns in cache.all_columns():
        if "found" in columns:
            own = columns["found"]
            several = int((columns["faces"] > 1).sum()) if "faces" in columns else 0
            found.append(Found(clip_id, float(own.mean()), len(own), several))
    return sorted(found, key=lambda one: (one.share, one.clip_id))
