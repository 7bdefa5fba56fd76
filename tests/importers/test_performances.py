"""Corpora by performance."""

import pytest

from ravfeat.errors import CorpusError, UsageError
from ravfeat.importers.performances import load_performances


def test_voices_will_do_where_faces_are_brought(voices) -> None:
    corpus = load_performances("ravdess", voices)
    assert (corpus.corpus, len(corpus), len(corpus.actors)) == ("ravdess", 6, 2)


def test_a_generated_corpus_is_called_so(generated) -> None:
    with pytest.raises(CorpusError, match="holds a generated corpus, spoken by nobody"):
        load_performances("ravdess", generated)


def test_a_folder_is_its_table_under_its_name(tmp_path) -> None:
    (tmp_path / "t.csv").write_text("path,actor,label\na.wav,1,x\nb.wav,2,y\n", encoding="utf-8")
    corpus = load_performances("folder", tmp_path / "t.csv", name="mine")
    assert (corpus.corpus, [clip.clip_id for clip in corpus]) == ("mine", ["a", "b"])


def test_wrong_calls_are_usage_errors(voices) -> None:
    with pytest.raises(UsageError, match="no corpus 'crema'; choose from"):
        load_performances("crema", voices)
    with pytest.raises(UsageError, match="--corpus-name goes with --corpus folder"):
        load_performances("ravdess", voices, name="x")
