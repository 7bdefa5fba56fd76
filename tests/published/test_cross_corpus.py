"""Heads of a test on another corpus, published."""

import json
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ravfeat import load_head
from ravfeat.cache import open_cache
from ravfeat.calibrate import calibrate
from ravfeat.crosscorpus import CrossPlan, fit_across
from ravfeat.errors import HeadError, PredictionsError, UsageError
from ravfeat.predictions import Predictions, System
from ravfeat.published.export import export_heads
from ravfeat.runs.write import write_run
from tests.published.hostile import put, sign
from tests.twocorpora import corpus_takes, through_a_microphone, write_two
from tests.writtencaches import write_cache

PLAIN = System("audio", "toy", "logreg")
MAP = "label,class\ncalm,quiet\nhappy,loud\nsad,quiet\n"


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_two(tmp_path_factory.mktemp("two"))


@pytest.fixture(scope="module")
def run(two: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both ways, with a label map that leaves angry clips out. Read only."""
    folder = tmp_path_factory.mktemp("across")
    (folder / "map.csv").write_text(MAP)
    across(two, folder / "run", label_map=folder / "map.csv")
    return folder / "run"


@pytest.fixture(scope="module")
def published(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What was published of it; the table of labels is gone. Read only."""
    moved = run.parent / "gone.csv"
    (run.parent / "map.csv").rename(moved)
    done = export_heads(run, (folder := tmp_path_factory.mktemp("heads") / "across"))
    assert done.check == "identical, bit for bit, in all 36 test rows"
    assert done.left_out == (System("audio", "toy@corpus-normalised", "logreg"),)
    return folder


def across(two: tuple[Path, Path], out: Path, **options: Any) -> None:
    plan = CrossPlan((two,), **{"heads": ("logreg",), "layers": "1", **options})
    write_run(out, fit_across(plan), {"command": "ravfeat fit-heads"})


def change(run: Path, tmp_path: Path, edit: Callable[[Any], object]) -> Path:
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    recipe = json.loads((copy / "recipe.json").read_text())
    edit(recipe)
    (copy / "recipe.json").write_text(json.dumps(recipe))
    return copy


def test_head_toml_and_card_name_both_corpora_and_what_labels_stand_for(published) -> None:
    document = tomllib.loads((published / "head.toml").read_text(encoding="utf-8"))
    labels = {"calm": "quiet", "happy": "loud", "sad": "quiet"}
    expected = {"train": "one", "test": "two", "labels": {"train": labels, "test": labels}, "actors": 6, "clips": 36}
    assert document["cross_corpus"] == expected
    assert (document["corpus"], document["protocol"], document["folds"], document["clips"]) == (
        "one", "cross-corpus", 1, 36,
    )  # fmt: skip
    assert [entry["features"] for entry in document["systems"]] == ["toy"]
    assert "the terms of the corpus 'one'" in document["data_terms"]
    card = (published / "card.md").read_text(encoding="utf-8")
    for text in (
        "trained on the corpus `one` (6 actors, 36 clips), tested on all of the corpus `two` (6 actors, 36 clips)",
        "Labels of `two`: calm is quiet, happy is loud, sad is quiet; clips of other labels were left out.",
        "one fold: trained on `one`, tested on every clip of `two` that has a class. No actor, performance or rec",
        "for clips of the other corpus that it tested",
    ):
        assert text in card
    assert "normalised" not in card


def test_clips_of_the_other_corpus_get_the_probabilities_of_the_run(published, run, two, recwarn) -> None:
    head = load_head(published)
    assert (head.tested_corpus, head.about["corpus"]) == ("two", "one")
    test = calibrate(Predictions.read(run / "predictions.parquet"), PLAIN).test
    chosen = [5, 1, 20]
    assert np.array_equal(head.predict(two[1], test.clip_ids[chosen].tolist(), fold=0), test.probs[chosen])
    assert not recwarn


def test_clips_of_the_training_corpus_are_warned_of(published, two) -> None:
    with pytest.warns(UserWarning, match="2 of 2 clips, the first 'one-01-00', are of those that these heads learned"):
        assert load_head(published).predict(two[0], ["one-01-00", "one-02-01"]).shape == (2, 2)


def test_what_the_heads_learned_from_is_the_training_corpus_alone(published, two) -> None:
    head = load_head(published)
    records = open_cache(two[0]).records().values()
    assert head.trained_on(0, "audio") == {record.input_sha256 for record in records if record.label != "angry"}
    domain = head.domain(head.parts[0].needs[0].fingerprint)
    assert domain is not None
    clip = open_cache(two[1])["two-01-00"].mean(0)[[1]]
    assert domain.distance(0, clip) > 10 * domain.limit(0)  # another microphone
    assert head.window_s == 1.0


def test_labels_of_the_same_name_nested_and_fused_streams_are_published_too(two, tmp_path) -> None:
    faces = write_two(tmp_path / "faces", stream="face", name="eye", seed=3)
    plan = CrossPlan((two, faces), normalise="none", heads=("logreg",), layers="1", select="nested")
    write_run(tmp_path / "run", fit_across(plan), {})
    done = export_heads(tmp_path / "run", tmp_path / "head")
    assert done.check.startswith("identical, bit for bit, in all 240 test rows")
    assert done.left_out == ()
    head = load_head(tmp_path / "head")
    assert head.fused
    assert head.predict([two[1], faces[1]], ["two-01-00"], fold=0).shape == (1, 4)
    assert len(head.trained_on(0, "face")) == 48
    assert "Labels of" not in (tmp_path / "head" / "card.md").read_text(encoding="utf-8")


def test_heads_that_need_a_whole_corpus_at_once_are_refused(two, tmp_path) -> None:
    across(two, tmp_path / "run", normalise="corpus")
    with pytest.raises(
        HeadError, match=r"standardised by all clips of their corpus or actor at once .* --normalise none"
    ):
        export_heads(tmp_path / "run", tmp_path / "head")


def test_a_refit_is_refused_with_the_reason(run, tmp_path) -> None:
    with pytest.raises(UsageError, match=r"--refit trains on all actors .* learned from 'one', .* all of 'two': leave"):
        export_heads(run, tmp_path / "head", refitted=True)


def test_a_run_that_does_not_say_what_its_classes_stand_for_is_refused(run, tmp_path) -> None:
    older = change(run, tmp_path, lambda recipe: recipe["cross_corpus"].pop("labels"))
    with pytest.raises(PredictionsError, match="copy does not say which labels its classes stand for: the run is of"):
        export_heads(older, tmp_path / "head")


def test_an_older_run_without_a_table_maps_labels_to_themselves(two, tmp_path) -> None:
    across(two, tmp_path / "run", normalise="none")
    older = change(tmp_path / "run", tmp_path, lambda recipe: recipe["cross_corpus"].pop("labels"))
    export_heads(older, tmp_path / "head", unchecked=True)
    head = load_head(tmp_path / "head")
    assert head.about["cross_corpus"]["labels"]["test"] == {label: label for label in head.classes}
    assert head.domain(head.parts[0].needs[0].fingerprint) is None


def test_a_label_map_of_other_clips_is_refused(run, tmp_path) -> None:
    other = change(run, tmp_path, lambda recipe: recipe["cross_corpus"]["labels"]["train"].pop("sad"))
    with pytest.raises(
        PredictionsError, match="by its label map 24 clips of 'one' have a class, and 36 trained and ch"
    ):
        export_heads(other, tmp_path / "head")


def test_a_generated_training_corpus_has_no_terms_and_a_generated_test_corpus_changes_none(tmp_path) -> None:
    takes = corpus_takes("one"), through_a_microphone(corpus_takes("two"))
    for place, synthetic in (("a", (True, False)), ("b", (False, True))):
        caches = tuple(
            write_cache(tmp_path / place, of_corpus, corpus=name, stream="audio", synthetic=generated)
            for of_corpus, name, generated in zip(takes, ("one", "two"), synthetic, strict=True)
        )
        across(caches, tmp_path / place / "run", normalise="none")
        export_heads(tmp_path / place / "run", tmp_path / place / "head")
        about = load_head(tmp_path / place / "head").about
        assert about["synthetic"]
        assert ("no recordings of people" in about["data_terms"]) is synthetic[0]
        card = (tmp_path / place / "head" / "card.md").read_text(encoding="utf-8")
        assert "**Trained or tested on a synthetic corpus" in card


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        ("cross_corpus.train", "three", "cross_corpus trains on 'three' and tests on 'two', the corpus is 'one'"),
        ("cross_corpus.test", "one", "cross_corpus trains on 'one' and tests on 'one', the corpus is 'one'"),
        ("cross_corpus.labels.test.calm", "soft", "cross_corpus.labels.test and classes do not agree on 'soft'"),
        ("cross_corpus.labels.train", {}, "cross_corpus.labels.train and classes do not agree on 'loud'"),
        ("cross_corpus.labels.train", ["calm"], "cross_corpus.labels.train is"),
        ("cross_corpus.clips", 0, "cross_corpus.clips is 0"),
    ],
)
def test_two_corpora_that_contradict_each_other_are_refused(place, value, message, published, tmp_path) -> None:
    copy = Path(shutil.copytree(published, tmp_path / "copy"))
    put("head.toml", place, value)(copy)
    sign(copy)
    with pytest.raises(HeadError) as error:
        load_head(copy)
    assert message in str(error.value)
