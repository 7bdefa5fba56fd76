"""`ravfeat.explore`: what the command does, from Python."""

import pytest

import ravfeat
from ravfeat.errors import CorpusError, UsageError


def test_a_cache_becomes_a_page_and_facts(whole_cache, tmp_path) -> None:
    done = ravfeat.explore(str(whole_cache), out=tmp_path / "page.html")
    assert done.path.read_text().startswith("<!doctype html>")
    assert len(done.found.listing) == 22
    assert [facts.name for facts in done.found.caches] == ["logmel"]


def test_clips_and_their_cache_are_looked_at_together(clips, tmp_path) -> None:
    cache = ravfeat.extract("ravdess", clips, encoders="logmel", layers=0, device="cpu", out=tmp_path).caches[0]
    done = ravfeat.explore([clips, cache], corpus="ravdess", sample=6, out=tmp_path / "page.html")
    assert done.found.sounds is not None
    assert done.found.sounds.asked == 6
    assert done.found.caches[0].n_looked == 6
    assert len(done.found.listing) == 22


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"sources": "nowhere"}, "nowhere is not there; expected a table of clips, the folder of a corpus"),
        ({"sources": ()}, "nothing to explore: give a table of clips"),
        ({"sources": "{cache}", "name": "x"}, "--name goes with a table or --corpus, not with caches alone"),
        ({"sources": ["{table}", "{table}"]}, "expected one table or folder of a corpus"),
        ({"sources": "{cache}", "out": "{folder}"}, "is a folder; give the file that becomes the page"),
        ({"sources": "{cache}", "sample": 0}, "sample"),
        ({"sources": 5}, "5 is not a path"),
        ({"sources": "{folder}", "corpus": "nothing"}, "no corpus 'nothing'"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(whole_cache, tmp_path, options, match) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "table.csv").write_text("path,actor,label\n")
    places = {"cache": str(whole_cache), "folder": str(tmp_path / "folder"), "table": str(tmp_path / "table.csv")}
    filled = {
        name: [text.format(**places) for text in value] if isinstance(value, list)
        else value.format(**places) if isinstance(value, str) else value
        for name, value in ({"out": str(tmp_path / "page.html")} | options).items()
    }  # fmt: skip
    with pytest.raises(UsageError, match=match):
        ravfeat.explore(**filled)


def test_a_folder_of_clips_without_a_name_is_answered_with_how_to_give_it(clips, tmp_path) -> None:
    with pytest.raises(CorpusError, match=r"or name the corpus that lies there: --corpus ravdess"):
        ravfeat.explore(clips, out=tmp_path / "page.html")
