"""Questions about names, columns and people that need no sound."""

import pytest

from ravfeat.clips import Clip
from ravfeat.explore.doubts import doubts
from ravfeat.explore.fitting import fitting
from ravfeat.explore.listing import listing_of_clips
from ravfeat.manifest import Manifest, unknown_actor


def listing(rows, **further):
    """Rows of actor, label; further columns by name, one value for every row."""
    clips = [
        Clip(
            f"c{n:03d}", f"c{n:03d}", actor if ":" in actor else f"mine:{actor}", "male", label, f"{n}.wav", 2.0,
            further={name: values[n] for name, values in further.items() if values[n] != ""},
        )
        for n, (actor, label) in enumerate(rows)
    ]  # fmt: skip
    return listing_of_clips(Manifest("mine", tuple(sorted({label for _, label in rows})), tuple(clips)))


EVERYBODY = [(actor, label) for actor in "abcde" for label in ("sad", "happy", "angry", "calm")]


def said(rows, **further) -> str:
    return "\n".join(doubt.sentence for doubt in doubts(listing(rows, **further)))


def test_a_clean_corpus_raises_no_question() -> None:
    assert said(EVERYBODY) == ""


@pytest.mark.parametrize(
    ("a", "b"), [("happy", "happiness"), ("sad", "sadness"), ("anger", "angry"), ("fear", "fearful"), ("Calm", "calm")]
)
def test_labels_that_may_be_one_class_are_named(a, b) -> None:
    assert f"'{min(a, b)}' (5 clips) and '{max(a, b)}' (5 clips) look alike" in said(
        [(actor, label) for actor in "abcde" for label in (a, b, "zzz")]
    )


@pytest.mark.parametrize(
    ("a", "b"), [("01", "02"), ("sad", "mad"), ("positive", "negative"), ("class1", "class2"), ("a", "b")]
)
def test_labels_that_are_two_classes_are_not(a, b) -> None:
    assert "alike" not in said([(actor, label) for actor in "abcde" for label in (a, b)])


def test_a_column_that_decides_the_label_is_grave_and_one_that_does_not_is_nothing() -> None:
    rooms = [f"room-{label}" for _, label in EVERYBODY]
    (doubt,) = doubts(listing(EVERYBODY, room=rooms))
    assert doubt.grave
    assert doubt.sentence.startswith("'room' decides the label")
    assert said(EVERYBODY, room=[f"room-{actor}" for actor, _ in EVERYBODY]) == ""


def test_numbers_are_columns_too_as_measurements_and_as_sessions() -> None:
    rows = EVERYBODY * 5
    loud = [float(10 * ["sad", "happy", "angry", "calm"].index(label)) + n / 100 for n, (_, label) in enumerate(rows)]
    assert "'loudness' tells much of the label" in said(rows, loudness=loud)
    shared = [float(n % 2) for n in range(len(EVERYBODY))]
    assert "5 actors of 5 are in more than one 'session'" in said(EVERYBODY, session=shared)


def test_sessions_that_keep_actors_apart_are_no_question_and_sessions_of_one_actor_are() -> None:
    by_actor = {"a": "1", "b": "1", "c": "2", "d": "2", "e": "3"}
    assert "session" not in said(EVERYBODY, session=[by_actor[actor] for actor, _ in EVERYBODY])
    assert "every 'session' is one person" in said(EVERYBODY, session=[actor for actor, _ in EVERYBODY])


def test_an_official_split_that_shares_people_is_grave() -> None:
    split = ["train", "test"] * (len(EVERYBODY) // 2)
    (doubt,) = [doubt for doubt in doubts(listing(EVERYBODY, split=split)) if "'split'" in doubt.sentence]
    assert doubt.grave


def test_empty_cells_are_counted() -> None:
    assert "'room' is empty in 19 clips of 20" in said(EVERYBODY, room=["x", *[""] * 19])


def test_people_of_whom_nobody_says_who_they_are_are_no_people() -> None:
    rows = [*EVERYBODY, (unknown_actor("mine", "x"), "sad"), (unknown_actor("mine", "y"), "calm")]
    assert "nobody says who speaks in 2 clips of 22" in said(rows)
    assert "1 actor with one clip" not in said(rows)


def test_an_actor_for_every_clip_and_an_actor_per_class_are_asked_about() -> None:
    assert "every clip has an actor of its own" in said([(f"{n}", "sad" if n % 2 else "calm") for n in range(20)])
    assert "'actor' decides the label" in said([(label, label) for label in ("x", "y", "z") for _ in range(4)])


def test_protocols_are_tried_as_training_would() -> None:
    split = {"a": "train", "b": "train", "c": "train", "d": "dev", "e": "test"}
    session = {"a": "1", "b": "1", "c": "2", "d": "2", "e": "3"}
    rows = listing(
        EVERYBODY, split=[split[actor] for actor, _ in EVERYBODY], session=[session[actor] for actor, _ in EVERYBODY]
    )
    fits = {fit.protocol: fit for fit in fitting(rows)}
    assert fits["loso"].fits
    assert fits["loso"].words == "5 folds that test 1 actor each"
    assert fits["column:split"].fits
    assert fits["group:session"].fits
    assert "ravdess6" not in fits
    (loso, *_) = fitting(listing([("a", "sad"), ("a", "calm"), ("b", "sad")]))
    assert not loso.fits
    assert loso.words
