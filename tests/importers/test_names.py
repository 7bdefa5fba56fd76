"""Whose a name is."""

import pytest

from ravfeat.corpora.ravdess import parse_stem
from ravfeat.errors import CorpusError
from ravfeat.importers.names import FolderNames, RavdessNames
from ravfeat.manifest import Clip, Manifest
from ravfeat.schema import RAVDESS_LABELS

RAVDESS = RavdessNames(Manifest("ravdess", RAVDESS_LABELS, (parse_stem("03-01-06-01-02-01-12", path="a.wav"),)))


@pytest.mark.parametrize(
    ("name", "clip_id", "modality"),
    [
        ("02-01-06-01-02-01-12", "02-01-06-01-02-01-12", "02"),
        ("Actor_12/01-01-06-01-02-01-12.mp4", "01-01-06-01-02-01-12", "01"),
        ("C:\\video\\02-01-06-01-02-01-12.mp4.csv", "02-01-06-01-02-01-12", "02"),
        ("01-06-01-02-01-12", "01-06-01-02-01-12", ""),
    ],
)
def test_a_ravdess_name_is_its_performances_whatever_the_copy(name, clip_id, modality) -> None:
    owner = RAVDESS.owner(name)
    assert (owner.clip.clip_id, owner.modality) == (clip_id, modality)
    assert (owner.clip.performance_id, owner.clip.actor, owner.clip.label) == (
        "01-06-01-02-01-12", "ravdess:12", "fearful"
    )  # fmt: skip


@pytest.mark.parametrize("name", ["02-02-06-01-02-01-12", "02-01-06-01-02-01-11", "talk.mp4", ""])
def test_songs_other_performances_and_other_names_are_nobodys(name) -> None:
    assert RAVDESS.owner(name) is None


def clip(clip_id, path, performance=None):
    return Clip(clip_id, performance or clip_id, "mine:1", "", "happy", path)


def folder(*clips):
    return FolderNames(Manifest("mine", ("happy",), clips))


@pytest.mark.parametrize("name", ["k1", "sub/a.wav", "sub/a", "a.wav", "a", "a.csv", "elsewhere/a.mp4.npz", "take7"])
def test_a_folders_clip_is_known_by_id_path_file_and_performance(name) -> None:
    owner = folder(clip("k1", "sub/a.wav", "take7"), clip("k2", "sub/b.wav")).owner(name)
    assert owner.clip.clip_id == "k1"


def test_a_name_that_two_clips_share_is_refused_and_a_whole_path_is_not() -> None:
    names = folder(clip("k1", "x/a.wav"), clip("k2", "y/a.wav"))
    with pytest.raises(CorpusError, match="'a' could be 'k1' or 'k2'; name features by clip id or by the whole path"):
        names.owner("a")
    assert names.owner("y/a.mp4").clip.clip_id == "k2"


def test_a_clips_id_goes_before_anothers_file_name() -> None:
    assert folder(clip("a", "x/b.wav"), clip("b", "x/a.wav")).owner("b").clip.clip_id == "b"


def test_a_performance_of_several_clips_is_one() -> None:
    owner = folder(clip("voice", "v.wav", "take"), clip("face", "f.mp4", "take")).owner("take")
    assert (owner.clip.clip_id, owner.clip.performance_id) == ("take", "take")
