"""Loading a published head as a whole, or only some of its heads."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from ravfeat import load_head
from ravfeat.errors import HeadError, UsageError


def test_only_the_heads_that_are_named_are_read_from_the_disk(published, places, tmp_path) -> None:
    copy = Path(shutil.copytree(published, tmp_path / "copy"))
    shutil.rmtree(copy / "folds")
    head = load_head(copy, sources="refit")
    assert list(head.models) == ["refit"]
    clips = ["01-00", "02-01"]
    with pytest.warns(UserWarning, match="2 of 2 clips"):
        probs = head.predict(places.values(), clips)
    with pytest.warns(UserWarning, match="2 of 2 clips"):
        expected = load_head(published).predict(places.values(), clips)
    assert np.array_equal(probs, expected)
    with pytest.raises(HeadError, match=r"fold-0-seed-0\.toml is missing"):
        load_head(copy)


def test_heads_that_were_not_loaded_are_not_asked(published, places) -> None:
    head = load_head(published, sources=[1, 0])
    assert head.predict(places.values(), ["11-00"], fold=0).shape == (1, 4)
    for fold, asked in (("refit", "'refit'"), (None, "'refit'"), ("mean", "2"), (3, "3")):
        message = rf"was loaded with sources=\[1, 0\] only, and fold={fold!r} asks for {asked}; name it in load_head"
        with pytest.raises(UsageError, match=message):
            head.predict(places.values(), ["11-00"], fold=fold)


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ([9], "has no heads of 9; choose sources from 0, 1, 2, 3, 4, 5, 'refit'"),
        (["mean"], "has no heads of 'mean'; choose sources from 0"),
        ([], "has no use without heads, and sources is empty; choose sources from 0"),
    ],
)
def test_sources_that_are_not_there_are_refused(sources, message, published) -> None:
    with pytest.raises(UsageError, match=message):
        load_head(published, sources=sources)


def test_the_memory_that_is_counted_is_that_of_the_heads_that_are_loaded(published, monkeypatch) -> None:
    size = sum(path.stat().st_size for path in published.glob("refit/*/*.safetensors"))
    monkeypatch.setattr("ravfeat.published.load.physical_memory", lambda: size)
    assert load_head(published, sources=["refit"]).refitted
    with pytest.raises(HeadError, match=r"the heads in .* take .* and this machine has"):
        load_head(published)
