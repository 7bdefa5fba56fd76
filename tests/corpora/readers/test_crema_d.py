"""CREMA-D as it is distributed."""

from pathlib import Path

from ravfeat.corpora import load_corpus
from tests.distributed import crema_d


def test_names_and_the_table_of_actors_say_everything(tmp_path: Path) -> None:
    manifest = load_corpus("crema-d", crema_d(tmp_path))
    clip = manifest.by_id()["1001_IEO_HAP_HI"]
    assert (clip.actor, clip.gender, clip.label, clip.performance_id) == ("crema-d:1001", "male", "happy", clip.clip_id)
    assert clip.further == {"sentence": "IEO", "intensity": "high", "age": 51}
    assert manifest.by_id()["1040_ITH_SAD_X"].further == {"sentence": "ITH", "intensity": "unspecified"}


def test_the_file_without_sound_is_left_out_and_counted(tmp_path: Path) -> None:
    manifest = load_corpus("crema-d", crema_d(tmp_path))
    assert "1076_MTI_SAD_XX" not in manifest.by_id()
    assert manifest.skipped == {
        "recording known to be without sound (1076_MTI_SAD_XX)": 1, "unknown names": 1, "unused copies": 1
    }  # fmt: skip


def test_faces_are_read_from_the_videos(tmp_path: Path) -> None:
    manifest = load_corpus("crema-d", crema_d(tmp_path), stream="face")
    assert [clip.path for clip in manifest] == ["VideoFlash/1001_DFA_ANG_XX.flv"]


def test_the_folder_of_recordings_alone_will_do(tmp_path: Path) -> None:
    root = crema_d(tmp_path / "CREMA-D")
    assert load_corpus("crema-d", root / "AudioWAV").by_id()["1002_IEO_SAD_LO"].gender == "female"
    (root / "VideoDemographics.csv").unlink()
    manifest = load_corpus("crema-d", root / "AudioWAV")
    assert {clip.gender for clip in manifest} == {""}
    assert any("gender and age are known" in note for note in manifest.notes)
