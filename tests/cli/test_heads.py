"""ravfeat heads: published and fetched from the command line."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ravfeat.files import sha256_of
from tests.conftest import Done
from tests.published.places import files_of

HEAD = Path(__file__).parents[1] / "format" / "v1" / "head"
Here = Callable[..., Done]


@pytest.fixture
def shelf(here: Here, tmp_path: Path) -> Path:
    done = here("heads", "publish", HEAD, "--to", tmp_path / "shelf", "--license", "cc-by-4.0")
    assert done.returncode == 0, done.stderr
    return tmp_path / "shelf"


def test_a_head_is_published_and_fetched(here: Here, shelf: Path, tmp_path: Path) -> None:
    done = here("heads", "pull", shelf, "--out", tmp_path / "heads")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith(f"; {shelf} at {sha256_of(HEAD / 'head.toml')}\n")
    (pulled,) = (tmp_path / "heads").iterdir()
    assert files_of(pulled) == files_of(HEAD)
    assert "here already" in here("heads", "pull", shelf, "--out", tmp_path / "heads").stdout


def test_a_dry_run_shows_the_card_and_what_would_be_sent(here: Here, tmp_path: Path) -> None:
    done = here("heads", "publish", HEAD, "--to", "hf://somebody/heads", "--dry-run", "--license", "mit")
    assert done.returncode == 0, done.stderr
    assert "license: mit" in done.stdout
    assert "would publish at hf://somebody/heads: " in done.stdout
    assert " head.toml\n" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "match"),
    [
        (["publish", HEAD, "--to", "nowhere://x/y"], 1, "no address that can be read"),
        (["publish", HEAD, "--to", "hf://datasets/a/b"], 1, "a head is a model of the hub"),
        (["publish", HEAD, "--to", "x"], 1, "does not know the terms of the corpus 'synth'"),
        (["publish", HEAD, "--to", "x", "--license", "a b"], 2, "expected a licence as the hub calls it"),
        (["publish", "nothing", "--to", "x"], 1, "no published head at nothing"),
        (["publish", HEAD], 2, "Missing option '--to'"),
        (["pull", "nothing"], 1, "no published head at nothing"),
    ],
)
def test_mistakes_are_one_line(
    here: Here, arguments: list[object], code: int, match: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = here("heads", *arguments)
    assert done.returncode == code
    assert match in done.stderr
    assert "Traceback" not in done.stderr
