"""Tables into numbers."""

import numpy as np
import pyarrow as pa
import pytest

from ravfeat.errors import CorpusError
from ravfeat.importers.columns import classify_columns
from ravfeat.importers.feature_table import read_feature_table, read_header
from ravfeat.manifest import parquet_bytes


@pytest.fixture
def cells(tmp_path):
    def read(text):
        path = tmp_path / "t.csv"
        path.write_text(text, encoding="utf-8")
        return read_feature_table(path, classify_columns("t.csv", read_header(path)))

    return read


def test_spaces_after_commas_and_a_byte_order_mark_do_not_matter(cells) -> None:
    table = cells('\ufeffname, frame, f0, f1\n"a", 1, 0.5, -1e2\n\nb , 2, 3, 4\n')
    assert table.names == ("a", "b")
    assert table.numbers["frame"].tolist() == [1, 2]
    assert table.features.dtype == np.float32
    assert table.features.tolist() == [[0.5, -100], [3, 4]]


def test_an_empty_cell_is_not_zero(cells) -> None:
    np.testing.assert_array_equal(cells("name,f0,f1\na,,2\n").features, [[np.nan, 2]])


@pytest.mark.parametrize("cell", ["1_000", "0x10", "yes", "1;5", "-"])
def test_text_is_not_guessed_to_be_a_number(cell, cells) -> None:
    with pytest.raises(CorpusError, match=rf"row 3: expected numbers in f1; f1 holds '{cell}'.*--array"):
        cells(f"name,f0,f1\na,1,2\nb,1,{cell}\n")


def test_all_columns_of_text_are_named(cells) -> None:
    with pytest.raises(CorpusError, match="expected numbers in f0, f2; f0 holds 'happy'"):
        cells("name,f0,f1,f2\na,happy,1,sad\n")


def test_a_row_of_another_length_is_refused(cells) -> None:
    with pytest.raises(CorpusError, match=r"t\.csv, row 2 has 4 cells; expected 3, as in the header"):
        cells('name,f0,f1\n"a",1,2,3\n')


def test_bytes_that_are_no_text_are_no_table(tmp_path) -> None:
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CorpusError, match=r"t\.csv cannot be read as a table"):
        read_header(tmp_path / "t.csv")


def test_parquet_gives_the_same_and_refuses_text(tmp_path) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(parquet_bytes(pa.table({"name": ["a", "b"], "frame": [1, 2], "f0": [0.5, None], "f1": [1, 2]})))
    table = read_feature_table(path, classify_columns("t", read_header(path)))
    assert (table.names, table.numbers["frame"].tolist()) == (("a", "b"), [1, 2])
    np.testing.assert_array_equal(table.features, [[0.5, 1], [np.nan, 2]])
    path.write_bytes(parquet_bytes(pa.table({"name": ["a"], "mood": ["happy"]})))
    with pytest.raises(CorpusError, match="expected numbers in mood, it holds string"):
        read_feature_table(path, classify_columns("t", read_header(path)))


def test_names_of_a_parquet_table_may_be_bytes(tmp_path) -> None:
    path = tmp_path / "t.parquet"
    path.write_bytes(parquet_bytes(pa.table({"file": [b"a.wav", b"b.wav"], "speaker": [1, 2], "f0": [0.5, 1.0]})))
    table = read_feature_table(path, classify_columns("t", read_header(path)))
    assert (table.names, table.features.tolist()) == (("a.wav", "b.wav"), [[0.5], [1]])


def test_semicolons_and_utf_16_are_read(tmp_path) -> None:
    (tmp_path / "t.csv").write_text("name;f0\nä;1.5\n", encoding="utf-16")
    table = read_feature_table(tmp_path / "t.csv", classify_columns("t", read_header(tmp_path / "t.csv")))
    assert (table.names, table.features.tolist()) == (("ä",), [[1.5]])
