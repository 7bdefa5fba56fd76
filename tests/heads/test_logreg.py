from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from ravfeat.features.statistics import clip_statistics
from ravfeat.heads.base import Sweep
from ravfeat.heads.gram import Scaler
from ravfeat.heads.logreg import LogregHead
from ravfeat.heads.registry import restore


@pytest.mark.parametrize("strength", [0.1, 1.0, 30.0])
@pytest.mark.parametrize("layers", [[2], [0, 1, 2, 3]])
def test_the_solution_equals_scikit_learn_on_the_wide_matrix(problem, strength, layers):
    head, job = LogregHead(), problem.job()
    choice = {"layers": layers, "C": strength}
    model = head.fit(problem.features, problem.y, problem.n_classes, [job], [choice])[0]

    statistics = clip_statistics(problem.features, ("mean", "std"), layers=layers)
    scaler = Scaler.of(statistics, job.train)
    train, test = (
        np.hstack([scaler.rows(statistics, rows, layer) for layer in range(len(layers))]).astype(np.float64)
        for rows in (job.train, problem.test)
    )
    scale = np.sqrt(train.shape[1])
    oracle = LogisticRegression(C=strength, class_weight="balanced", tol=1e-8, max_iter=5000)
    oracle.fit(train / scale, problem.y[job.train])
    np.testing.assert_allclose(
        model.logits(problem.features, problem.test), oracle.decision_function(test / scale), atol=0.02
    )


def pipelines(problem, job, layers, strength):
    """What scikit-learn says of the validation rows, from the statistics themselves."""
    statistics = clip_statistics(problem.features, ("mean", "std"), layers=layers).astype(np.float64)
    wide = statistics.reshape(len(statistics), -1)
    scale = FunctionTransformer(lambda z: z / np.sqrt(z.shape[1]))
    solver = LogisticRegression(C=strength, class_weight="balanced", tol=1e-8, max_iter=5000)
    model = make_pipeline(StandardScaler(), scale, solver).fit(wide[job.train], problem.y[job.train])
    return model.decision_function(wide[job.val])


def test_a_sweep_says_what_pipelines_refitted_from_scratch_say(problem):
    head, job = LogregHead(grid=(0.3, 3.0, 30.0)), problem.job()
    sweep = head.sweep(problem.features, problem.y, problem.n_classes, [job])[0]
    expected = [pipelines(problem, job, choice["layers"], choice["C"]) for choice in sweep.candidates]
    np.testing.assert_allclose(sweep.logits, expected, atol=0.02)
    assert head.choose([sweep], [problem.y[job.val]]) == head.choose(
        [Sweep(sweep.candidates, np.array(expected))], [problem.y[job.val]]
    )


def test_a_sweep_of_joined_blocks_and_a_model_of_its_choice_agree(problem):
    pooled = replace(problem.pooled(("mean", "std")), blocks=(9, 3))
    head, job = LogregHead(grid=(1.0, 10.0)), problem.job()
    sweep = head.sweep(pooled, problem.y, problem.n_classes, [job])[0]
    models = head.fit(pooled, problem.y, problem.n_classes, [job] * len(sweep.candidates), sweep.candidates)
    for model, logits in zip(models, sweep.logits, strict=True):
        np.testing.assert_allclose(model.logits(pooled, job.val), logits, atol=0.01)


def test_one_layer_is_one_set(problem):
    sweep = LogregHead(layers=(2,)).sweep(problem.features, problem.y, problem.n_classes, [problem.job()])[0]
    assert [choice["layers"] for choice in sweep.candidates] == [[2]] * 4


def test_candidates_are_every_layer_all_and_all_but_the_input(problem):
    sweep = LogregHead(grid=(1.0,)).sweep(problem.features, problem.y, problem.n_classes, [problem.job()])[0]
    assert [c["layers"] for c in sweep.candidates] == [[0], [1], [2], [3], [0, 1, 2, 3], [1, 2, 3]]


def test_the_informative_layer_is_chosen(make_problem):
    problem = make_problem(strength=0.8)
    head, job = LogregHead(), problem.job()
    sweeps = head.sweep(problem.features, problem.y, problem.n_classes, [job])
    chosen = sweeps[0].candidates[head.choose(sweeps, [problem.y[job.val]])]
    assert problem.informative in chosen["layers"]


def test_statistics_can_be_named_and_are_what_the_model_reads_again(problem):
    head, job = LogregHead(statistics=("mean", "speed")), problem.job()
    assert head.reading.statistics == ("mean", "speed")
    model = head.fit(problem.features, problem.y, problem.n_classes, [job], [{"layers": [2], "C": 1.0}])[0]
    assert model.recipe["settings"]["statistics"] == ["mean", "speed"]
    again = restore(model.arrays(), model.recipe)
    expected = model.logits(problem.features, problem.test)
    np.testing.assert_array_equal(again.logits(problem.features, problem.test), expected)
    other = head.fit(problem.features, problem.y, problem.n_classes, [job], [{"layers": [2], "C": 1.0}])[0]
    speed = clip_statistics(problem.features, ("speed",), layers=[2])
    np.testing.assert_allclose(other.scaler.mean[0, 1], speed[job.train, 0, 0].mean(0), rtol=1e-5)


@pytest.mark.parametrize("std", [True, False])
def test_a_model_saved_before_statistics_were_a_setting_still_restores(std, problem):
    head, job = LogregHead(std=std), problem.job()
    model = head.fit(problem.features, problem.y, problem.n_classes, [job], [{"layers": [2], "C": 1.0}])[0]
    old = dict(model.recipe, settings={k: v for k, v in model.recipe["settings"].items() if k != "statistics"})
    again = restore(model.arrays(), old)
    expected = model.logits(problem.features, problem.test)
    np.testing.assert_array_equal(again.logits(problem.features, problem.test), expected)


def test_many_narrow_rows_give_the_same_by_the_rows(problem, monkeypatch):
    head, job = LogregHead(), problem.job()
    choice = {"layers": [0, 2], "C": 3.0}

    def results():
        (sweep,) = head.sweep(problem.features, problem.y, problem.n_classes, [job])
        (model,) = head.fit(problem.features, problem.y, problem.n_classes, [job], [choice])
        return sweep.logits, model.logits(problem.features, problem.test)

    by_matrix = results()
    monkeypatch.setattr("ravfeat.heads.logreg.is_tall", lambda n_rows, width: width < 2 * n_rows)  # some sets of both
    for ours, theirs in zip(results(), by_matrix, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=0.02)
