"""The perceptron on pooled statistics: what it reads, and that frames and pooled features are one to it."""

import numpy as np

from ravfeat.heads.mlp import MlpHead
from ravfeat.heads.network import WeighsWindows


def test_frames_and_pooled_statistics_give_one_head(problem):
    head, job = MlpHead(epochs=3, hidden=8, dropout=0.0, feature_dropout=0.0), problem.job()
    pooled = problem.pooled(("mean", "std"))
    from_frames, from_pooled = (
        head.fit(features, problem.y, problem.n_classes, [job], [{"epochs": 3}])[0]
        for features in (problem.features, pooled)
    )
    np.testing.assert_allclose(
        from_frames.logits(problem.features, problem.test), from_pooled.logits(pooled, problem.test), atol=2e-3
    )


def test_it_weighs_neither_windows_nor_layers(problem):
    head = MlpHead(epochs=1, hidden=8)
    model = head.fit(problem.features, problem.y, problem.n_classes, [problem.job()], [{"epochs": 1}])[0]
    assert not isinstance(head.net(), WeighsWindows)
    assert model.attention(problem.features, problem.test) is None
    assert model.layer_weights is None
