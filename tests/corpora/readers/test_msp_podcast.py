"""MSP-Podcast as it is distributed, in newer and older releases."""

from pathlib import Path

import pytest

from ravfeat.corpora import load_corpus
from ravfeat.errors import CorpusError
from tests.distributed import Shape

HEADER = ("FileName", "EmoClass", "EmoAct", "EmoVal", "EmoDom", "SpkrID", "Gender", "Split_Set")


def name(number: int) -> str:
    return f"MSP-PODCAST_0001_{number:04d}"


def test_the_table_says_everything(tmp_path: Path) -> None:
    shape = Shape(tmp_path).put(*(f"Audios/{name(number)}.wav" for number in (8, 9, 10, 11)))
    shape.table(
        "Labels/labels_consensus.csv", HEADER, (f"{name(8)}.wav", "A", 4.4, 2.2, 5, 127, "Male", "Train"),
        (f"{name(9)}.wav", "X", 4, 4, 4, "Unknown", "Unknown", "Development"),
        (f"{name(10)}.wav", "", 4, 4, 4, 9, "Female", "Test1"), (f"{name(12)}.wav", "H", 4, 4, 4, 9, "Female", "Test2"),
    )  # fmt: skip
    manifest = load_corpus("msp-podcast", tmp_path)
    clip = manifest.by_id()[name(8)]
    assert (clip.actor, clip.gender, clip.label) == ("msp-podcast:127", "male", "anger")
    assert clip.further == {"split": "train", "activation": 4.4, "valence": 2.2, "dominance": 5}
    assert manifest.by_id()[name(9)].actor == f"msp-podcast:?{name(9)}"
    assert manifest.by_id()[name(9)].label == "no agreement"
    assert manifest.skipped == {
        "rows without a class": 1,
        "labels without a recording": 1,
        "recordings without a label": 1,
    }
    assert any("1 clips are of unknown speakers" in note and "UNCHECKED" in note for note in manifest.notes)


def test_older_releases_have_speakers_and_splits_in_files_of_their_own(tmp_path: Path) -> None:
    shape = Shape(tmp_path).put(f"Audios/{name(1)}.wav")
    shape.table("Labels/labels_concensus.csv", ("FileName", "EmoClass"), (f"{name(1)}.wav", "S"))
    shape.text("Partitions.txt", f"Validation; {name(1)}.wav\n").text("Speaker_ids.txt", f"{name(1)}.wav; 31\n")
    clip = load_corpus("msp-podcast", tmp_path).clips[0]
    assert (clip.actor, clip.label, clip.further) == ("msp-podcast:31", "sadness", {"split": "val"})


def test_two_rows_of_one_recording_are_refused(tmp_path: Path) -> None:
    shape = Shape(tmp_path).put(f"Audios/{name(1)}.wav")
    shape.table("labels_consensus.csv", ("FileName", "EmoClass"), (f"{name(1)}.wav", "S"), (f"{name(1)}.wav", "A"))
    with pytest.raises(
        CorpusError, match=r"labels_consensus\.csv has two rows that differ for 'MSP-PODCAST_0001_0001'"
    ):
        load_corpus("msp-podcast", tmp_path)


def test_a_folder_without_the_table_is_refused(tmp_path: Path) -> None:
    Shape(tmp_path).put(f"Audios/{name(1)}.wav")
    with pytest.raises(
        CorpusError, match=r"holds no labels_consensus.csv, beside the recordings or in Labels/; expected"
    ):
        load_corpus("msp-podcast", tmp_path)
