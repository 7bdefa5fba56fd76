"""Terms: what may be published under which licence, and what may not."""

import re
from pathlib import Path

import pytest

from ravfeat.corpora.terms import CORPORA, Published, data_terms, known_corpus, licence_for
from ravfeat.errors import CorpusError, UsageError
from tests.toyhub.card_rules import LICENSES


@pytest.mark.parametrize("spelling", ["CREMA-D", "crema_d", "cremad", "Crema D", "my-crema-d", "crema-d 2"])
def test_usual_spellings_are_known(spelling: str) -> None:
    assert known_corpus(spelling) is CORPORA["cremad"]


@pytest.mark.parametrize(
    "spelling", ["IEMOCAPv2", "iemocap4way", "my.iemocap", "\uff29\uff25\uff2d\uff2f\uff23\uff21\uff30"]
)
def test_a_name_with_something_glued_to_it_is_known(spelling: str) -> None:
    assert known_corpus(spelling) is CORPORA["iemocap"]


@pytest.mark.parametrize("name", ["mine", "tessdata", "crema", "msp", "", "🎙"])
def test_other_names_are_not(name: str) -> None:
    assert known_corpus(name) is None


def test_every_entry_names_its_source_and_what_the_hub_knows() -> None:
    for key, terms in CORPORA.items():
        assert known_corpus(terms.title) is terms, key
        assert re.match("https://", terms.source)
        assert re.search(r"\(\d{4}\)\. .*https://doi\.org/", terms.citation)
        assert terms.refused or terms.licence in LICENSES


@pytest.mark.parametrize("what", ["features", "heads"])
def test_a_known_corpus_decides_its_licence(what: Published) -> None:
    terms = licence_for("RAVDESS", synthetic=False, licence=None, what=what)
    assert (terms.licence, terms.corpus) == ("cc-by-nc-sa-4.0", CORPORA["ravdess"])
    assert "no recording is here" in terms.changes
    assert licence_for("ravdess", synthetic=False, licence="cc-by-nc-sa-4.0", what=what) == terms
    with pytest.raises(CorpusError, match=r"published under cc-by-nc-sa-4\.0, not mit \(https://doi.*leave --license"):
        licence_for("ravdess", synthetic=False, licence="mit", what=what)


@pytest.mark.parametrize(
    ("corpus", "match"),
    [
        (
            "tess",
            r"features of TESS may not be published: its licence allows no adapted.*CC BY-NC-ND 4\.0, https://doi",
        ),
        ("IEMOCAP", r"IEMOCAP may not be published: it is given to those who sign.*https://sail\.usc\.edu/.*extract"),
        ("msp-podcast", "MSP-Podcast may not be published"),
        ("msp_improv", "MSP-IMPROV may not be published"),
    ],
)
@pytest.mark.parametrize("licence", [None, "cc-by-4.0"])
def test_what_is_forbidden_is_refused_whatever_the_user_says(corpus: str, match: str, licence: str | None) -> None:
    with pytest.raises(CorpusError, match=match):
        licence_for(corpus, synthetic=False, licence=licence, what="features")


def test_an_unknown_corpus_needs_a_licence() -> None:
    with pytest.raises(CorpusError, match=r"does not know the terms of the corpus 'mine'.*: --licence cc-by-4\.0"):
        licence_for("mine", synthetic=False, licence=None, what="heads", option="--licence")
    terms = licence_for("mine", synthetic=False, licence="cc-by-4.0", what="heads")
    assert (terms.licence, terms.corpus) == ("cc-by-4.0", None)
    with pytest.raises(UsageError, match=r"--license 'do it\\n': expected a licence as the hub calls it"):
        licence_for("mine", synthetic=False, licence="do it\n", what="heads")


def test_a_generated_corpus_has_no_terms_of_others() -> None:
    terms = licence_for("iemocap", synthetic=True, licence=None, what="features")
    assert (terms.licence, terms.changes) == ("apache-2.0", "")
    with pytest.raises(CorpusError, match=r"published under apache-2\.0, not mit"):
        licence_for("synth", synthetic=True, licence="mit", what="features")


def test_the_card_says_what_is_known() -> None:
    assert "RAVDESS is under CC BY-NC-SA 4.0" in data_terms("ravdess", synthetic=False)
    assert "this folder may not be published" in data_terms("IEMOCAP", synthetic=False)
    assert "ravfeat does not know the terms of the corpus 'mine'" in data_terms("mine", synthetic=False)
    assert "no recordings of people" in data_terms("ravdess", synthetic=True)


def test_the_page_of_the_terms_has_the_same_table() -> None:
    page = (Path(__file__).parents[2] / "docs" / "terms.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == len(CORPORA)
    for row, terms in zip(rows, CORPORA.values(), strict=True):
        verdict = "refused" if terms.refused else f"published under `{terms.licence}`"
        assert row.startswith(f"| {terms.title} | {terms.licence_title} | <{terms.source}> | {verdict}")
