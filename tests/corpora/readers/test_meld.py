"""MELD as it is distributed."""

from pathlib import Path

import pytest

from ravfeat.corpora import load_corpus
from ravfeat.errors import CorpusError
from tests.distributed import Shape, meld


def test_dialogues_are_told_apart_by_their_split(tmp_path: Path) -> None:
    manifest = load_corpus("meld", meld(tmp_path))
    places = {clip.clip_id: (clip.actor, clip.further["split"]) for clip in manifest}
    assert places["train_dia0_utt0"] == ("meld:Chandler", "train")
    assert places["dev_dia0_utt0"] == ("meld:Monica", "val")
    assert places["test_dia0_utt0"] == ("meld:Chandler", "test")
    assert manifest.by_id()["dev_dia0_utt0"].gender == "female"


def test_faulty_clips_are_counted(tmp_path: Path) -> None:
    assert load_corpus("meld", meld(tmp_path)).skipped == {
        "clip known as one that cannot be decoded (train_dia125_utt3)": 1,
        "clip known as one that is not in the archive (dev_dia110_utt7)": 1,
        "files without a label": 1,
        "labels without a file": 1,
        "second versions of test clips (final_videos_test…)": 1,
    }


def test_a_speaker_in_two_spellings_is_one_and_said(tmp_path: Path) -> None:
    manifest = load_corpus("meld", meld(tmp_path))
    assert manifest.actors == ("meld:Chandler", "meld:Monica", "meld:The Waiter")
    assert any("The Waiter and The waiter" in note for note in manifest.notes)


def test_a_part_of_it_will_do_and_a_table_of_another_kind_will_not(tmp_path: Path) -> None:
    root = meld(tmp_path)
    (root / "test_sent_emo.csv").unlink()
    manifest = load_corpus("meld", root)
    assert "test_dia0_utt0" not in manifest.by_id()
    assert any("test_sent_emo.csv is not there" in note for note in manifest.notes)
    Shape(root).table("test_sent_emo.csv", ("a", "b"), (1, 2))
    with pytest.raises(CorpusError, match=r"test_sent_emo.csv lacks the columns \['speaker'"):
        load_corpus("meld", root)
