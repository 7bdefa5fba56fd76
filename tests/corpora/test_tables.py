"""Tables that people bring."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ravfeat.corpora.tables import read_table
from ravfeat.errors import CorpusError


def test_numbers_in_a_csv_stay_the_text_they_are(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('path,actor,label\na.wav,01,"sad, very"\nb.wav,,NA\n')
    assert read_table(tmp_path / "t.csv").to_pylist() == [
        {"path": "a.wav", "actor": "01", "label": "sad, very"},
        {"path": "b.wav", "actor": "", "label": "NA"},
    ]


def test_spaces_around_a_column_name_are_no_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("path, actor\na.wav,01\n")
    assert read_table(tmp_path / "t.csv").to_pylist() == [{"path": "a.wav", "actor": "01"}]


def test_a_byte_order_mark_is_not_part_of_a_column(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(b"\xef\xbb\xbfpath,actor\r\na.wav,01\r\n")
    assert read_table(tmp_path / "t.csv").to_pylist() == [{"path": "a.wav", "actor": "01"}]


def test_a_folder_called_column_equals_value_adds_no_column(tmp_path: Path) -> None:
    folder = tmp_path / "label=happy"
    folder.mkdir()
    pq.write_table(pa.table({"path": ["a.wav"], "label": ["sad"]}), folder / "t.parquet")
    assert read_table(folder / "t.parquet").to_pylist() == [{"path": "a.wav", "label": "sad"}]


def test_a_speaker_is_an_actor(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("path,Speaker\na.wav,01\n")
    assert read_table(tmp_path / "t.csv").to_pylist() == [{"path": "a.wav", "actor": "01"}]
    pq.write_table(pa.table({"speaker": [1, 2]}), tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").to_pylist() == [{"actor": 1}, {"actor": 2}]


def test_actor_and_speaker_must_be_the_same_people(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("actor,speaker\n01,01\n02,02\n")
    assert read_table(tmp_path / "t.csv").to_pylist() == [{"actor": "01"}, {"actor": "02"}]
    (tmp_path / "t.csv").write_text("actor,speaker\n01,01\n02,03\n")
    with pytest.raises(CorpusError, match=r"columns actor and speaker, and row 3 says '02' and '03'; .* keep one of"):
        read_table(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("t.csv", b"", "cannot be read as a table"),
        ("t.csv", b"path,actor\na.wav,1,2\n", "cannot be read as a table"),
        ("t.csv", b"path\n\xff\xfe\xfa\n", "cannot be read as a table"),
        ("t.csv", b"\xff\xfe\n", "cannot be read as a table"),
        ("t.parquet", b"not parquet", "cannot be read as a table"),
        ("t.csv", b"path,actor,path\na,b,c\n", r"more than one column called \['path'\]"),
    ],
)
def test_what_is_no_table_is_refused_by_name(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(CorpusError, match=message) as caught:
        read_table(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


def test_a_missing_table_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"nothing\.csv is not a file"):
        read_table(tmp_path / "nothing.csv")
