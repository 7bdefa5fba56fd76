"""What can be named: lists of encoders, heads, corpora and protocols, with what packages bring."""

from pathlib import Path

import pytest

from ravfeat.api.available import Available, available
from ravfeat.corpora.registry import BUILT_IN
from ravfeat.encoders.registry import ENCODERS
from ravfeat.errors import UsageError
from ravfeat.heads.registry import HEADS
from ravfeat.protocols.named import FIXED


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "toylisted.py").write_text(
        'def mine(folder):\n    """Read mine."""\n\nABOUT = type("A", (), {"about": "said"})\n'
    )
    (tmp_path / "toybroken.py").write_text("import nothing_of_that_name\n")
    info = tmp_path / "toylisted-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toylisted\nVersion: 1\n")
    (info / "entry_points.txt").write_text(
        "[ravfeat.corpora]\nmine = toylisted:mine\nbroken = toybroken:mine\n[ravfeat.heads]\nsaid = toylisted:ABOUT\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def names(entries: tuple[Available, ...]) -> list[str]:
    return [entry.name for entry in entries]


def test_everything_built_in_is_listed_with_what_it_is() -> None:
    assert names(available("encoders")) == list(ENCODERS)
    assert names(available("heads")) == list(HEADS)
    assert names(available("corpora")) == list(BUILT_IN)
    assert set(FIXED) <= set(names(available("protocols")))
    every = [*available("encoders"), *available("heads"), *available("corpora"), *available("protocols")]
    assert all(entry.about.rstrip(": ") and not entry.broken for entry in every)
    assert {"audio", "face"} == {entry.about.partition(":")[0] for entry in available("encoders")}


def test_terms_of_a_corpus_are_said_where_they_are_known() -> None:
    about = {entry.name: entry.about for entry in available("corpora")}
    assert about["tess"].endswith("CC BY-NC-ND 4.0")
    assert about["emodb"].endswith("voice")  # nobody could say for sure


@pytest.mark.usefixtures("package")
def test_what_packages_bring_is_listed_and_what_is_broken_named() -> None:
    brought = {entry.name: entry for entry in available("corpora") if entry.origin != "built in"}
    assert (brought["mine"].about, brought["mine"].origin) == ("Read mine", "toylisted:mine")
    assert brought["broken"].broken
    assert "nothing_of_that_name" in brought["broken"].about
    assert available("heads")[-1].about == "said"


def test_two_packages_with_one_name_do_not_hide_the_rest(package: Path) -> None:
    other = package / "other-1.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1\n")
    (other / "entry_points.txt").write_text("[ravfeat.corpora]\nmine = other:mine\n")
    *built_in, last = available("corpora")
    assert names(tuple(built_in)) == list(BUILT_IN)
    assert last.broken
    assert "two installed packages bring 'mine'" in last.about


def test_there_is_no_other_list() -> None:
    with pytest.raises(UsageError, match="no list of 'cats'; choose from encoders, heads, corpora, protocols"):
        available("cats")  # type: ignore[arg-type]
