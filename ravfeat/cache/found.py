"""How often a face was found, from the columns that a face cache keeps of every frame.

Offers
------
Found, faces_found.
"""

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
    """

    clip_id: str
    share: float
    n_frames: int


def faces_found(cache: Cache) -> list[Found]:
    """Give the share of every clip, the worst first; empty where the cache does not know."""
    found = []
    for clip_id in cache.clip_ids:
        columns = cache.columns(clip_id)
        if "found" in columns:
            own = columns["found"]
            found.append(Found(clip_id, float(own.mean()), len(own)))
    return sorted(found, key=lambda one: (one.share, one.clip_id))
