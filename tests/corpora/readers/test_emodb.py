"""EmoDB as it is distributed."""

from pathlib import Path

from ravfeat.corpora import load_corpus
from tests.distributed import emodb


def test_names_say_everything(tmp_path: Path) -> None:
    manifest = load_corpus("emodb", emodb(tmp_path))
    clip = manifest.by_id()["08a02Wa"]
    assert (clip.actor, clip.gender, clip.label) == ("emodb:08", "female", "anger")
    assert clip.further == {"sentence": "a02", "take": "a", "age": 34}
    assert len(manifest) == 16
    assert manifest.skipped == {"unknown names": 1}  # a speaker 99, whom the corpus does not have
