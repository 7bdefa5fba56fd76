"""Jobs through submitit, whose local executor stands in for Slurm: the same submission, the same job, no queue."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from ravfeat.engines.base import EngineOptions
from ravfeat.engines.run import extract_with
from ravfeat.errors import CacheError

pytestmark = pytest.mark.usefixtures("small_shards")


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ravfeat.engines.slurm.CLUSTER", "local")


@pytest.mark.usefixtures("local")
def test_two_jobs_make_what_one_process_makes_each_its_half(
    named: Any, encoded: Any, tmp_path: Path, alone: dict[str, bytes], contents: Any
) -> None:
    done = extract_with("slurm", named, tmp_path / "out", EngineOptions(workers=2))
    assert contents(done.results[0].path) == alone
    assert (done.results[0].written, done.results[0].encoded, done.given_up) == (6, 22, {})
    assert len(encoded.pids) == 2
    assert set(encoded.times.values()) == {1}
    assert set((tmp_path / "out" / "synth").iterdir()) == {done.results[0].path}


@pytest.mark.slow
@pytest.mark.usefixtures("local")
def test_a_shard_that_kills_its_jobs_is_given_up(
    named: Any, encoded: Any, corpus: Any, tmp_path: Path, alone: dict[str, bytes], contents: Any
) -> None:
    encoded.deadly(corpus.manifest.clips[9], corpus.root)
    done = extract_with("slurm", named, tmp_path / "out", EngineOptions(workers=2))
    ((shard, reason),) = done.given_up.items()
    assert shard.endswith("shard-00002.h5")
    assert reason.startswith("job ")
    made = contents(done.results[0].path)
    assert {name for name in alone if name.startswith("shard") and made.get(name) != alone[name]} == {"shard-00002.h5"}


@pytest.mark.skipif(shutil.which("srun") is not None, reason="this machine has Slurm")
def test_where_no_jobs_can_be_submitted_it_says_so(named: Any, tmp_path: Path) -> None:
    with pytest.raises(CacheError, match=r"no jobs of Slurm can be submitted here \(.*srun.*\); run this on a login"):
        extract_with("slurm", named, tmp_path / "out", EngineOptions())
