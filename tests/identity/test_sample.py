"""The identity probe on a cache: a bounded sample of its actors, clips and layers."""

from dataclasses import replace
from pathlib import Path

import pytest

from ravfeat.cache import open_cache
from ravfeat.identity import sample
from ravfeat.identity.sample import ProbedIdentity, probe_cache
from tests.toycaches import actors_and_emotions
from tests.writtencaches import write_cache


def test_all_of_a_small_cache_is_probed_and_more_than_chance_is_found(tmp_path: Path) -> None:
    takes = actors_and_emotions(actors=8, repeats=3)
    for take in takes:
        take.features[:, 0, int(take.actor[-2:]) % 4] += 5  # pairs of actors sound alike
    probed = probe_cache(open_cache(write_cache(tmp_path, takes)))
    assert isinstance(probed, ProbedIdentity)
    assert (probed.probe.n, probed.probe.n_actors, probed.n_actors) == (96, 8, 8)
    assert (probed.layers, probed.statistics) == ((0, 1, 2), ("mean", "std"))
    assert probed.probe.ci_low > probed.probe.chance == 1 / 8


def test_of_a_large_one_a_sample_that_holds_all_emotions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample, "MAX_ACTORS", 4)
    monkeypatch.setattr(sample, "MAX_CLIPS_PER_ACTOR", 4)
    monkeypatch.setattr(sample, "MAX_LAYERS", 2)
    probed = probe_cache(open_cache(write_cache(tmp_path, actors_and_emotions(actors=8, repeats=3))))
    assert isinstance(probed, ProbedIdentity)
    assert (probed.probe.n, probed.probe.n_actors, probed.n_actors) == (16, 4, 8)
    assert probed.probe.n_emotions == 4
    assert probed.layers == (0, 2)


def test_pooled_statistics_are_read_as_they_are(tmp_path: Path) -> None:
    cache = write_cache(tmp_path, actors_and_emotions(actors=3), pooled=("mean", "std", "speed"))
    probed = probe_cache(open_cache(cache))
    assert isinstance(probed, ProbedIdentity)
    assert probed.statistics == ("mean", "std", "speed")


def test_one_actor_cannot_be_told_from_others(tmp_path: Path) -> None:
    takes = [replace(take, actor="ravdess:01") for take in actors_and_emotions(actors=1)]
    assert "it needs 2 actors with 2 emotions each" in str(probe_cache(open_cache(write_cache(tmp_path, takes))))
