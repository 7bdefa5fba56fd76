"""``ravfeat cache publish`` and ``ls --remote``."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ravfeat.cache import verify_cache
from tests.toycaches import Take
from tests.toyhub import READ_TOKEN, WRITE_TOKEN, serve, use_hub
from tests.writtencaches import write_cache
from tests.writtenshards import write_shards

Here = Callable[..., Any]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(tmp_path_factory.mktemp("small"), shards=2, clips=6, frames=20, layers=3, dim=16)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAVFEAT_CACHE_HOME", str(tmp_path / "home"))


def test_a_cache_goes_to_a_folder_with_its_card(here: Here, small: Path, tmp_path: Path) -> None:
    done = here("cache", "publish", small, "--to", tmp_path / "to")
    assert done.returncode == 0, done.stderr
    assert "licence apache-2.0" in done.stdout
    assert f"ravfeat cache pull {tmp_path / 'to'}" in done.stdout
    assert verify_cache(tmp_path / "to") == []
    card = (tmp_path / "to" / "README.md").read_text()
    assert "license: apache-2.0" in card
    listed = here("cache", "ls", "--remote", f"file://{tmp_path}/to")
    assert listed.returncode == 0
    assert [line.split(maxsplit=1)[1] for line in listed.stdout.splitlines()[:5]] == [
        "toy", "audio", "toy", "0-2 (3), frames", "12",
    ]  # fmt: skip
    assert "licence      apache-2.0" in listed.stdout


def test_a_dry_run_sends_nothing_and_shows_the_card(here: Here, small: Path, tmp_path: Path) -> None:
    done = here("cache", "publish", small, "--to", tmp_path / "to", "--dry-run")
    assert done.returncode == 0
    assert "2 shards and the tables would be sent" in done.stdout
    assert "# toy features of toy" in done.stdout
    assert not (tmp_path / "to").exists()


def test_credentials_in_an_address_reach_no_card(here: Here, small: Path) -> None:
    done = here("cache", "publish", small, "--to", "s3://KEY:SECRET@shelf/x", "--dry-run")
    assert done.returncode == 0
    assert 'ravfeat.open_cache("s3://shelf/x")' in done.stdout
    assert "SECRET" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("corpus", "said"),
    [("ravdess-mine", "--license"), ("tess", "its licence allows no adapted material"), ("mine", "--license")],
)
def test_corpora_are_held_against_their_terms(here: Here, tmp_path: Path, corpus: str, said: str) -> None:
    takes = [Take(f"clip-{i}", f"{corpus}:1", "", "sad", np.ones((4, 1, 8), np.float32)) for i in range(2)]
    folder = write_cache(tmp_path / "cache", takes, corpus=corpus)
    done = here("cache", "publish", folder, "--to", tmp_path / "to")
    assert (done.returncode, said in done.stderr) == ((0, False) if corpus == "ravdess-mine" else (1, True))
    assert (tmp_path / "to").exists() == (corpus == "ravdess-mine")


def test_a_hub_validates_the_card_and_needs_a_token_that_may_write(
    here: Here, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve() as hub:
        use_hub(monkeypatch, hub.url, tmp_path / "hub", READ_TOKEN)
        done = here("cache", "publish", small, "--to", "hf://datasets/somebody/toy")
        assert done.returncode == 1
        assert "access refused" in done.stderr
        use_hub(monkeypatch, hub.url, tmp_path / "hub", WRITE_TOKEN)
        done = here("cache", "publish", small, "--to", "hf://datasets/somebody/toy")
        assert done.returncode == 0, done.stderr
        assert hub.cards
        assert hub.repository("somebody/toy").refs["main"] in done.stdout
        done = here("cache", "pull", "hf://datasets/somebody/toy", "--out", tmp_path / "pulled")
        assert done.returncode == 0, done.stderr
        (folder,) = (tmp_path / "pulled" / "toy").iterdir()
        assert json.loads((folder / "ORIGIN.json").read_text())["address"] == "hf://datasets/somebody/toy"
        assert verify_cache(folder) == []
    done = here("cache", "publish", small, "--to", "hf://somebody/toy")
    assert done.returncode == 2
    assert "a cache is a dataset of the hub" in done.stderr


def test_without_network_one_line_says_so(here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ravfeat.remote.base.WAITS_S", [])
    monkeypatch.setenv("no_proxy", "*")
    done = here("cache", "pull", "http://127.0.0.1:9/x", "--out", tmp_path / "out")
    assert done.returncode == 1
    assert done.stderr.startswith("ravfeat: http://127.0.0.1:9/x/SHA256SUMS could not be reached")
    assert len(done.stderr.splitlines()) == 1
    shutil.rmtree(tmp_path / "out", ignore_errors=True)
