"""IEMOCAP as it is distributed."""

from pathlib import Path

from ravfeat.corpora import load_corpus
from tests.distributed import iemocap


def test_the_speaker_is_who_talks_not_who_wears_the_markers(tmp_path: Path) -> None:
    manifest = load_corpus("iemocap", iemocap(tmp_path))
    clip = manifest.by_id()["Ses02M_impro01_F000"]
    assert (clip.actor, clip.gender, clip.label) == ("iemocap:2F", "female", "neu")
    assert clip.further == {
        "session": "2", "dialogue": "Ses02M_impro01", "scenario": "improvised", "valence": 2.5, "activation": 3.5,
        "dominance": 2.0,
    }  # fmt: skip


def test_the_agreed_labels_are_read_and_the_rest_is_counted(tmp_path: Path) -> None:
    manifest = load_corpus("iemocap", iemocap(tmp_path))
    assert manifest.classes == ("exc", "neu")  # not "ang", which one rater said
    assert manifest.skipped == {
        "labels without a recording": 2, "recordings of whole dialogues": 2, "utterances without a label": 1
    }  # fmt: skip
