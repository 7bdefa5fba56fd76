"""One-against-all machines against scikit-learn's, on the wide matrix."""

import numpy as np
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import SVC

from ravfeat.features.statistics import clip_statistics
from ravfeat.heads.gram import Scaler
from ravfeat.heads.kernel_ridge import mean_distance, squared_distances
from ravfeat.heads.svm import SvmHead

CHOICE = {"layers": [1, 2], "gamma": 0.5, "C": 3.0}


def test_a_model_scores_as_scikit_learn_does(problem):
    job = problem.job()
    model = SvmHead().fit(problem.features, problem.y, problem.n_classes, [job], [CHOICE])[0]
    statistics = clip_statistics(problem.features, ("mean", "std", "min", "max"), layers=[1, 2])
    scaler = Scaler.of(statistics, job.train)
    train, test = (scaler.wide_rows(statistics, of) for of in (job.train, problem.test))
    gamma = CHOICE["gamma"] / mean_distance(squared_distances(train, train.astype(np.float16)))
    oracle = OneVsRestClassifier(SVC(C=3.0, gamma=gamma, class_weight="balanced")).fit(train, problem.y[job.train])
    expected = oracle.decision_function(test)
    logits = model.logits(problem.features, problem.test)
    np.testing.assert_allclose(logits, expected - expected.mean(1, keepdims=True), atol=5e-3)


def test_only_support_vectors_differ_from_the_mean_over_classes(problem):
    model = SvmHead().fit(problem.features, problem.y, problem.n_classes, [problem.job()], [CHOICE])[0]
    assert model.arrays()["intercept"].shape == (problem.n_classes,)
    np.testing.assert_allclose(model.dual.sum(1), 0, atol=1e-5)
