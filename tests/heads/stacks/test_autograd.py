"""Training by autograd, held against the stacks that are written by hand, and what it promises a new network."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ravfeat.heads.attentive import AttentiveNet
from ravfeat.heads.attentive_sum import AttentiveSumNet
from ravfeat.heads.base import Job
from ravfeat.heads.joint import JointNet
from ravfeat.heads.network import Network
from ravfeat.heads.schedule import Schedule
from ravfeat.heads.stacks.autograd import AutogradStack, _PlaceMasks
from ravfeat.heads.training_loop import train
from ravfeat.heads.windows import Windows
from tests.toyhead import RecurrentNet

TOY = RecurrentNet(hidden=8, dropout=0.3)
NETS = {
    "attentive": AttentiveNet(std=True, hidden=8, feature_dropout=0, dropout=0),
    # Its dropout has one place, so that both ways draw the same masks.
    "attentive-sum": AttentiveSumNet(std=True, attention=6, hidden=8, dropout=0.4),
    "joint": JointNet(std=True, hidden=8, feature_dropout=0, dropout=0, stream_dropout=0),
}


def jobs_of(problem, n: int) -> list[Job]:
    """Folds and seeds that share rows, of nearly one size, as an experiment has them."""
    rng, rows = np.random.default_rng(5), np.concatenate([problem.train, problem.val])
    jobs = []
    for number in range(n):
        order = rng.permutation(rows)
        jobs.append(Job(order[:90], order[90 : 110 + number], number // 2))
    return jobs


def run(net, windows, problem, jobs, **settings):
    schedule = Schedule(3, batch_size=18, lr=5e-3, **settings)
    schedules = [replace(schedule, stop=3 - number % 2) for number in range(len(jobs))]
    return train(net, windows, problem.y, problem.n_classes, jobs, schedules, score_epochs=True)


@pytest.fixture(scope="module")
def windows(problem) -> Windows:
    return Windows.of(problem.features, layers=None, window=4, device="cpu")


@pytest.mark.parametrize("name", NETS)
def test_the_same_heads_as_written_by_hand(name, problem, make_problem, monkeypatch) -> None:
    features, net = problem.features, NETS[name]
    if name == "joint":
        features = replace(features, also=(make_problem(dim=7, n_layers=3, seed=3).features,))
    windows, jobs = Windows.of(features, layers=None, window=4, device="cpu"), jobs_of(problem, 4)
    by_hand = run(net, windows, problem, jobs)
    monkeypatch.setattr(type(net), "stack", Network.stack)
    by_autograd = run(net, windows, problem, jobs)
    for hand, auto in zip(by_hand, by_autograd, strict=True):
        assert hand.val_logits.shape == auto.val_logits.shape
        np.testing.assert_allclose(hand.val_logits, auto.val_logits, atol=2e-4)
        for key, value in hand.params.items():
            torch.testing.assert_close(auto.params[key], value, atol=2e-4, rtol=1e-3)


def test_a_head_has_the_same_bits_whatever_heads_are_beside_it(windows, problem) -> None:
    jobs = jobs_of(problem, 5)
    together = run(TOY, windows, problem, jobs)
    for number, job in enumerate(jobs):
        (alone,) = train(
            TOY, windows, problem.y, problem.n_classes, [job],
            [Schedule(3, batch_size=18, lr=5e-3, stop=3 - number % 2)], score_epochs=True,
        )  # fmt: skip
        np.testing.assert_allclose(together[number].val_logits, alone.val_logits, atol=1e-6)
        for key, value in alone.params.items():
            assert torch.equal(together[number].params[key], value), key


def test_narrow_products_change_little(windows, problem) -> None:
    jobs = jobs_of(problem, 2)
    wide, narrow = (run(TOY, windows, problem, jobs, precision=kind) for kind in ("float32", "bfloat16"))
    for one, other in zip(wide, narrow, strict=True):
        np.testing.assert_allclose(one.val_logits, other.val_logits, atol=0.05)
        assert not np.array_equal(one.val_logits, other.val_logits)
        assert all(value.dtype == torch.float32 for value in other.params.values())


def test_a_new_network_is_trained_by_autograd(windows, problem) -> None:
    class Watched(RecurrentNet):
        def stack(self, start):
            stacks.append(super().stack(start))
            return stacks[-1]

    stacks: list[object] = []
    run(Watched(hidden=8, dropout=0.3), windows, problem, jobs_of(problem, 2))
    assert [type(stack) for stack in stacks] == [AutogradStack]


def test_dropout_keeps_the_expectation_and_differs_between_seeds_and_places() -> None:
    dropout = _PlaceMasks((0, 1, 0), torch.device("cpu")).dropout(4)
    ones = torch.ones(3, 4, 2000)
    first, second = dropout(ones, 0.3), dropout(ones, 0.3)
    assert first.mean().item() == pytest.approx(1, abs=0.03)
    assert torch.equal(first[0], first[2])
    assert not torch.equal(first[0], first[1])
    assert not torch.equal(first, second)
    assert dropout(ones, 0) is ones
