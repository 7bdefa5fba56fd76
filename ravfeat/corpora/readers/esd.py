"""Read ESD, the emotional speech dataset: ``0011/Angry/train/0011_000351.wav`` (speaker, emotion, part, number).

Source: Zhou et al. (2022), Speech Communication 137, doi:10.1016/j.specom.2021.11.006; hltsingapore.github.io/ESD.
"""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from ravfeat.corpora.readers.base import CorpusReader, Person, Scan
from ravfeat.manifest import Clip
from ravfeat.schema import Gender

__all__ = ["ESD"]

_STEM = re.compile(r"(00(?:0[1-9]|1\d|20))_(\d{6})")
_EMOTIONS = {name.lower(): name.lower() for name in ("Angry", "Happy", "Neutral", "Sad", "Surprise")}
_SPLITS = {"train": "train", "evaluation": "val", "test": "test"}
_MEN = frozenset({4, 5, 6, 8, 10, 11, 12, 13, 14, 20})
_SENTENCES = 350
"""Every speaker says these in every emotion, numbered on from one emotion to the next."""


def _read(scan: Scan) -> Iterator[Clip]:
    for path in scan.media:
        match = _STEM.fullmatch(path.stem)
        folders = [part.lower() for part in path.parent.parts]
        emotion = next((_EMOTIONS[folder] for folder in reversed(folders) if folder in _EMOTIONS), None)
        if match is None or emotion is None:
            scan.skip("unknown names" if match is None else "files in no folder of an emotion")
            continue
        speaker, number = match[1], int(match[2])
        split = next((_SPLITS[folder] for folder in reversed(folders[-1:]) if folder in _SPLITS), "")
        if not split:
            scan.note("this copy has no folders train, evaluation and test, so no published split")
        further = {
            "split": split,
            "sentence": str((number - 1) % _SENTENCES + 1),
            "language": "zh" if int(speaker) <= 10 else "en",
        }
        yield scan.clip(path.stem, path, speaker, emotion, gender=_gender(speaker), further=further)


def _gender(speaker: str) -> Gender:
    return "male" if int(speaker) in _MEN else "female"


def _who(text: str) -> Person | None:
    match = _STEM.fullmatch(PurePosixPath(text).stem)
    return Person(match[1], _gender(match[1])) if match else None


ESD = CorpusReader(
    "ESD",
    "0011/Angry/train/0011_000351.wav (also evaluation and test, or none of the three)",
    "Mandarin and English, 20 speakers, 5 classes, voice",
    _read,
    (
        "the published split has every speaker in every part: --protocol column:split is LEAKY and needs --allow-leak;"
        " group5 keeps speakers apart",
    ),
    _who,
)
