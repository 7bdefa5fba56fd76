"""Match caches of augmented views to the clean cache they are views of, clip by clip.

A view cache is made by ``ravfeat extract --view``. It adds training rows beside the clean cache of the same encoder and
is never a system of its own: no head is tested on clips that were changed, but on the mean over a clip and its views.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.align import AlignErrors, Alignment, align
from ravfeat.cache import Cache, open_cache
from ravfeat.errors import CacheError, CorpusError, UsageError
from ravfeat.features.clips import Reading
from ravfeat.features.load import check_reading
from ravfeat.media.augment import CLEAN, View
from ravfeat.schema import AverageViews

__all__ = [
    "TrainingView",
    "match_views",
    "open_views",
    "pass_over_views",
    "refuse_views",
    "tested_on",
    "trained_on",
    "views_beside",
]

_SHOWN = 10
_LONGEST = 60
_SAME = ("performance_id", "actor", "gender", "label", "input_sha256")
"""What a clip and its view agree on: labels are the corpus's, from both caches' shards."""


@dataclass(frozen=True)
class TrainingView:
    """One view of a system's clips.

    Attributes
    ----------
    cache : Cache
    clip_ids : tuple of str
        Clips that it holds, in the system's order.
    rows : ndarray of int64
        Which of the system's clips these are.
    lacking : tuple of str
        The others.
    of : int
        Which of the system's caches it is a view of, where a head reads several.
    """

    cache: Cache
    clip_ids: tuple[str, ...]
    rows: NDArray[np.int64]
    lacking: tuple[str, ...]
    of: int = 0

    @property
    def name(self) -> str:
        """Recipe, version and seed."""
        return _view_of(self.cache)

    def check_reading(self, reading: Reading) -> None:
        """Refuse a head that reads what the view's cache does not hold, or the active part of clips that were cropped.

        Raises
        ------
        CacheError, UsageError
        """
        check_reading(self.cache, reading, self.clip_ids)
        view = View.parse(self.name) if reading.active else None
        if view is not None and view.crops:
            raise UsageError(
                f"{self.cache.path} holds the view '{self.name}', which leaves out a part of every clip, and where the"
                " speech lies is known of whole clips: pool the whole (--pool whole), or leave this view out"
            )

    def about(self) -> dict[str, Any]:
        """Say what it is, for the record."""
        return {
            "view": self.name,
            "path": str(self.cache.path),
            "fingerprint": self.cache.fingerprint,
            "content_sha256": self.cache.content_sha256(),
            "clips": len(self.clip_ids),
            "lacking": list(self.lacking),
        }


def trained_on(views: Sequence[TrainingView], average: AverageViews = "none") -> str:
    """Name what a head is trained on: ``clean``, or ``clean + published-1:seed0``, or the mean statistics of these."""
    names = " + ".join([CLEAN, *(view.name for view in views)])
    return f"the mean statistics of {names}" if average == "statistics" else names


def tested_on(views: Sequence[TrainingView], average: AverageViews) -> str:
    """Name what a head is tested on: ``clean``, or the mean over the same views."""
    return CLEAN if average == "none" else f"the mean {average} of {trained_on(views)}"


def pass_over_views(paths: Sequence[Path]) -> tuple[list[Path], dict[Path, str]]:
    """Part caches that were found into clean ones and views.

    Returns
    -------
    clean : list of Path
    views : dict of Path to str
        With the name of the view.
    """
    names = {path: _view_of(open_cache(path)) for path in paths}
    views = {path: name for path, name in names.items() if name != CLEAN}
    return [path for path in paths if path not in views], views


def refuse_views(caches: Iterable[Cache]) -> None:
    """Refuse caches of views where systems of their own are wanted.

    Raises
    ------
    UsageError
    """
    for cache in caches:
        if (name := _view_of(cache)) != CLEAN:
            raise UsageError(
                f"{cache.path} holds the view '{name}' of its clips, and heads are only tested on clean ones; give it"
                " with --train-views, beside the --cache of the same encoder"
            )


def open_views(paths: Sequence[Path], clean: Sequence[Cache]) -> list[Cache]:
    """Open caches of views and see that each is a view of one of the clean caches.

    Parameters
    ----------
    paths : sequence of Path
    clean : sequence of Cache
        Those of the systems.

    Raises
    ------
    UsageError
        Where one is given twice, is no view, or has no clean cache that equals it but for the view.
    """
    views: list[Cache] = []
    for path in paths:
        view = open_cache(path)
        if _view_of(view) == CLEAN:
            raise UsageError(f"{path} holds the clean clips and no view of them; give it with --cache")
        if any(_same_view(view, other) for other in views):
            raise UsageError(f"the view in {path} is given twice; name every --train-views once")
        if not any(_differences(view, cache) == {} for cache in clean):
            raise UsageError(_no_partner(view, clean))
        views.append(view)
    return views


def views_beside(paths: Sequence[Path], clean: Sequence[Path]) -> list[Path]:
    """Choose among caches of views those that are of one of the clean caches."""
    caches = [open_cache(path) for path in clean]
    return [path for path in paths if any(not _differences(open_cache(path), cache) for cache in caches)]


def match_views(
    clean: Cache, clip_ids: Sequence[str], views: Sequence[Cache], *, allow_missing: bool = False
) -> tuple[TrainingView, ...]:
    """Find the clips of a system in those views that are of its cache.

    Parameters
    ----------
    clean : Cache
    clip_ids : sequence of str
        The system's clips, in its order.
    views : sequence of Cache
        Those of other caches are left alone.
    allow_missing : bool
        Go on with the clips that a view holds.

    Raises
    ------
    CacheError
        Where a view lacks clips without `allow_missing`, or holds none.
    CorpusError
        Where a view holds another recording under a clip's name, or another actor, performance or label of it.
    """
    # Views of several encoders may be given at once; each joins the cache it was extracted beside.
    matching = [view for view in views if not _differences(view, clean)]
    return tuple(_match(clean, clip_ids, view, allow_missing=allow_missing) for view in matching)


def _match(clean: Cache, clip_ids: Sequence[str], view: Cache, *, allow_missing: bool) -> TrainingView:
    clean_records, view_records = clean.records(), view.records()
    clips = [clean_records[clip_id] for clip_id in clip_ids]
    augmented = [view_records[clip_id] for clip_id in clip_ids if clip_id in view_records]
    names, errors = (clean.path, view.path), _errors(view)
    aligned = align(names, (clips, augmented), "clip_id", _SAME, errors, allow_missing=allow_missing)
    # In the order of the system's clips, which is that of its rows.
    rows = [row for row, clip_id in enumerate(clip_ids) if clip_id in view_records]
    lacking = tuple(clip_id for clip_id in clip_ids if clip_id in set(aligned.missing))
    return TrainingView(view, tuple(clip_ids[row] for row in rows), np.array(rows, np.int64), lacking)


def _errors(view: Cache) -> AlignErrors:
    def missing(alignment: Alignment[Any]) -> CacheError:
        lacking, total = alignment.missing, len(alignment.tables[0])
        more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
        return CacheError(
            f"{view.path} lacks {len(lacking)} of the {total} clips it is to be a view of:"
            f" {', '.join(lacking[:_SHOWN])}{more}. Run the same extraction with --view again, or go on with those that"
            " are there: --allow-missing"
        )

    def wrong(fact: str) -> CorpusError:
        return CorpusError(f"{fact}: a view is of the same recording; extract it again from the same data")

    return AlignErrors(duplicate=wrong, missing=missing, conflict=wrong)


def _view_of(cache: Cache) -> str:
    return str(cache.identity.get("view", CLEAN))


def _same_view(view: Cache, other: Cache) -> bool:
    # A copy of a cache elsewhere would count every clip twice.
    return (view.about["corpus"], view.fingerprint) == (other.about["corpus"], other.fingerprint)


def _differences(view: Cache, clean: Cache) -> Mapping[str, tuple[Any, Any]]:
    """Give what a view's cache and a clean one do not share, but for the view."""
    changed, unchanged = (
        # The view is set alike on both sides: it is what may differ.
        {**cache.identity, "view": CLEAN, "corpus": cache.about["corpus"], "synthetic": cache.about["synthetic"]}
        for cache in (view, clean)
    )
    pairs = {key: (changed.get(key), unchanged.get(key)) for key in sorted({*changed, *unchanged})}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def _no_partner(view: Cache, clean: Sequence[Cache]) -> str:
    nearest = min(clean, key=lambda cache: len(_differences(view, cache)))
    differing = "; ".join(
        f"{key} is {_short(changed)} there and {_short(unchanged)} here"
        for key, (changed, unchanged) in _differences(view, nearest).items()
    )
    return (
        f"{view.path} is a view of none of the caches. {nearest.path} is the most alike, but {differing}; extract the"
        " view as that cache was extracted, or give the clean cache of the view's encoder with --cache"
    )


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 2]} …"
