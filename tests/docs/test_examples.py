"""The scripts of ``examples/``: short, and they run."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(name: str, *arguments: object) -> str:
    command = [sys.executable, "-W", "error", str(EXAMPLES / name), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=EXAMPLES.parent)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("example")
    assert "n=120" in run("recordings_to_scores.py", folder)
    return folder


def test_examples_have_at_most_forty_lines() -> None:
    lengths = {path.name: len(path.read_text(encoding="utf-8").splitlines()) for path in EXAMPLES.glob("*.py")}
    assert len(lengths) == 3
    assert max(lengths.values()) <= 40, lengths


def test_a_network_trains_on_a_cache(work: Path) -> None:
    assert "60 clips trained, 60 clips of other speakers tested" in run("torch_network.py", work / "cache")


def test_scores_of_another_model_are_fused(work: Path, ravfeat) -> None:
    for layer in (1, 2):
        run("scores_for_fusion.py", work / "cache", work / f"layer{layer}.csv", layer)
    done = ravfeat("fuse", "--scores", work / "layer1.csv", "--scores", work / "layer2.csv", "--out", work / "fused")
    assert done.returncode == 0, done.stderr
    assert "fused: 2 systems" in done.stdout
