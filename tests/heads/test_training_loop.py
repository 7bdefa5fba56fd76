import numpy as np
import pytest
import torch

from ravfeat.errors import HeadError
from ravfeat.heads import training_loop
from ravfeat.heads.attentive import AttentiveNet
from ravfeat.heads.attentive_sum import AttentiveSumNet
from ravfeat.heads.base import Job
from ravfeat.heads.schedule import Schedule
from ravfeat.heads.stacks import batch
from ravfeat.heads.training_loop import train
from ravfeat.heads.windows import Windows

NETS = [
    AttentiveNet(std=True, hidden=8, feature_dropout=0.3, dropout=0.5),
    AttentiveSumNet(std=True, attention=8, hidden=8, dropout=0.3),
]


@pytest.fixture(scope="module")
def windows(problem) -> Windows:
    return Windows.of(problem.features, layers=None, window=4, device="cpu")


def run(net, windows, problem, jobs, *, epochs=10, score_epochs=True, stop=None):
    schedules = [Schedule(epochs, stop=stop, batch_size=18)] * len(jobs)
    return train(net, windows, problem.y, problem.n_classes, jobs, schedules, score_epochs=score_epochs)


@pytest.mark.parametrize("floats", [1 << 20, 300], ids=["large groups", "clip by clip"])
@pytest.mark.parametrize("net", NETS, ids=lambda net: type(net).__name__)
def test_a_stack_of_six_equals_six_stacks_of_one(net, floats, windows, problem, monkeypatch):
    monkeypatch.setattr(batch, "GROUP_FLOATS", floats)
    rng = np.random.default_rng(5)
    every = np.concatenate([problem.train, problem.val])
    jobs = []
    for seed in range(6):
        rows = rng.permutation(every)
        jobs.append(Job(rows[:90], rows[90 : 110 + seed], seed))
    together = run(net, windows, problem, jobs)  # 10 epochs of 5 batches: 50 steps
    for job, one in zip(jobs, together, strict=True):
        (alone,) = run(net, windows, problem, [job])
        for name, value in one.params.items():
            torch.testing.assert_close(value, alone.params[name], atol=1e-4, rtol=1e-4)
        np.testing.assert_allclose(one.val_logits, alone.val_logits, atol=1e-4)


def test_jobs_of_different_size_and_memory_bounds_only_change_the_stacks(windows, problem, monkeypatch):
    jobs = [
        Job(problem.train[:60], problem.val, 0),
        Job(problem.train, problem.val, 1),
        Job(problem.train, problem.val, 2),
    ]
    together = run(NETS[0], windows, problem, jobs)
    monkeypatch.setattr(training_loop, "STATE_SHARE", 1 << 60)  # a stack for every head
    apart = run(NETS[0], windows, problem, jobs)
    for one, other in zip(together, apart, strict=True):
        np.testing.assert_allclose(one.val_logits, other.val_logits, atol=1e-4)


def test_a_group_for_which_memory_runs_out_is_split_and_none_that_is_done_is_lost(windows, problem, monkeypatch):
    jobs = [problem.job(seed) for seed in range(4)]
    together = run(NETS[0], windows, problem, jobs, epochs=2)
    tried, whole = [], training_loop._Training.run

    def run_out_once(self, *arguments, **options):
        tried.append(self.group.numbers)
        if tried == [(0, 1), (2, 3)]:
            torch.empty(1 << 45)
        return whole(self, *arguments, **options)

    monkeypatch.setattr(training_loop._Training, "run", run_out_once)
    monkeypatch.setattr(training_loop, "_heads_at_once", lambda *_: 2)
    apart = run(NETS[0], windows, problem, jobs, epochs=2)
    assert tried == [(0, 1), (2, 3), (2,), (3,)]
    for one, other in zip(together, apart, strict=True):
        np.testing.assert_allclose(one.val_logits, other.val_logits, atol=3e-6)


def test_one_head_that_does_not_fit_into_main_memory_is_an_error(windows, problem, monkeypatch):
    monkeypatch.setattr(training_loop._Training, "run", lambda *_, **__: torch.empty(1 << 45))
    with pytest.raises(MemoryError, match="can't allocate memory"):
        run(NETS[0], windows, problem, [problem.job()])


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(windows, problem):
    first, again, other = (run(NETS[0], windows, problem, [problem.job(seed)])[0] for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.val_logits, again.val_logits)
    assert not np.allclose(first.val_logits, other.val_logits)


def test_training_leaves_the_global_generators_alone(windows, problem):
    state = torch.get_rng_state()
    run(NETS[0], windows, problem, [problem.job()], epochs=1)
    assert torch.equal(state, torch.get_rng_state())


def test_stopping_after_an_epoch_gives_that_epoch_of_the_whole_schedule(windows, problem):
    (whole,) = run(NETS[0], windows, problem, [problem.job()], epochs=6)
    (stopped,) = run(NETS[0], windows, problem, [problem.job()], epochs=6, stop=4)
    np.testing.assert_array_equal(whole.val_logits[:4], stopped.val_logits)


def test_scoring_epochs_does_not_disturb_the_training(windows, problem):
    scored, silent = (
        run(NETS[0], windows, problem, [problem.job()], score_epochs=score)[0].params for score in (True, False)
    )
    for name, value in scored.items():
        assert torch.equal(value, silent[name]), name


def test_training_on_one_class_is_refused(windows, problem):
    rows = problem.train[problem.y[problem.train] == 0]
    with pytest.raises(HeadError, match="of 1 class"):
        run(NETS[0], windows, problem, [Job(rows, problem.val)])


def test_labels_outside_the_classes_are_refused(windows, problem):
    with pytest.raises(HeadError, match="labels must lie in 0 to 1, got 0 to 2"):
        train(NETS[0], windows, problem.y, 2, [problem.job()], [Schedule(1)], score_epochs=False)


def test_a_step_without_a_clip_of_a_head_counts_for_it_as_it_does_beside_others(windows, problem):
    few = [Job(problem.train[start : start + 6], problem.val, 1) for start in (0, 40)]
    schedule = Schedule(3, batch_size=1)
    arguments = (NETS[0], windows, problem.y, problem.n_classes)
    together = train(*arguments, few, [schedule] * 2, score_epochs=False)
    for job, one in zip(few, together, strict=True):
        (alone,) = train(*arguments, [job], [schedule], score_epochs=False)
        for name, value in one.params.items():
            torch.testing.assert_close(value, alone.params[name], atol=1e-5, rtol=1e-4)
