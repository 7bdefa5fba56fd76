"""Folds: who is tested when, and what is refused."""

import hashlib
import random
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest

from ravfeat.errors import LeakError, ProtocolError
from ravfeat.protocols.folds import Fold, check_folds, check_inner, fold_counts, inner_folds, make_folds
from ravfeat.protocols.groups import tied_groups
from ravfeat.protocols.named import FIXED, get_protocol
from ravfeat.schema import RAVDESS_LABELS

ACTOR_SPLITS = [name for name, protocol in FIXED.items() if not protocol.leaky]


@dataclass(frozen=True)
class Clip:
    clip_id: str
    performance_id: str
    actor: str
    gender: str
    label: str
    input_sha256: str


def clip(actor: str, take: int, label: str, gender: str = "") -> Clip:
    name = f"{actor}-{take:03d}".replace(":", "-")
    return Clip(name, name, actor, gender, label, hashlib.sha256(name.encode()).hexdigest())


def ravdess() -> list[Clip]:
    """24 actors, 60 clips each, neutral half as often as the others."""
    clips = []
    for actor in range(1, 25):
        labels = [*RAVDESS_LABELS[1:] * 8, *["neutral"] * 4]
        gender = "male" if actor % 2 else "female"
        clips += [clip(f"ravdess:{actor:02d}", take, label, gender) for take, label in enumerate(labels)]
    return sorted(clips, key=lambda one: one.clip_id)


def some_corpus(rng: random.Random) -> list[Clip]:
    """Any corpus: few or many actors, with names or numbers, some with many more clips than others."""
    n_actors, n_classes = rng.randint(6, 30), rng.randint(2, 5)
    named = rng.random() < 0.5
    clips = []
    for actor in range(n_actors):
        name = f"x:{['anna', 'bob', 'carl', 'dora'][actor % 4]}{actor}" if named else f"x:{actor + 1}"
        gender = rng.choice(["male", "female"]) if rng.random() < 0.8 else ""
        for take in range(n_classes * rng.randint(1, 6)):
            clips.append(clip(name, take, f"class{take % n_classes}", gender))
    return sorted(clips, key=lambda one: one.clip_id)


def actors(clips: Sequence[Clip], rows: np.ndarray) -> set[int]:
    return {int(clips[row].actor.rpartition(":")[2]) for row in rows}


def assert_sound(folds: Sequence[Fold], clips: Sequence[Clip]) -> None:
    tested = np.concatenate([fold.test for fold in folds])
    assert sorted(tested.tolist()) == list(range(len(clips)))
    for fold in folds:
        sides = [set(rows.tolist()) for rows in (fold.train, fold.val, fold.test)]
        assert all(sides)
        assert sum(map(len, sides)) == len(set.union(*sides)) == len(clips)
        for fact in ("actor", "performance_id", "input_sha256"):
            held = [{getattr(clips[row], fact) for row in side} for side in sides]
            assert sum(map(len, held)) == len(set.union(*held)), fact


# --- protocols with published groups


@pytest.mark.parametrize("name", ACTOR_SPLITS)
def test_published_protocols_test_their_actors_and_nobody_sits_on_two_sides(name) -> None:
    clips, protocol = ravdess(), get_protocol(name)
    folds = make_folds(protocol, clips)
    assert_sound(folds, clips)
    assert [actors(clips, fold.test) for fold in folds] == [set(group) for group in protocol.test]
    if protocol.val:
        assert [actors(clips, fold.val) for fold in folds] == [set(group) for group in protocol.val]


@pytest.mark.parametrize("name", [name for name in ACTOR_SPLITS if not FIXED[name].val])
def test_where_no_validation_is_published_two_men_and_two_women_are_drawn_by_digest(name) -> None:
    clips, protocol = ravdess(), get_protocol(name)
    for number, fold in enumerate(make_folds(protocol, clips)):
        rest = sorted(
            set(range(1, 25)) - set(protocol.test[number]),
            key=lambda actor: hashlib.sha256(f"{name}:{number}:{actor}".encode()).hexdigest(),
        )
        men, women = ([actor for actor in rest if actor % 2 == odd][:2] for odd in (1, 0))
        assert actors(clips, fold.val) == {*men, *women}


def test_without_genders_four_validation_actors_are_drawn_all_the_same() -> None:
    clips = [replace(one, gender="") for one in ravdess()]
    assert {len(actors(clips, fold.val)) for fold in make_folds(get_protocol("emobox6"), clips)} == {4}


def test_ravdess6_has_16_training_actors_and_equal_classes() -> None:
    clips = ravdess()
    counts = {
        (row["fold"], row["split"]): row for row in fold_counts(make_folds(get_protocol("ravdess6"), clips), clips)
    }
    assert len(counts) == 18
    assert counts[0, "train"]["clips"] == 960
    assert len(counts[0, "train"]["actors"]) == 16
    assert counts[3, "test"]["labels"] == dict(sorted({**dict.fromkeys(RAVDESS_LABELS, 32), "neutral": 16}.items()))
    assert counts[3, "val"]["genders"] == {"female": 120, "male": 120}


def test_leaving_one_speaker_out_is_loso24_on_its_actors_inner_folds_included() -> None:
    clips, loso, loso24 = ravdess(), get_protocol("loso"), get_protocol("loso24")
    for one, other in zip(make_folds(loso, clips), make_folds(loso24, clips), strict=True):
        for side in ("train", "val", "test"):
            np.testing.assert_array_equal(getattr(one, side), getattr(other, side))
        inner = zip(inner_folds(loso, one, clips), inner_folds(loso24, other, clips), strict=True)
        assert all(np.array_equal(a, b) for pair in inner for a, b in zip(*pair, strict=True))
    assert loso.always_nested


@pytest.mark.parametrize("seed", range(5))
def test_any_speaker_can_be_left_out(seed) -> None:
    clips = some_corpus(random.Random(seed))
    folds = make_folds(get_protocol("loso"), clips)
    assert_sound(folds, clips)
    assert len(folds) == len({one.actor for one in clips})
    assert all(len({clips[row].actor for row in fold.test}) == 1 for fold in folds)


def test_three_speakers_are_enough_to_leave_one_out_and_two_are_not() -> None:
    clips = [clip(f"x:{name}", take, ("sad", "happy")[take]) for name in ("anna", "bob", "7", "07") for take in (0, 1)]
    assert_sound(make_folds(get_protocol("loso"), clips[:6]), clips[:6])
    # Two people with one number, as --as-written allows.
    assert_sound(make_folds(get_protocol("loso"), clips), clips)
    with pytest.raises(ProtocolError, match=r"'loso' needs 3 actors, .*; the cache has 2: x:anna, x:bob"):
        make_folds(get_protocol("loso"), clips[:4])


def test_speakers_who_share_a_recording_cannot_be_left_out_one_by_one() -> None:
    clips = ravdess()
    clips[60] = replace(clips[60], input_sha256=clips[0].input_sha256)
    with pytest.raises(
        LeakError, match=r"fold 0 of 'loso' leaks: recording .*; correct the corpus, or use --protocol gr"
    ):
        make_folds(get_protocol("loso"), clips)


def test_random_clips_are_dealt_into_as_many_folds_as_asked_for() -> None:
    clips = ravdess()
    folds = make_folds(get_protocol("random5"), clips, allow_leak=True)
    assert sorted(np.concatenate([fold.test for fold in folds]).tolist()) == list(range(len(clips)))
    with pytest.raises(
        LeakError, match=r"'random5' puts clips of one actor on both sides.*every output will say LEAKY"
    ):
        make_folds(get_protocol("random5"), clips)


def test_other_actors_are_refused_with_a_protocol_that_would_do() -> None:
    clips = [one for one in ravdess() if one.actor <= "ravdess:04"]
    with pytest.raises(ProtocolError, match=r"needs the actors 1 to 24, each once; the cache has 4 actors, lacks 5-24"):
        make_folds(get_protocol("ravdess6"), clips)
    with pytest.raises(ProtocolError, match="use --protocol group4") as error:
        make_folds(get_protocol("ravdess6"), clips)
    advised = re.search(r"group\d+", str(error.value))[0]
    assert_sound(make_folds(get_protocol(advised), clips), clips)


def test_actors_with_names_are_refused_by_published_protocols() -> None:
    clips = [*ravdess(), clip("ravdess:anna", 0, "calm")]
    with pytest.raises(ProtocolError, match=r"has others \(ravdess:anna …\)"):
        make_folds(get_protocol("emobox6"), clips)


def test_two_actors_with_one_number_are_refused() -> None:
    clips = [*ravdess(), clip("other:07", 0, "calm", "male")]
    with pytest.raises(
        ProtocolError, match=r"each once; the cache has 25 actors, and has others \(other:07, ravdess:07"
    ):
        make_folds(get_protocol("emobox6"), clips)


def test_fewer_than_three_actors_fit_no_protocol() -> None:
    clips = [one for one in ravdess() if one.actor <= "ravdess:02"]
    with pytest.raises(ProtocolError, match="no protocol fits fewer than 3 actors"):
        make_folds(get_protocol("ravdess6"), clips)


def test_groups_that_are_not_balanced_by_gender_as_the_protocol_says_are_refused() -> None:
    clips = [replace(one, gender="female") if one.actor.endswith("11") else one for one in ravdess()]
    with pytest.raises(ProtocolError, match=r"fold 0 of 'ravdess6' must have 2 men and 2 women in test.* 1 and 3 \("):
        make_folds(get_protocol("ravdess6"), clips)


def test_an_actor_with_two_genders_is_refused() -> None:
    clips = ravdess()
    clips[0] = replace(clips[0], gender="female")
    with pytest.raises(
        ProtocolError, match="actor 'ravdess:01' is 'female' in clip 'ravdess-01-000' and 'male' in clip"
    ):
        make_folds(get_protocol("group4"), clips)


# --- what leaks


def relabelled(clips: list[Clip]) -> list[Clip]:
    """One clip of actor 1 is said to be by actor 2, while its performance has another clip by actor 1."""
    copy = replace(
        clips[0], clip_id=f"{clips[0].clip_id}-face", actor="ravdess:02", gender="female", input_sha256="f" * 64
    )
    return sorted([*clips, copy], key=lambda one: one.clip_id)


@pytest.mark.parametrize("name", ["ravdess6", "emobox6", "hicmae6", "loso24"])
def test_a_performance_on_two_sides_is_refused_by_name_with_fold_clips_and_actors(name) -> None:
    clips = relabelled(ravdess())
    expected = [
        "performance 'ravdess-01-000'",
        "clip 'ravdess-01-000', ravdess:01",
        "clip 'ravdess-01-000-face', ravdess:02",
    ]
    with pytest.raises(LeakError, match=rf"^fold \d of '{name}' leaks: ") as error:
        make_folds(get_protocol(name), clips)
    assert all(part in str(error.value) for part in expected)


def test_one_recording_of_two_actors_is_refused_by_published_protocols() -> None:
    clips = ravdess()
    other = next(i for i, one in enumerate(clips) if one.actor == "ravdess:05")
    clips[other] = replace(clips[other], input_sha256=clips[0].input_sha256)
    with pytest.raises(LeakError, match=r"recording '[0-9a-f]{16}…' is in .*ravdess:0[15].* and in .*ravdess:0[15]"):
        make_folds(get_protocol("ravdess6"), clips)


def test_the_byte_identical_pair_of_one_actor_sits_on_one_side_of_every_protocol_but_clip6() -> None:
    clips = ravdess()
    pair = [i for i, one in enumerate(clips) if one.actor == "ravdess:07"][:2]
    clips[pair[1]] = replace(clips[pair[1]], input_sha256=clips[pair[0]].input_sha256)
    for name in [*ACTOR_SPLITS, "group5"]:
        folds = make_folds(get_protocol(name), clips)
        assert_sound(folds, clips)
        for fold in folds:
            for train, val in inner_folds(get_protocol(name), fold, clips):
                assert len({pair[0] in train, pair[1] in train}) == len({pair[0] in val, pair[1] in val}) == 1


def test_groups_made_from_the_data_keep_tied_clips_together() -> None:
    clips = relabelled(ravdess())
    third = next(i for i, one in enumerate(clips) if one.actor == "ravdess:09")
    clips[third] = replace(clips[third], input_sha256="f" * 64)  # the recording of actor 2's copy
    folds = make_folds(get_protocol("group6"), clips)
    assert_sound(folds, clips)
    for fold in folds:
        for rows in (fold.train, fold.val, fold.test):
            assert len(actors(clips, rows) & {1, 2, 9}) in {0, 3}


def test_ties_reach_through_others() -> None:
    first, second, third = (clip(f"x:{i}", 0, "calm") for i in range(3))
    second = replace(second, performance_id=first.performance_id)
    third = replace(third, input_sha256=second.input_sha256)
    alone = clip("x:9", 0, "calm")
    assert [group.tolist() for group in tied_groups([first, alone, second, third])] == [[0, 2, 3], [1]]


def test_folds_are_checked_whoever_made_them() -> None:
    clips, protocol = ravdess(), get_protocol("ravdess6")
    folds = make_folds(protocol, clips)
    moved = folds[0].train[:1]
    torn = replace(folds[0], train=folds[0].train[1:], val=np.append(folds[0].val, moved))
    with pytest.raises(LeakError, match="fold 0 of 'ravdess6' leaks: actor 'ravdess:"):
        check_folds(protocol, [torn, *folds[1:]], clips)
    with pytest.raises(ProtocolError, match="fold 0 of 'ravdess6' holds 1439 of 1440 clips, 0 twice"):
        check_folds(protocol, [replace(folds[0], train=folds[0].train[1:]), *folds[1:]], clips)
    with pytest.raises(ProtocolError, match="fold 0 of 'ravdess6' holds 1440 of 1440 clips, 1 twice"):
        check_folds(protocol, [replace(folds[0], val=np.append(folds[0].val, moved)), *folds[1:]], clips)
    with pytest.raises(ProtocolError, match=r"'ravdess6' tests clip '.*' 0 times, expected once"):
        check_folds(protocol, folds[1:], clips)
    with pytest.raises(ProtocolError, match=r"'ravdess6' tests clip '.*' 2 times, expected once"):
        check_folds(protocol, [*folds, folds[0]], clips)
    emptied = replace(folds[0], train=np.concatenate([folds[0].train, folds[0].val]), val=folds[0].val[:0])
    with pytest.raises(ProtocolError, match="fold 0 of 'ravdess6' has no clip in val"):
        check_folds(protocol, [emptied, *folds[1:]], clips)


def test_a_class_that_only_test_actors_act_is_refused_with_its_actors() -> None:
    clips = [replace(one, label="bored") if one.actor.endswith("11") else one for one in ravdess()]
    with pytest.raises(
        ProtocolError, match=r"fold 0 of 'ravdess6' has no training clip of \['bored'\].*\(ravdess:11\)"
    ):
        make_folds(get_protocol("ravdess6"), clips)


# --- groups made from the data


@pytest.mark.parametrize("seed", range(25))
def test_group_folds_are_sound_for_any_corpus(seed) -> None:
    rng = random.Random(seed)
    clips = some_corpus(rng)
    protocol = get_protocol(f"group{rng.randint(2, 5)}")
    folds = make_folds(protocol, clips)
    assert_sound(folds, clips)
    assert len(folds) == protocol.n_folds


def facts(name: str, clips: Sequence[Clip]) -> list[tuple[frozenset[str], ...]]:
    return [
        tuple(frozenset(clips[row].clip_id for row in rows) for rows in (fold.train, fold.val, fold.test))
        for fold in make_folds(get_protocol(name), clips, allow_leak=True)
    ]


@pytest.mark.parametrize("name", ["ravdess6", "emobox6", "loso24", "clip6", "group5"])
def test_folds_do_not_depend_on_the_order_of_the_clips(name) -> None:
    clips = ravdess()
    shuffled = random.Random(1).sample(clips, len(clips))
    assert facts(name, shuffled) == facts(name, clips)


@pytest.mark.parametrize("seed", range(10))
def test_group_folds_do_not_depend_on_the_order_of_the_clips_of_any_corpus(seed) -> None:
    rng = random.Random(seed)
    clips = some_corpus(rng)
    assert facts("group3", rng.sample(clips, len(clips))) == facts("group3", clips)


def test_group_folds_are_even_in_actors_classes_and_genders() -> None:
    clips = ravdess()
    for fold in make_folds(get_protocol("group6"), clips):
        assert len(actors(clips, fold.test)) == len(actors(clips, fold.val)) == 4
        assert sum(actor % 2 for actor in actors(clips, fold.test)) == 2
        assert Counter(clips[row].label for row in fold.test)["calm"] == 32


def test_classes_are_spread_where_actors_act_different_ones() -> None:
    acts = {"x:a": "joy", "x:b": "joy", "x:c": "joy", "x:d": "joy"}
    clips = [clip(f"x:{name}", take, "calm") for name in "abcdefgh" for take in range(4)]
    clips += [clip(actor, 10 + take, label) for actor, label in acts.items() for take in range(3)]
    for fold in make_folds(get_protocol("group4"), sorted(clips, key=lambda one: one.clip_id)):
        assert Counter(sorted(clips, key=lambda one: one.clip_id)[row].label for row in fold.test)["joy"] == 3


def test_every_actor_alone_is_a_group_protocol_too() -> None:
    clips = [clip(f"x:{name}", take, f"class{take % 2}") for name in ("anna", "bob", "carl") for take in range(4)]
    folds = make_folds(get_protocol("group3"), clips)
    assert_sound(folds, clips)
    assert [len({clips[row].actor for row in fold.test}) for fold in folds] == [1, 1, 1]


def test_validation_does_not_take_the_last_actors_who_teach_a_class() -> None:
    clips = [clip(f"x:{i}", take, f"class{take % 2}") for i in range(8) for take in range(4)]
    clips += [clip(f"x:{i}", 9, "rare") for i in (0, 1)]
    clips.sort(key=lambda one: one.clip_id)
    for fold in make_folds(get_protocol("group8"), clips):
        assert "rare" in {clips[row].label for row in fold.train}


def test_two_folds_leave_half_of_the_other_actors_for_training() -> None:
    clips = ravdess()
    for fold in make_folds(get_protocol("group2"), clips):
        assert [len(actors(clips, rows)) for rows in (fold.train, fold.val, fold.test)] == [6, 6, 12]


@pytest.mark.parametrize(
    ("n_actors", "name", "match"),
    [
        (1, "group2", r"needs at least 3 groups .*; the cache has 1$"),
        (2, "group2", r"needs at least 3 groups .*; the cache has 2$"),
        (4, "group5", r"needs at least 5 groups .*; the cache has 4: use --protocol group4"),
        (3, "group2", r"leaves 1 group of clips for training and validation; use --protocol group3"),
    ],
)
def test_too_few_actors_are_refused(n_actors, name, match) -> None:
    clips = [clip(f"x:{i}", take, f"class{take % 2}") for i in range(n_actors) for take in range(4)]
    with pytest.raises(ProtocolError, match=match):
        make_folds(get_protocol(name), clips)


# --- the leaky control


def test_clip6_runs_only_where_a_leak_is_allowed() -> None:
    with pytest.raises(LeakError, match=r"puts clips of one actor on both sides.*Add --allow-leak.*LEAKY"):
        make_folds(get_protocol("clip6"), ravdess())


def test_clip6_tests_every_clip_once_in_stratified_folds_that_share_actors() -> None:
    clips = ravdess()
    folds = make_folds(get_protocol("clip6"), clips, allow_leak=True)
    assert sorted(np.concatenate([fold.test for fold in folds]).tolist()) == list(range(1440))
    for fold in folds:
        assert len(fold.test) == len(fold.val) == 240
        assert Counter(clips[row].label for row in fold.test)["calm"] == 32
        assert actors(clips, fold.test) & actors(clips, fold.train)
        assert not set(fold.test) & set(fold.train) & set(fold.val)


def test_allowing_a_leak_does_not_loosen_other_protocols() -> None:
    with pytest.raises(LeakError, match="leaks"):
        make_folds(get_protocol("ravdess6"), relabelled(ravdess()), allow_leak=True)


# --- inner folds


@pytest.mark.parametrize("name", ["ravdess6", "loso24", "group4"])
def test_inner_folds_hold_out_every_row_but_the_test_rows_once_and_share_no_actor(name) -> None:
    clips, protocol = ravdess(), get_protocol(name)
    for fold in make_folds(protocol, clips):
        inner = inner_folds(protocol, fold, clips)
        assert len(inner) == 5
        held_out = np.concatenate([val for _, val in inner])
        assert sorted(held_out.tolist()) == sorted({*range(1440)} - set(fold.test.tolist()))
        for train, val in inner:
            assert not actors(clips, train) & actors(clips, val)
            assert not set(train.tolist()) & set(fold.test.tolist())
            assert len(train) + len(val) == len(held_out)


def test_inner_folds_of_the_leaky_control_leak_as_it_does() -> None:
    clips, protocol = ravdess(), get_protocol("clip6")
    fold = make_folds(protocol, clips, allow_leak=True)[0]
    inner = inner_folds(protocol, fold, clips)
    assert sorted(np.concatenate([val for _, val in inner]).tolist()) == sorted([*fold.train, *fold.val])
    assert all(actors(clips, train) & actors(clips, val) for train, val in inner)


@pytest.mark.parametrize(
    ("name", "what", "remedy"),
    [
        ("ravdess6", "recording", "choose on validation actors: --select val"),
        ("loso24", "performance", "use a protocol that has validation actors: --select val"),
    ],
)
def test_inner_folds_that_tear_apart_what_belongs_together_are_refused_by_name(name, what, remedy) -> None:
    clips, protocol = ravdess(), get_protocol(name)
    fold = make_folds(protocol, clips)[0]
    inner = inner_folds(protocol, fold, clips)
    check_inner(protocol, fold, inner, clips)
    train, val = (rows[0] for rows in inner[0])
    field = {"recording": "input_sha256", "performance": "performance_id"}[what]
    torn = list(clips)
    torn[val] = replace(clips[val], **{field: getattr(clips[train], field)})
    with pytest.raises(
        LeakError,
        match=rf"inner fold 0 of fold 0 of '{name}' leaks: {what} '.*' is in train"
        rf" \(clip '{clips[train].clip_id}', .*\)"
        rf" and in val \(clip '{clips[val].clip_id}', .*\); correct the corpus, or {remedy}",
    ):
        check_inner(protocol, fold, inner, torn)


def test_inner_folds_of_the_leaky_control_may_leak() -> None:
    clips, protocol = ravdess(), get_protocol("clip6")
    fold = make_folds(protocol, clips, allow_leak=True)[0]
    check_inner(protocol, fold, inner_folds(protocol, fold, clips), clips)


def test_few_actors_make_fewer_inner_folds() -> None:
    clips = [clip(f"x:{i}", take, f"class{take % 2}") for i in range(4) for take in range(4)]
    protocol = get_protocol("group4")
    assert {len(inner_folds(protocol, fold, clips)) for fold in make_folds(protocol, clips)} == {3}


def test_a_class_of_one_actor_cannot_be_chosen_for_on_inner_folds() -> None:
    clips = [clip(f"x:{i}", take, f"class{take % 2}") for i in range(6) for take in range(4)]
    clips += [clip(f"x:{i}", 9, "rare") for i in (0, 1)]
    clips.sort(key=lambda one: one.clip_id)
    protocol = get_protocol("group6")
    fold = next(fold for fold in make_folds(protocol, clips) if any(clips[row].label == "rare" for row in fold.test))
    with pytest.raises(ProtocolError, match=r"inner fold \d of fold \d of 'group6' has no training clip of \['rare'\]"):
        inner_folds(protocol, fold, clips)


def test_a_fold_is_the_same_for_every_reader_of_this_file() -> None:
    """Frozen: drawing other validation actors would change published numbers."""
    clips = ravdess()
    emobox, grouped = (make_folds(get_protocol(name), clips) for name in ("emobox6", "group5"))
    assert [sorted(actors(clips, fold.val)) for fold in emobox] == EMOBOX_VAL
    assert [sorted(actors(clips, fold.test)) for fold in grouped] == GROUP5_TEST


EMOBOX_VAL = [[2, 5, 12, 17], [8, 15, 16, 17], [2, 4, 5, 7], [12, 15, 19, 22], [1, 3, 8, 22], [3, 4, 5, 18]]
GROUP5_TEST = [[2, 3, 6, 16, 21], [9, 10, 17, 18, 23], [1, 11, 12, 20, 22], [8, 13, 15, 19, 24], [4, 5, 7, 14]]
