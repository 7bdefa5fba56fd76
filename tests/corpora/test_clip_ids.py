"""Ids of clips say nothing about the machine."""

from pathlib import Path

from ravfeat.corpora.clip_ids import default_ids, relative_path


def test_absolute_paths_give_the_same_ids_on_every_machine(tmp_path: Path) -> None:
    written = ["x/a.wav", "x/deep/b.wav", "y/c.flac"]
    ids = set()
    for root in ("/home/me/corpus", "/scratch/with many/more/folders/corpus"):
        ids.add(tuple(default_ids([f"{root}/{name}" for name in written], tmp_path)))
    assert ids == {("x/a", "x/deep/b", "y/c")}


def test_paths_below_the_table_are_the_same_however_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for folder in (tmp_path / "real", tmp_path / "link"):
        for text in ("wav/a.wav", f"{folder}/wav/a.wav", f"{folder}/x/../wav/a.wav", f"{tmp_path}/real/wav/a.wav"):
            assert default_ids([text], folder) == ["wav/a"]
            assert relative_path(text, folder).as_posix() == "wav/a.wav"


def test_paths_that_were_written_relative_keep_their_names(tmp_path: Path) -> None:
    assert default_ids(["../../data/x/a.wav", "b.c.wav", r"d\e.wav"], tmp_path) == ["data/x/a", "b.c", "d/e"]
    assert default_ids(["../../data/x/a.wav"], tmp_path) == ["data/x/a"]
