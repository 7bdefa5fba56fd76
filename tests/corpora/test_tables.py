"""Tables that people bring."""

from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ravfeat.corpora.tables import cell_text, name_columns, read_table
from ravfeat.errors import CorpusError, UsageError


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
        ("t.csv", b"path\n\x00\x01\n", r"cannot be read as a table \(it holds control characters\)"),
        ("t.csv", "path,actor\na.wav,1\n".encode("utf-16-le"), "it holds control characters"),  # without a mark
        ("t.csv", b"RIFF\x24\x00\x00\x00WAVE", "it holds control characters"),
        ("t.csv", b"\xff\xfe\n", "cannot be read as a table"),
        ("t.parquet", b"not parquet", "cannot be read as Parquet .*; write it again"),
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


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separator_and_encoding_are_found_out(encoding, separator, tmp_path) -> None:
    text = f'path{separator}"actor, or; who"\r\nä.wav{separator}José\r\n'
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))
    assert read_table(tmp_path / "t.csv").to_pylist() == [{"path": "ä.wav", "actor, or; who": "José"}]


def test_letters_of_latin_1_far_into_a_file_are_found_too(tmp_path) -> None:
    text = "actor\n" + "anna\n" * 300_000 + "José\n"
    (tmp_path / "t.csv").write_bytes(text.encode("latin-1"))
    assert read_table(tmp_path / "t.csv")["actor"][-1].as_py() == "José"
    # A letter of two bytes on the border of two blocks is still UTF-8.
    (tmp_path / "t.csv").write_bytes(b"b\n" + b"a\n" * ((1 << 19) - 2) + "aé\n".encode())
    assert read_table(tmp_path / "t.csv")["b"][-1].as_py() == "aé"


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (["Path", "Speaker_ID", "EMOTION", "x"], ["Path", "Speaker_ID", "EMOTION"]),
        (["file", "Subject", "label"], ["file", "Subject", "label"]),
        (["path", "file", "emotion", "label", "actor"], ["path", "actor", "label"]),  # the name itself wins
        (["File Name", "actor id", "Label"], ["File Name", "actor id", "Label"]),
    ],
)
def test_columns_have_the_names_of_the_field_in_any_case(header, found, tmp_path) -> None:
    table, unread = name_columns(tmp_path, pa.table({name: [name] for name in header}), ["path", "actor", "label"])
    assert table.to_pylist() == [dict(zip(["path", "actor", "label"], found, strict=True))]
    assert set(unread) == set(header) - set(found)


def test_somebody_can_say_which_column_is_which(tmp_path) -> None:
    whole = pa.table({name: [name] for name in ("path", "actor", "role", "mood")})
    table, unread = name_columns(tmp_path, whole, ["path", "actor", "label"], {"actor": "role", "label": "mood"})
    assert table.to_pylist() == [{"path": "path", "actor": "role", "label": "mood"}]
    assert unread == ("actor",)
    with pytest.raises(UsageError, match=r"--columns actor=who: .* has no such column; it has \['path', 'actor'"):
        name_columns(tmp_path, whole, ["actor"], {"actor": "who"})
    with pytest.raises(UsageError, match="--columns speaker=role: 'speaker' is none of path, actor"):
        name_columns(tmp_path, whole, ["path", "actor"], {"speaker": "role"})


@pytest.mark.parametrize("header", [["file", "filename"], ["PATH", "Path"]])
def test_columns_that_could_both_be_meant_are_refused(header, tmp_path) -> None:
    with pytest.raises(
        CorpusError, match=rf"has the columns \['{header[0]}', '{header[1]}'\].*--columns path={header[0]}"
    ):
        name_columns(tmp_path, pa.table({name: ["x"] for name in header}), ["path"])


def test_cells_are_text_whatever_type_they_have() -> None:
    cells = [1.0, 1.5, -2.0, 3, True, " a ", b" b\xc3\xa4 ", None, float("nan"), float("inf"), Decimal("4.00")]
    assert list(map(cell_text, cells)) == ["1", "1.5", "-2", "3", "True", "a", "bä", "", "", "inf", "4"]
    with pytest.raises(CorpusError, match=r"bytes b'\\xff\\xfe'; expected text in UTF-8"):
        cell_text(b"\xff\xfe")
