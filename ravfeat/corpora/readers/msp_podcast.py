"""Read MSP-Podcast: ``Labels/labels_consensus.csv`` and ``Audios/MSP-PODCAST_0001_0008.wav``.

Releases without speakers and splits in that table have them in ``Speaker_ids.txt`` and ``Partitions.txt``.

Source: Lotfian & Busso (2019), IEEE Transactions on Affective Computing 10(4), doi:10.1109/TAFFC.2017.2736999.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from ravfeat.corpora.readers.base import CorpusReader, Scan, number_or_empty
from ravfeat.errors import CorpusError
from ravfeat.escape import printable
from ravfeat.manifest import Clip
from ravfeat.schema import Gender

__all__ = ["MSP_PODCAST"]

_LABELS = {
    "A": "anger", "C": "contempt", "D": "disgust", "F": "fear", "H": "happiness", "N": "neutral", "O": "other",
    "S": "sadness", "U": "surprise", "X": "no agreement",
}  # fmt: skip
_SPLITS = {"train": "train", "development": "val", "validation": "val", "test1": "test"}
_GENDERS: Mapping[str, Gender] = {"male": "male", "female": "female"}
_SCALES = {"activation": "emoact", "valence": "emoval", "dominance": "emodom"}
_PARTITION = re.compile(r"^(\w+)\s*;\s*(\S+)\.wav\s*$", re.MULTILINE)
_SPEAKER = re.compile(r"^(\S+)\.wav\s*;\s*(\w+)\s*$", re.MULTILINE)


def _read(scan: Scan) -> Iterator[Clip]:
    files = {path.stem: path for path in scan.media}
    splits = {stem: split for split, stem in _lines(scan, "Partitions.txt", _PARTITION)}
    speakers = dict(_lines(scan, "Speaker_ids.txt", _SPEAKER))
    unknown = 0
    rows = _rows(scan)
    for stem, row in rows.items():
        label = _LABELS.get(row["emoclass"])
        speaker = row.get("spkrid") or speakers.get(stem, "")
        split = row.get("split_set") or splits.get(stem, "")
        if label is None or stem not in files:
            scan.skip("labels without a recording" if label else "rows without a class")
            continue
        if speaker.lower() in {"", "unknown"}:
            speaker, unknown = "", unknown + 1
        yield _clip(scan, files[stem], row, label, speaker, split.lower())
    scan.skip("recordings without a label", len(files.keys() - rows.keys()))
    if unknown:
        scan.note(
            f"{unknown} clips are of unknown speakers: what is tested with them says UNCHECKED; leave them out with"
            " --where \"actor != ''\""
        )


def _clip(scan: Scan, path: PurePosixPath, row: Mapping[str, str], label: str, speaker: str, split: str) -> Clip:
    scales = {name: number_or_empty(row.get(column, "")) for name, column in _SCALES.items()}
    further = {"split": _SPLITS.get(split, split), **scales}
    gender = _GENDERS.get(row.get("gender", "").lower(), "")
    return scan.clip(path.stem, path, speaker or None, label, gender=gender, further=further)


def _rows(scan: Scan) -> dict[str, dict[str, str]]:
    names = ("labels_consensus.csv", "labels_concensus.csv")
    table = scan.find(*names)
    if table is None:
        raise CorpusError(f"{scan.root} holds no {names[0]}, beside the recordings or in Labels/; expected {_LAYOUT}")
    rows: dict[str, dict[str, str]] = {}
    for row in scan.rows(table, "filename", "emoclass"):
        if rows.setdefault(stem := PurePosixPath(row["filename"]).stem, row) != row:
            raise CorpusError(f"{table} has two rows that differ for '{printable(stem)}'; fetch the corpus again")
    return rows


def _lines(scan: Scan, name: str, line: re.Pattern[str]) -> list[tuple[str, str]]:
    file = scan.find(name)
    return line.findall(scan.text(file)) if file else []


_LAYOUT = "Labels/labels_consensus.csv and Audios/MSP-PODCAST_0001_0008.wav"

MSP_PODCAST = CorpusReader(
    "MSP-Podcast",
    _LAYOUT,
    "English, podcasts, 8 classes and 'other' and 'no agreement', voice",
    _read,
    ("the official split is the column split: train, val, test (Test1), and test2, test3 where a release has them",),
)
