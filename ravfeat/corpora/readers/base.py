"""What every reader of a corpus shares: a folder's media files, counts of what is left out, clips become a manifest.

A reader is a function from a `Scan` to clips, one for every copy of a recording that it knows (wav, mp3, video), with
what users have to know about the corpus: a `CorpusReader`. Which copy feeds a stream is decided here.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from ravfeat.corpora.probe import with_durations
from ravfeat.corpora.spellings import check_clips
from ravfeat.corpora.tables import cell_text, read_table
from ravfeat.corpora.walk import MEDIA_SUFFIXES, files_below, same_bytes
from ravfeat.errors import CorpusError
from ravfeat.files import read_limited
from ravfeat.manifest import Clip, Manifest, unknown_actor
from ravfeat.schema import Gender, Stream
from ravfeat.short_repr import short_repr

__all__ = ["CorpusReader", "Person", "Scan", "Who", "number_or_empty", "read_corpus"]

PICTURES = (".mp4", ".avi", ".mov", ".mkv", ".webm", ".flv")
SOUND = (".wav", ".flac", ".m4a", ".ogg", ".mp3")
COPIES: dict[Stream, tuple[str, ...]] = {"audio": (*SOUND, *PICTURES), "face": PICTURES}
"""Endings of copies that can feed a stream, the preferred first."""

_MAX_TEXT_BYTES = 16 << 20
_NUMBER = re.compile(r"\d{1,9}(\.\d{1,9})?")


@dataclass(frozen=True)
class Person:
    """Who speaks in a recording.

    Attributes
    ----------
    actor : str
        Without the corpus in front.
    gender : {"male", "female", ""}
    """

    actor: str
    gender: Gender = ""


Who = Callable[[str], Person | None]
"""From a name or path of a recording to who speaks in it; None where that does not say it."""


@short_repr
@dataclass(frozen=True)
class CorpusReader:
    """How one corpus is read.

    Attributes
    ----------
    title : str
    layout : str
        What lies where, for the message of a folder that is another.
    about : str
        Languages, actors, classes, in one line.
    read : callable
        From a `Scan` to clips, several of one id where a recording has several copies.
    notes : tuple of str
        What whoever trains on it has to know: each is said whenever the corpus is read.
    who : callable, optional
        Where a recording's path alone says who speaks: what reads it.
    """

    title: str
    layout: str
    about: str
    read: "Callable[[Scan], Iterable[Clip]]"
    notes: tuple[str, ...] = ()
    who: Who | None = None


class Scan:
    """A folder while a reader reads it.

    Parameters
    ----------
    root : Path
        As ``--data`` names it.
    corpus : str
        What stands in front of every actor.
    stream : {"audio", "face"}

    Attributes
    ----------
    skipped : Counter of str
        Reasons for what is left out, with counts.
    notes : list of str
        What was found out on the way and has to be said.
    """

    def __init__(self, root: Path, corpus: str, stream: Stream = "audio") -> None:
        self.root, self.corpus, self.stream = root, corpus, stream
        self.skipped: Counter[str] = Counter()
        self.notes: list[str] = []

    @cached_property
    def media(self) -> tuple[PurePosixPath, ...]:
        """All media files below the folder, relative to it, sorted."""
        found = files_below(self.root, MEDIA_SUFFIXES | set(PICTURES))
        return tuple(sorted(PurePosixPath(file.relative_to(self.root).as_posix()) for file in found))

    def skip(self, reason: str, count: int = 1) -> None:
        """Count what is left out."""
        if count:
            self.skipped[reason] += count

    def note(self, text: str) -> None:
        """Keep what has to be said, once."""
        if text not in self.notes:
            self.notes.append(text)

    def label_files(self, suffix: str) -> list[Path]:
        """Return all files with an ending below the folder, sorted."""
        return sorted(files_below(self.root, {suffix}))

    def find(self, *names: str) -> Path | None:
        """Return the first file of one of these names (any case) in the folder, its folders, or the one above it."""
        wanted = {name.lower() for name in names}
        try:
            inside = sorted(filter(Path.is_dir, self.root.iterdir()))
            for folder in (self.root, *inside, self.root.absolute().parent):
                for file in sorted(folder.iterdir()):
                    if file.name.lower() in wanted and file.is_file():
                        return file
        except OSError as error:
            raise CorpusError(
                f"{error.filename} cannot be searched ({error.strerror}); check its permissions"
            ) from error
        return None

    def text(self, path: Path) -> str:
        """Read a label file of up to 16 MB; letters that are no UTF-8 become a replacement mark."""
        return read_limited(path, _MAX_TEXT_BYTES, CorpusError, "fetch the corpus again").decode(errors="replace")

    def rows(self, path: Path, *columns: str) -> Iterator[dict[str, str]]:
        """Yield a table's rows as texts, names of columns in lower case.

        Raises
        ------
        CorpusError
            Where the table lacks one of the columns.
        """
        table = read_table(path, speaker_as_actor=False)
        names = [name.strip().lower() for name in table.column_names]
        if missing := [column for column in columns if column not in names]:
            raise CorpusError(
                f"{path} lacks the columns {missing}; it has {table.column_names}: fetch the corpus again"
            )
        for row in table.to_pylist():
            yield dict(zip(names, map(cell_text, row.values()), strict=True))

    def clip(
        self,
        clip_id: str,
        path: PurePosixPath | str,
        actor: str | None,
        label: str,
        *,
        gender: Gender = "",
        performance: str = "",
        start_s: float = math.nan,
        end_s: float = math.nan,
        further: Mapping[str, str | float] = MappingProxyType({}),
    ) -> Clip:
        """Make a clip.

        Parameters
        ----------
        clip_id : str
        path : path relative to the folder
        actor : str or None
            Without the corpus in front; None where nobody says who speaks.
        label : str
        gender : {"male", "female", ""}
        performance : str
            The clip itself where there is only one recording of the take.
        start_s, end_s : float
            Of a clip that is a part of its file.
        further : mapping of str to str or float
            Further columns; empty texts are left out.
        """
        return Clip(
            clip_id=clip_id,
            performance_id=performance or clip_id,
            actor=f"{self.corpus}:{actor}" if actor else unknown_actor(self.corpus, performance or clip_id),
            gender=gender,
            label=label,
            path=str(path),
            start_s=start_s,
            end_s=end_s,
            further={name: value for name, value in further.items() if value != ""},
        )


def number_or_empty(text: str) -> float | str:
    """Give a plain decimal number as one; empty for anything else, which is then left out.

    Examples
    --------
    >>> number_or_empty("3.5"), number_or_empty("unknown")
    (3.5, '')
    """
    return float(text) if _NUMBER.fullmatch(text) else ""


def read_corpus(reader: CorpusReader, root: Path, corpus: str, stream: Stream = "audio") -> Manifest:
    """Read a corpus from its folder.

    Parameters
    ----------
    reader : CorpusReader
    root : Path
    corpus : str
        Its name.
    stream : {"audio", "face"}

    Returns
    -------
    Manifest
        Classes are the labels that occur, sorted; ``skipped`` counts what was left out, ``notes`` say what users have
        to know.

    Raises
    ------
    CorpusError
        Where the folder is missing, cannot be read or holds another layout, two different files are one clip, or names
        contradict each other.
    """
    if not root.is_dir():
        raise CorpusError(f"{root} is not a folder; --data must name the folder of {reader.title}: {reader.layout}")
    scan = Scan(root, corpus, stream)
    clips = list(_one_copy_each(scan, reader.read(scan)))
    if not clips:
        left_out = ", ".join(f"{count} {reason}" for reason, count in scan.skipped.items())
        raise CorpusError(
            f"no clip of {reader.title} for the {stream} stream below {root}: expected {reader.layout}; saw"
            f" {len(scan.media)} media files{f', left out: {left_out}' if left_out else ''}"
        )
    check_clips(str(root), clips)
    classes = tuple(sorted({clip.label for clip in clips}))
    skipped = dict(sorted(scan.skipped.items()))
    notes = (*reader.notes, *scan.notes)
    return Manifest(corpus, classes, tuple(with_durations(root, clips, stream)), skipped=skipped, notes=notes)


def _one_copy_each(scan: Scan, clips: Iterable[Clip]) -> Iterator[Clip]:
    """Give the copy of every recording that feeds the stream best; count the others."""
    preferred = COPIES[scan.stream]
    chosen: dict[str, Clip] = {}
    for clip in clips:
        rank = _rank(clip, preferred)
        if rank == len(preferred):
            scan.skip(f"files without what the {scan.stream} stream needs")
        elif (other := chosen.setdefault(clip.clip_id, clip)) is not clip:
            _refuse_another(scan, clip, other, rank == _rank(other, preferred))
            chosen[clip.clip_id] = min(other, clip, key=lambda copy: _rank(copy, preferred))
    yield from chosen.values()


def _rank(clip: Clip, preferred: tuple[str, ...]) -> int:
    suffix = PurePosixPath(clip.path).suffix.lower()
    return preferred.index(suffix) if suffix in preferred else len(preferred)


def _refuse_another(scan: Scan, clip: Clip, other: Clip, same_kind: bool) -> None:  # noqa: FBT001 (private)
    if not same_kind:
        scan.skip("unused copies")
    elif same_bytes(scan.root / clip.path, scan.root / other.path):
        scan.skip("files that are there twice")  # popular archives hold a folder and its copy
    else:
        raise CorpusError(
            f"two clips with one id: '{clip.clip_id}' is {other.path} and {clip.path} below {scan.root}, and they"
            " differ; remove one of them"
        )
