"""Read EmoBox's lists of a corpus: ``data/emodb/emodb.jsonl``, ``label_map.json``, ``fold_1/emodb_train_fold_1.jsonl``.

EmoBox names recordings, classes and published folds of 32 corpora, and no speakers: these come from a pattern over keys
and paths, or from ravfeat's reader of the same corpus. The folds become columns ``fold_1``, ``fold_2`` … that hold
train, val or test.

Source: Ma et al. (2024), EmoBox, Interspeech, arXiv:2406.07162; github.com/emo-box/EmoBox.
"""

import codecs
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ravfeat.corpora.readers.base import CorpusReader, Person, Scan, Who, read_corpus
from ravfeat.documents import MAX_BYTES, parse_json, read_json
from ravfeat.errors import CorpusError, UsageError
from ravfeat.escape import printable
from ravfeat.files import read_limited
from ravfeat.manifest import Clip, Manifest
from ravfeat.schema import Stream

__all__ = ["LAYOUT", "read_emobox", "speaker_pattern"]

LAYOUT = "NAME.jsonl, label_map.json and fold_1/NAME_train_fold_1.jsonl, as in EmoBox's folder data/NAME"
_REMEDY = f"expected {LAYOUT}; fetch EmoBox again"
_SIDES = {"train": "train", "valid": "val", "test": "test"}
_LONGEST_PATH = 200
_FOLD = re.compile(r"fold_?(\d{1,4})")


@dataclass(frozen=True)
class _Row:
    """A line of a list; earlier lists call the file ``audio`` and the class ``label``."""

    key: str
    wav: str = ""
    audio: str = ""
    emo: str = ""
    label: str = ""
    start_time: float = math.nan
    end_time: float = math.nan

    @property
    def said(self) -> tuple[str, str]:
        """The file and the class."""
        return self.path, self.emo or self.label

    @property
    def path(self) -> str:
        return (self.wav or self.audio).replace("\\", "/")


def read_emobox(data: Path, audio: Path, who: Who | None = None, stream: Stream = "audio") -> Manifest:
    """Read one corpus of EmoBox.

    Parameters
    ----------
    data : Path
        EmoBox's folder of the corpus, such as ``EmoBox/data/emodb``.
    audio : Path
        Where the recordings lie: the folder that holds ``downloads``, or any below it.
    who : callable, optional
        From a text (a key, or a path) to the speaker, where somebody can tell; see `speaker_pattern`.
    stream : {"audio", "face"}

    Returns
    -------
    Manifest
        Called ``emobox-NAME``, paths relative to `audio`.

    Raises
    ------
    CorpusError
        Where lists are missing, damaged or contradict each other, or no recording is there.
    """
    if not data.is_dir():
        raise CorpusError(f"{data} is not a folder; {_REMEDY}")
    name = data.resolve().name
    folds = _read_folds(data, name)
    lists = [side for listed in folds.values() for side in listed.values()]
    if (whole := data / f"{name}.jsonl").is_file():
        lists.append(_read_list(whole))
    rows: dict[str, _Row] = {}
    for row in (row for listed in lists for row in listed):
        if (other := rows.setdefault(row.key, row)).said != row.said:
            raise CorpusError(
                f"the lists below {data} say of '{printable(row.key)}' both {' '.join(other.said)} and"
                f" {' '.join(row.said)}; {_REMEDY}"
            )
    if not rows:
        raise CorpusError(f"{data} holds no list of recordings; {_REMEDY}")
    labels = _Labels(data / "label_map.json")

    def read(scan: Scan) -> Iterator[Clip]:
        yield from _clips(scan, list(rows.values()), _places(folds), labels, who)

    reader = CorpusReader(f"EmoBox's {name}", f"the recordings under the paths of {whole.name}", "", read)
    return read_corpus(reader, audio, f"emobox-{name}", stream)


def speaker_pattern(text: str) -> Who:
    """Make a regular expression name speakers: its group ``speaker``, or its first.

    Raises
    ------
    UsageError
        For what is no regular expression, or has no group.
    """
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise UsageError(f"--speaker-pattern {text!r} is no regular expression ({error})") from error
    if not pattern.groups:
        raise UsageError(
            f"--speaker-pattern {text!r} has no group: put the part that names the speaker in brackets, as in"
            " 'emodb-(\\d\\d)'"
        )
    group: str | int = "speaker" if "speaker" in pattern.groupindex else 1

    def who(text: str) -> Person | None:
        match = pattern.search(text)
        return Person(match[group]) if match and match[group] else None

    return who


def _clips(
    scan: Scan, rows: Sequence[_Row], places: Mapping[str, dict[str, str]], labels: "_Labels", who: Who | None
) -> Iterator[Clip]:
    unknown = 0
    for row in rows:
        path = _find(scan.root, row.path)
        if path is None:
            scan.skip("listed recordings that are not there")
            continue
        person = (who(row.key) or who(row.path)) if who else None
        unknown += person is None
        yield scan.clip(
            row.key, path, person.actor if person else None, labels.of(row), gender=person.gender if person else "",
            start_s=row.start_time, end_s=row.end_time, further=places.get(row.key, {}),
        )  # fmt: skip
    if unknown:
        scan.note(
            f"of {unknown} clips nobody says who speaks: what is tested with them says UNCHECKED. Name speakers with"
            " --speaker-pattern 'REGEX', whose first group is the speaker in a key or a path such as"
            f" {rows[0].key} or {rows[0].path}"
        )


class _Labels:
    """The classes of EmoBox's ``label_map.json``; without that file labels stay as they are."""

    def __init__(self, path: Path) -> None:
        self._path = path
        names = read_json(path, dict[str, str], CorpusError, _REMEDY) if path.is_file() else None
        # A key of the map may differ from the lists in case.
        self._classes = None if names is None else {name.casefold(): label for name, label in names.items()}

    def of(self, row: _Row) -> str:
        said = row.emo or row.label
        label = said if self._classes is None else self._classes.get(said.casefold(), "")
        if not label:
            raise CorpusError(f"{self._path} has no class for '{said}', the label of '{row.key}'; {_REMEDY}")
        return label


def _find(root: Path, listed: str) -> PurePosixPath | None:
    """Return the longest end of a listed path that is a file: it begins with folders such as ``downloads``."""
    parts = [part for part in PurePosixPath(listed).parts if part != "/"]
    if ".." in parts or len(listed) > _LONGEST_PATH:
        raise CorpusError(f"the path '{printable(listed[:80])}' leads out of its folder, or is no path; {_REMEDY}")
    ends = (PurePosixPath(*parts[dropped:]) for dropped in range(len(parts)))
    return next((path for path in ends if (root / path).is_file()), None)


def _read_folds(data: Path, name: str) -> dict[int, dict[str, list[_Row]]]:
    """Read the lists of every fold: number → side → rows."""
    folders = {int(match[1]): path for path in data.iterdir() if (match := _FOLD.fullmatch(path.name))}
    folds = {}
    for number, folder in sorted(folders.items()):
        sides = {}
        for side, split in _SIDES.items():
            names = (f"{name}_{side}_fold_{number}.jsonl", f"{name}_{side}_fold{number}.jsonl")
            if files := [folder / file for file in names if (folder / file).is_file()]:
                sides[split] = _read_list(files[0])
        if missing := {"train", "test"} - sides.keys():
            raise CorpusError(f"{folder} has no list of {' and '.join(sorted(missing))}; {_REMEDY}")
        folds[number] = sides
    return folds


def _read_list(path: Path) -> list[_Row]:
    text = read_limited(path, MAX_BYTES, CorpusError, _REMEDY).removeprefix(codecs.BOM_UTF8)
    lines = [line for line in text.splitlines() if line.strip()]
    return parse_json(b"[" + b",\n".join(lines) + b"]", list[_Row], str(path), CorpusError, _REMEDY)


def _places(folds: Mapping[int, Mapping[str, Sequence[_Row]]]) -> dict[str, dict[str, str]]:
    """Give the sides of every clip by column; a clip on two sides of a fold is refused."""
    places: dict[str, dict[str, str]] = {}
    for number, sides in folds.items():
        for side, rows in sides.items():
            for row in rows:
                other = places.setdefault(row.key, {}).setdefault(f"fold_{number}", side)
                if other != side:
                    raise CorpusError(f"fold {number} has '{row.key}' in {other} and in {side}; {_REMEDY}")
    return places
