"""One network over several streams."""

from dataclasses import replace

import numpy as np
import pytest

from ravfeat.errors import HeadError
from ravfeat.features.clips import ClipFeatures
from ravfeat.heads.base import Job
from ravfeat.heads.checkpoint import load_model, save_model
from ravfeat.heads.registry import get_head

QUICK = {
    "epochs": 20,
    "hidden": 32,
    "dropout": 0.2,
    "feature_dropout": 0.1,
    "frame_average": 1,
    "lrs": (1e-2,),
    "stream_dropouts": (0.0,),
    "batch_size": 12,
}
N, K = 120, 4
Y = np.arange(N) % K


def stream(bit: np.ndarray, *, frames: int, dim: int, seed: int) -> ClipFeatures:
    """Clips whose frames say one bit of the class."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(N * frames, 2, dim)).astype(np.float32)
    values[:, 1, 0] += 4 * np.repeat(bit - 0.5, frames)
    return ClipFeatures(values, np.arange(0, (N + 1) * frames, frames, dtype=np.int64), (0, 1))


@pytest.fixture(scope="module")
def two_streams() -> ClipFeatures:
    """A voice that says the class's first bit and a face that says its second: neither can name the class alone."""
    voice = stream(Y // 2, frames=5, dim=6, seed=0)
    return replace(voice, also=(stream(Y % 2, frames=3, dim=4, seed=1),))


JOB = Job(np.arange(72), np.arange(72, 96), 0)
TEST = np.arange(96, N)


def trained(features: ClipFeatures, **settings: object):
    head = get_head("joint", **{**QUICK, **settings})
    (sweep,) = head.sweep(features, Y, K, [JOB])
    chosen = sweep.candidates[head.choose([sweep], [Y[JOB.val]])]
    return head.fit(features, Y, K, [JOB], [chosen])[0]


def accuracy(model, features: ClipFeatures) -> float:
    return float((model.logits(features, TEST).argmax(-1) == Y[TEST]).mean())


def test_it_knows_what_only_both_streams_say(two_streams) -> None:
    assert accuracy(trained(two_streams), two_streams) > 0.8
    alone = replace(two_streams, also=())
    assert accuracy(trained(alone), alone) < 0.7


def test_no_bit_of_a_score_depends_on_the_face_of_another_clip(two_streams) -> None:
    model, (face,) = trained(two_streams, epochs=1), two_streams.also
    frames = np.concatenate([face.frames, *[face.frames[-3:]] * 20])  # the last clip is twenty times as long
    longer = replace(face, frames=frames, offsets=np.append(face.offsets[:-1], len(frames)))
    before, after = (model.logits(replace(two_streams, also=(one,)), TEST) for one in (face, longer))
    np.testing.assert_array_equal(after[:-1], before[:-1])
    np.testing.assert_array_equal(model.logits(two_streams, TEST[3:4]), before[3:4])


def test_learning_rate_and_stream_dropout_are_chosen_too(two_streams) -> None:
    head = get_head("joint", **{**QUICK, "epochs": 2, "lrs": (1e-6, 1e-2), "stream_dropouts": (0.0, 0.5)})
    (sweep,) = head.sweep(two_streams, Y, K, [JOB])
    assert len(sweep.candidates) == len(sweep.logits) == 8
    chosen = sweep.candidates[head.choose([sweep], [Y[JOB.val]])]
    assert chosen["lr"] == 1e-2
    model = head.fit(two_streams, Y, K, [JOB], [chosen])[0]
    assert model.recipe["settings"]["lr"] == 1e-2
    at = sweep.candidates.index(chosen)
    np.testing.assert_allclose(model.logits(two_streams, JOB.val), sweep.logits[at], atol=1e-5)


def test_jobs_with_different_choices_give_what_each_gives_alone(two_streams) -> None:
    head = get_head("joint", **QUICK)
    jobs = [JOB, replace(JOB, seed=1), replace(JOB, seed=2)]
    chosen = [{"lr": lr, "stream_dropout": drop, "epochs": 2} for lr, drop in ((1e-3, 0.0), (1e-2, 0.3), (1e-3, 0.0))]
    together = head.fit(two_streams, Y, K, jobs, chosen)
    for model, job, choice in zip(together, jobs, chosen, strict=True):
        (alone,) = head.fit(two_streams, Y, K, [job], [choice])
        assert model.recipe["chosen"] == choice
        np.testing.assert_allclose(model.logits(two_streams, TEST), alone.logits(two_streams, TEST), atol=1e-4)


def test_a_joint_head_comes_back_from_disk_and_knows_its_streams(two_streams, tmp_path) -> None:
    model = trained(two_streams, epochs=2)
    save_model(tmp_path / "head", model)
    again = load_model(tmp_path / "head")
    np.testing.assert_array_equal(again.logits(two_streams, TEST), model.logits(two_streams, TEST))
    assert again.layer_weights is None
    swapped = replace(two_streams.also[0], also=(replace(two_streams, also=()),))
    with pytest.raises(HeadError, match=r"of 6 dimensions with streams of 4 beside them, these features .* of 4 dim"):
        again.logits(swapped, TEST)
    with pytest.raises(HeadError, match="with streams of 4 beside them, these features are frames of 6 dimensions;"):
        again.logits(replace(two_streams, also=()), TEST)


def test_a_head_of_one_stream_refuses_two(two_streams) -> None:
    with pytest.raises(HeadError, match="head 'attentive' reads one stream, these features are of 2"):
        get_head("attentive").sweep(two_streams, Y, K, [JOB])


def test_a_choice_without_a_setting_is_refused(two_streams) -> None:
    with pytest.raises(HeadError, match="a choice of the head 'joint' names lr, stream_dropout too"):
        get_head("joint", **QUICK).fit(two_streams, Y, K, [JOB], [{"epochs": 2}])
