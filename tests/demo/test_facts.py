import numpy as np
import pytest

from ravfeat import load_head
from ravfeat.demo.facts import facts_of


def test_facts_are_those_of_the_head(demo) -> None:
    head = load_head(demo.head, sources=["refit"])
    facts = facts_of(head)
    assert (facts.name, facts.corpus, facts.protocol, facts.actors) == ("head", "synth", "ravdess6", 24)
    assert (facts.synthetic, facts.leaky, facts.refitted) == (True, False, True)
    assert [score.system.stream for score in facts.scores if score.metric == "wa"] == [
        "audio",
        "audio",
        "face",
        "fused",
    ]
    for score, entry in zip(facts.scores, head.about["scores"], strict=True):
        assert (score.value, score.n) == (entry["value"], entry["n"])


def test_layer_weights_are_those_of_the_heads_that_answer(demo) -> None:
    head = load_head(demo.head, sources=["refit"])
    (layers,) = facts_of(head).layers  # of the attentive head; logistic regression weighs none
    assert layers.system.head == "attentive"
    assert layers.weights == head.models["refit"][0][0].layer_weights


def test_without_refitted_heads_the_mean_over_folds_is_told(demo) -> None:
    head = load_head(demo.head, sources=[0, 1])
    (layers,) = facts_of(head).layers
    of_folds = [head.models[fold][0][0].layer_weights for fold in (0, 1)]
    for layer, weight in layers.weights.items():
        assert weight == pytest.approx(np.mean([weights[layer] for weights in of_folds]))
    assert sum(layers.weights.values()) == pytest.approx(1)
