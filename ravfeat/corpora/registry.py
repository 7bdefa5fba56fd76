"""Which corpora can be read by name: those of this package, and those that installed packages or a user's file bring.

A reader that is brought is a `ravfeat.corpora.readers.base.CorpusReader`, or a function from a folder's path to rows:
mappings with path, actor, label and whatever else a table of ``--corpus folder`` may say of a clip.
"""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from ravfeat.corpora.ravdess import parse_stem
from ravfeat.corpora.readers.base import CorpusReader, Person, Scan, Who
from ravfeat.corpora.readers.crema_d import CREMA_D
from ravfeat.corpora.readers.emodb import EMODB
from ravfeat.corpora.readers.esd import ESD
from ravfeat.corpora.readers.iemocap import IEMOCAP
from ravfeat.corpora.readers.meld import MELD
from ravfeat.corpora.readers.msp_podcast import MSP_PODCAST
from ravfeat.corpora.readers.savee import SAVEE
from ravfeat.corpora.readers.tess import TESS
from ravfeat.corpora.tables import cell_text
from ravfeat.errors import CorpusError, UsageError
from ravfeat.escape import printable
from ravfeat.manifest import Clip
from ravfeat.plugins import installed, is_reference, load_installed, load_reference, running_brought
from ravfeat.schema import Gender

__all__ = ["BUILT_IN", "GROUP", "READERS", "check_kind", "corpus_name", "find_reader", "speakers_of"]

GROUP = "ravfeat.corpora"
"""Of entry points: names of corpora and their readers."""

_GENDERS: Mapping[str, Gender] = {"": "", "male": "male", "female": "female"}

READERS: Mapping[str, CorpusReader] = {
    "crema-d": CREMA_D,
    "emodb": EMODB,
    "savee": SAVEE,
    "tess": TESS,
    "iemocap": IEMOCAP,
    "meld": MELD,
    "msp-podcast": MSP_PODCAST,
    "esd": ESD,
}

BUILT_IN: Mapping[str, str] = {
    "ravdess": "RAVDESS: English, 24 actors, 8 classes, voice and face",
    **{name: f"{reader.title}: {reader.about}" for name, reader in READERS.items()},
    "emobox": "any corpus that EmoBox lists, with its published folds (--audio)",
    "folder": "any table of path, actor (or speaker) and label",
    "synth": "generated clips, spoken by nobody",
}
"""Everything that ``--corpus`` reads without further packages, in a line each."""


def check_kind(kind: str) -> str:
    """Return the name of a corpus where it can be read; nothing of others is loaded.

    Raises
    ------
    UsageError
    """
    if kind not in BUILT_IN and not is_reference(kind) and kind not in (brought := installed(GROUP)):
        others = f", or of installed packages: {', '.join(brought)}" if brought else ""
        raise UsageError(
            f"no corpus '{printable(kind)}'; choose from {', '.join(BUILT_IN)}{others}, or name a function that reads"
            " it: path.py:NAME"
        )
    return kind


def corpus_name(kind: str) -> str:
    """Give the name that a corpus has without ``--name``: of a function that reads it, the function's."""
    return re.sub(r"[^\w.-]+", "-", kind.rpartition(":")[2]).strip("-_.").lower() or "corpus"


def find_reader(kind: str) -> CorpusReader:
    """Find the reader of a corpus, which loads the code of one that is brought.

    Parameters
    ----------
    kind : str
        One of `READERS`, a name that an installed package brings, ``path.py:NAME`` or ``package.module:NAME``.

    Raises
    ------
    UsageError
        Where there is none, or what is there reads nothing.
    PluginError
        Where code that is brought fails.
    """
    if kind in READERS:
        return READERS[kind]
    check_kind(kind)
    value = (load_reference(kind) if is_reference(kind) else load_installed(GROUP, kind)).value
    if isinstance(value, CorpusReader):
        return value
    if not callable(value) or isinstance(value, type):
        raise UsageError(
            f"'{printable(kind)}' is {type(value).__name__}; expected a function from a folder's path to rows, or a"
            " CorpusReader"
        )
    about = (value.__doc__ or "").strip().partition("\n")[0]
    return CorpusReader(corpus_name(kind), f"what '{printable(kind)}' reads", about, _reads_rows(value, kind))


def speakers_of(name: str) -> Who | None:
    """Return what tells speakers by the paths of a corpus that another list names; None where no reader can.

    Examples
    --------
    >>> speakers_of("cremad")("downloads/cremad/AudioWAV/1001_DFA_ANG_XX.wav")
    Person(actor='1001', gender='')
    """
    plain = name.lower().replace("-", "").replace("_", "")
    person_of = {known.replace("-", ""): reader.who for known, reader in READERS.items()} | {"ravdess": _ravdess_person}
    return person_of.get(plain)


def _ravdess_person(text: str) -> Person | None:
    clip = parse_stem(PurePosixPath(text).stem)
    return Person(clip.actor.partition(":")[2], _GENDERS[clip.gender]) if clip else None


def _reads_rows(function: Callable[[Path], Iterable[object]], kind: str) -> Callable[[Scan], Iterator[Clip]]:
    def read(scan: Scan) -> Iterator[Clip]:
        with running_brought(kind, "reading the corpus"):
            rows = list(function(scan.root))
        for number, row in enumerate(rows, start=1):
            where = f"'{printable(kind)}', row {number}"
            if not isinstance(row, Mapping):
                raise CorpusError(f"{where} is {type(row).__name__}; expected a mapping with path, actor and label")
            yield _clip(scan, where, {str(name): value for name, value in row.items()})

    return read


def _clip(scan: Scan, where: str, row: dict[str, object]) -> Clip:
    texts = {name: cell_text(row.pop(name, "")) for name in ("path", "label", "gender", "performance", "clip_id")}
    actor = cell_text(row.pop("actor", "")) or cell_text(row.pop("speaker", ""))
    path = PurePosixPath(texts["path"].replace("\\", "/"))
    if not path.name or path.is_absolute() or ".." in path.parts:
        raise CorpusError(f"{where}: path is '{printable(str(path))}'; expected a file's path relative to the folder")
    if not texts["label"]:
        raise CorpusError(f"{where}: label is empty; leave the row out, or say what it shows")
    if texts["gender"] not in _GENDERS:
        raise CorpusError(f"{where}: gender is '{printable(texts['gender'])}'; expected male, female or empty")
    start_s, end_s = (_seconds(where, name, row.pop(name, None)) for name in ("start_s", "end_s"))
    further: dict[str, str | float] = {
        name: value if isinstance(value, int | float) else cell_text(value) for name, value in row.items()
    }
    return scan.clip(
        texts["clip_id"] or path.with_suffix("").as_posix(), path, actor or None, texts["label"],
        gender=_GENDERS[texts["gender"]], performance=texts["performance"], start_s=start_s, end_s=end_s,
        further=further,
    )  # fmt: skip


def _seconds(where: str, name: str, value: object) -> float:
    if value is None or isinstance(value, int | float):
        return math.nan if value is None else float(value)
    raise CorpusError(f"{where}: {name} is {value!a}; expected a number of seconds")
