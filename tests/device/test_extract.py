"""`ravfeat extract` on a device, beside the CPU: every encoder family, every option that changes what is stored."""

from pathlib import Path

import pytest

from ravfeat.extract.resume import MAX_DIFFERENCE
from tests.device.models import AUDIO, FACE
from tests.device.table import difference, features_of

OPTIONS: dict[str, dict[str, object]] = {
    "pooled": {"store": "pooled"},
    "frame-stride": {"frame_stride": 4},
    "layers": {"layers": "1-2"},
    "float32": {"dtype": "float32"},
    "view": {"view": "published", "view_seed": 1},
    "batch-clips 3": {"batch_clips": 3},
}


def largest_difference(device: Path, cpu: Path) -> float:
    """Over all clips of all caches; both folders must hold the same ones."""
    given, expected = features_of(device), features_of(cpu)
    assert given.keys() == expected.keys()
    assert all(given[name].keys() == clips.keys() for name, clips in expected.items())
    return max(
        difference(given[name][clip], block) for name, clips in expected.items() for clip, block in clips.items()
    )


@pytest.mark.parametrize("family", [*AUDIO, *FACE])
def test_every_family_gives_the_features_of_the_cpu(family, extract, table, tmp_path) -> None:
    for device in ("cuda", "cpu"):
        extract(tmp_path / device, family, device=device)
    value = largest_difference(tmp_path / "cuda", tmp_path / "cpu")
    table.add(family, "-", "frames", value)
    assert value <= MAX_DIFFERENCE


@pytest.mark.parametrize(("family", "option"), [*(("wavlm", option) for option in OPTIONS), ("vit", "pooled")])
def test_every_option_of_what_is_stored_does(family, option, extract, table, tmp_path) -> None:
    for device in ("cuda", "cpu"):
        extract(tmp_path / device, family, device=device, **OPTIONS[option])
    value = largest_difference(tmp_path / "cuda", tmp_path / "cpu")
    table.add(family, "-", option, value)
    assert value <= MAX_DIFFERENCE
