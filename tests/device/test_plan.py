"""``ravfeat extract --dry-run`` on a device: the memory of the largest batch is measured."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.device.models import AUDIO, SaveModel


@pytest.fixture
def printed(here: Any, encoder_of: SaveModel, voices: Path, videos: Path, tmp_path: Path) -> Callable[[str], str]:
    """What a dry run prints for a family of encoders."""

    def run(family: str) -> str:
        data, *options = (voices,) if family in AUDIO else (videos, "--cropped")
        out = tmp_path / "out"
        done = here(
            "extract", "--device", "cuda", "--data", data, "--out", out, "--encoder", encoder_of(family), "--dry-run",
            *options,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert not out.exists()
        return str(done.stdout)

    return run


@pytest.mark.parametrize("family", ["wavlm", "vit"])
def test_the_memory_of_the_largest_batch_is_measured(family, printed) -> None:
    match = re.search(r"  memory   ([\d.]+) ([kMG])B on cuda:0, measured on the largest batch\n", printed(family))
    assert match
    peak = float(match[1]) * {"k": 1e3, "M": 1e6, "G": 1e9}[match[2]]
    assert peak == pytest.approx(torch.cuda.max_memory_allocated(), rel=0.01)


def test_a_batch_that_does_not_fit_is_said_and_is_no_error(printed, pretended) -> None:
    pretended.set_limit(0, pretended.memory(0)[0] + 2_000_000)
    assert "  memory   the largest batch does not fit on cuda:0; give a smaller --batch-seconds\n" in printed("wavlm")
