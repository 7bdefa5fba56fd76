"""Read TESS, the Toronto emotional speech set: ``OAF_angry/OAF_back_angry.wav`` (actress, word, emotion).

Source: Pichora-Fuller & Dupuis (2020), Borealis, doi:10.5683/SP2/E8H2MF.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from ravfeat.corpora.readers.base import CorpusReader, Person, Scan
from ravfeat.manifest import Clip

__all__ = ["TESS"]

# One file is called OA_bite_neutral.
_STEM = re.compile(r"(OAF?|YAF?)_([a-z]+)_(angry|disgust|fear|happy|neutral|ps|sad)", re.IGNORECASE)
_AGES: Mapping[str, float] = {"OAF": 64, "YAF": 26}
_PLEASANT = {"ps": "pleasant surprise"}


def _read(scan: Scan) -> Iterator[Clip]:
    for path in scan.media:
        match = _STEM.fullmatch(path.stem)
        if match is None:
            scan.skip("unknown names")
            continue
        actress, word, emotion = match[1][:2].upper() + "F", match[2].lower(), match[3].lower()
        if len(match[1]) < 3:
            scan.note(f"'{match[1]}' in {path.name} is taken as {actress}")
        label = _PLEASANT.get(emotion, emotion)
        further = {"word": word, "age": _AGES[actress]}
        yield scan.clip(f"{actress}_{word}_{emotion}", path, actress, label, gender="female", further=further)


def _who(text: str) -> Person | None:
    match = _STEM.fullmatch(PurePosixPath(text).stem)
    return Person(match[1][:2].upper() + "F", "female") if match else None


TESS = CorpusReader(
    "TESS",
    "OAF_angry/OAF_back_angry.wav, in folders or in one",
    "English, 2 women, 7 classes, voice",
    _read,
    (
        "two women: no fold can train on one, validate on another and test on a third, so no protocol keeps actors"
        " apart; use TESS as a second corpus (ravfeat fit-heads --test-cache), or random5 --allow-leak as a control",
    ),
    _who,
)
