"""Find the clip that a table means by a clip id, a path, a file name or a stem."""

import re
from collections import defaultdict
from collections.abc import Iterable

from ravfeat.errors import CorpusError

__all__ = ["ClipNames"]

_SUFFIX = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,4}$")
_SHOWN = 3


class ClipNames:
    """The ids of clips, found by what people write for them.

    Parameters
    ----------
    clip_ids : iterable of str

    Examples
    --------
    >>> names = ClipNames(["a/one", "b/one", "b/two"])
    >>> names.find("b/one"), names.find("/data/b/one.wav"), names.find("two.wav"), names.find("three")
    ('b/one', 'b/one', 'b/two', None)
    """

    def __init__(self, clip_ids: Iterable[str]) -> None:
        self._ids = frozenset(clip_ids)
        self._by_stem: dict[str, list[str]] = defaultdict(list)
        for clip_id in sorted(self._ids):
            self._by_stem[_parts(clip_id)[1]].append(clip_id)

    def find(self, name: str) -> str | None:
        """Return the id of the clip that is meant; None where no clip is.

        An id means itself. Of a path as many of the last folders count as it takes to tell clips apart.

        Raises
        ------
        CorpusError
            Where several clips could be meant.
        """
        if name in self._ids:
            return name
        folders, last = _parts(name)
        # With the suffix first: an id may end like a file's name.
        stem = last if last in self._by_stem else _SUFFIX.sub("", last)
        meant, path = self._by_stem.get(stem, []), [*folders, stem]
        if len(meant) > 1:
            whole = [clip_id for clip_id in meant if _whole(clip_id) == path]
            common = {clip_id: _common_end(_whole(clip_id), path) for clip_id in meant}
            meant = whole or [clip_id for clip_id in meant if common[clip_id] == max(common.values())]
        if len(meant) > 1:
            more = f" and {len(meant) - _SHOWN} more" if len(meant) > _SHOWN else ""
            raise CorpusError(
                f"'{name}' could be each of the clips {', '.join(meant[:_SHOWN])}{more}; write the folder too, or the"
                " clip's id"
            )
        return meant[0] if meant else None


def _parts(name: str) -> tuple[list[str], str]:
    """Split a path into its folders and what it ends with, whatever system wrote it."""
    *folders, last = [part for part in re.split(r"[\\/]", name) if part not in ("", ".")] or [""]
    return folders, last


def _whole(clip_id: str) -> list[str]:
    folders, last = _parts(clip_id)
    return [*folders, last]


def _common_end(one: list[str], other: list[str]) -> int:
    length = 0
    while length < min(len(one), len(other)) and one[-1 - length] == other[-1 - length]:
        length += 1
    return length
