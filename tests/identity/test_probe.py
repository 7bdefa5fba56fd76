"""Who is it? Asked of features with and without people in them."""

import numpy as np
import pytest

from ravfeat.errors import HeadError
from ravfeat.features.clips import ClipFeatures
from ravfeat.identity.probe import probe_identity, why_not

ACTORS, EMOTIONS, TAKES, DIM = 6, 4, 5, 10


def clips(*, person: float, per_emotion: float = 0.0, seed: int = 0) -> tuple[ClipFeatures, list[str], list[str]]:
    """Pooled clips of one layer; `per_emotion` gives every actor another look in every emotion."""
    rng = np.random.default_rng(seed)
    people = rng.normal(size=(ACTORS, 1, 1, DIM))
    looks = rng.normal(size=(ACTORS, EMOTIONS, 1, DIM))
    x = rng.normal(size=(ACTORS, EMOTIONS, TAKES, DIM)) + person * people + per_emotion * looks
    frames = x.reshape(-1, 1, DIM).astype(np.float32)
    names = [(f"a{i}", f"e{j}") for i in range(ACTORS) for j in range(EMOTIONS) for _ in range(TAKES)]
    actors, emotions = (list(own) for own in zip(*names, strict=True))
    return ClipFeatures(frames, np.arange(len(frames) + 1), (0,), ("mean",)), actors, emotions


def test_people_who_look_like_themselves_are_named() -> None:
    probe = probe_identity(*clips(person=3.0), ("mean",))
    assert probe.value > 0.95
    assert probe.ci_low <= probe.value <= probe.ci_high
    assert (probe.n, probe.n_actors, probe.n_emotions, probe.left_out) == (120, 6, 4, 0)
    assert probe.chance == pytest.approx(1 / 6)


def test_without_people_in_the_features_it_is_chance() -> None:
    values = [probe_identity(*clips(person=0.0, seed=seed), ("mean",)).value for seed in range(5)]
    assert np.mean(values) == pytest.approx(1 / 6, abs=0.06)


def test_what_an_actor_shows_in_one_emotion_only_does_not_help() -> None:
    """An actor's takes of one emotion are alike here: with some of them in training it would be near 1."""
    probe = probe_identity(*clips(person=0.0, per_emotion=3.0), ("mean",))
    assert probe.value < 0.4


def test_every_layer_is_read() -> None:
    features, actors, emotions = clips(person=3.0)
    noise = np.random.default_rng(1).normal(size=features.frames.shape).astype(np.float32)
    both = ClipFeatures(np.concatenate([noise, features.frames], axis=1), features.offsets, (0, 1), ("mean",))
    assert probe_identity(both, actors, emotions, ("mean",)).value > 0.8


def test_it_is_a_mean_over_actors_not_over_clips() -> None:
    """One actor of nine in ten clips, told apart from none of the others."""
    features, actors, emotions = clips(person=0.0)
    many = ["a0" if i % 10 else actor for i, actor in enumerate(actors)]
    probe = probe_identity(features, many, emotions, ("mean",))
    hits = many.count("a0") / len(many)
    assert probe.value < 0.5 < hits


def test_actors_with_one_emotion_are_left_out_and_counted() -> None:
    features, actors, emotions = clips(person=3.0)
    emotions = ["e0" if actor == "a5" else emotion for actor, emotion in zip(actors, emotions, strict=True)]
    probe = probe_identity(features, actors, emotions, ("mean",))
    assert (probe.n_actors, probe.n, probe.left_out) == (5, 100, 20)
    assert probe.value > 0.95


@pytest.mark.parametrize(
    ("actors", "emotions", "have"),
    [(["a", "b", "c"], ["sad", "happy", "sad"], "0 of 3"), (["a", "a", "b"], ["sad", "happy", "sad"], "1 of 2")],
)
def test_what_cannot_be_probed_is_said(actors, emotions, have) -> None:
    assert f"needs 2 actors with 2 emotions each, there is {have}" in why_not(actors, emotions)
    features = ClipFeatures(np.zeros((3, 1, 2), np.float32), np.arange(4), (0,), ("mean",))
    with pytest.raises(HeadError, match="the actors cannot be told apart: the probe tests"):
        probe_identity(features, actors, emotions, ("mean",))
