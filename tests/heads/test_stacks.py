"""What stacks compute by hand, held against the plain networks under autograd."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from ravfeat.heads.attentive import AttentiveNet
from ravfeat.heads.attentive_sum import AttentiveSumNet
from ravfeat.heads.checks import balanced_weights
from ravfeat.heads.joint import JointNet
from ravfeat.heads.schedule import Schedule, one_cycle
from ravfeat.heads.stacks import batch
from ravfeat.heads.training_loop import train
from ravfeat.heads.windows import Windows

EPOCHS = 3


def plain(net, windows, y, n_classes, job, schedule):
    """The training loop in plain operations: batches of the rows that teach, autograd, AdamW, a moving average."""
    params = {name: value.clone() for name, value in net.init(windows, n_classes, seeded(job.seed)).items()}
    params = {name: value[None].requires_grad_() for name, value in params.items()}
    constants = net.constants(windows, [job.train])
    average = {name: value.detach().clone() for name, value in params.items()}
    optimizer = torch.optim.AdamW(params.values(), lr=schedule.lr, weight_decay=schedule.weight_decay)
    weights = torch.from_numpy(balanced_weights(y[job.train], n_classes))
    order, steps = np.random.default_rng(0), 0
    per_epoch = schedule.steps_per_epoch(len(y), len(job.train))
    for _ in range(EPOCHS):
        for drawn in np.array_split(order.permutation(len(y)), per_epoch):
            rows = torch.from_numpy(drawn[np.isin(drawn, job.train)])
            for group in optimizer.param_groups:
                group["lr"] = one_cycle(steps, EPOCHS * per_epoch, schedule.lr)
            logits = net.forward(params, constants, windows.batch(rows[None]), no_dropout)[0]
            targets = torch.from_numpy(y)[rows]
            losses = functional.cross_entropy(logits, targets, reduction="none", label_smoothing=0.1)
            optimizer.zero_grad()
            torch.autograd.backward((losses * weights[targets]).sum() / weights[targets].sum())
            optimizer.step()
            steps += 1
            for name, value in params.items():
                average[name].lerp_(value.detach(), 1 - min(schedule.ema, steps / (steps + 10)))
    scores = net.forward(average, constants, windows.batch(torch.from_numpy(job.val)[None]), no_dropout)[0]
    return {name: value[0] for name, value in average.items()}, scores.detach().numpy()


def no_dropout(x, p):
    return x


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def pooled_net(*, std=True):
    return AttentiveNet(std=std, hidden=8, feature_dropout=0, dropout=0)


def sum_net(*, std=True):
    return AttentiveSumNet(std=std, attention=6, hidden=8, dropout=0)


def joint_net(*, std=True):
    return JointNet(std=std, hidden=8, feature_dropout=0, dropout=0, stream_dropout=0)


def two_streams(problem, other):
    """A second stream whose clips have other lengths than the first's."""
    return replace(problem.features, also=(other.features,))


@pytest.mark.parametrize("std", [True, False], ids=["std", "mean"])
@pytest.mark.parametrize(
    ("net_of", "kind"),
    [
        (pooled_net, "frames"),
        (pooled_net, "pooled"),
        (sum_net, "frames"),
        (sum_net, "pooled"),
        (joint_net, "streams"),
    ],
)
def test_a_stack_learns_what_the_plain_network_learns(net_of, kind, std, problem, make_problem, monkeypatch):
    features = problem.pooled(("mean", "std")) if kind == "pooled" else problem.features
    features = two_streams(problem, make_problem(dim=7, n_layers=3, seed=3)) if kind == "streams" else features
    monkeypatch.setattr(batch, "GROUP_FLOATS", 600)  # several groups in every step
    windows = Windows.of(features, layers=None, window=2, device="cpu")
    net, job = net_of(std=std), problem.job(1)
    schedule = Schedule(EPOCHS, batch_size=18, lr=5e-3)
    (one,) = train(net, windows, problem.y, problem.n_classes, [job], [schedule], score_epochs=True)
    params, scores = plain(net, windows, problem.y, problem.n_classes, job, schedule)
    np.testing.assert_allclose(one.val_logits[-1], scores, atol=2e-4)
    for name, value in params.items():
        torch.testing.assert_close(
            one.params[name], value, atol=2e-4, rtol=1e-3, msg=lambda text, name=name: name + text
        )
