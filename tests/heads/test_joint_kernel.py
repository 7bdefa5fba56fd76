"""Kernel ridge on a voice and its face, and the pairs of both that it learns from."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from ravfeat.errors import HeadError
from ravfeat.features.clips import ClipFeatures
from ravfeat.heads.base import Job
from ravfeat.heads.block_kernel import BlockKernelHead
from ravfeat.heads.checkpoint import load_model, save_model
from ravfeat.heads.joint_kernel import JointKernelHead, _paired
from ravfeat.heads.registry import get_head

N, K = 120, 4
Y = np.arange(N) % K
TRAIN, VAL, TEST = np.arange(72), np.arange(72, 96), np.arange(96, N)
ALONE = Job(TRAIN, VAL)
VIEWED = Job(np.concatenate([TRAIN, N + TRAIN, 2 * N + TRAIN]), VAL, 0, np.tile(TRAIN, 3))
"""Two views of every clip, each a further N rows."""
LABELS = np.tile(Y, 3)
CHOICE = {"share": 0.6, "gamma": 0.5, "alpha": 0.1}


def stream(said: NDArray[np.int64], *, frames: int, dim: int, seed: int) -> ClipFeatures:
    """Clips whose frames say one bit of the class, in layer 1."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(len(said) * frames, 2, dim)).astype(np.float32)
    values[:, 1, 0] += 4 * np.repeat(said - 0.5, frames)
    return ClipFeatures(values, np.arange(0, (len(said) + 1) * frames, frames, dtype=np.int64), (0, 1))


def repeated(clips: ClipFeatures) -> ClipFeatures:
    """The same face beside a clip and its two views."""
    frames = len(clips.frames) // len(clips)
    return replace(clips, frames=np.tile(clips.frames, (3, 1, 1)), offsets=np.arange(3 * len(clips) + 1) * frames)


VOICE = stream(np.tile(Y // 2, 3), frames=5, dim=6, seed=0)
FACE, OTHER = (repeated(stream(Y % 2, frames=8, dim=dim, seed=seed)) for dim, seed in ((4, 1), (3, 2)))


@pytest.fixture(scope="module")
def both() -> ClipFeatures:
    """A voice that says the class's first bit and a face that says its second: neither can name the class alone."""
    return replace(VOICE, also=(FACE,))


def fitted(features: ClipFeatures, job: Job = VIEWED, **settings: object):
    return JointKernelHead(**settings).fit(features, LABELS, K, [job], [CHOICE])[0]  # type: ignore[arg-type]


def with_faces(features: ClipFeatures, faces_of: NDArray[np.int64]) -> ClipFeatures:
    """Row `i` with the face of row `faces_of[i]`."""
    face = features.also[0]
    frames = face.frames.reshape(len(face), -1, *face.frames.shape[1:])[faces_of]
    return replace(features, also=(replace(face, frames=frames.reshape(face.frames.shape)),))


# --- what it learns


def test_it_knows_what_only_both_streams_say(both) -> None:
    head = JointKernelHead()
    (sweep,) = head.sweep(both, LABELS, K, [VIEWED])
    chosen = sweep.candidates[head.choose([sweep], [Y[VAL]])]
    (model,) = head.fit(both, LABELS, K, [VIEWED], [chosen])
    accuracy = (model.logits(both, TEST).argmax(-1) == Y[TEST]).mean()
    alone = []
    for features in (VOICE, FACE):
        (of_one,) = BlockKernelHead().fit(features, LABELS, K, [ALONE], [{"layers": [1], "gamma": 0.5, "alpha": 0.1}])
        alone.append((of_one.logits(features, TEST).argmax(-1) == Y[TEST]).mean())
    assert accuracy > 0.9
    assert max(alone) < 0.7


@pytest.mark.parametrize("job", [ALONE, VIEWED], ids=["clips", "views"])
def test_a_fitted_model_says_what_the_sweep_said(both, job) -> None:
    head = JointKernelHead(shares=(0.6, 0.3), gammas=(0.5, 1.0), alphas=(0.03, 0.3))
    (sweep,) = head.sweep(both, LABELS, K, [job])
    assert len(sweep.candidates) == 8
    for choice, said in zip(sweep.candidates, sweep.logits, strict=True):
        (model,) = head.fit(both, LABELS, K, [job], [choice])
        logits = model.logits(both, VAL)
        np.testing.assert_allclose(logits, said, atol=2e-3 * np.abs(logits).max())


@pytest.mark.parametrize("features", [replace(VOICE, also=(FACE,)), replace(VOICE, also=(FACE, OTHER))])
def test_a_model_that_was_saved_gives_the_same_bits(features, tmp_path) -> None:
    model = fitted(features, shares=(0.5,), pairs=2)
    kinds = JointKernelHead().array_kinds(model.recipe)
    assert kinds.keys() == model.arrays().keys()
    assert len(model.arrays()["dual"]) == len(TRAIN)  # views and pairs are no centres
    save_model(tmp_path / "head", model)
    again = load_model(tmp_path / "head")
    np.testing.assert_array_equal(again.logits(features, TEST), model.logits(features, TEST))


def test_many_rows_score_as_few_do(both) -> None:
    model = fitted(both)
    rows = np.arange(3 * N)  # more than are scored at once
    np.testing.assert_allclose(model.logits(both, rows)[-5:], model.logits(both, rows[-5:]), rtol=1e-5, atol=1e-5)
    assert model.logits(both, rows[:0]).shape == (0, K)


# --- pairs of a voice and a face


def test_every_clip_has_its_own_face_first_and_then_those_of_its_class() -> None:
    voices, faces, clips = _paired(VIEWED, LABELS, 4)
    assert len(voices) == 5 * len(TRAIN)
    for own in (voices, faces, clips):
        np.testing.assert_array_equal(own[: len(TRAIN)], TRAIN)
    np.testing.assert_array_equal(LABELS[faces], LABELS[voices])
    np.testing.assert_array_equal(voices % N, clips)
    assert (faces[len(TRAIN) :] != clips[len(TRAIN) :]).mean() > 0.9
    assert set(faces) <= set(TRAIN)
    assert set(voices) <= set(VIEWED.train)


def test_views_take_turns() -> None:
    voices, _, _ = _paired(VIEWED, LABELS, 4)
    turns = voices.reshape(5, -1) // N
    np.testing.assert_array_equal(turns, np.array([[0], [1], [2], [1], [2]]) + np.zeros_like(turns))


def test_a_clip_without_views_speaks_for_itself() -> None:
    lacking = np.isin(VIEWED.train, [N + 3, 2 * N + 3, N + 5], invert=True)  # clip 3 has none, clip 5 has one
    assert VIEWED.clips is not None
    job = replace(VIEWED, train=VIEWED.train[lacking], clips=VIEWED.clips[lacking])
    voices = _paired(job, LABELS, 4)[0].reshape(5, -1)
    assert voices[:, 3].tolist() == [3] * 5
    assert voices[:, 5].tolist() == [5] + [2 * N + 5] * 4
    assert voices[:, 4].tolist() == [4, N + 4, 2 * N + 4, N + 4, 2 * N + 4]
    without = replace(VIEWED, train=TRAIN, clips=TRAIN)
    for job in (ALONE, without):
        voices, _, clips = _paired(job, LABELS, 2)
        np.testing.assert_array_equal(voices, clips)


def test_another_seed_pairs_otherwise_and_the_same_seed_alike(both) -> None:
    first, again, other = (_paired(replace(VIEWED, seed=seed), LABELS, 4)[1] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.5
    one, two = (fitted(both, replace(VIEWED, seed=seed)).arrays()["dual"] for seed in (0, 1))
    assert not np.allclose(one, two, rtol=1e-3)
    without = [fitted(both, replace(VIEWED, seed=seed), pairs=1).recipe["seed"] for seed in (0, 1)]
    assert without == [0, 1]


def test_seeds_that_are_trained_together_are_what_each_is_alone(both) -> None:
    jobs = [ALONE, replace(VIEWED, seed=3), replace(VIEWED, seed=4), replace(ALONE, seed=1)]
    head = JointKernelHead(alphas=(0.1,))
    together, swept = head.fit(both, LABELS, K, jobs, [CHOICE] * 4), head.sweep(both, LABELS, K, jobs)
    for job, model, sweep in zip(jobs, together, swept, strict=True):
        np.testing.assert_equal(model.arrays(), fitted(both, job).arrays())
        np.testing.assert_array_equal(sweep.logits, head.sweep(both, LABELS, K, [job])[0].logits)


def test_more_pairs_teach_otherwise(both) -> None:
    one, four = (fitted(both, pairs=pairs).logits(both, TEST) for pairs in (1, 4))
    assert not np.allclose(one, four, atol=1e-2)


# --- which face counts where


def test_a_validation_clip_has_its_own_face(both) -> None:
    head = JointKernelHead(gammas=(0.5,), alphas=(0.1,))
    (before,) = head.sweep(both, LABELS, K, [VIEWED])
    faces_of = np.arange(3 * N)
    faces_of[VAL[0]] = VAL[1]
    (after,) = head.sweep(with_faces(both, faces_of), LABELS, K, [VIEWED])
    assert not np.allclose(before.logits[0, 0], after.logits[0, 0], atol=1e-2)
    np.testing.assert_array_equal(before.logits[0, 1:], after.logits[0, 1:])


def test_what_is_neither_trained_nor_asked_changes_nothing(both) -> None:
    faces_of = np.arange(3 * N)
    faces_of[TEST] = TEST[::-1]
    other = with_faces(both, faces_of)
    np.testing.assert_equal(fitted(other).arrays(), fitted(both).arrays())


def test_faces_share_what_the_voice_leaves_equally() -> None:
    one, twice, mixed, turned = (
        replace(VOICE, also=also) for also in ((FACE,), (FACE, FACE), (FACE, OTHER), (OTHER, FACE))
    )
    said = [fitted(features).logits(features, TEST) for features in (one, twice, mixed, turned)]
    np.testing.assert_allclose(said[0], said[1], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(said[2], said[3], rtol=1e-4, atol=1e-4)
    assert not np.allclose(said[0], said[2], atol=1e-2)


# --- what is refused


def test_features_of_one_cache_are_refused(both) -> None:
    message = "the head 'joint-kernel' reads a voice and a face, these features are of one cache"
    with pytest.raises(HeadError, match=message):
        JointKernelHead().sweep(VOICE, LABELS, K, [VIEWED])
    model = fitted(both)
    with pytest.raises(HeadError, match="with streams of 4 beside them, these features are frames of 6 dimensions;"):
        model.logits(VOICE, TEST)
    recipe = {name: value for name, value in model.recipe.items() if not name.startswith("also_")}
    with pytest.raises(HeadError, match="also_dims is missing: the head 'joint-kernel' reads a voice and a face"):
        JointKernelHead().array_kinds(recipe)  # type: ignore[arg-type]


def test_choosing_needs_validation_rows(both) -> None:
    with pytest.raises(HeadError, match="choosing share, gamma and alpha needs validation rows, got a job without any"):
        JointKernelHead().sweep(both, LABELS, K, [replace(VIEWED, val=VAL[:0])])


def test_layers_are_of_the_voice_and_there(both) -> None:
    assert fitted(both).recipe["layers"] == [1]
    assert fitted(both, layers=(0, 1)).recipe["layers"] == [0, 1]
    with pytest.raises(HeadError, match="the head reads layers 7, the features have layers 0, 1"):
        fitted(both, layers=(7,))


def test_a_recipe_with_another_choice_is_refused(both) -> None:
    recipe = fitted(both).recipe | {"chosen": {"share": 2.0, "gamma": 0.5, "alpha": 0.1}}
    with pytest.raises(HeadError, match="chosen"):
        get_head("joint-kernel").array_kinds(recipe)  # type: ignore[arg-type]


# --- what it never sees


def test_labels_of_validation_and_test_clips_never_reach_the_model(both) -> None:
    other = LABELS.copy()
    other[np.concatenate([VAL, TEST])] = 0
    head = JointKernelHead()
    (model,) = head.fit(both, LABELS, K, [VIEWED], [CHOICE])
    (again,) = head.fit(both, other, K, [VIEWED], [CHOICE])
    assert all(np.array_equal(value, again.arrays()[name]) for name, value in model.arrays().items())


def test_logits_do_not_depend_on_the_other_rows(both) -> None:
    model = fitted(both)
    together = model.logits(both, TEST)
    np.testing.assert_allclose(model.logits(both, TEST[3:5]), together[3:5], atol=1e-5)
