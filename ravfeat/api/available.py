"""List what options can name: encoders, heads, corpora and protocols, built in or brought by packages."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from ravfeat.corpora.registry import BUILT_IN
from ravfeat.corpora.terms import known_corpus
from ravfeat.encoders.registry import ENCODERS, Pretrained
from ravfeat.errors import RavfeatError, UsageError
from ravfeat.escape import printable
from ravfeat.heads.registry import HEADS
from ravfeat.plugins import installed, load_installed

__all__ = ["Available", "Kind", "available"]

Kind = Literal["encoders", "heads", "corpora", "protocols"]

_ENCODERS: Mapping[str, str] = {
    "logmel": "log-mel spectrogram, without weights",
    "landmarks": "MediaPipe's face landmarks, blendshapes and head pose",
    "face-geometry": "distances between MediaPipe's face landmarks",
}

_PROTOCOLS: Mapping[str, str] = {
    "ravdess6": "RAVDESS: six folds of four actors, those of the study that ravfeat reproduces",
    "emobox6": "RAVDESS: six folds of four actors, those of EmoBox",
    "luna5": "RAVDESS: five folds, those of Luna-Jiménez et al. (2021)",
    "hicmae6": "RAVDESS: six folds of four actors in their order, those of HiCMAE",
    "loso24": "RAVDESS: one actor left out at a time, nested",
    "loso": "any corpus: one actor left out at a time, nested",
    "groupK": "any corpus: K folds that keep actors together (group5, group10 …)",
    "group:COLUMN": "any corpus: one value of a column left out at a time (group:session)",
    "groupK:COLUMN": "any corpus: K folds that keep values of a column together (group5:session)",
    "column:COLUMN": "an official split in a column: train, val, test (column:split); those of EmoBox (column:fold_*)",
    "FILE": "a table of clips or actors and their fold, optionally their split",
    "clip6": "any corpus: six parts of clips, LEAKY (--allow-leak)",
    "randomK": "any corpus: K parts of clips, LEAKY (--allow-leak)",
}


@dataclass(frozen=True)
class Available:
    """Something that can be named.

    Attributes
    ----------
    name : str
    about : str
        What it is, in a line; why it cannot be used, where it is `broken`.
    origin : str
        ``built in``, or the package and object that bring it.
    broken : bool
    """

    name: str
    about: str
    origin: str = "built in"
    broken: bool = False


def available(kind: Kind) -> tuple[Available, ...]:
    """List what there is of a kind; what installed packages bring is loaded, to see whether it can be.

    Parameters
    ----------
    kind : {"encoders", "heads", "corpora", "protocols"}

    Returns
    -------
    tuple of Available
        Built in first, then brought; what cannot be loaded is among them, `broken`.

    Raises
    ------
    UsageError
        For another kind.
    """
    if kind not in get_args(Kind):
        raise UsageError(f"no list of '{printable(kind)}'; choose from {', '.join(get_args(Kind))}")
    return (*_BUILT_IN[kind](), *(_brought(kind) if kind != "protocols" else ()))


def _encoders() -> Iterator[Available]:
    for name, entry in ENCODERS.items():
        if isinstance(entry, Pretrained):
            pinned = f" at {entry.revision[:7]}" if entry.revision else ", newest"
            yield Available(name, f"{entry.stream}: {entry.repository}{pinned}")
        else:
            yield Available(name, f"{entry.stream}: {getattr(entry, 'about', '') or _ENCODERS.get(name, '')}")


def _heads() -> Iterator[Available]:
    for name, head in HEADS.items():
        yield Available(name, _first_line(sys.modules[head.__module__]))


def _corpora() -> Iterator[Available]:
    for name, about in BUILT_IN.items():
        terms = known_corpus(name)
        yield Available(name, f"{about}; {terms.licence_title}" if terms else about)


def _protocols() -> Iterator[Available]:
    for name, about in _PROTOCOLS.items():
        yield Available(name, about)


_BUILT_IN = {"encoders": _encoders, "heads": _heads, "corpora": _corpora, "protocols": _protocols}


def _brought(kind: Kind) -> Iterator[Available]:
    """List what packages bring; one that fails must not keep the others from being seen."""
    group = f"ravfeat.{kind}"
    try:
        points = installed(group)
    except UsageError as error:
        yield Available("", str(error), group, broken=True)
        return
    for name, point in points.items():
        try:
            value = load_installed(group, name).value
        except RavfeatError as error:
            yield Available(name, str(error), point.value, broken=True)
        else:
            yield Available(name, getattr(value, "about", "") or _first_line(value), point.value)


def _first_line(value: object) -> str:
    return (value.__doc__ or "").strip().partition("\n")[0].rstrip(".")
