"""Read SAVEE: ``AudioData/DC/a01.wav`` or ``DC_a01.wav`` (speaker, emotion, number of the sentence).

Source: Haq & Jackson (2010), in Machine Audition, IGI Global, 398-423; kahlan.eps.surrey.ac.uk/savee.
"""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from ravfeat.corpora.readers.base import CorpusReader, Person, Scan
from ravfeat.manifest import Clip

__all__ = ["SAVEE"]

_NAME = re.compile(r"(?:(DC|JE|JK|KL)[_-])?(a|d|f|h|n|sa|su)(\d{1,2})", re.IGNORECASE)
_SPEAKERS = ("DC", "JE", "JK", "KL")
_LABELS = {
    "a": "anger", "d": "disgust", "f": "fear", "h": "happiness", "n": "neutral", "sa": "sadness", "su": "surprise"
}  # fmt: skip


def _read(scan: Scan) -> Iterator[Clip]:
    for path in scan.media:
        match = _NAME.fullmatch(path.stem)
        # The given folder may be a speaker's own.
        person = _who(str(PurePosixPath(scan.root.resolve().name) / path))
        if match is None or person is None:
            scan.skip("unknown names")
            continue
        emotion, number = match[2].lower(), int(match[3])
        sentence = f"{emotion}{number:02d}"
        yield scan.clip(
            f"{person.actor}_{sentence}",
            path,
            person.actor,
            _LABELS[emotion],
            gender="male",
            further={"sentence": sentence},
        )


def _who(text: str) -> Person | None:
    """Take the speaker from the file's name, else from the folder it lies in."""
    path = PurePosixPath(text)
    match = _NAME.fullmatch(path.stem)
    speaker = (match[1] or path.parent.name).upper() if match else ""
    return Person(speaker, "male") if speaker in _SPEAKERS else None


SAVEE = CorpusReader(
    "SAVEE",
    "AudioData/DC/a01.wav, or DC_a01.wav",
    "English, 4 men, 7 classes, voice and face",
    _read,
    ("four men: group4 or loso tests one at a time, and intervals over four people are wide",),
    _who,
)
