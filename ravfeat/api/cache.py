"""``ravfeat.open_cache``: a cache as a mapping, as a table of its clips, and as arrays for scikit-learn."""

from collections.abc import Iterable
from pathlib import Path
from typing import Self

import pyarrow as pa

from ravfeat.api.arguments import AnyPath, Many, as_place
from ravfeat.api.arrays import Arrays, gather_arrays
from ravfeat.cache import reader
from ravfeat.corpora.columns import clip_columns
from ravfeat.remote import reading

__all__ = ["Cache", "open_cache"]


class Cache(reader.Cache):
    """A cache open for reading; make one with `ravfeat.open_cache`.

    A mapping of clip ids to features of shape (T, L, D); see `ravfeat.cache.Cache` for how else to read it.

    Examples
    --------
    >>> cache = ravfeat.open_cache("cache")  # doctest: +SKIP
    >>> cache["03-01-06-01-02-01-12"].shape  # (T, L, D)  # doctest: +SKIP
    (183, 25, 1024)
    >>> cache.table().group_by("label").aggregate([([], "count_all")])  # doctest: +SKIP
    >>> X, y, groups, clip_ids = cache.arrays(layers=12)  # doctest: +SKIP
    """

    @classmethod
    def of(cls, cache: reader.Cache) -> Self:
        """Give the same open cache, with what this class adds."""
        same = cls.__new__(cls)
        same.__dict__.update(cache.__dict__)
        return same

    def table(self) -> pa.Table:
        """Give what is known of the stored clips, a row for each, in the order of `clip_ids`.

        Returns
        -------
        pyarrow.Table
            ``clip_id``, ``performance``, ``actor``, ``gender``, ``label``, ``duration_s`` and every further column that
            the corpus's table had; see `ravfeat.corpora.columns.clip_columns`. ``to_pandas()`` needs pandas
            (``pip install pandas``).
        """
        records = self.records()
        return clip_columns(records[clip_id] for clip_id in self.clip_ids)

    def arrays(
        self,
        *,
        layers: str | int | Iterable[int] | None = None,
        pool: Many[str] = "mean+std",
        where: str | None = None,
    ) -> Arrays:
        """Pool every clip to one row, and give rows, classes and speakers as scikit-learn takes them.

        Digests are checked while features are read. What is larger than half of the memory lies in a temporary file.

        Parameters
        ----------
        layers : int, iterable of int or str, optional
            ``6``, ``[6, 7]``, ``"6-12"``, ``"last"``; default all. Of several, the columns lie one after another.
        pool : str, or several
            Statistics over the frames of a clip, see `ravfeat.numerics.pooling`: ``"mean+std"``. With ``active:``
            before its name a statistic is over the speech-active part.
        where : str, optional
            Which clips: ``"label != 'calm' and intensity == 'strong'"``, over the columns of `table`.

        Returns
        -------
        Arrays
            Unpacks to ``X, y, groups, clip_ids``.

        Raises
        ------
        UsageError
            For what is no layer, statistic or condition, and where no clip is left.
        CacheError
            Where the features are damaged, or a pooled cache does not hold a statistic.
        """
        return gather_arrays(self, self.table(), layers=layers, pool=pool, where=where)


def open_cache(path: AnyPath, *, revision: str | None = None) -> Cache:
    """Open a cache for reading: a folder, or a published one at an address.

    Parameters
    ----------
    path : path or str
        A cache folder, or a folder that holds exactly one; or an address, see `ravfeat.remote.reading.open_cache`.
    revision : str, optional
        Of an address on the hub: branch, tag or commit.

    Raises
    ------
    RemoteError
        Where there is no such cache, or no network or permission.
    CacheError
        Where there is no such folder, or tables are damaged or of a newer version.
    UsageError
        For the revision of a folder, and for what is no path.
    """
    place = as_place("path", path)
    return Cache.of(reading.open_cache(place if isinstance(place, str) else Path(place), revision=revision))
