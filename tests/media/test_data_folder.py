"""The folder that most recordings of a manifest lie in is found; else it is said what was looked for, and where."""

from pathlib import Path

import pytest

from ravfeat.clips import Clip
from ravfeat.errors import UsageError
from ravfeat.manifest import Manifest
from ravfeat.media.data_folder import find_recordings


@pytest.fixture
def manifest() -> Manifest:
    paths = ("a/one.wav", "a/two.wav", "b/three.wav")
    clips = [Clip(path[2:-4], path[2:-4], "mine:1", "", "sad", path) for path in paths]
    return Manifest("mine", ("happy", "sad"), clips)


def put(folder: Path, *paths: str) -> Path:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()
    return folder


def test_the_folder_with_most_of_them_wins_whatever_the_order(manifest, tmp_path) -> None:
    some = put(tmp_path / "some", "a/one.wav")
    most = put(tmp_path / "most", "a/one.wav", "b/three.wav")
    assert find_recordings(manifest, [some, most], "mine") == most
    assert find_recordings(manifest, [most, some], "mine") == most


def test_a_table_stands_for_its_folder(manifest, tmp_path) -> None:
    table = put(tmp_path, "a/one.wav", "mine.csv") / "mine.csv"
    assert find_recordings(manifest, [table], "mine") == tmp_path


def test_by_default_it_is_here_or_in_data(manifest, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "data" / "mine", "a/one.wav")
    assert find_recordings(manifest, [], "mine") == Path("data/mine")


def test_where_there_is_none_the_folders_and_a_file_are_named(manifest, tmp_path) -> None:
    with pytest.raises(UsageError) as caught:
        find_recordings(manifest, [tmp_path / "x", tmp_path], "the stream 'audio'")
    assert f"such as a/one.wav, are not under {tmp_path} or {tmp_path}" in str(caught.value)
    assert str(caught.value).startswith("the recordings of the stream 'audio', ")
