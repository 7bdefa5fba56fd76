"""Whose a brought name is: a name, with or without folders and endings, to a clip of the corpus."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Protocol

from ravfeat.corpora.ravdess import parse_stem
from ravfeat.errors import CorpusError
from ravfeat.manifest import Clip, Manifest

__all__ = ["FolderNames", "Names", "Owner", "RavdessNames"]

_ENDING = re.compile(r"\.[A-Za-z]\w{0,7}$")


@dataclass(frozen=True)
class Owner:
    """Whose a name is.

    Attributes
    ----------
    clip : Clip
        With the id that it gets in the cache.
    modality : str
        Which copy of the performance, where the name says so; else empty.
    """

    clip: Clip
    modality: str = ""


class Names(Protocol):
    """How the names of a corpus are read."""

    def owner(self, name: str) -> Owner | None:
        """Find out whose a name is; None where it is nobody's.

        Raises
        ------
        CorpusError
            Where it could be several clips'.
        """
        ...


def spellings(name: str) -> Iterator[str]:
    """Give what a name can be short for: as it is, without endings, without folders, without both."""
    path = PurePosixPath(name.strip().replace("\\", "/"))
    for text in dict.fromkeys((path.as_posix(), path.name)):
        yield text
        while match := _ENDING.search(text):
            text = text[: match.start()]
            yield text


class RavdessNames:
    """RAVDESS stems: the performance is the stem without its first field, the modality.

    Parameters
    ----------
    corpus : Manifest
        One clip per performance.
    """

    def __init__(self, corpus: Manifest) -> None:
        self._performances = {clip.performance_id: clip for clip in corpus}

    def owner(self, name: str) -> Owner | None:
        """Find the performance; a name without modality is its performance's id."""
        for stem in spellings(name):
            parsed = parse_stem(stem)
            performance_id = stem if parsed is None else parsed.performance_id
            if clip := self._performances.get(performance_id):
                return Owner(replace(clip, clip_id=stem), "" if parsed is None else stem[:2])
        return None


class FolderNames:
    """Clip ids, paths, file names and performances of a table.

    Parameters
    ----------
    corpus : Manifest
    """

    def __init__(self, corpus: Manifest) -> None:
        self._clips: dict[str, dict[str, Clip]] = {}
        for clip in corpus:
            for key in {clip.clip_id, clip.performance_id, *spellings(clip.path)}:
                self._clips.setdefault(key, {})[clip.clip_id] = clip

    def owner(self, name: str) -> Owner | None:
        """Find the clip whose id the name is; else the one that it is a path, file name or performance of."""
        for text in spellings(name):
            clips = self._clips.get(text, {})
            if text in clips:
                return Owner(clips[text])
            performances = {clip.performance_id: clip for clip in clips.values()}
            if len(performances) > 1:
                raise CorpusError(
                    f"'{name}' could be {' or '.join(repr(clip_id) for clip_id in list(clips)[:3])}; name features by"
                    " clip id or by the whole path"
                )
            for performance_id, clip in performances.items():
                return Owner(clip if len(clips) == 1 else replace(clip, clip_id=performance_id))
        return None
