"""Everything about a corpus at once: every planted fault is named, and no other recording taken for a copy."""

import re

import numpy as np
import pytest

from ravfeat.cache import open_cache
from ravfeat.corpora import load_corpus
from ravfeat.errors import UsageError
from ravfeat.explore.exploration import explore_corpus
from tests.explore.conftest import found_in
from tests.plantedcorpus import FAULTS


@pytest.fixture(scope="module")
def of_cache(whole_cache):
    """What a cache of 22 clips alone tells."""
    return explore_corpus(None, None, [open_cache(whole_cache)], sample=100)


@pytest.mark.parametrize("fault", FAULTS)
def test_every_planted_fault_is_named(found, fault) -> None:
    sentences = [doubt.sentence for doubt in found.doubts]
    assert [sentence for sentence in sentences if re.search(FAULTS[fault], sentence)], sentences


def test_copies_are_found_with_what_they_were_made_of_and_nothing_else_is(found, planted) -> None:
    copies = {"noisy", "shifted", "quieter", "resampled", "same"}
    found = {frozenset((pair.a, pair.b)) for pair in found.pairs}
    assert found == {frozenset((name, planted.copies[name])) for name in copies}


def test_grave_doubts_come_first_and_so_do_pairs_of_two_actors(found) -> None:
    grave = [doubt.grave for doubt in found.doubts]
    assert grave == sorted(grave, reverse=True)
    assert "actor" in found.pairs[0].crosses
    assert not found.pairs[-1].crosses


def test_clips_without_faults_raise_no_doubt_but_that_there_are_two_actors(of_cache) -> None:
    assert len(of_cache.listing) == 22
    assert of_cache.sounds is None
    assert [doubt.sentence for doubt in of_cache.doubts if doubt.grave] == [
        "there are 2 actors: nothing can be tested on people that training and validation have not met"
    ]
    assert not of_cache.pairs


def test_a_cache_alone_tells_what_its_features_know(of_cache) -> None:
    (facts,) = of_cache.caches
    assert facts.embedding is not None
    assert facts.embedding.points.shape == (22, 2)
    assert np.isfinite(facts.embedding.points).all()
    assert [layer.layer for layer in facts.separability.layers] == [0, 1, 2]
    assert all(0 <= layer.actors <= 1 for layer in facts.separability.layers)
    assert facts.separability.chance_actors == 0.5


def test_the_same_clips_are_drawn_in_the_same_places_every_time(whole_cache) -> None:
    one, two = (explore_corpus(None, None, [open_cache(whole_cache)], sample=15).caches[0] for _ in range(2))
    assert one.n_looked == 15
    assert np.array_equal(one.embedding.rows, two.embedding.rows)
    assert np.array_equal(one.embedding.points, two.embedding.points)


def test_only_as_many_clips_are_decoded_as_were_asked_for(planted) -> None:
    some = found_in(planted.table, sample=10)
    assert some.sounds is not None
    assert some.sounds.asked == 10
    assert len(some.listing) > 100


def test_caches_of_another_corpus_than_the_table_s_are_refused(whole_cache, planted) -> None:
    with pytest.raises(UsageError, match=r"different corpora: planted, synth; explore each by itself"):
        explore_corpus(
            load_corpus("folder", planted.table), planted.folder, [open_cache(whole_cache)], sample=10
        )  # fmt: skip
