"""What all readers share: wrong folders, copies, clips that contradict each other."""

from pathlib import Path

import pytest

from ravfeat.corpora import load_corpus
from ravfeat.corpora.readers.base import number_or_empty
from ravfeat.corpora.registry import READERS
from ravfeat.errors import CorpusError
from tests.distributed import Shape, emodb


@pytest.mark.parametrize("corpus", sorted(READERS))
def test_another_folder_is_refused_with_the_layout(corpus: str, tmp_path: Path) -> None:
    Shape(tmp_path).put("somebody/hello.wav")
    with pytest.raises(CorpusError, match="expected") as refused:
        load_corpus(corpus, tmp_path)
    assert READERS[corpus].layout in str(refused.value)


def test_no_folder_is_refused_with_the_layout(tmp_path: Path) -> None:
    with pytest.raises(
        CorpusError, match=r"nowhere is not a folder; --data must name the folder of EmoDB: wav/03a01Fa.wav"
    ):
        load_corpus("emodb", tmp_path / "nowhere")


def test_faces_of_a_corpus_of_voices_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        CorpusError, match=r"no clip of EmoDB for the face stream.*left out: .*16 files without what the face"
    ):
        load_corpus("emodb", emodb(tmp_path), stream="face")


def test_two_recordings_of_one_name_are_refused_and_copies_counted(tmp_path: Path) -> None:
    root = emodb(tmp_path)
    Shape(root).put("again/03a01Wa.wav")
    (root / "wav/03a01Wa.flac").write_bytes(b"another kind")
    manifest = load_corpus("emodb", root)
    assert (manifest.skipped["files that are there twice"], manifest.skipped["unused copies"]) == (1, 1)
    assert manifest.by_id()["03a01Wa"].path == "again/03a01Wa.wav"
    (root / "again/03a01Wa.wav").write_bytes(b"another recording")
    with pytest.raises(CorpusError, match=r"two clips with one id: '03a01Wa' is again/03a01Wa.wav and wav/03a01Wa.wav"):
        load_corpus("emodb", root)


@pytest.mark.parametrize(
    ("text", "number"), [("51", 51.0), ("4.25", 4.25), ("", ""), ("nan", ""), ("1e9", ""), ("-1", "")]
)
def test_only_plain_numbers_are_numbers(text: str, number: float | str) -> None:
    assert number_or_empty(text) == number
