"""How unlike the training clips a clip is."""

import math
import shutil
from pathlib import Path

import numpy as np
import pytest

from ravfeat import load_head
from ravfeat.cache import open_cache
from ravfeat.errors import CacheError, HeadError, UsageError
from ravfeat.published.domain import Moments, clip_means, distances, fit_domain, moments_of
from tests.published.hostile import Change, arrays, content, fill, header, put, sign, toml
from tests.toycaches import actors_and_emotions
from tests.writtencaches import write_cache


@pytest.fixture
def copy(published: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(published, tmp_path / "copy"))


def test_the_distance_is_the_root_mean_square_z_and_leaves_out_what_never_varies() -> None:
    moments = Moments(np.array([[1, 2, 7]], np.float32), np.array([[2, 0.5, 0]], np.float32))
    clips = np.array([[[1, 2, 7]], [[3, 2, 7]], [[1, 3, -900]]], np.float32)
    np.testing.assert_allclose(distances(clips, moments), [0, math.sqrt(0.5), math.sqrt(2)])


def test_features_that_are_no_numbers_or_overflow_are_infinitely_far_and_nothing_is_known_without_spread() -> None:
    moments = Moments(np.zeros((1, 2), np.float32), np.array([[1, 1e-45]], np.float32))
    clips = np.array([[[np.nan, 0]], [[np.inf, 0]], [[0, 3e38]]], np.float32)
    assert distances(clips, moments)[:2].tolist() == [math.inf, math.inf]
    assert distances(clips, moments)[2] > 1e80
    assert np.isnan(distances(clips, Moments(moments.mean, np.zeros((1, 2), np.float32)))).all()


def test_moments_of_sets_that_overlap_are_those_of_their_clips() -> None:
    rng = np.random.default_rng(0)
    means = (1000 + rng.normal(size=(40, 3, 5))).astype(np.float32)
    means[..., 4] = 3 + 1e-4 * rng.normal(size=(40, 3))  # finer than float16 tells apart
    sets = [np.arange(40), np.arange(0, 40, 3), np.arange(10, 30)]
    for moments, rows in zip(moments_of(means, sets), sets, strict=True):
        np.testing.assert_allclose(moments.mean, means[rows].astype(np.float64).mean(0), rtol=1e-7)
        np.testing.assert_allclose(moments.std[:, :4], means[rows, :, :4].astype(np.float64).std(0), rtol=1e-6)
        assert not moments.std[:, 4].any()


def test_the_limit_is_that_of_held_out_clips_and_not_of_those_it_learned_from() -> None:
    rng = np.random.default_rng(0)
    means = np.concatenate([rng.normal(size=(50, 1, 4)), 3 + rng.normal(size=(50, 1, 4))]).astype(np.float32)
    train, val = np.arange(50), np.arange(50, 100)
    domain = fit_domain(means, {0: train, "refit": np.arange(100)}, [(train, val)])
    assert domain is not None
    assert domain.percentiles[-1] == pytest.approx(distances(means[val], domain.moments[0]).max())
    assert 2 < domain.limit("refit") == domain.limit(0) < domain.percentiles[-1]
    assert domain.distance("refit", means[60]) < domain.distance(0, means[60])


@pytest.mark.parametrize("held_out", [[], [(np.arange(4), np.arange(0))], [(np.arange(1), np.arange(1, 4))]])
def test_nothing_is_learned_where_nothing_is_held_out_or_one_clip_trains(held_out) -> None:
    assert fit_domain(np.zeros((4, 1, 2), np.float32), {0: np.arange(2)}, held_out) is None


@pytest.mark.parametrize("pooled", [(), ("mean", "std")])
def test_means_are_those_over_all_frames_however_they_are_stored(pooled, tmp_path) -> None:
    takes = actors_and_emotions(actors=1)
    cache = open_cache(write_cache(tmp_path, takes, pooled=pooled))
    means = clip_means(cache, [takes[2].clip_id, takes[0].clip_id], (0, 2))
    expected = [takes[row].features[:, [0, 2]].mean(0) for row in (2, 0)]
    np.testing.assert_allclose(means, expected, rtol=1e-5)


def test_a_pooled_cache_without_means_is_refused(tmp_path) -> None:
    with pytest.raises(CacheError, match=r"holds pooled \['max'\], the head needs \['mean'\] as well"):
        clip_means(open_cache(write_cache(tmp_path, actors_and_emotions(actors=1), pooled=("max",))), ["01-00"], None)


# --- as a published head has it


def test_a_fold_knows_its_own_training_clips_and_a_stranger_is_farther_than_its_own_test_clips(
    published, places
) -> None:
    head = load_head(published)
    voice = head.parts[0].needs[0].fingerprint
    domain = head.domain(voice)
    assert domain is not None
    assert head.domain(voice) is domain
    assert domain.moments.keys() == {0, 1, 2, 3, 4, 5, "refit"}
    cache = open_cache(places["voice"])
    tested = {clip.clip_id for clip in head.tested[2][0]}
    others = [clip_id for clip_id in cache.clip_ids if clip_id not in tested]
    assert len(others) == 80
    trained = [name for name in others if int(name[:2]) not in (5, 6, 7, 8)]  # validation actors of fold 2
    means = clip_means(cache, trained, None).astype(np.float64)
    np.testing.assert_allclose(domain.moments[2].mean, means.mean(0), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(domain.moments[2].std, means.std(0), rtol=1e-5)
    scores = [domain.distance(2, mean) for mean in clip_means(cache, sorted(tested), None)]
    assert np.mean(scores) == pytest.approx(1.1, abs=0.3)
    assert domain.distance("refit", np.full((3, 4), 50.0)) > domain.limit("refit") > np.median(scores)


def test_every_cache_of_a_joined_system_has_its_domain(published, places) -> None:
    head = load_head(published, sources=["refit"])
    for need, name in zip(head.parts[2].needs, ("landmarks", "expressions"), strict=True):
        domain = head.domain(need.fingerprint)
        assert domain is not None
        cache = open_cache(places[name])
        means = clip_means(cache, cache.clip_ids, None)
        np.testing.assert_allclose(domain.moments["refit"].mean, means.mean(0), rtol=1e-4, atol=1e-6)


def test_other_shapes_and_other_caches_are_refused(published) -> None:
    head = load_head(published, sources=[0])
    fingerprint = head.parts[0].needs[0].fingerprint
    with pytest.raises(HeadError, match=r"have shape \(2, 4\), expected \(3, 4\) \(layers, dimensions\)"):
        head.domain(fingerprint).distance(0, np.zeros((2, 4)))
    with pytest.raises(UsageError, match="no training clips of 9 are known; choose from 0, 1, 2, 3, 4, 5, 'refit'"):
        head.domain(fingerprint).distance(9, np.zeros((3, 4)))
    with pytest.raises(UsageError, match=f"needs no cache 'abc'; choose from {fingerprint}"):
        head.domain("abc")


def domain_of(folder: Path) -> str:
    return f"domain/{load_head(folder, sources=[0]).parts[0].needs[0].fingerprint}"


HOSTILE: dict[str, tuple[Change, str]] = {
    "NaN": (fill("STEM", "0.mean", np.nan), "'0.mean' has 1 of 12 numbers that are not finite"),
    "a negative spread": (fill("STEM", "refit.std", -1), "'refit.std' has numbers below 0, and is a standard dev"),
    "percentiles that fall": (fill("STEM", "percentiles", 1e9), "'percentiles' do not ascend from 0 or more"),
    "percentiles below 0": (fill("STEM", "percentiles", -1), "'percentiles' do not ascend from 0 or more"),
    "another shape": (arrays("STEM", lambda t: t.update({"1.mean": t["1.mean"][:1]})), "implies float32 of shape"),
    "a fold too few": (arrays("STEM", lambda t: t.pop("3.mean")), "lacks '3.mean'"),
    "a fold too many": (arrays("STEM", lambda t: t.update({"9.mean": t["1.mean"]})), "an array too many, '9.mean'"),
    "10^12 numbers": (header("STEM", lambda a: a["0.mean"].update(shape=[10**6, 10**6])), "is damaged"),
    "no numbers": (content("STEM.safetensors", b""), "is damaged"),
    "2 MB": (content("STEM.safetensors", bytes(2 << 20)), "expected at most"),
    "missing": (lambda folder: (folder / "STEM.safetensors").unlink(), "is missing"),
    "no layers": (put("head.toml", "systems.0.caches.0.identity.layers", []), "identity.layers of 'voice': it is []"),
    "layers of text": (put("head.toml", "systems.0.caches.0.identity.layers", "3"), "identity.layers of 'voice': it"),
    "a fingerprint that leads out": (put("head.toml", "systems.0.caches.0.fingerprint", "../x"), "a plain name"),
}


@pytest.mark.parametrize(("change", "message"), HOSTILE.values(), ids=list(HOSTILE))
def test_a_domain_that_is_signed_and_wrong_is_refused_when_it_is_asked_for(change, message, copy) -> None:
    stem = domain_of(copy)
    (copy / stem).with_suffix(".safetensors").rename(copy / "STEM.safetensors")
    change(copy)
    if (copy / "STEM.safetensors").exists():
        (copy / "STEM.safetensors").rename((copy / stem).with_suffix(".safetensors"))
    sign(copy)
    head = load_head(copy, sources=[0])
    with pytest.raises(HeadError) as error:
        head.domain(head.parts[0].needs[0].fingerprint)
    assert message in str(error.value)


def test_a_domain_that_is_not_listed_is_not_known(copy) -> None:
    name = f"{domain_of(copy)}.safetensors"
    toml("head.toml", lambda document: document["files"].pop(name))(copy)
    sign(copy)
    head = load_head(copy, sources=[0])
    assert head.domain(head.parts[0].needs[0].fingerprint) is None
