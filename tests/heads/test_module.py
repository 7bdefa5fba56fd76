"""A user's own networks: what they see, how they train, and which are refused before they do."""

import numpy as np
import pytest
import torch
from torch import nn

from ravfeat.errors import PluginError
from ravfeat.heads.base import Job
from ravfeat.heads.own_heads import own_kind
from ravfeat.heads.registry import make_head
from ravfeat.plugins import Brought


class Gru(nn.Module):
    """A recurrent network with dropout, a fixed buffer, and a parameter that takes no part."""

    def __init__(self, n_layers, dim, n_classes):
        super().__init__()
        self.mix = nn.Parameter(torch.zeros(n_layers))
        self.gru = nn.GRU(dim, 16, batch_first=True)
        self.drop = nn.Dropout(0.2)
        self.out = nn.Linear(16, n_classes)
        self.unused = nn.Parameter(torch.ones(3))
        self.register_buffer("scale", torch.tensor(2.0))

    def forward(self, frames, mask):
        x = torch.einsum("l,btld->btd", self.mix.softmax(0), frames)
        mean = (self.gru(x)[0] * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return self.out(self.drop(mean * self.scale))


class Plain(nn.Module):
    def __init__(self, n_layers, dim, n_classes):
        super().__init__()
        self.out = nn.Linear(n_layers * dim, n_classes)

    def pooled(self, frames, mask):
        return frames.sum(1).flatten(1) / mask.sum(1, keepdim=True)

    def forward(self, frames, mask):
        return self.out(self.pooled(frames, mask))


QUICK = {"epochs": 8, "frame_average": 4, "lr": 2e-2, "batch_size": 9}


def head_of(value, **settings):
    return make_head(own_kind(Brought(value, "mine.py:X", "0" * 64, {}), "x"), "x", {**QUICK, **settings})


def fit(head, problem, jobs, epochs=8):
    return head.fit(problem.features, problem.y, problem.n_classes, jobs, [{"epochs": epochs}] * len(jobs))


def test_it_learns_what_is_there_and_its_sweep_is_what_fit_and_fit_chosen_give(problem):
    head, job = head_of(Gru), problem.job()
    sweep = head.sweep(problem.features, problem.y, problem.n_classes, [job])[0]
    pick = head.choose([sweep], [problem.y[job.val]])
    (model,) = fit(head, problem, [job], pick + 1)
    (chosen,) = head.fit_chosen(problem.features, problem.y, problem.n_classes, [job])
    logits = model.logits(problem.features, problem.test)
    assert problem.accuracy(logits, problem.test) > 0.75
    np.testing.assert_array_equal(chosen.logits(problem.features, problem.test), logits)
    np.testing.assert_allclose(model.logits(problem.features, job.val), sweep.logits[pick], atol=1e-4)
    assert model.layer_weights is None
    assert set(model.arrays()) >= {"params.module.gru.weight_ih_l0", "constants.window_std"}


def test_a_head_has_the_same_bits_whatever_heads_are_beside_it_and_another_seed_gives_another(problem):
    head, jobs = head_of(Gru, epochs=3), [problem.job(0), problem.job(1), Job(problem.train[:60], problem.val, 0)]
    before = torch.get_rng_state()
    together = [model.logits(problem.features, problem.test) for model in fit(head, problem, jobs, 3)]
    for job, logits in zip(jobs, together, strict=True):
        np.testing.assert_array_equal(fit(head, problem, [job], 3)[0].logits(problem.features, problem.test), logits)
    assert not np.allclose(together[0], together[1])
    assert torch.equal(torch.get_rng_state(), before)  # the caller's random numbers are its own


def test_logits_do_not_depend_on_the_other_rows(problem):
    (model,) = fit(head_of(Gru, epochs=1), problem, [problem.job()], 1)
    together = model.logits(problem.features, problem.test)
    alone = np.concatenate([model.logits(problem.features, problem.test[[i]]) for i in range(5)])
    np.testing.assert_array_equal(together[:5], alone)


class Spy(Plain):
    seen: list = []  # noqa: RUF012

    def forward(self, *given):
        frames, mask = given
        Spy.seen += [(self.training, clip[valid].detach().numpy().copy()) for clip, valid in zip(*given, strict=True)]
        assert not frames[~mask].any()
        return super().forward(*given)


def test_in_training_it_sees_the_frames_of_training_clips_only_and_no_label_ever(problem, monkeypatch):
    head, job = head_of(Spy, epochs=2), problem.job()
    fit(head, problem, [job], 1)  # tried on random numbers, once
    monkeypatch.setattr(Spy, "seen", [])
    (model,) = head.fit_chosen(problem.features, problem.y, problem.n_classes, [job])
    scale = {name: model.constants[f"window_{name}"].numpy()[:, 0, 0] for name in ("mean", "std")}  # (L, D)
    offsets, frames = problem.features.offsets, problem.features.frames.astype(np.float32)
    means = [
        (np.stack([part.mean(0) for part in np.split(clip, range(4, len(clip), 4))]) - scale["mean"]) / scale["std"]
        for clip in np.split(frames, offsets[1:-1])
    ]

    def row_of(clip):
        off = [np.abs(clip - other).max() if clip.shape == other.shape else np.inf for other in means]
        assert min(off) < 0.05
        return int(np.argmin(off))

    rows = {training: {row_of(clip) for was, clip in Spy.seen if was is training} for training in (True, False)}
    assert rows[True] == set(job.train.tolist())
    assert rows[False] == set(job.val.tolist())


# --- refused before anything is trained


class Padded(Plain):
    def pooled(self, frames, mask):
        return frames.mean(1).flatten(1)


class AcrossClips(Plain):
    def pooled(self, frames, mask):
        x = super().pooled(frames, mask)
        return x - x.mean(0)


class Normed(Plain):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.norm = nn.BatchNorm1d(sizes[0] * sizes[1])

    def pooled(self, frames, mask):
        return self.norm(super().pooled(frames, mask))


class Restless(Plain):
    def pooled(self, frames, mask):
        return nn.functional.dropout(super().pooled(frames, mask), 0.5, training=True)


class Wide(Plain):
    def __init__(self, n_layers, dim, n_classes):
        super().__init__(n_layers, dim, n_classes + 1)


class Pair(Plain):
    def forward(self, frames, mask):
        return super().forward(frames, mask), mask


class Failing(Plain):
    def forward(self, frames, mask):
        return self.out(frames)


class Double(Plain):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.double()


class Fixed(Plain):
    def __init__(self, *sizes):
        super().__init__(*sizes)
        self.requires_grad_(False)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (Padded, "scores a clip otherwise where a longer one lies beside it: use the mask"),
        (AcrossClips, "scores a clip otherwise where a longer one lies beside it"),
        (Normed, r"keeps running statistics \(norm.running_mean\), as BatchNorm does"),
        (Restless, "scores the same clips otherwise every time, when it is not in training"),
        (Wide, r"gives \(2, 4\), expected logits of shape \(2, 3\)"),
        (Pair, "gives tuple, expected logits"),
        (Failing, r"failed while scoring 2 clips of 8 windows: RuntimeError: .*test_module.py, line \d+\)"),
        (Double, "has parameters of torch.float64, expected some that train, of float32"),
        (Fixed, "has parameters of none, expected some that train"),
        (lambda a, b, c: 3, "gives int for n_layers, dim and n_classes, expected a"),
        (lambda a, b, c: 1 / 0, "failed while being made: ZeroDivisionError"),
    ],
)
def test_what_cannot_be_trained_or_would_score_otherwise_elsewhere_is_refused(value, message, problem):
    with pytest.raises(PluginError, match=message):
        fit(head_of(value), problem, [problem.job()])


class Astray(Plain):
    def forward(self, frames, mask):
        return super().forward(frames, mask) + (torch.nan if len(frames) > 2 else 0)


def test_logits_that_are_not_finite_are_refused(problem):
    with pytest.raises(PluginError, match="gives logits that are not finite"):
        head_of(Astray, epochs=1).sweep(problem.features, problem.y, problem.n_classes, [problem.job()])
