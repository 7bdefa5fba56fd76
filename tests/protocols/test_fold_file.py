"""Tables that say who is tested when."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ravfeat.errors import CorpusError, ProtocolError
from ravfeat.protocols.fold_file import read_fold_file

CLIPS = ["a/one", "a/two", "b/one"]
ACTORS = ["x:01", "x:01", "x:2"]

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def file(text: str) -> Path:
        path = tmp_path / "folds.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return file


def test_a_file_is_named_by_itself_and_its_digest(write) -> None:
    path = write("clip_id,fold\na/one,1\n")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert read_fold_file(path).name == f"folds@{digest[:8]}"


@pytest.mark.parametrize(
    "text",
    [
        "clip_id,fold\na/one,1\na/two,1\nb/one,10\n",
        "Path;Fold;emotion\n/data/a/one.wav;1;sad\n/data/a/two.wav;1;sad\n/data/b/one.wav;10;sad\n",
        "speaker,fold\n1,1\n2,10\n",
        "actor,fold\nx:01,1\nx:2,10\n",
    ],
)
def test_clips_are_found_by_id_path_or_actor_and_folds_are_in_order_of_their_numbers(text, write) -> None:
    file = read_fold_file(write(text))
    assert not file.names_sides
    assert file.sides(CLIPS, ACTORS) == [("1", ["test", "test", None]), ("10", [None, None, "test"])]


def test_sides_have_the_names_that_official_splits_give_them(write) -> None:
    file = read_fold_file(write("file,split\none,Training\ntwo,DEV\nthree,eval\n"))
    assert file.sides(["one", "two", "three"], ["x:1", "x:2", "x:3"]) == [("0", ["train", "val", "test"])]


def test_a_parquet_file_may_hold_numbers(tmp_path) -> None:
    path = tmp_path / "folds.parquet"
    pq.write_table(pa.table({"actor": [1, 2], "fold": [0.0, 1.0]}), path)
    assert read_fold_file(path).sides(CLIPS, ACTORS) == [("0", ["test", "test", None]), ("1", [None, None, "test"])]


def test_names_that_are_no_clip_here_are_counted(write) -> None:
    file = read_fold_file(write("clip,fold\none,1\ntwo,2\nthree,2\nfour,1\n"))
    assert file.unused(["one", "two"], ["x:1", "x:1"]) == ["four", "three"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clip_id,label\na,sad\n", r"has the columns \['clip_id', 'label'\]; a file of folds names a clip"),
        ("fold,split\n1,test\n", r"a file of folds names a clip \(clip_id, path or stem\) or an actor"),
        ("clip_id,fold\n", r"has no rows"),
        ("clip_id,fold\na,1\nb,\n", r"row 3: 'fold' is empty"),
        ("clip_id,fold\n,1\n", r"row 2: 'clip' is empty"),
        ("clip_id,fold,split\na,1,tset\n", r"row 2: 'tset' is no side of a split; expected train, val"),
        ("clip_id,fold\na,1\na,2\n", r"clip 'a' is tested in the folds '1' and '2'; every clip is tested once"),
        ("actor,split\n1,test\n1,train\n", r"row 3: actor '1' is in train of fold '0', and was in test before"),
        ("clip_id,fold\na,\x001\n", r"control characters"),
    ],
)
def test_what_is_no_table_of_folds_is_refused(text, message, write) -> None:
    with pytest.raises(CorpusError, match=message):
        read_fold_file(write(text))


def test_a_file_that_is_not_there_is_named(tmp_path) -> None:
    with pytest.raises(CorpusError, match=r"gone\.csv is not a file"):
        read_fold_file(tmp_path / "gone.csv")


def test_a_file_of_another_corpus_is_refused(write) -> None:
    with pytest.raises(
        ProtocolError, match=r"names none of the 3 clips here: it has 'z' and the like, they are called a/"
    ):
        read_fold_file(write("clip_id,fold\nz,1\n")).sides(CLIPS, ACTORS)
    with pytest.raises(ProtocolError, match=r"names none of the 2 actors here: it has '7'.*called 01, 2"):
        read_fold_file(write("actor,fold\n7,1\n")).sides(CLIPS, ACTORS)


def test_two_names_of_one_clip_and_one_name_of_two_are_refused(write) -> None:
    with pytest.raises(CorpusError, match=r"names 'a/two' twice, as 'a/two' and as 'two.wav'; keep one"):
        read_fold_file(write("clip_id,fold\na/two,1\ntwo.wav,1\n")).sides(CLIPS, ACTORS)
    with pytest.raises(CorpusError, match=r"'one.wav' could be each of the clips a/one, b/one"):
        read_fold_file(write("clip_id,fold\none.wav,1\n")).sides(CLIPS, ACTORS)
    with pytest.raises(CorpusError, match=r"names 'x:01' twice, as '1' and as '01'"):
        read_fold_file(write("actor,fold\n1,1\n01,1\n")).sides(CLIPS, ACTORS)
