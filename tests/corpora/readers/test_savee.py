"""SAVEE, in folders of speakers or with speakers in front of names."""

from pathlib import Path

from ravfeat.corpora import load_corpus
from tests.distributed import Shape


def test_both_layouts_give_the_same_clips(tmp_path: Path) -> None:
    Shape(tmp_path / "folders").put("AudioData/DC/a01.wav", "AudioData/JE/sa3.wav", "AudioData/KL/n30.wav")
    Shape(tmp_path / "names").put("DC_a01.wav", "JE_sa03.wav", "KL_n30.wav", "XX_a01.wav", "a02.wav")
    folders, names = (load_corpus("savee", tmp_path / name) for name in ("folders", "names"))
    ids = {clip.clip_id: (clip.actor, clip.label) for clip in folders}
    assert ids == {
        "DC_a01": ("savee:DC", "anger"), "JE_sa03": ("savee:JE", "sadness"), "KL_n30": ("savee:KL", "neutral")
    }  # fmt: skip
    assert {clip.clip_id: (clip.actor, clip.label) for clip in names} == ids
    assert names.skipped == {"unknown names": 2}


def test_the_given_folder_may_be_a_speaker(tmp_path: Path) -> None:
    Shape(tmp_path / "JK").put("su12.wav")
    assert load_corpus("savee", tmp_path / "JK").actors == ("savee:JK",)
