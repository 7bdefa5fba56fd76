"""Heads of one corpus on another: what the construction of `tests.twocorpora` proves of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ravfeat.crosscorpus import CrossPlan, fit_across
from ravfeat.errors import UsageError
from ravfeat.metrics import decide, uar
from ravfeat.predictions import System
from ravfeat.runs.result import Fitted
from tests.toycaches import EMOTIONS
from tests.twocorpora import corpus_takes, through_a_microphone, write_two
from tests.writtencaches import write_cache

PLAIN, NORMALISED = System("audio", "toy", "logreg"), System("audio", "toy@corpus-normalised", "logreg")


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> tuple[Path, Path]:
    return write_two(tmp_path_factory.mktemp("two"))


def plan_of(*pairs: tuple[Path, Path], normalise: str = "both", label_map: Path | None = None, **fit: object):
    options = {"heads": ("logreg",), "layers": "1", **fit}
    return CrossPlan(pairs, label_map, normalise, **options)


def uar_of(fitted: Fitted, system: System) -> float:
    probs = fitted.predictions.seed_averaged(system)
    return uar(probs.y, decide(probs.probs))


@pytest.mark.parametrize("select", ["val", "nested"])
def test_a_microphone_breaks_a_plain_head_and_normalising_each_corpus_repairs_it(select, two) -> None:
    fitted = fit_across(plan_of(two, select=select))
    assert fitted.predictions.systems() == [PLAIN, NORMALISED]
    called = decide(fitted.predictions.seed_averaged(PLAIN).probs)
    assert len(set(called.tolist())) == 1
    assert uar_of(fitted, PLAIN) == 1 / len(EMOTIONS)
    assert uar_of(fitted, NORMALISED) == 1


@pytest.mark.parametrize("head", ["logreg", "kernel", "attentive"])  # on pooled statistics, and frame by frame
def test_normalised_heads_do_not_notice_the_microphone_at_all(head, two, tmp_path) -> None:
    takes = corpus_takes("two", seed=7)
    clean = write_cache(tmp_path / "clean", takes, corpus="two", stream="audio")
    heard = write_cache(tmp_path / "heard", through_a_microphone(takes), corpus="two", stream="audio")
    settings = {"epochs": 2} if head == "attentive" else {}
    system = NORMALISED._replace(head=head)
    first, second = (
        fit_across(plan_of((two[0], path), normalise="corpus", heads=(head,), settings=settings))
        for path in (clean, heard)
    )
    # Beside a shift of 2000, float32 has lost a thousandth of the noise.
    expected = first.predictions.seed_averaged(system).probs
    np.testing.assert_allclose(second.predictions.seed_averaged(system).probs, expected, atol=5e-3)


def test_test_rows_are_all_of_the_second_corpus_and_validation_rows_of_the_first(two) -> None:
    for select, clips, people in (("val", 16, 2), ("nested", 48, 6)):
        fitted = fit_across(plan_of(two, normalise="none", select=select))
        test, val = (fitted.predictions.seed_averaged(PLAIN, split) for split in ("test", "val"))
        assert (len(test), len(val)) == (48, clips)
        assert {actor[:3] for actor in test.actors} == {"two"}
        assert {actor[:3] for actor in val.actors} == {"one"}
        assert len(set(val.actors)) == people
        assert (fitted.predictions.protocol, fitted.predictions.select) == ("cross-corpus", select)


def test_a_test_clip_changes_no_plain_number_of_another(two, tmp_path) -> None:
    takes = through_a_microphone(corpus_takes("two"))
    fewer = write_cache(tmp_path, takes[:24], corpus="two", stream="audio")
    whole, half = (fit_across(plan_of((two[0], test), normalise="none")) for test in (two[1], fewer))
    probs = whole.predictions.seed_averaged(PLAIN).probs[:24]
    np.testing.assert_array_equal(half.predictions.seed_averaged(PLAIN).probs, probs)


def test_all_stored_clips_normalise_whether_a_class_takes_them_or_not(two, tmp_path) -> None:
    """Which clips have a class is known from labels, and normalising is to know none."""
    rows = [f"{label},{label}" for label in EMOTIONS[:2]]
    (tmp_path / "map.csv").write_text("\n".join(["label,class", *rows]), encoding="utf-8")
    takes = through_a_microphone(corpus_takes("two"))
    louder = [
        take if take.label in EMOTIONS[:2] else replace(take, features=take.features * np.float32(2)) for take in takes
    ]
    path = write_cache(tmp_path, louder, corpus="two", stream="audio")
    first, second = (fit_across(plan_of((two[0], test), label_map=tmp_path / "map.csv")) for test in (two[1], path))
    plain, normalised = (
        [fitted.predictions.select_system(system).logits() for fitted in (first, second)]
        for system in (PLAIN, NORMALISED)
    )
    np.testing.assert_array_equal(plain[0], plain[1])
    assert np.abs(normalised[0] - normalised[1]).max() > 0.1


def test_voice_and_face_are_fused_from_the_first_corpus_s_rows(two, tmp_path) -> None:
    face = write_two(tmp_path, stream="face", name="seen")
    fitted = fit_across(plan_of(two, face, normalise="corpus", select="nested"))
    assert fitted.fusion is not None
    assert [str(one) for one in fitted.fusion.systems] == [
        "audio / toy@corpus-normalised / logreg", "face / seen@corpus-normalised / logreg"
    ]  # fmt: skip
    fused = System("fused", "toy@corpus-normalised+seen@corpus-normalised", "logreg")
    assert uar_of(fitted, fused) == 1
    assert {actor[:3] for actor in fitted.predictions.seed_averaged(fused, "val").actors} == {"one"}
    assert len(fitted.fusion.folds) == 1


def test_what_is_transductive_is_never_fused_with_what_is_not(two, tmp_path) -> None:
    pairs = (two, write_two(tmp_path, stream="face", name="seen"))
    fitted = fit_across(plan_of(*pairs))
    assert fitted.fusion is None
    assert len(fitted.predictions.systems()) == 4
    assert fitted.about["cross_corpus"]["kept_apart"]
    with pytest.raises(UsageError, match=r"rule 'linear' has nothing to fuse.*choose --normalise none or corpus"):
        fit_across(plan_of(*pairs, rule="linear"))
    assert not fit_across(plan_of(*pairs, rule=None)).about["cross_corpus"]["kept_apart"]


def test_the_record_names_corpora_map_and_what_is_transductive(two) -> None:
    about = fit_across(plan_of(two)).about
    same = {label: label for label in EMOTIONS}
    assert about["cross_corpus"] == {
        "train": "one",
        "test": "two",
        "label_map": None,
        "labels": {"train": same, "test": same},
        "normalise": "both",
        "transductive": ["toy@corpus-normalised"],
        "kept_apart": False,
    }
    assert [cache["transductive"] for cache in about["caches"]] == [False, True]
    assert about["protocol"] == "cross-corpus"


def test_pooled_caches_will_do(tmp_path) -> None:
    takes = {"one": corpus_takes("one"), "two": through_a_microphone(corpus_takes("two"))}
    pair = tuple(
        write_cache(tmp_path, own, corpus=name, stream="audio", pooled=("mean", "std")) for name, own in takes.items()
    )
    fitted = fit_across(plan_of((pair[0], pair[1])))
    assert (uar_of(fitted, PLAIN), uar_of(fitted, NORMALISED)) == (1 / len(EMOTIONS), 1)


def test_a_network_over_streams_is_refused_before_a_cache_is_opened(tmp_path) -> None:
    nowhere = (tmp_path / "a", tmp_path / "b")
    for heads in (("joint",), ("logreg", "joint")):
        with pytest.raises(UsageError, match="the head 'joint' reads several streams of one corpus and is no head of"):
            fit_across(plan_of(nowhere, heads=heads, layers=None))


@pytest.mark.parametrize("option", ["caches", "joins", "train_views", "labels", "protocol", "allow_leak"])
def test_a_plan_of_two_corpora_has_no_option_that_is_not_read(option, tmp_path) -> None:
    with pytest.raises(TypeError, match=option):
        CrossPlan(((tmp_path, tmp_path),), **{option: None})


def test_a_plan_without_a_known_head_is_refused_before_a_cache_is_opened(tmp_path) -> None:
    plan = plan_of((tmp_path / "no", tmp_path / "none"))
    with pytest.raises(UsageError, match="no head 'forest'"):
        fit_across(replace(plan, heads=("forest",)))
