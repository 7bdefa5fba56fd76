"""``ravfeat export-heads``."""

from pathlib import Path

import pytest

from ravfeat.crosscorpus import CrossPlan, fit_across
from ravfeat.experiment.fit import FitPlan, fit_heads
from ravfeat.runs.write import write_run
from tests.toycaches import actors_and_emotions
from tests.twocorpora import write_two
from tests.writtencaches import write_cache


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    cache = write_cache(folder, actors_and_emotions(), stream="audio")
    write_run(folder / "a", fit_heads(FitPlan((cache,), heads=("logreg",), layers="1")), {"command": "ravfeat"})
    return folder / "a"


def test_it_says_what_was_made_and_whether_it_is_the_run(run, here, tmp_path) -> None:
    done = here("export-heads", run, "--to", tmp_path / "voice", "--refit", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"held against the predictions of {run}: identical, bit for bit, in all 96 test rows",
        f"{tmp_path / 'voice'}: 7 heads, temperatures, weights, head.toml and card.md",
    ]
    again = here("export-heads", run, "--to", tmp_path / "voice", "--device", "cpu")
    assert again.returncode == 2
    assert "already holds a published head; choose another --to" in again.stderr


def test_a_run_that_is_none_ends_with_1(here, tmp_path) -> None:
    done = here("export-heads", tmp_path / "nothing", "--to", tmp_path / "head")
    assert done.returncode == 1
    assert "is not a folder; give the folder that `fit-heads --out` wrote" in done.stderr


def test_a_model_is_recorded_for_an_encoder_of_the_run_and_for_no_other(run, here, tmp_path) -> None:
    to = ["export-heads", run, "--to", tmp_path / "head", "--unchecked", "--device", "cpu"]
    unknown = here(*to, "--model", "wavlm=logmel")
    assert unknown.returncode == 2
    assert "reads no features of 'wavlm'; name one of toy" in unknown.stderr
    other = here(*to, "--model", "toy=logmel")
    assert other.returncode == 1
    assert "logmel makes others: layer_convention is static, delta, delta-delta/1, expected toy/1" in other.stderr
    assert not (tmp_path / "head").exists()


def test_heads_on_features_that_a_whole_corpus_standardised_are_named_and_left_out(here, tmp_path) -> None:
    across = CrossPlan((write_two(tmp_path),), heads=("logreg",), layers="1")
    write_run(tmp_path / "run", fit_across(across), {"command": "ravfeat"})
    done = here("export-heads", tmp_path / "run", "--to", tmp_path / "head", "--device", "cpu")
    assert done.returncode == 0, done.stderr
    held, left_out, made = done.stdout.splitlines()
    assert held.endswith("identical, bit for bit, in all 48 test rows")
    assert left_out == (
        "left out: audio / toy@corpus-normalised / logreg, whose features were standardised by all clips of their"
        " corpus at once"
    )
    assert made.endswith("head: 1 heads, temperatures, weights, head.toml and card.md")
