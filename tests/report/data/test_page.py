"""The page of a corpus: one file, everything on it, every figure with words and a table, names of strangers as text."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from ravfeat.cache import open_cache
from ravfeat.explore.counts import count
from ravfeat.explore.exploration import explore_corpus
from ravfeat.report.data.figures import MOST_NAMED, cross_figure, embedding_figure
from ravfeat.report.data.page import data_document, write_data_page
from ravfeat.report.data.sections import contents_section
from ravfeat.report.drawings.style import render
from tests.explore.test_doubts import listing


@pytest.fixture(scope="module")
def blank_figures() -> None:
    """Draw them."""


@pytest.fixture(scope="module")
def of_cache(whole_cache):
    return explore_corpus(None, None, [open_cache(whole_cache)], sample=100)


@pytest.fixture(scope="module")
def page(of_cache, tmp_path_factory) -> str:
    return write_data_page(of_cache, tmp_path_factory.mktemp("page") / "deep" / "explore.html").read_text()


def test_the_page_loads_nothing_and_its_figures_are_well_formed(page) -> None:
    assert not re.search(r"""(?:src|href)=["'](?!#|data:)""", page)
    drawings = re.findall(r"<svg.*?</svg>", page, re.S)
    assert len(drawings) >= 5
    for drawing in drawings:
        ET.fromstring(drawing)


def test_it_says_what_is_there_what_was_compared_and_that_it_is_synthetic(page) -> None:
    for words in (
        "22 clips of 2 actors (1 female, 1 male)",
        "This corpus was generated",
        "Crossed with one another",
        "Missing and doubtful values",
        "No two clips were found to be one recording",
        "What logmel tells (audio)",
        "marked by label",
        "marked by actor",
        "Layer by layer",
        "2 actors: nothing can be tested",
    ):
        assert words in page, words


def test_every_figure_has_a_name_of_its_own_words_and_a_table(of_cache) -> None:
    figures = data_document(of_cache).figures()
    assert len({figure.name for figure in figures}) == len(figures)
    assert all(figure.alt and figure.caption and figure.table.rows for figure in figures)


def test_a_column_of_many_values_is_a_table_and_no_figure() -> None:
    rows = [(f"{n} <b>", label) for n in range(60) for label in ("sad", "calm")]
    many = listing(rows, room=[f"v{n % 3}" for n in range(120)])
    section = contents_section(many, count(many), ())
    assert [table.columns[0].title for table in section.tables] == ["actor \\ label", "actor \\ room"]
    (figure,) = [*section.figures, *(figure for part in section.subsections for figure in part.figures)]
    assert figure.title == "Clips by label and room"


def test_empty_cells_and_odd_names_can_be_drawn() -> None:
    rows = [("a", "$x_1$"), ("b", "y" * 80), ("c", "<&>")]
    (first, *_) = count(listing(rows)).crosses
    assert "&lt;&amp;&gt;" in render(cross_figure(first)).svg


def test_values_beyond_the_marks_are_grey_and_counted(of_cache) -> None:
    embedding = of_cache.caches[0].embedding
    values = [str(n) for n in range(40)]
    svg = render(embedding_figure(embedding, values, "name")).svg
    assert "others" not in svg
    assert len(embedding.rows) < MOST_NAMED
    wide = type(embedding)(0, np.random.default_rng(0).random((40, 2)), np.arange(40), 0.5, 0.5, 0.1, 0.1)
    assert f"{40 - MOST_NAMED} others" in render(embedding_figure(wide, values, "name")).svg
