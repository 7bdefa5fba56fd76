"""The registry of heads, and what every head in it promises."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest

from ravfeat.errors import HeadError
from ravfeat.features.clips import ClipFeatures
from ravfeat.heads.base import Head, Job, Model, Sweep
from ravfeat.heads.neural import NeuralHead
from ravfeat.heads.registry import HEADS, get_head, restore
from tests.heads.conftest import OF_ONE_CACHE
from tests.toyhead import RecurrentHead

QUICK = {
    "attentive": {"epochs": 8, "hidden": 16, "frame_average": 4, "lr": 1e-2, "batch_size": 9},
    "attentive-sum": {"epochs": 12, "hidden": 16, "attention": 8, "frame_average": 4, "lr": 1e-2, "batch_size": 18},
    "logreg": {},
    "kernel": {},
    "mlp": {"epochs": 12, "hidden": 16, "lr": 1e-2, "batch_size": 9},
    "joint": {
        "epochs": 8,
        "hidden": 16,
        "frame_average": 4,
        "lrs": (1e-2,),
        "stream_dropouts": (0.0,),
        "batch_size": 9,
    },
}
"""Settings that train fast."""

QUICK_NETWORK = {"epochs": 12, "hidden": 16, "frame_average": 4, "lr": 2e-2, "batch_size": 9}
"""Those of a network that has none in the table, such as one that was just added."""

EVERY = pytest.mark.parametrize("name", [*OF_ONE_CACHE, RecurrentHead.name])
NETWORKS = pytest.mark.parametrize(
    "name", [*(name for name in OF_ONE_CACHE if issubclass(HEADS[name], NeuralHead)), RecurrentHead.name]
)


@pytest.fixture(autouse=True)
def _toy_head(monkeypatch):
    """All it takes to add a head: its file, and this line; it is in no table of these tests."""
    monkeypatch.setitem(HEADS, RecurrentHead.name, RecurrentHead)


def quick(name, **settings):
    of_head = QUICK.get(name, QUICK_NETWORK if issubclass(HEADS[name], NeuralHead) else {})
    return get_head(name, **{**of_head, **settings})


def choose(head, problem, jobs):
    sweeps = head.sweep(problem.features, problem.y, problem.n_classes, jobs)
    return sweeps, sweeps[0].candidates[head.choose(sweeps, [problem.y[job.val] for job in jobs])]


def fit(head, problem, job, choice, *, y=None):
    labels = problem.y if y is None else y
    return head.fit(problem.features, labels, problem.n_classes, [job], [choice])[0]


@dataclass(frozen=True)
class Fit:
    """A head trained on the first job of a problem."""

    head: Head
    job: Job
    sweep: Sweep
    choice: dict
    model: Model


@pytest.fixture(scope="module")
def trained(problem) -> Callable[[str], Fit]:
    """Every quick head, trained once for all tests that only look at it."""

    @cache
    def train(name):
        head, job = quick(name), problem.job()
        sweeps, choice = choose(head, problem, [job])
        return Fit(head, job, sweeps[0], choice, fit(head, problem, job, choice))

    return train


def test_a_registry_miss_lists_the_choices():
    with pytest.raises(HeadError, match="no head 'forest'; choose from attentive, attentive-sum, logreg, kernel"):
        get_head("forest")


def test_an_unknown_setting_lists_the_choices():
    with pytest.raises(HeadError, match="head 'logreg' has no setting epochs; choose from layers, std, grid"):
        get_head("logreg", epochs=3)


@EVERY
def test_every_head_learns_what_is_there(name, problem, trained):
    model = trained(name).model
    assert problem.accuracy(model.logits(problem.features, problem.test), problem.test) > 0.75


def with_a_longer_clip(features: ClipFeatures, row: int) -> ClipFeatures:
    """The same clips, one of them four times as long."""
    lengths = np.diff(features.offsets)
    parts = np.split(features.frames, features.offsets[1:-1])
    parts[row] = np.concatenate([parts[row], *(2 * parts[row],) * 3])
    lengths[row] *= 4
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return replace(features, frames=np.concatenate(parts), offsets=offsets)


@EVERY
def test_no_bit_of_a_score_depends_on_the_length_of_another_clip(name, problem, trained):
    model, rows = trained(name).model, problem.test
    before, after = (
        model.logits(features, rows)
        for features in (problem.features, with_a_longer_clip(problem.features, int(rows[0])))
    )
    assert not np.array_equal(after[0], before[0])
    np.testing.assert_array_equal(after[1:], before[1:])


@NETWORKS
def test_a_network_gives_a_clip_the_same_bits_alone_and_among_others(name, problem, trained):
    model, rows = trained(name).model, problem.test
    together = model.logits(problem.features, rows)
    np.testing.assert_array_equal(model.logits(problem.features, rows[::-1].copy()), together[::-1])
    for place in (0, 7):
        alone = model.logits(problem.features, rows[place : place + 1])
        np.testing.assert_array_equal(alone, together[place : place + 1])


@EVERY
def test_shuffled_labels_give_chance(name, make_problem):
    problem = make_problem(n_clips=300)
    y = np.random.default_rng(11).permutation(problem.y)
    job = problem.job()
    head = quick(name)
    sweeps = head.sweep(problem.features, y, problem.n_classes, [job])
    model = fit(head, problem, job, sweeps[0].candidates[-1], y=y)
    hits = model.logits(problem.features, problem.test).argmax(-1) == y[problem.test]
    assert 0.15 < hits.mean() < 0.52  # 60 clips of 3 classes: chance is 0.33, three standard errors 0.18


@EVERY
def test_validation_labels_never_reach_the_model(name, problem, trained):
    honest = trained(name)
    scrambled = problem.y.copy()
    scrambled[honest.job.val] = (scrambled[honest.job.val] + 1) % problem.n_classes
    other = fit(honest.head, problem, honest.job, honest.choice, y=scrambled)
    for key, value in honest.model.arrays().items():
        np.testing.assert_array_equal(value, other.arrays()[key])


@EVERY
def test_validation_clips_never_reach_the_model(name, problem, trained):
    with_val = trained(name)
    without = fit(with_val.head, problem, Job(with_val.job.train, with_val.job.val[:0]), with_val.choice)
    for key, value in with_val.model.arrays().items():
        np.testing.assert_array_equal(value, without.arrays()[key])


@EVERY
def test_the_sweep_scores_what_fit_gives(name, problem, trained):
    fitted = trained(name)
    scored = fitted.sweep.logits[fitted.sweep.candidates.index(fitted.choice)]
    assert scored.shape == (len(fitted.job.val), problem.n_classes)
    np.testing.assert_allclose(fitted.model.logits(problem.features, fitted.job.val), scored, atol=0.02)


@EVERY
def test_only_heads_that_say_so_depend_on_the_seed(name, problem, trained):
    first = trained(name)
    logits = first.model.logits(problem.features, problem.test)
    same, other = (
        fit(first.head, problem, problem.job(seed), first.choice).logits(problem.features, problem.test)
        for seed in (0, 1)
    )
    np.testing.assert_array_equal(logits, same)
    assert np.allclose(logits, other) != first.head.seeded


@EVERY
def test_logits_do_not_depend_on_the_other_rows(name, problem, trained):
    model = trained(name).model
    together = model.logits(problem.features, problem.test)
    alone = np.concatenate([model.logits(problem.features, problem.test[[i]]) for i in range(5)])
    np.testing.assert_allclose(together[:5], alone, atol=1e-4)
    assert model.logits(problem.features, problem.test[:0]).shape == (0, problem.n_classes)


@EVERY
def test_probabilities_are_sane_on_validation_rows(name, problem, trained):
    fitted = trained(name)
    logits = fitted.sweep.logits[fitted.sweep.candidates.index(fitted.choice)].astype(np.float64)
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    nll = -log_p[np.arange(len(logits)), problem.y[fitted.job.val]].mean()
    assert nll < 0.8 * np.log(problem.n_classes)


@EVERY
def test_mean_without_std_and_chosen_layers_are_read_and_recorded(name, problem):
    head, job = quick(name, std=False, layers=[2, 1]), problem.job()
    _, choice = choose(head, problem, [job])
    model = fit(head, problem, job, choice)
    assert set(model.recipe["layers"]) <= {1, 2}
    assert model.recipe["settings"]["std"] is False
    assert problem.accuracy(model.logits(problem.features, problem.test), problem.test) > 0.75


@EVERY
def test_a_pooled_cache_with_mean_std_min_and_max_serves_every_head(name, problem):
    features = problem.pooled(("mean", "std", "min", "max"))
    settings = {"statistics": ("mean", "std", "min", "max")} if name == "block-kernel" else {}  # by default speed too
    head, job = quick(name, **settings), problem.job()
    sweep = head.sweep(features, problem.y, problem.n_classes, [job])[0]
    choice = sweep.candidates[head.choose([sweep], [problem.y[job.val]])]
    model = head.fit(features, problem.y, problem.n_classes, [job], [choice])[0]
    assert problem.accuracy(model.logits(features, problem.test), problem.test) > 0.75
    with pytest.raises(HeadError, match="was trained on pooled statistics of 12 dimensions, these features are frames"):
        model.logits(problem.features, problem.test)


@EVERY
def test_a_pooled_cache_without_std_says_what_is_missing(name, problem):
    features = problem.pooled(("max",))
    with pytest.raises(HeadError, match="holds only max"):
        quick(name).sweep(features, problem.y, problem.n_classes, [problem.job()])


@EVERY
def test_a_layer_the_features_lack_is_named(name, problem):
    with pytest.raises(HeadError, match="reads layers 9, the features have layers 0, 1, 2, 3"):
        quick(name, layers=(1, 9)).sweep(problem.features, problem.y, problem.n_classes, [problem.job()])


@EVERY
def test_a_sweep_without_validation_rows_is_refused(name, problem):
    job = Job(problem.train, problem.val[:0])
    with pytest.raises(HeadError, match="needs validation rows"):
        quick(name).sweep(problem.features, problem.y, problem.n_classes, [job])


@EVERY
def test_a_class_absent_from_training_is_never_favoured(name, problem):
    rows = problem.train[problem.y[problem.train] != 1]
    head, job = quick(name), Job(rows, problem.val)
    sweep = head.sweep(problem.features, problem.y, problem.n_classes, [job])[0]
    model = fit(head, problem, job, sweep.candidates[-1])
    logits = model.logits(problem.features, problem.test)
    assert np.isfinite(logits).all()
    assert (logits.argmax(-1) != 1).all()


@pytest.mark.parametrize("name", ["attentive", "attentive-sum"])
def test_learned_layer_weights_find_the_informative_layer(name, problem):
    head = quick(name, epochs=30, lr=2e-2)
    model = fit(head, problem, problem.job(), {"epochs": 30})
    weights = model.layer_weights
    assert sum(weights.values()) == pytest.approx(1)
    assert max(weights, key=weights.get) == problem.informative


def windows_of(problem, row, size=4):
    """Averages of a clip's frames: (T, L, D)."""
    frames = problem.features.frames[problem.features.offsets[row] : problem.features.offsets[row + 1]]
    means = [frames[start : start + size].astype(np.float32).mean(0) for start in range(0, len(frames), size)]
    return np.stack(means).astype(np.float16).astype(np.float64)


def softmax(values, axis=-1):
    weights = np.exp(values - values.max(axis, keepdims=True))
    return weights / weights.sum(axis, keepdims=True)


def attention_of(name, arrays, windows):
    mix = softmax(arrays["params.layer_mix"].astype(np.float64))
    if name == "attentive-sum":
        mixed = np.einsum("l,tld->td", mix, windows)
        hidden = np.tanh(mixed @ arrays["params.attention_weight"] + arrays["params.attention_bias"])
        return softmax((hidden @ arrays["params.attention_out"])[:, 0])
    mean, std = (arrays[f"constants.window_{what}"][:, 0, 0] for what in ("mean", "std"))  # (L, D)
    scores = np.einsum("tld,ld->tl", windows - mean, arrays["params.attention"] / std)
    return softmax(scores, axis=0) @ mix


@pytest.mark.parametrize("name", ["attentive", "attentive-sum"])
def test_attention_is_that_which_the_network_pools_by_and_layers_count_by_their_weight(name, problem):
    model = fit(quick(name), problem, problem.job(), {"epochs": 8})
    rows = problem.test[[3, 0, 7]]
    attention = model.attention(problem.features, rows)
    for weights, row in zip(attention, rows, strict=True):
        assert weights.sum() == pytest.approx(1, abs=1e-6)
        np.testing.assert_allclose(weights, attention_of(name, model.arrays(), windows_of(problem, row)), atol=1e-5)
    assert max(np.ptp(weights) for weights in attention) > 0.01  # it has learned to look somewhere
    assert model.attention(problem.features, rows[:0]) == []


@pytest.mark.parametrize("name", ["attentive", "attentive-sum"])
def test_a_pooled_clip_is_one_window(name, problem):
    pooled = problem.pooled(("mean", "std"))
    (model,) = quick(name).fit(pooled, problem.y, problem.n_classes, [problem.job()], [{"epochs": 1}])
    for weights in model.attention(pooled, problem.test[:2]):
        assert weights.tolist() == [pytest.approx(1)]


@pytest.mark.parametrize(("name", "choice"), [("logreg", {"layers": [2], "C": 1.0}), ("kernel", None)])
def test_heads_that_weigh_no_windows_say_so(name, choice, problem):
    head = quick(name)
    if choice is None:
        choice = head.sweep(problem.features, problem.y, problem.n_classes, [problem.job()])[0].candidates[0]
    assert fit(head, problem, problem.job(), choice).attention(problem.features, problem.test) is None


def test_an_attentive_head_on_pooled_statistics_starts_where_frames_start(problem):
    """With windows of one frame, uniform attention over frames is the pooled statistic."""
    head = quick("attentive", frame_average=1, lr=1e-9, epochs=1)
    from_frames = fit(head, problem, problem.job(), {"epochs": 1})
    pooled = problem.pooled(("mean", "std"))
    from_pooled = head.fit(pooled, problem.y, problem.n_classes, [problem.job()], [{"epochs": 1}])[0]
    np.testing.assert_allclose(
        from_frames.logits(problem.features, problem.test), from_pooled.logits(pooled, problem.test), atol=2e-3
    )


def test_half_and_single_precision_frames_give_nearly_the_same_model(problem):
    widened = problem.features.frames.astype(np.float32)
    features = ClipFeatures(widened, problem.features.offsets, problem.features.layers)
    head = quick("logreg")
    choice = {"layers": [2], "C": 1.0}
    half = fit(head, problem, problem.job(), choice).logits(problem.features, problem.test)
    single = head.fit(features, problem.y, problem.n_classes, [problem.job()], [choice])[0]
    np.testing.assert_allclose(half, single.logits(features, problem.test), atol=1e-4)


# --- features of faces


@EVERY
@pytest.mark.parametrize(("dim", "frames"), [(7, 12), (150, 12), (7, 1)])
def test_every_head_reads_one_layer_of_any_width_and_clips_of_one_frame(name, dim, frames, make_problem):
    problem = make_problem(n_layers=3, dim=dim, strength=3.0)
    every = problem.features
    lengths = np.minimum(np.diff(every.offsets), frames)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    rows = np.concatenate([start + np.arange(n) for start, n in zip(every.offsets[:-1], lengths, strict=True)])
    face = ClipFeatures(every.frames[rows][:, [problem.informative]], offsets, (0,))
    settings = {"statistics": ("mean", "std", "speed")} if name in {"logreg", "kernel"} else {}
    head, job = quick(name, **settings), problem.job()
    sweep = head.sweep(face, problem.y, problem.n_classes, [job])[0]
    choice = sweep.candidates[head.choose([sweep], [problem.y[job.val]])]
    model = head.fit(face, problem.y, problem.n_classes, [job], [choice])[0]
    assert problem.accuracy(model.logits(face, problem.test), problem.test) > 0.75


# --- joined features


@pytest.fixture
def joined(problem):
    """A useless wide cache beside a useful narrow one, pooled: of one layer."""
    pooled = problem.pooled(("mean", "std"))
    values = pooled.frames.reshape(len(pooled), 4, 2, 12)
    noise = np.random.default_rng(0).normal(size=(len(pooled), 2, 60)).astype(np.float32)
    frames = np.concatenate([noise, values[:, problem.informative]], axis=-1).reshape(len(pooled), 1, -1)
    return ClipFeatures(frames, pooled.offsets, (0,), ("mean", "std"), blocks=(60, 12))


@pytest.mark.parametrize(
    ("name", "settings"), [("logreg", {}), ("kernel", {"statistics": ("mean", "std")}), ("mlp", {})]
)
def test_joined_features_train_and_are_refused_in_another_order(name, settings, problem, joined):
    head, job = quick(name, **settings), problem.job()
    sweep = head.sweep(joined, problem.y, problem.n_classes, [job])[0]
    choice = sweep.candidates[head.choose([sweep], [problem.y[job.val]])]
    model = head.fit(joined, problem.y, problem.n_classes, [job], [choice])[0]
    scored = sweep.logits[sweep.candidates.index(choice)]
    np.testing.assert_allclose(model.logits(joined, job.val), scored, atol=0.02)
    assert problem.accuracy(model.logits(joined, problem.test), problem.test) > 0.75
    assert model.recipe["blocks"] == [60, 12]
    again = restore(model.arrays(), model.recipe)
    np.testing.assert_array_equal(again.logits(joined, problem.test), model.logits(joined, problem.test))
    with pytest.raises(
        HeadError, match=r"72 dimensions of concatenated caches \(60 \+ 12\), these .* caches \(12 \+ 60\)"
    ):
        model.logits(replace(joined, blocks=(12, 60)), problem.test)
    with pytest.raises(
        HeadError, match=r"concatenated caches \(60 \+ 12\), these features are pooled statistics of 72 dim"
    ):
        model.logits(replace(joined, blocks=()), problem.test)


@pytest.mark.parametrize("name", ["attentive", "attentive-sum"])
def test_heads_that_pool_by_themselves_refuse_joined_features(name, problem, joined):
    with pytest.raises(HeadError, match=f"head '{name}' pools frames by itself, these features were concatenated"):
        quick(name).sweep(joined, problem.y, problem.n_classes, [problem.job()])
