"""Corpora by name: this package's, an installed package's, a user's file's."""

from pathlib import Path

import pytest

from ravfeat.corpora import data_root, load_corpus
from ravfeat.corpora.registry import BUILT_IN, READERS, check_kind, corpus_name, find_reader, speakers_of
from ravfeat.corpora.terms import known_corpus
from ravfeat.errors import CorpusError, PluginError, UsageError
from ravfeat.manifest import is_unknown
from tests.distributed import Shape

SOURCE = '''
from pathlib import Path
from ravfeat.corpora.readers.base import CorpusReader

def Mine(folder: Path):
    """Two people, in folders."""
    for file in sorted(folder.glob("*/*.wav")):
        path = file.relative_to(folder)
        yield {"path": path, "speaker": path.parent, "label": path.stem[0], "age": 30, "end_s": 1}

def rows(folder):
    return ROWS

def fails(folder):
    raise KeyError("nothing")

READER = CorpusReader("Mine", "any layout", "", lambda scan: [scan.clip("x", scan.media[0], None, "a")], ("a note",))
LIST = [1]
'''


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    Shape(tmp_path / "data").put("ann/a1.wav", "ann/b1.wav", "bob/a1.wav")
    (tmp_path / "mine.py").write_text(SOURCE)
    return tmp_path


def test_a_function_of_a_users_file_reads_a_corpus(mine: Path) -> None:
    manifest = load_corpus(f"{mine}/mine.py:Mine", mine / "data")
    assert (manifest.corpus, manifest.actors) == ("mine", ("mine:ann", "mine:bob"))
    clip = manifest.by_id()["ann/a1"]
    assert (clip.label, clip.further, clip.end_s) == ("a", {"age": 30}, 1)
    assert load_corpus(f"{mine}/mine.py:Mine", mine / "data", name="ours").actors == ("ours:ann", "ours:bob")


def test_a_reader_of_a_users_file_says_its_notes(mine: Path) -> None:
    manifest = load_corpus(f"{mine}/mine.py:READER", mine / "data")
    assert manifest.notes == ("a note",)
    assert is_unknown(manifest.actors[0])


def test_an_installed_package_brings_a_corpus(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (mine / "toycorpus.py").write_text(SOURCE)
    info = mine / "toycorpus-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toycorpus\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[ravfeat.corpora]\ntoy = toycorpus:Mine\n")
    monkeypatch.syspath_prepend(str(mine))
    assert load_corpus("toy", mine / "data").actors == ("toy:ann", "toy:bob")
    with pytest.raises(UsageError, match=r"choose from ravdess, .*, or of installed packages: toy, or name"):
        check_kind("joy")


@pytest.mark.parametrize(
    ("row", "match"),
    [
        (1, r"rows', row 1 is int; expected a mapping with path, actor and label"),
        (
            {"path": "../a.wav", "label": "a"},
            r"row 1: path is '\.\./a\.wav'; expected a file's path relative to the folder",
        ),
        ({"path": "/a.wav", "label": "a"}, r"row 1: path is '/a\.wav'"),
        ({"label": "a"}, r"row 1: path is '\.'"),
        ({"path": "a.wav"}, r"row 1: label is empty; leave the row out"),
        ({"path": "a.wav", "label": "a", "gender": "x"}, r"row 1: gender is 'x'; expected male, female or empty"),
        ({"path": "a.wav", "label": "a", "start_s": "1"}, r"row 1: start_s is '1'; expected a number of seconds"),
        ({"path": "a.wav", "label": "a", "performance_id": "b"}, "performance_id"),
    ],
)
def test_rows_that_say_nothing_useful_are_refused(row: object, match: str, mine: Path) -> None:
    source = mine / "mine.py"
    source.write_text(f"{SOURCE}\nROWS = [{row!r}]\n")
    with pytest.raises(CorpusError, match=match):
        load_corpus(f"{source}:rows", mine / "data")


def test_what_reads_nothing_is_refused(mine: Path) -> None:
    with pytest.raises(UsageError, match=r"LIST' is list; expected a function from a folder's path to rows"):
        find_reader(f"{mine}/mine.py:LIST")
    with pytest.raises(
        PluginError, match=r"fails' failed while reading the corpus: KeyError: 'nothing'.*mine\.py, line 1"
    ):
        load_corpus(f"{mine}/mine.py:fails", mine / "data")
    with pytest.raises(UsageError, match="--audio and --speaker-pattern go with --corpus emobox, not with 'emodb'"):
        load_corpus("emodb", mine, speaker_pattern="(.)")


def test_names_and_folders_of_corpora() -> None:
    assert corpus_name("a/mine.py:My_Corpus") == "my_corpus"
    assert data_root("emodb", None) == Path("data/emodb")
    assert data_root("emobox", Path("lists"), Path("audio")) == Path("audio")
    assert set(READERS) < set(BUILT_IN)
    assert all(len(about) < 100 for about in BUILT_IN.values())


@pytest.mark.parametrize(
    ("corpus", "path", "actor"),
    [
        ("cremad", "downloads/cremad/AudioWAV/1001_DFA_ANG_XX.wav", "1001"),
        ("emodb", "downloads/emodb/wav/03a01Fa.wav", "03"),
        ("savee", "downloads/savee/AudioData/KL/n30.wav", "KL"),
        ("tess", "downloads/tess/OAF_neutral/OA_bite_neutral.wav", "OAF"),
        ("iemocap", "downloads/iemocap/Session1/sentences/wav/Ses01F_impro04/Ses01F_impro04_M000.wav", "1M"),
        ("esd", "downloads/esd/0011/Happy/0011_000701.wav", "0011"),
        ("ravdess", "downloads/ravdess/Actor_07/03-01-05-01-02-01-07.wav", "07"),
    ],
)
def test_other_lists_of_a_corpus_are_told_who_speaks(corpus: str, path: str, actor: str) -> None:
    who = speakers_of(corpus)
    assert who is not None
    person = who(path)
    assert person is not None
    assert person.actor == actor
    assert who("downloads/x/y.wav") is None


def test_of_corpora_whose_paths_say_no_speaker_none_is_told() -> None:
    assert speakers_of("meld") is None
    assert speakers_of("nobody") is None


def test_terms_know_what_they_can_of_every_corpus() -> None:
    for name in ("crema-d", "tess", "iemocap", "msp-podcast", "emobox-cremad", "emobox-iemocap"):
        assert known_corpus(name) is not None, name
