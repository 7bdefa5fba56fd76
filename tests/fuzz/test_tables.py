"""Tables of people, made at random: read right in any encoding, or refused by a message."""

import csv
import io
import unicodedata
from pathlib import Path

from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from ravfeat.corpora.spellings import check_names
from ravfeat.corpora.tables import cell_text, read_table
from ravfeat.errors import CorpusError, RavfeatError
from ravfeat.importers.feature_table import read_header
from ravfeat.scorefiles.read import read_score_file
from tests.fuzz.mutations import outcome, rounds

ROUND = settings(
    max_examples=rounds(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)

# Without what no line of a table can hold, and what Latin-1 cannot.
CELLS = st.text(
    st.characters(min_codepoint=33, max_codepoint=0xFF, blacklist_categories=("Cc",)), min_size=1, max_size=8
)
ANY_NAMES = st.lists(
    st.one_of(
        st.text(max_size=6),
        st.from_regex("(spk|SPK|\uff33\uff50\uff4b|)[ _]?0{0,3}[1-3](\\.0)?", fullmatch=True),
        st.sampled_from(["nan", "None", "<NA>", "happy", "Happy", "happy ", "ha\u200bppy", "\ufb01ne", "fine"]),
    ),
    max_size=6,
)


@ROUND
@example(["3", "03"])
@example(["Spk3", "spk3 "])
@given(ANY_NAMES)
def test_names_that_pass_are_different_people(names: list[str]) -> None:
    try:
        check_names("a table", "actor", names)
    except CorpusError:
        return
    # Written anew, not with the function that is tested.
    plain = {name: unicodedata.normalize("NFKC", name).casefold().strip().lstrip("0") for name in names if name}
    assert len(set(plain.values())) == len(plain)
    assert not {"nan", "none", "<na>", "null"} & set(plain.values())


@ROUND
@given(
    rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1"]),
    separator=st.sampled_from(",;\t|"),
    line_end=st.sampled_from(["\n", "\r\n"]),
)
def test_a_table_is_the_same_in_any_encoding_and_with_any_separator(
    rows: list[tuple[str, str]], encoding: str, separator: str, line_end: str, tmp_path: Path
) -> None:
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator=line_end, quoting=csv.QUOTE_ALL).writerows(
        [("path", "label"), *rows]
    )
    data = text.getvalue().encode(encoding)
    assume(encoding != "latin-1" or data.isascii() or not _is_utf8(data))
    path = tmp_path / "a.csv"
    path.write_bytes(data)
    table = read_table(path)
    assert [tuple(map(cell_text, row.values())) for row in table.to_pylist()] == [
        tuple(map(str.strip, r)) for r in rows
    ]


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


@ROUND
@example(data=b"\r ", name="a.csv")
@example(data=b'"a\rb",c\n1,2', name="a.csv")
@given(data=st.binary(max_size=400), name=st.sampled_from(["a.csv", "a.parquet", "a.tsv"]))
def test_any_bytes_are_a_table_or_refused_by_name(data: bytes, name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    for read in (read_table, read_header, read_score_file):
        result = outcome(lambda read=read: read(path))  # type: ignore[misc]
        assert not isinstance(result, RavfeatError) or name in str(result)
