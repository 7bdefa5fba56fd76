"""``ravfeat reproduce``."""

from pathlib import Path

import pytest

from tests.toycaches import actors_and_emotions
from tests.writtencaches import write_cache


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("caches")
    write_cache(folder, actors_and_emotions(actors=20), name="toy-voice", stream="audio")
    return folder


def test_a_dry_run_says_what_would_be_done_and_makes_nothing(here, home, tmp_path) -> None:
    done = here("reproduce", "--cache", home, "--dry-run", "--device", "cpu", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("voice: ")
    assert lines[0].endswith("(toy-voice, stands in)")
    assert "  loso24-toy-voice: toy-voice, one actor left out at a time; about " in done.stdout
    assert (
        "  row 5, WavLM-large, frozen: layer weights, attentive pooling: no number: no cache of wavlm-large here"
        in lines
    )
    assert "on two idle cores for those not done yet" in lines[-1]
    assert not (tmp_path / "runs").exists()


def test_a_dry_run_names_features_that_would_be_extracted(here, home, tmp_path) -> None:
    done = here("reproduce", "--cache", home, "--data", tmp_path, "--dry-run", "--device", "cpu")
    assert "wavlm: to be extracted with wavlm-large if its weights can be had, about 13.6 GB on disk" in done.stdout


def test_steps_that_cannot_be_done_end_in_exit_code_three_and_a_table(here, home, tmp_path) -> None:
    done = here("reproduce", "--cache", home, "--out", tmp_path / "study", "--seeds", "1", "--device", "cpu")
    assert done.returncode == 3
    assert "not done: loso24-toy-voice: protocol 'loso24' needs the actors 1 to 24" in done.stderr
    assert "| R1 | " in (tmp_path / "study/study.md").read_text()


def test_without_caches_and_recordings_it_says_how_to_get_some(here, tmp_path) -> None:
    done = here("reproduce", "--device", "cpu", cwd=tmp_path)
    assert done.returncode == 2
    assert "nothing to work on: no cache here and no recordings" in done.stderr
    assert "ravfeat download ravdess --audio --video" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_wrong_calls_say_what_is_expected(here, tmp_path) -> None:
    done = here("reproduce", "--role", "expression")
    assert done.returncode == 2
    assert "--role 'expression': expected ROLE=DIR" in done.stderr
    done = here("reproduce", "--cache", tmp_path / "nowhere", "--dry-run")
    assert done.returncode == 2
    assert "nowhere does not exist; give a cache, or a folder that holds some" in done.stderr
    done = here("reproduce", "--data", tmp_path / "nowhere", "--dry-run")
    assert done.returncode == 2
    assert "nowhere is no folder; give the one that holds the recordings" in done.stderr
