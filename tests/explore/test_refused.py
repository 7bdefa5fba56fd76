"""A table that extraction refuses is shown all the same, with all that is wrong with it."""

import re

import pytest

from ravfeat.api.explore import explore
from ravfeat.errors import CorpusError
from ravfeat.explore.refused import lenient_table
from tests.plantedcorpus import plant_refused

WRONG = {
    "an empty cell": r"'label' is empty in 1 row: 2$",
    "two spellings": r"one actor in several spellings: '01' \(1 clip\) and '1'",
    "no gender": r"gender is 'robot'; male, female or empty is known",
    "no file": r"1 file of 40 is not there: nowhere.wav",
    "a row twice": r"1 clip in several rows: ",
    "two labels": r"1 clip with two labels: .*boredom and neutral",
}


@pytest.fixture(scope="module")
def refused(planted, tmp_path_factory):
    base = tmp_path_factory.mktemp("refused")
    return explore(plant_refused(planted, base / "table"), sample=5, out=base / "page.html")


@pytest.mark.parametrize("wrong", WRONG)
def test_all_that_is_wrong_is_named(refused, wrong) -> None:
    sentences = [doubt.sentence for doubt in refused.found.doubts]
    assert [sentence for sentence in sentences if re.search(WRONG[wrong], sentence)], sentences


def test_the_page_says_that_and_why_extraction_refuses_it(refused) -> None:
    assert refused.found.refused.endswith("row 2: 'label' is empty")
    assert "does not take this table" in refused.path.read_text()
    assert len(refused.found.listing) == 41


def test_places_that_are_none_are_named_and_the_rows_kept(planted, tmp_path) -> None:
    clip = planted.folder / planted.rows[0][0]
    rows = ["path,actor,label,start,end", f"{clip},1,sad,0,0.2", f"{clip},1,happy,9,10", f"{clip},2,sad,0.3,0.1"]
    table = tmp_path / "parts.csv"
    table.write_text("\n".join(rows))
    lenient = lenient_table(table, name=None, columns={}, why=CorpusError("refused"))
    (doubt,) = [doubt for doubt in lenient.doubts if "no place in" in doubt.sentence]
    assert doubt.sentence.startswith("2 rows with no place in")
    assert len(lenient.manifest) == 3


@pytest.mark.parametrize("text", ["", "path,label\na.wav,sad\n", "path,actor,label\n", "\x00\x01\x02"])
def test_what_is_no_table_of_clips_is_refused_as_by_extract(tmp_path, text) -> None:
    table = tmp_path / "table.csv"
    table.write_text(text)
    with pytest.raises(CorpusError, match=r"table\.csv"):
        explore(table, out=tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_names_from_a_strange_table_do_not_reach_the_page_as_markup(planted, tmp_path) -> None:
    table = tmp_path / "odd.csv"
    clip = planted.folder / planted.rows[0][0]
    evil = "<script>alert(1)</script>"
    table.write_text(f"path,actor,label,gender\n{clip},{evil},{evil},{evil}\n{clip},b,sad,m\n")
    page = explore(table, out=tmp_path / "page.html").path.read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
