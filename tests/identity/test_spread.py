"""Features prepared per actor are told from honest ones, whatever was done to them after."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from ravfeat.features.clips import ClipFeatures
from ravfeat.identity.spread import ActorSpread, measure_spread

Floats = NDArray[np.float64]
ACTORS = np.repeat(np.arange(12), 16)
LABELS = np.tile(np.repeat(np.arange(4), 4), 12)


def made(*, actor: float = 1.0, emotion: float = 2.0, dims: int = 12, seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    people, emotions = rng.normal(size=(12, dims)), rng.normal(size=(4, dims))
    return actor * people[ACTORS] + emotion * emotions[LABELS] + rng.normal(size=(len(ACTORS), dims)) + 5


def measured(x: Floats, actors: NDArray[np.int64] = ACTORS, labels: NDArray[np.int64] = LABELS) -> ActorSpread | str:
    features = ClipFeatures(x[:, None].astype(np.float16), np.arange(len(x) + 1), (0,))
    return measure_spread(features, list(map(str, actors)), list(map(str, labels)))


def told(x: Floats) -> ActorSpread:
    spread = measured(x)
    assert isinstance(spread, ActorSpread)
    return spread


def per_actor(x: Floats, change: Callable[[Floats], Floats], some: int = 1) -> Floats:
    x = x.copy()
    for actor in range(0, 12, some):
        x[actor == ACTORS] = change(x[actor == ACTORS])
    return x


def centred(x: Floats) -> Floats:
    return x - x.mean(0)


def standardised(x: Floats) -> Floats:
    return centred(x) / x.std(0)


@pytest.mark.parametrize("emotion", [0.0, 2.0, 20.0])
@pytest.mark.parametrize("actor", [0.0, 0.3, 3.0])
def test_honest_features_show_no_sign_even_where_actors_are_alike(actor: float, emotion: float) -> None:
    spread = told(made(actor=actor, emotion=emotion))
    assert (spread.centred, spread.centred_classes, spread.even, spread.equal_actors) == (False, (), 0.0, ())
    assert spread.f > 0.3
    assert spread.by_chance == (actor == 0)


@pytest.mark.parametrize("change", [centred, standardised])
def test_centring_shows_after_a_linear_map_and_beside_other_features(change: Callable[[Floats], Floats]) -> None:
    x = per_actor(made(), change)
    assert told(x).centred
    assert told(x @ np.random.default_rng(1).normal(size=(12, 5)) + 3).centred
    assert told(np.hstack([made(), x])).centred
    assert told(x[:, :1]).centred


def test_the_actors_neutral_that_was_subtracted_shows_in_the_neutral_clips() -> None:
    x = made()
    for actor in range(12):
        x[actor == ACTORS] -= x[(actor == ACTORS) & (LABELS == 0)].mean(0)
    assert (told(x).centred, told(x).centred_classes) == (False, ("0",))


def test_some_centred_actors_and_equal_spreads_show() -> None:
    some = told(per_actor(made(), centred, some=3))
    assert (some.centred, some.equal_actors) == (False, ("0", "3", "6", "9"))
    even = told(per_actor(made(), lambda x: x / x.std(0)))
    assert (even.centred, even.even) == (False, 1.0)


def test_what_cannot_be_told_is_said() -> None:
    x = made()
    assert measured(x[:32], ACTORS[:32], LABELS[:32]) == "it takes 3 actors, there are 2"
    assert measured(x[:12], np.arange(12), LABELS[:12]) == "too few clips per actor: 12 of 12 actors"
    assert measured(np.ones((192, 3))) == "no feature differs from clip to clip"


def test_features_that_say_the_class_alone_are_no_sign_of_anything() -> None:
    assert measured(np.eye(4)[LABELS]) == "no feature differs from clip to clip of a class and an actor"
