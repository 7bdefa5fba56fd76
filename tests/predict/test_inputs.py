"""Files, folders and tables of recordings."""

from pathlib import Path

import pytest

from ravfeat.errors import CorpusError, UsageError
from ravfeat.predict.inputs import list_recordings


def test_files_folders_and_tables_are_listed_once_and_in_order(tmp_path: Path) -> None:
    for name in (
        "talks/b.wav",
        "talks/deep/a.webm",
        "talks/.hidden/c.wav",
        "talks/._b.wav",
        "talks/notes.txt",
        "x.bin",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    table = tmp_path / "clips.csv"
    table.write_text("File,Emotion\nx.bin,sad\n talks/b.wav ,happy\n")
    (tmp_path / "talks/folder.wav").mkdir()
    (tmp_path / "talks/linked").symlink_to(tmp_path)
    listed = list_recordings([table, tmp_path / "talks", tmp_path / "missing.wav"])
    names = [path.relative_to(tmp_path).as_posix() for path in listed.paths]
    assert listed.left_out == {".txt": 1, "linked folder": 1}
    assert names == ["x.bin", "talks/b.wav", "talks/deep/a.webm", "missing.wav"]


def test_a_folder_or_table_without_recordings_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no recordings"):
        list_recordings([tmp_path])
    (tmp_path / "clips.csv").write_text("path\n")
    with pytest.raises(UsageError, match=r"clips\.csv has no recordings"):
        list_recordings([tmp_path / "clips.csv"])


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("name,label\na,b\n", r"clips\.csv has no column 'path'; its columns are name, label"),
        ("path,label\na.wav,b\n,c\n", r"clips\.csv, line 3: no path \(1 such lines\)"),
    ],
)
def test_a_table_without_paths_is_refused(tmp_path: Path, text: str, match: str) -> None:
    (tmp_path / "clips.csv").write_text(text)
    with pytest.raises(CorpusError, match=match):
        list_recordings([tmp_path / "clips.csv"])
