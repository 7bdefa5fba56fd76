"""Who chooses, and who is tested, where the test is another corpus."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from ravfeat.crosscorpus.folds import cross_fold
from ravfeat.errors import LeakError, ProtocolError


@dataclass(frozen=True)
class Clip:
    clip_id: str
    performance_id: str
    actor: str
    gender: str
    label: str
    input_sha256: str


def corpus(name: str, actors: int, genders: tuple[str, ...] = ("male", "female")) -> list[Clip]:
    clips = []
    for actor in range(1, actors + 1):
        for label in ("calm", "sad"):
            one = f"{name}-{actor:02d}-{label}"
            clips.append(Clip(one, one, f"{name}:{actor:02d}", genders[actor % len(genders)], label, one))
    return clips


def fold_of(train: list[Clip], test: list[Clip]):
    return cross_fold([*train, *test], len(train))


@pytest.mark.parametrize(("actors", "drawn"), [(2, 1), (3, 1), (5, 1), (6, 2), (12, 2), (24, 4), (50, 10)])
def test_about_a_fifth_of_the_actors_is_drawn_and_all_of_the_other_corpus_tested(actors, drawn) -> None:
    train, test = corpus("one", actors), corpus("two", 3)
    fold = fold_of(train, test)
    assert fold.test.tolist() == list(range(len(train), len(train) + len(test)))
    assert len({train[row].actor for row in fold.val}) == drawn
    assert sorted([*fold.train, *fold.val]) == list(range(len(train)))
    assert not {train[row].actor for row in fold.val} & {train[row].actor for row in fold.train}


def test_of_24_actors_two_men_and_two_women_are_drawn_the_same_ones_every_time() -> None:
    train = corpus("one", 24)
    fold, again = fold_of(train, corpus("two", 3)), fold_of(train, corpus("three", 9))
    genders = {train[row].actor: train[row].gender for row in fold.val}
    assert sorted(genders.values()) == ["female", "female", "male", "male"]
    np.testing.assert_array_equal(fold.val, again.val)


def test_where_genders_are_not_known_a_fifth_is_drawn_all_the_same() -> None:
    train = corpus("one", 12, ("male", ""))
    assert len({train[row].actor for row in fold_of(train, corpus("two", 2)).val}) == 2


def test_actors_of_one_recording_stay_together() -> None:
    train = corpus("one", 6)
    train[0] = replace(train[0], input_sha256="same")
    train[-1] = replace(train[-1], input_sha256="same")
    fold = fold_of(train, corpus("two", 2))
    assert (0 in fold.val) == (len(train) - 1 in fold.val)


def test_a_corpus_of_one_person_cannot_be_divided() -> None:
    with pytest.raises(ProtocolError, match="the training corpus has 1 group of clips that share no actor"):
        fold_of(corpus("one", 1), corpus("two", 3))


def test_actors_who_alone_act_a_class_are_not_drawn_and_are_missed_where_none_is_left() -> None:
    train = [replace(clip, label=f"{clip.label}{clip.actor}") for clip in corpus("one", 3)]
    with pytest.raises(ProtocolError, match="no actors of the training corpus can be spared for validation"):
        fold_of(train, corpus("two", 3))


def test_nobody_sits_on_two_sides() -> None:
    train, test = corpus("one", 6), corpus("two", 3)
    test[2] = replace(test[2], actor=train[0].actor)
    with pytest.raises(LeakError, match=r"the fold of 'cross-corpus' leaks: actor 'one:01' is in .* and in test"):
        fold_of(train, test)
