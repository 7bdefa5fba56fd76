"""Caches that can be trained on and tested on, and those that cannot."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ravfeat.crosscorpus.pairs import CorpusPair, open_pairs, stacked
from ravfeat.errors import CacheError, CorpusError, HeadError, LeakError, UsageError
from ravfeat.features.clips import ClipFeatures
from tests.toycaches import Take
from tests.twocorpora import corpus_takes, through_a_microphone, write_two
from tests.writtencaches import write_cache


def other_takes(**changes: object) -> list[Take]:
    """The second corpus, with changes to its first clip."""
    first, *rest = through_a_microphone(corpus_takes("two"))
    return [replace(first, **changes), *rest]


def open_one(*paths: Path, **options: object) -> CorpusPair:
    (pair,) = open_pairs([(paths[0], paths[1])], together=True, **options)
    return pair


@pytest.fixture
def one(tmp_path) -> Path:
    return write_cache(tmp_path, corpus_takes("one"), corpus="one", stream="audio")


def test_a_pair_holds_both_corpora_and_says_so(tmp_path) -> None:
    pair = open_one(*write_two(tmp_path))
    about = pair.about()
    assert (about["train_corpus"], about["test_corpus"], about["corpus"]) == ("one", "two", "two")
    assert about["train_cache"]["path"].endswith(pair.caches[0].path.name)
    assert (about["transductive"], about["features"]) == (False, "toy")
    assert [record.clip_id for record in pair.clips.records] == [*pair.clip_ids[0], *pair.clip_ids[1]]
    assert {side["split"]: side["clips"] for side in about["folds"]} == {"train": 32, "val": 16, "test": 48}
    named = pair.normalise()
    assert (named.features, named.about()["transductive"]) == ("toy@corpus-normalised", True)


def test_clips_of_other_labels_are_left_out_and_counted(one, tmp_path) -> None:
    takes = [replace(take, label="neutral") if take.label == "calm" else take for take in other_takes()]
    pair = open_one(one, write_cache(tmp_path, takes, corpus="two", stream="audio"))
    assert pair.clips.classes == ("happy", "sad", "angry")
    assert pair.unmapped == ({"calm": 12}, {"neutral": 12})
    assert (pair.clips.left_out, len(pair.clips.records)) == (24, 72)


def test_a_table_renames_the_classes(tmp_path) -> None:
    (tmp_path / "map.csv").write_text("label,class\nhappy,up\nangry,up\nsad,down\n", encoding="utf-8")
    pair = open_one(*write_two(tmp_path), label_map=tmp_path / "map.csv")
    assert pair.clips.classes == ("up", "down")
    assert {record.label for record in pair.clips.records} == {"up", "down"}
    assert pair.unmapped == ({"calm": 12}, {"calm": 12})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"actor": "one:03"},
            r"actor 'one:03' is in 'one' \(clip 'one-03-00', one:03\) and in 'two' \(clip 'two-01-00'",
        ),
        ({"actor": "one:03"}, "known by these ids only: take the person's clips out of one of the corpora"),
        ({"performance_id": "one-02-01"}, "performance 'one-02-01' is in 'one' .*the same take would be trained on"),
        ({"features": corpus_takes("one")[5].features}, r"recording '\w{16}…' is in 'one' \(clip 'one-01-05'"),
        (
            {"clip_id": "one-01-00", "performance_id": "p"},
            "clip 'one-01-00' is in 'one' .*a column 'clip_id' of its own",
        ),
    ],
)
def test_whoever_and_whatever_is_in_both_corpora_is_a_leak(changes, message, one, tmp_path) -> None:
    two = write_cache(tmp_path, other_takes(**changes), corpus="two", stream="audio")
    with pytest.raises(LeakError, match=message):
        open_one(one, two)


def test_a_leak_by_a_clip_that_no_class_takes_is_refused_too(one, tmp_path) -> None:
    two = write_cache(tmp_path, other_takes(actor="one:03", label="neutral"), corpus="two", stream="audio")
    with pytest.raises(LeakError, match="actor 'one:03'"):
        open_one(one, two)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "other"}, r"come from an encoder of another family.* They differ in\n  weights: toy and other\n"),
        ({"stream": "face"}, r"encoder of another family.*\n  stream: audio and face"),
        (
            {"pooled": ("mean", "std")},
            r"were not extracted alike.*\n  statistics: \[\] and .*\n  store: frames and pooled\n",
        ),
    ],
)
def test_identities_must_be_equal_and_what_differs_is_named(options, message, one, tmp_path) -> None:
    two = write_cache(tmp_path, other_takes(), **{"corpus": "two", "stream": "audio", **options})
    with pytest.raises(UsageError, match=message):
        open_one(one, two)


def test_one_corpus_is_not_another(one) -> None:
    with pytest.raises(UsageError, match="are both of corpus 'one'; to test on its own actors use --cache"):
        open_one(one, one)


def test_missing_clips_are_named_or_left_out(one, tmp_path) -> None:
    two = write_cache(tmp_path, other_takes(), corpus="two", stream="audio", lost=["two-01-00"])
    with pytest.raises(CacheError, match=r"lacks 1 of 48 clips: two-01-00 .*--allow-missing"):
        open_one(one, two)
    pair = open_one(one, two, allow_missing=True)
    assert (pair.missing, len(pair.clip_ids[1])) == (("two-01-00",), 47)


# --- several pairs


def test_pairs_are_of_the_same_two_corpora(tmp_path) -> None:
    first, second = write_two(tmp_path), write_two(tmp_path, stream="face")
    with pytest.raises(UsageError, match=r"these pairs are of several:\n  .*\(one\) and .*\(two\)\n  .*\(two\) and"):
        open_pairs([first, second[::-1]], together=True)
    with pytest.raises(UsageError, match="is given twice; name every cache once"):
        open_pairs([first, first], together=True)


def test_pairs_that_are_fused_hold_the_same_performances(tmp_path) -> None:
    audio = write_two(tmp_path)
    face = (
        write_cache(tmp_path, corpus_takes("one"), corpus="one", name="seen", lost=["one-01-00"]),
        write_cache(tmp_path, through_a_microphone(corpus_takes("two")), corpus="two", name="seen"),
    )
    with pytest.raises(CacheError, match="lacks 1 of 48 clips"):
        open_pairs([audio, face], together=True)
    pairs = open_pairs([audio, face], together=True, allow_missing=True)
    assert [pair.missing for pair in pairs] == [("one-01-00",)] * 2
    assert [len(pair.clips.records) for pair in pairs] == [95, 95]
    apart = open_pairs([audio, face], together=False, allow_missing=True)
    assert [len(pair.clips.records) for pair in apart] == [96, 95]


def test_encoders_of_one_name_are_told_apart_by_fingerprint(tmp_path) -> None:
    frames = write_two(tmp_path)
    pooled = [
        write_cache(tmp_path / "pooled", takes, corpus=corpus, stream="audio", pooled=("mean", "std"))
        for corpus, takes in (("one", corpus_takes("one")), ("two", other_takes()))
    ]
    pairs = open_pairs([frames, (pooled[0], pooled[1])], together=True)
    names = [pair.features for pair in pairs]
    assert names == [f"toy-{pair.caches[0].fingerprint}" for pair in pairs]
    assert len(set(names)) == 2


def test_a_class_that_only_clips_without_a_face_have_is_missed(tmp_path) -> None:
    audio = write_two(tmp_path)
    takes = {"one": corpus_takes("one"), "two": through_a_microphone(corpus_takes("two"))}
    lost = [take.clip_id for take in takes["one"] if take.label == "calm"]
    face = (
        write_cache(tmp_path, takes["one"], corpus="one", name="seen", lost=lost),
        write_cache(tmp_path, takes["two"], corpus="two", name="seen"),
    )
    with pytest.raises(UsageError, match="the pairs of caches share different classes"):
        open_pairs([audio, face], together=True, allow_missing=True)
    assert np.isin(lost, [record.clip_id for record in open_one(*audio).clips.records]).all()


def test_a_map_is_held_against_the_labels_in_the_shards(tmp_path) -> None:
    (tmp_path / "map.csv").write_text("label,class\nhappy,up\nneutral,down\n", encoding="utf-8")
    with pytest.raises(CorpusError, match="class 'down' has 0 clips in 'one'"):
        open_one(*write_two(tmp_path), label_map=tmp_path / "map.csv")


# --- their features, one after the other


def few_features(n_frames: int, layers: tuple[int, ...]) -> ClipFeatures:
    """Two clips, the first of three frames."""
    return ClipFeatures(np.ones((n_frames, 2, 3), np.float32), np.array([0, 3, n_frames]), layers)


def test_clips_of_two_corpora_come_one_after_the_other() -> None:
    some = few_features(9000, (0, 1))
    other = few_features(5, (0, 1))
    found = stacked(some, other)
    assert len(found) == 4
    assert found.offsets.tolist() == [0, 3, 9000, 9003, 9005]
    assert (found.frames[9000:] == 1).all()


def test_features_that_were_not_read_alike_do_not_stack() -> None:
    some = few_features(9000, (0, 1))
    with pytest.raises(HeadError, match=r"features of two corpora must be read alike .*, got \(\(0, 1\), .*\(0, 2\)"):
        stacked(some, few_features(5, (0, 2)))
