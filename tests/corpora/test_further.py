"""Further columns of a table: what is a number, what is a code, what is not kept."""

import pyarrow as pa

from ravfeat.corpora.further import FurtherColumns, column_name


def kept(**columns: list[object]) -> FurtherColumns:
    return FurtherColumns.of(pa.table(columns), list(columns))


def test_plain_numbers_are_numbers_and_codes_stay_texts() -> None:
    columns = kept(
        session=["1", "2", ""], take=["01", "2", "3"], share=["0.5", "-1e3", "NA"], year=["1990", "n/a", "2001"],
        phone=["+491", "2", "3"], long=["12345678901234567890", "1", "2"], lone=["nan", "a", "b"],
    )  # fmt: skip
    assert columns.values == {
        "session": [1.0, 2.0, None], "take": ["01", "2", "3"], "share": [0.5, -1000.0, None],
        "year": [1990.0, None, 2001.0], "phone": ["+491", "2", "3"], "long": ["12345678901234567890", "1", "2"],
        "lone": ["nan", "a", "b"],
    }  # fmt: skip
    assert columns.row(2) == {"take": "3", "year": 2001.0, "phone": "3", "long": "2", "lone": "b"}
    assert columns.left_out == ()


def test_names_are_short_words_that_are_not_ravfeats_own() -> None:
    names = ("Session No.", "étage", "label", "active1_start", "Start_S", "../x", "☂")
    assert [column_name(name) for name in names] == [
        "session_no", "étage", "table_label", "table_active1_start", "table_start_s", "x", "",
    ]  # fmt: skip
    assert len(column_name("x" * 500)) == 50
    assert list(FurtherColumns.of(pa.table({"A b": ["1"], "a_b": ["2"]}), ["A b", "a_b"]).values) == ["a_b", "a_b_2"]


def test_cells_are_put_on_one_line_without_what_a_terminal_obeys() -> None:
    assert kept(text=["a\n b\t", "\x1b[2J", "plain"]).values == {"text": ["a b", "\ufffd[2J", "plain"]}


def test_what_cannot_be_kept_is_named() -> None:
    wide = {f"c{n}": ["1"] for n in range(66)}
    assert kept(**wide).left_out == ("c64 (more than 64 columns)", "c65 (more than 64 columns)")
    assert kept(a=["x" * 5000], b=[b"\xff"], c=[""]).left_out == (
        "a (cells of more than 4000 characters)", "b (no text)", "c (empty)",
    )  # fmt: skip
