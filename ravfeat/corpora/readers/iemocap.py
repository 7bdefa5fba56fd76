"""Read IEMOCAP: ``Session1/dialog/EmoEvaluation/*.txt``, ``Session1/sentences/wav/*/Ses01F_impro01_F000.wav``.

The speaker is the letter before the number of the utterance: ``Ses01F_impro01_M003`` is the man of session 1. That
behind the session says who wears the markers of motion capture in that dialogue, which is not who speaks.

Source: Busso et al. (2008), Language Resources and Evaluation 42(4), doi:10.1007/s10579-008-9076-6.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from ravfeat.corpora.readers.base import CorpusReader, Person, Scan
from ravfeat.manifest import Clip
from ravfeat.schema import Gender

__all__ = ["IEMOCAP"]

_STEM = re.compile(r"Ses0([1-5])[FM]_(impro|script)\w+_([FM])\d{3}")
_DIALOGUE = re.compile(r"Ses0[1-5][FM]_(impro|script)\w+")
_LINE = re.compile(
    r"\[\d+\.\d+ - \d+\.\d+\]\t(?P<turn>\w+)\t(?P<label>[a-z]{3})\t"
    r"\[(?P<valence>\d\.\d+), (?P<activation>\d\.\d+), (?P<dominance>\d\.\d+)\]"
)
_GENDERS: Mapping[str, Gender] = {"F": "female", "M": "male"}
_KINDS = {"impro": "improvised", "script": "scripted"}


@dataclass(frozen=True)
class _Rating:
    label: str
    valence: float
    activation: float
    dominance: float


def _read(scan: Scan) -> Iterator[Clip]:
    ratings = _ratings(scan)
    seen = set()
    for path in scan.media:
        match = _STEM.fullmatch(path.stem)
        if match is None:
            scan.skip("recordings of whole dialogues" if _DIALOGUE.fullmatch(path.stem) else "unknown names")
        elif path.stem not in ratings:
            scan.skip("utterances without a label")
        else:
            session, kind, speaker = match.groups()
            rating = ratings[path.stem]
            seen.add(path.stem)
            further = {
                "session": session,
                "dialogue": path.stem.rpartition("_")[0],
                "scenario": _KINDS[kind],
                "valence": rating.valence,
                "activation": rating.activation,
                "dominance": rating.dominance,
            }
            actor = f"{session}{speaker}"
            yield scan.clip(path.stem, path, actor, rating.label, gender=_GENDERS[speaker], further=further)
    scan.skip("labels without a recording", len(ratings.keys() - seen))


def _ratings(scan: Scan) -> dict[str, _Rating]:
    """Read the agreed label of every utterance; folders below hold those of single raters."""
    ratings = {}
    for file in scan.label_files(".txt"):
        if file.parent.name == "EmoEvaluation":
            for match in _LINE.finditer(scan.text(file)):
                scale = (float(match[name]) for name in ("valence", "activation", "dominance"))
                ratings[match["turn"]] = _Rating(match["label"], *scale)
    return ratings


def _who(text: str) -> Person | None:
    match = _STEM.fullmatch(PurePosixPath(text).stem)
    return Person(f"{match[1]}{match[3]}", _GENDERS[match[3]]) if match else None


IEMOCAP = CorpusReader(
    "IEMOCAP",
    "Session1/dialog/EmoEvaluation/Ses01F_impro01.txt and"
    " Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav",
    "English, 10 actors in 5 sessions, 11 labels (xxx: raters did not agree), voice",
    _read,
    (
        "all labels are kept; for the usual four classes: --label-map (exc and hap to one class, the rest empty)",
        "two people talk in a session: --protocol group:session keeps both on one side",
    ),
    _who,
)
