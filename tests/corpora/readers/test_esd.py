"""ESD, with and without its folders of parts."""

from pathlib import Path

from ravfeat.corpora import load_corpus
from tests.distributed import Shape


def test_folders_say_emotion_and_part(tmp_path: Path) -> None:
    Shape(tmp_path).put(
        "0001/Angry/train/0001_000371.wav", "0011/Neutral/evaluation/0011_000021.wav", "0015/Sad/test/0015_001051.wav",
        "0015/0015.txt", "0015/lost_000001.wav", "0015/0015_000001.wav",
    )  # fmt: skip
    manifest = load_corpus("esd", tmp_path)
    assert {clip.clip_id: (clip.label, clip.gender, clip.further) for clip in manifest} == {
        "0001_000371": ("angry", "female", {"split": "train", "sentence": "21", "language": "zh"}),
        "0011_000021": ("neutral", "male", {"split": "val", "sentence": "21", "language": "en"}),
        "0015_001051": ("sad", "female", {"split": "test", "sentence": "1", "language": "en"}),
    }
    assert manifest.skipped == {"files in no folder of an emotion": 1, "unknown names": 1}


def test_a_copy_without_parts_has_no_split_and_says_so(tmp_path: Path) -> None:
    Shape(tmp_path).put("0011/Happy/0011_000701.wav")
    manifest = load_corpus("esd", tmp_path)
    assert "split" not in manifest.clips[0].further
    assert any("no published split" in note for note in manifest.notes)
