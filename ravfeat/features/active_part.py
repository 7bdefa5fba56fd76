"""Where the speech of stored clips begins and ends: two columns of a cache of voices, as shares of the clip.

They are measured at extraction on the clean waveform, see `ravfeat.media.active`, so that a view at another speed has
the part of its clip.
"""

from collections.abc import Collection

from ravfeat.cache import Cache
from ravfeat.cache.format import ClipRecord
from ravfeat.errors import CacheError
from ravfeat.numerics.parts import Shares
from ravfeat.schema import ACTIVE_COLUMNS

__all__ = ["active_part", "active_parts"]

_SHOWN = 3


def active_part(record: ClipRecord) -> Shares | None:
    """Give the speech-active part of a clip; None where the cache does not say it.

    Raises
    ------
    CacheError
        For numbers that are no part of a clip.
    """
    start, end = (record.further.get(name) for name in ACTIVE_COLUMNS)
    if start is None and end is None:
        return None
    # `not` refuses NaN.
    if not (isinstance(start, float) and isinstance(end, float) and 0 <= start < end <= 1):
        raise CacheError(
            f"clip '{record.clip_id}' is said to be active from {start!r} to {end!r}, expected two shares of the clip"
            f" with 0 <= {ACTIVE_COLUMNS[0]} < {ACTIVE_COLUMNS[1]} <= 1; extract the clip again into another --out"
        )
    return start, end


def active_parts(cache: Cache, clip_ids: Collection[str]) -> dict[str, Shares]:
    """Give the speech-active part of clips, by their id.

    Raises
    ------
    CacheError
        Where the cache does not say it of all these clips.
    """
    parts = {clip_id: active_part(record) for clip_id, record in cache.records(clip_ids).items()}
    if lacking := [clip_id for clip_id, part in parts.items() if part is None]:
        more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
        raise CacheError(
            f"{cache.path} does not say where the speech of {len(lacking)} of {len(parts)} clips begins and ends"
            f" ({', '.join(lacking[:_SHOWN])}{more}), and a head is to pool the active part: it is stored of voices"
            " since this version. Extract again into another --out, or pool the whole clips"
        )
    return {clip_id: part for clip_id, part in parts.items() if part is not None}
