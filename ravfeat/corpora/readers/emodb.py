"""Read EmoDB, the Berlin database of emotional speech: ``wav/03a01Fa.wav`` (speaker, sentence, emotion, take).

Source: Burkhardt et al. (2005), Interspeech, doi:10.21437/Interspeech.2005-446; emodb.bilderbar.info.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from ravfeat.corpora.readers.base import CorpusReader, Person, Scan
from ravfeat.manifest import Clip
from ravfeat.schema import Gender

__all__ = ["EMODB"]

_STEM = re.compile(r"(\d\d)([ab]\d\d)([AEFLNTW])([a-z])")
_LABELS = {
    "A": "fear", "E": "disgust", "F": "happiness", "L": "boredom", "N": "neutral", "T": "sadness", "W": "anger"
}  # fmt: skip
"""By the initial of the German word: Angst, Ekel, Freude, Langeweile, neutral, Trauer, Wut."""
_SPEAKERS: Mapping[str, tuple[Gender, float]] = {
    "03": ("male", 31), "08": ("female", 34), "09": ("female", 21), "10": ("male", 32), "11": ("male", 26),
    "12": ("male", 30), "13": ("female", 32), "14": ("female", 35), "15": ("male", 25), "16": ("female", 31),
}  # fmt: skip


def _read(scan: Scan) -> Iterator[Clip]:
    for path in scan.media:
        match = _STEM.fullmatch(path.stem)
        if match is None or match[1] not in _SPEAKERS:
            scan.skip("unknown names")
            continue
        speaker, sentence, emotion, take = match.groups()
        gender, age = _SPEAKERS[speaker]
        further = {"sentence": sentence, "take": take, "age": age}
        yield scan.clip(path.stem, path, speaker, _LABELS[emotion], gender=gender, further=further)


def _who(text: str) -> Person | None:
    match = _STEM.fullmatch(PurePosixPath(text).stem)
    return Person(match[1], _SPEAKERS[match[1]][0]) if match and match[1] in _SPEAKERS else None


EMODB = CorpusReader(
    "EmoDB",
    "wav/03a01Fa.wav",
    "German, 10 actors, 7 classes, voice",
    _read,
    who=_who,
)
