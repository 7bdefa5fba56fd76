from dataclasses import replace

import numpy as np
from scipy.optimize import minimize_scalar
from sklearn.kernel_ridge import KernelRidge

from ravfeat.features.statistics import clip_statistics
from ravfeat.heads.checks import balanced_weights
from ravfeat.heads.gram import Scaler
from ravfeat.heads.kernel import KernelHead
from ravfeat.numerics.softmax import log_softmax


def test_the_solution_equals_scikit_learn_up_to_the_logit_scale(problem):
    head, job = KernelHead(), problem.job()
    choice = {"layers": [1, 2], "gamma": 0.5, "alpha": 0.1}
    model = head.fit(problem.features, problem.y, problem.n_classes, [job], [choice])[0]

    statistics = clip_statistics(problem.features, head.statistics, layers=[1, 2])
    scaler = Scaler.of(statistics, job.train)
    train, test = (
        np.hstack([scaler.rows(statistics, rows, layer) for layer in (0, 1)]) for rows in (job.train, problem.test)
    )
    squared = np.square(train[:, None] - train[None]).sum(-1)
    n = len(train)
    oracle = KernelRidge(kernel="rbf", gamma=0.5 * n * (n - 1) / squared.sum(), alpha=0.1)
    weights = balanced_weights(problem.y, problem.n_classes)[problem.y]
    own = balanced_weights(problem.y[job.train], problem.n_classes)[problem.y[job.train]]
    assert weights.shape == problem.y.shape
    oracle.fit(train, np.eye(problem.n_classes)[problem.y[job.train]], sample_weight=own)
    expected = oracle.predict(test)
    logits = model.logits(problem.features, problem.test)
    scale = (logits * expected).sum() / np.square(expected).sum()
    assert scale > 0
    np.testing.assert_allclose(logits / scale, expected, atol=5e-3)


def test_the_upper_half_the_middle_and_all_layers_are_candidates(problem):
    head = KernelHead(gammas=(1.0,), alphas=(0.1,))
    sweep = head.sweep(problem.features, problem.y, problem.n_classes, [problem.job()])[0]
    assert [c["layers"] for c in sweep.candidates] == [[2, 3], [1, 2, 3], [0, 1, 2, 3]]


def test_layers_that_were_asked_for_are_used_together(problem):
    head = KernelHead(layers=(3, 1), gammas=(1.0,), alphas=(0.1,))
    sweep = head.sweep(problem.features, problem.y, problem.n_classes, [problem.job()])[0]
    assert [c["layers"] for c in sweep.candidates] == [[3, 1]]


def test_training_rows_are_kept_in_half_precision(problem):
    choice = {"layers": [2], "gamma": 1.0, "alpha": 0.1}
    model = KernelHead().fit(problem.features, problem.y, problem.n_classes, [problem.job()], [choice])[0]
    assert model.arrays()["rows"].dtype == np.float16


CHOICE = {"layers": [2], "gamma": 1.0, "alpha": 0.1}


def test_a_clip_is_left_out_with_all_its_views_when_the_scale_is_learned(problem):
    train = problem.train
    clips = np.minimum(np.arange(len(train)) // 2, len(train) // 2 - 2)  # twos, and four of the last
    model = KernelHead().fit(problem.features, problem.y, 3, [replace(problem.job(), clips=clips)], [CHOICE])[0]
    z, width = model.rows.astype(np.float64), model.width[0] * model.rows.shape[1]
    kernel = np.exp(-np.square(z[:, None] - z[None]).sum(-1) / width)
    y = problem.y[train]
    targets, weights = np.eye(3)[y], balanced_weights(y, 3)[y].astype(np.float64)

    def dual(rows):
        return np.linalg.solve(kernel[np.ix_(rows, rows)] + 0.1 * np.diag(1 / weights[rows]), targets[rows])

    said = np.empty_like(targets)
    for clip in np.unique(clips):
        rest, own = np.flatnonzero(clips != clip), np.flatnonzero(clips == clip)
        said[own] = kernel[np.ix_(own, rest)] @ dual(rest)

    def nll(scale):
        return -(weights * log_softmax(said * np.exp(scale))[np.arange(len(y)), y]).sum()

    scale = np.exp(minimize_scalar(nll, bounds=(-2.0, 5.0), method="bounded").x)
    np.testing.assert_allclose(model.dual, dual(np.arange(len(y))) * scale, rtol=2e-3, atol=2e-3)


def test_rows_that_are_clips_of_their_own_are_left_out_one_by_one(problem):
    jobs = [problem.job(), replace(problem.job(), clips=problem.train)]
    plain, alone = KernelHead().fit(problem.features, problem.y, 3, jobs, [CHOICE, CHOICE])
    np.testing.assert_allclose(alone.dual, plain.dual, rtol=1e-4, atol=1e-6)
