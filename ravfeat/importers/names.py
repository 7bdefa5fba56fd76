"""Find the clip of the corpus that an imported name belongs to, with or without folders and endings."""

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
    """The clip that a name belongs to.

    Attributes
    ----------
    clip : Clip
        With the id that it gets in the cache.
    modality : str
        Modality that the name contains (``01``, ``02``, ``03``); empty where it contains none.
    """

    clip: Clip
    modality: str = ""


class Names(Protocol):
    """Naming scheme of a corpus."""

    def owner(self, name: str) -> Owner | None:
        """Find the clip that a name belongs to; None where there is none.

        Raises
        ------
        CorpusError
            Where the name fits several clips.
        """
        ...


def spellings(name: str) -> Iterator[str]:
    """Yield the forms of a name to look up: as it is, without endings, without folders, without both."""
    path = PurePosixPath(name.strip().replace("\\", "/"))
    for text in dict.fromkeys((path.as_posix(), path.name)):
        yield text
        while match := _ENDING.search(text):  # names may end twice: 02-01-06-01-02-01-12.mp4.csv
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
        """Find the performance; a name without its modality field is a performance id."""
        for stem in spellings(name):
            parsed = parse_stem(stem)
            performance_id = stem if parsed is None else parsed.performance_id
            # The id keeps the modality that the file says: 01- and 02- are different recordings of one performance.
            if clip := self._performances.get(performance_id):
                return Owner(replace(clip, clip_id=stem), "" if parsed is None else stem[:2])
        return None


class FolderNames:
    """Names of a table corpus: clip ids, paths, file names and performance ids.

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
        """Find the clip by its id; if there is none, by path, file name or performance id."""
        for text in spellings(name):
            clips = self._clips.get(text, {})
            if text in clips:
                return Owner(clips[text])
            # A file name can occur in many folders.
            performances = {clip.performance_id: clip for clip in clips.values()}
            if len(performances) > 1:
                raise CorpusError(
                    f"'{name}' could be {' or '.join(repr(clip_id) for clip_id in list(clips)[:3])}; name features by"
                    " clip id or by the whole path"
                )
            # Several copies of one performance share actor and label, so any of them describes the features.
            for performance_id, clip in performances.items():
                return Owner(clip if len(clips) == 1 else replace(clip, clip_id=performance_id))
        return None
