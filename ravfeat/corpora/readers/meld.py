"""Read MELD: ``train_sent_emo.csv`` and ``train_splits/dia0_utt0.mp4``, and the same of dev and test.

Source: Poria et al. (2019), ACL, arXiv:1810.02508; github.com/declare-lab/MELD.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from ravfeat.corpora.readers.base import CorpusReader, Scan
from ravfeat.corpora.spellings import spelling_key
from ravfeat.errors import CorpusError
from ravfeat.escape import printable
from ravfeat.manifest import Clip
from ravfeat.schema import Gender

__all__ = ["MELD"]

_STEM = re.compile(r"dia(\d+)_utt(\d+)")
_AGAIN = re.compile(r"final_videos_testdia\d+_utt\d+")
_SPLITS = {"train": "train", "dev": "val", "test": "test"}
_SPLIT_OF_FOLDER = re.compile(r"(?:^|_)(train|dev|test)(?:$|_)")
_FAULTY = {"train_dia125_utt3": "that cannot be decoded", "dev_dia110_utt7": "that is not in the archive"}
_COLUMNS = ("speaker", "emotion", "sentiment", "dialogue_id", "utterance_id", "season", "episode")
_GENDERS: Mapping[str, Gender] = {
    "Chandler": "male", "Joey": "male", "Ross": "male", "Monica": "female", "Phoebe": "female", "Rachel": "female"
}  # fmt: skip

Rows = dict[str, dict[str, str]]


def _read(scan: Scan) -> Iterator[Clip]:
    rows = _rows(scan)
    speakers = _speakers(scan, rows)
    seen = set()
    for path in scan.media:
        if _AGAIN.fullmatch(path.stem):
            scan.skip("second versions of test clips (final_videos_test…)")
            continue
        clip_id = _clip_id(path)
        if clip_id in _FAULTY:
            continue
        if clip_id not in rows:
            scan.skip("files without a label")
            continue
        seen.add(clip_id)
        yield _clip(scan, clip_id, path, rows[clip_id], speakers)
    for clip_id, fault in _FAULTY.items():
        scan.skip(f"clip known as one {fault} ({clip_id})", clip_id in rows)
    scan.skip("labels without a file", len(rows.keys() - seen - _FAULTY.keys()))


def _clip(scan: Scan, clip_id: str, path: PurePosixPath, row: Mapping[str, str], speakers: Mapping[str, str]) -> Clip:
    speaker = speakers.get(spelling_key(row["speaker"]))
    split = clip_id.partition("_")[0]
    further = {
        "split": _SPLITS[split],
        "dialogue": f"{split}_{row['dialogue_id']}",
        **{column: row[column] for column in ("sentiment", "season", "episode")},
    }
    gender = _GENDERS.get(speaker or "", "")
    return scan.clip(clip_id, path, speaker, row["emotion"].lower(), gender=gender, further=further)


def _rows(scan: Scan) -> Rows:
    """Read the rows of all three tables by the clip's id; dialogues are numbered anew in each of them."""
    rows: Rows = {}
    for split in _SPLITS:
        table = scan.find(f"{split}_sent_emo.csv")
        if table is None:
            scan.note(f"{split}_sent_emo.csv is not there, so no {split} clip is known")
            continue
        for row in scan.rows(table, *_COLUMNS):
            clip_id = f"{split}_dia{row['dialogue_id']}_utt{row['utterance_id']}"
            if rows.setdefault(clip_id, row) != row:
                raise CorpusError(
                    f"{table} has two rows that differ for '{printable(clip_id)}'; fetch the corpus again"
                )
    return rows


def _speakers(scan: Scan, rows: Rows) -> dict[str, str]:
    """Choose one spelling of every speaker, the most frequent; say which names had several."""
    spellings: dict[str, Counter[str]] = {}
    for row in rows.values():
        if row["speaker"]:
            spellings.setdefault(spelling_key(row["speaker"]), Counter())[row["speaker"]] += 1
    several = [" and ".join(sorted(names)) for names in spellings.values() if len(names) > 1]
    if several:
        scan.note(f"one speaker in two spellings, taken as one: {'; '.join(sorted(several)[:5])}")
    return {key: min(names, key=lambda name: (-names[name], name)) for key, names in spellings.items()}


def _clip_id(path: PurePosixPath) -> str:
    match = _STEM.fullmatch(path.stem)
    # The nearest folder decides: MELD.Raw/train/train_splits/dia0_utt0.mp4.
    named = [found[1] for part in path.parent.parts if (found := _SPLIT_OF_FOLDER.search(part))]
    return f"{named[-1]}_dia{int(match[1])}_utt{int(match[2])}" if match and named else ""


MELD = CorpusReader(
    "MELD",
    "train_sent_emo.csv, dev_sent_emo.csv and test_sent_emo.csv, with train_splits/dia0_utt0.mp4,"
    " dev_splits_complete/ and output_repeated_splits_test/",
    "English, scenes of a TV series, 7 classes, voice and face",
    _read,
    (
        "the official split has the six main roles in train, dev and test: --protocol column:split is LEAKY and needs"
        " --allow-leak; group5 keeps roles apart",
        "actors are roles as the tables name them: 'Man' or 'All' may be several people, a misspelt name one more",
    ),
)
