import shutil
from pathlib import Path

import numpy as np
import pytest

from ravfeat import load_head
from ravfeat.errors import HeadError, UsageError
from ravfeat.published.subset import copy_subset
from tests.published.hostile import put, sign


def test_a_copy_has_the_heads_that_were_asked_for_and_predicts_the_same(published, places, tmp_path) -> None:
    copy_subset(published, tmp_path / "copy", ["refit"])
    names = {path.relative_to(tmp_path / "copy").parts[0] for path in (tmp_path / "copy").rglob("*") if path.is_file()}
    assert "refit" in names
    assert "folds" not in names
    copy, whole = load_head(tmp_path / "copy"), load_head(published, sources=["refit"])
    assert list(copy.models) == ["refit"]
    caches = list(places.values())
    clips = [clip.clip_id for clip in whole.tested[0][0]]
    with pytest.warns(UserWarning, match="learned from"):
        np.testing.assert_array_equal(copy.predict(caches, clips), whole.predict(caches, clips))
    assert (tmp_path / "copy" / "card.md").read_bytes() == (published / "card.md").read_bytes()


def test_folds_that_are_not_in_a_copy_cannot_be_asked(published, tmp_path) -> None:
    copy_subset(published, tmp_path / "copy", ["refit", 1])
    assert list(load_head(tmp_path / "copy").models) == ["refit", 1]
    with pytest.raises(UsageError, match="no heads of 2; choose sources from 'refit', 1"):
        load_head(tmp_path / "copy", sources=[2])
    with pytest.raises(UsageError, match="no heads of 2"):
        copy_subset(tmp_path / "copy", tmp_path / "again", [2])
    assert not (tmp_path / "again").exists()


def test_of_a_damaged_head_nothing_is_copied(published, tmp_path) -> None:
    broken = Path(shutil.copytree(published, tmp_path / "broken"))
    (weights,) = list((broken / "refit").rglob("*logreg*/seed-0.safetensors"))
    weights.write_bytes(b"damaged")
    with pytest.raises(HeadError, match="does not match its digest"):
        copy_subset(broken, tmp_path / "copy", ["refit"])
    assert not (tmp_path / "copy").exists()


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ([], "sources is"),
        (["mine"], "sources"),
        ([7], "sources names 7, and learned.json has none"),
        (["refit", "refit"], "sources names 'refit' twice"),
    ],
)
def test_sources_that_cannot_be_are_refused(sources, message, published, tmp_path) -> None:
    copy = Path(shutil.copytree(published, tmp_path / "copy"))
    put("head.toml", "sources", sources)(copy)
    sign(copy)
    with pytest.raises(HeadError) as error:
        load_head(copy, sources=["refit"])
    assert message in str(error.value)
