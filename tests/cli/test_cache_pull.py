"""``ravfeat cache pull``."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ravfeat.cache import open_cache
from ravfeat.remote.publish import prepare_publication, publish
from ravfeat.remote.store import open_store
from tests.writtenshards import write_shards

Here = Callable[..., Any]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    local = write_shards(tmp_path_factory.mktemp("small"), shards=2, clips=6, frames=20, layers=3, dim=16)
    folder = tmp_path_factory.mktemp("published") / "toy"
    publish(prepare_publication(open_cache(local)), open_store(folder), "---\nlicense: mit\n---\n")
    return folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAVFEAT_CACHE_HOME", str(tmp_path / "home"))


def test_a_cache_is_pulled_whole_and_in_part(here: Here, published: Path, tmp_path: Path) -> None:
    out = tmp_path / "cache"
    done = here("cache", "pull", f"file://{published}", "--out", out)
    assert done.returncode == 0, done.stderr
    assert "pulled, 2 shards read now" in done.stdout
    assert "was there already" in here("cache", "pull", published, "--out", out).stdout
    done = here("cache", "pull", published, "--layers", "1-2", "--actors", "01,03", "--out", out)
    assert done.returncode == 0, done.stderr
    assert f"0.0 MB of features; until the cache is written they lie in {tmp_path / 'home'}" in done.stderr
    pulled = open_cache(done.stdout.partition(":")[0])
    assert pulled.layers == (1, 2)
    assert {clip.actor for clip in pulled.planned_manifest} == {"toy:01", "toy:03"}


def test_what_is_not_there_is_named(here: Here, published: Path, tmp_path: Path) -> None:
    done = here("cache", "pull", published, "--layers", "9", "--out", tmp_path)
    assert done.returncode == 2
    assert "9" in done.stderr
    done = here("cache", "pull", published, "--actors", "77", "--out", tmp_path)
    assert done.returncode == 2
    assert "actors ['77'] are not in this cache" in done.stderr
    done = here("cache", "pull", tmp_path / "nowhere", "--out", tmp_path)
    assert done.returncode == 1
    assert "has no SHA256SUMS" in done.stderr
    done = here("cache", "pull", published, "--revision", "v1")
    assert done.returncode == 1
    assert "keeps no revisions" in done.stderr
