"""Labels of the corpus, and labels that somebody brings."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ravfeat.cache.format import ClipRecord
from ravfeat.corpora.labels import LabelledClips, check_known, read_labels
from ravfeat.errors import CorpusError

CLASSES = ("neutral", "calm", "happy", "sad")
WHERE = Path("labels.csv")


def record(clip_id: str, label: str) -> ClipRecord:
    return ClipRecord(clip_id, f"p{clip_id}", f"x:{clip_id}", "male", label, 1, 1.0, clip_id, clip_id, 0, 1)


@pytest.fixture
def clips() -> LabelledClips:
    return LabelledClips.of(
        [record("a", "sad"), record("b", "calm"), record("c", "happy"), record("d", "calm")], CLASSES
    )


def test_classes_keep_the_order_of_the_corpus_and_those_that_do_not_occur_go(clips) -> None:
    assert clips.classes == ("calm", "happy", "sad")
    np.testing.assert_array_equal(clips.y, [2, 0, 1, 0])


def test_merged_classes_keep_known_names_in_order_and_put_new_ones_behind(clips) -> None:
    merged = clips.relabelled({"a": "negative", "b": "sad", "c": "calm", "d": "arousal"}, WHERE)
    assert merged.classes == ("calm", "sad", "arousal", "negative")
    np.testing.assert_array_equal(merged.y, [3, 1, 0, 2])


def test_only_the_label_is_taken_from_the_file(clips) -> None:
    merged = clips.relabelled({"a": "calm", "b": "sad", "c": "calm", "d": "sad"}, WHERE)
    for before, after in zip(clips.records, merged.records, strict=True):
        assert after.label != before.label
        facts = ("clip_id", "performance_id", "actor", "gender", "input_sha256")
        assert [getattr(after, fact) for fact in facts] == [getattr(before, fact) for fact in facts]


def test_a_clip_with_an_empty_label_is_left_out_and_counted(clips) -> None:
    fewer = clips.relabelled({"a": "sad", "b": "", "c": "happy", "d": ""}, WHERE)
    assert [record.clip_id for record in fewer.records] == ["a", "c"]
    assert fewer.classes == ("happy", "sad")
    assert fewer.left_out == 2


def test_a_clip_that_the_file_forgets_is_refused(clips) -> None:
    with pytest.raises(
        CorpusError, match=r"labels.csv has no label for 2 of 4 clips: b, d …; list every clip, with an"
    ):
        clips.relabelled({"a": "sad", "c": "happy"}, WHERE)


def test_labels_of_clips_that_belong_nowhere_are_refused() -> None:
    check_known({"a": "sad"}, {"a", "b"}, WHERE)
    with pytest.raises(CorpusError, match=r"labels 1 clips that belong in none of the caches: z …"):
        check_known({"a": "sad", "z": "sad"}, {"a", "b"}, WHERE)


def test_a_csv_is_read_as_text(tmp_path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("label,note,clip_id\n01,x,a\n,y,b\n sad ,z,c\n", encoding="utf-8")
    assert read_labels(path) == {"a": "01", "b": "", "c": "sad"}


def test_numbers_in_a_parquet_table_are_labels_too_and_zero_is_one_of_them(tmp_path) -> None:
    path = tmp_path / "labels.parquet"
    pq.write_table(pa.table({"clip_id": ["a", "b", "c"], "label": pa.array([0, 1, None])}), path)
    assert read_labels(path) == {"a": "0", "b": "1", "c": ""}


def test_what_pandas_writes_for_no_label_is_no_label(tmp_path) -> None:
    path = tmp_path / "labels.parquet"
    pq.write_table(pa.table({"clip_id": ["a", "b"], "label": pa.array([1.0, float("nan")])}), path)
    assert read_labels(path) == {"a": "1", "b": ""}


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (
            "clip,label\na,sad\n",
            r"lacks the columns \['clip_id'\]; expected clip_id .or path, file. and label, got \['clip', 'label'\]",
        ),
        ("clip_id,label\na,sad\na,calm\n", "labels clip 'a' twice, as 'sad' and as 'calm'"),
        ("clip_id,label\n,sad\n", "has a row without clip_id, labelled 'sad'"),
        ("clip_id,label\na,sad\nb,Sad\n", r"one label in several spellings: 'Sad' \(1 clip\) and 'sad' \(1 clip\)"),
        ("clip_id,label\na,sad\nb,nan\n", r"label is 'nan' \(1 clip\), which is how programs write an empty cell"),
    ],
)
def test_a_table_that_does_not_say_whose_label_is_what_is_refused(text, match, tmp_path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(CorpusError, match=match):
        read_labels(path)


def test_labels_that_are_meant_as_they_are_written_are_taken(tmp_path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("Clip ID;Emotion\na;None\nb;none\n", encoding="utf-16")
    assert read_labels(path, ["None", "none"]) == {"a": "None", "b": "none"}


def test_a_table_that_is_not_there_is_refused(tmp_path) -> None:
    with pytest.raises(CorpusError, match="is not a file"):
        read_labels(tmp_path / "labels.csv")
