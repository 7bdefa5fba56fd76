"""Heads published by earlier versions stay readable; ``tests/format`` holds one of each."""

import json
from pathlib import Path

import numpy as np
import pytest

from ravfeat import load_head
from tests.toycaches import actors_and_emotions
from tests.writtencaches import write_cache

HEAD = Path(__file__).parents[1] / "format" / "v1" / "head"


def strangers(folder: Path) -> Path:
    """A corpus that the heads never met."""
    return write_cache(folder, actors_and_emotions(actors=2, seed=3, corpus="other"), stream="audio", corpus="other")


@pytest.mark.parametrize("fold", ["0", "1", "2", "refit", "mean"])
def test_a_head_of_version_1_says_what_it_said(fold, tmp_path) -> None:
    expected = json.loads((HEAD.parent / "head_expected.json").read_text())[fold]
    number = int(fold) if fold.isdecimal() else fold
    probs = load_head(HEAD).predict([strangers(tmp_path)], ["01-00", "02-03"], fold=number)
    np.testing.assert_allclose(probs, expected, atol=1e-5)


def test_a_head_of_version_1_does_not_say_what_it_learned_from() -> None:
    head = load_head(HEAD, sources=["refit"])
    assert head.window_s is None
    assert head.domain(head.parts[0].needs[0].fingerprint) is None
    assert head.trained_on("refit", "audio") == frozenset()
