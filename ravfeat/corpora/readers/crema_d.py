"""Read CREMA-D: ``AudioWAV/1001_DFA_ANG_XX.wav`` (actor, sentence, emotion, intensity), ``VideoDemographics.csv``.

Source: Cao et al. (2014), IEEE Transactions on Affective Computing 5(4), doi:10.1109/TAFFC.2014.2336244;
github.com/CheyneyComputerScience/CREMA-D.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from ravfeat.corpora.readers.base import CorpusReader, Person, Scan, number_or_empty
from ravfeat.manifest import Clip
from ravfeat.schema import Gender

__all__ = ["CREMA_D"]

# One file is called 1040_ITH_SAD_X.
_STEM = re.compile(r"(1\d{3})_([A-Z]{3})_(ANG|DIS|FEA|HAP|NEU|SAD)_(LO|MD|HI|XX?)")
_LABELS = {"ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
_INTENSITIES = {"LO": "low", "MD": "medium", "HI": "high"}
_GENDERS: Mapping[str, Gender] = {"male": "male", "female": "female"}
_EMPTY = "1076_MTI_SAD_XX"
"""A recording without sound."""


def _read(scan: Scan) -> Iterator[Clip]:
    people = _people(scan)
    for path in scan.media:
        match = _STEM.fullmatch(path.stem)
        if match is None:
            scan.skip("unknown names")
            continue
        actor, sentence, emotion, intensity = match.groups()
        if path.stem == _EMPTY and scan.stream == "audio":
            scan.skip(f"recording known to be without sound ({_EMPTY})")
            continue
        person = people.get(actor, {})
        further = {
            "sentence": sentence,
            "intensity": _INTENSITIES.get(intensity, "unspecified"),
            "age": number_or_empty(person.get("age", "")),
        }
        gender = _GENDERS.get(person.get("sex", "").lower(), "")
        yield scan.clip(path.stem, path, actor, _LABELS[emotion], gender=gender, further=further)


def _who(text: str) -> Person | None:
    match = _STEM.fullmatch(PurePosixPath(text).stem)
    return Person(match[1]) if match else None


def _people(scan: Scan) -> dict[str, dict[str, str]]:
    table = scan.find("VideoDemographics.csv")
    if table is None:
        scan.note("VideoDemographics.csv is not there, so nobody's gender and age are known")
        return {}
    return {row["actorid"]: row for row in scan.rows(table, "actorid", "sex")}


CREMA_D = CorpusReader(
    "CREMA-D",
    "AudioWAV/1001_DFA_ANG_XX.wav (or AudioMP3, VideoFlash), and VideoDemographics.csv beside it",
    "English, 91 actors, 6 classes, voice and face",
    _read,
    ("labels are what actors were asked to show, not what raters saw",),
    _who,
)
