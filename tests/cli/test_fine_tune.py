"""``ravfeat fine-tune``: what it says, and what a kill leaves."""

import contextlib
import io
import json
import shutil
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import pytest
import torch
import transformers

from ravfeat.cli import group
from ravfeat.corpora.synth import generate
from ravfeat.predictions import Predictions
from ravfeat.runs.read import read_runs
from tests.processes import die_at

SYSTEM = ("audio", "tiny", "fine-tuned-top1")


@pytest.fixture(scope="module", autouse=True)
def empty_folder(tmp_path_factory) -> Iterator[None]:
    """Run in a folder of its own, whose ``cache/`` gets the ledger."""
    with contextlib.chdir(tmp_path_factory.mktemp("here")):
        yield


@pytest.fixture(scope="module")
def spoken(tmp_path_factory) -> Path:
    """Two emotions by three actors, not to be changed."""
    whole, few = tmp_path_factory.mktemp("spoken") / "synth", tmp_path_factory.mktemp("few")
    generate(whole, actors=3)
    for emotion in ("03", "04"):
        for path in whole.rglob(f"03-01-{emotion}-01-*.wav"):
            shutil.copy(path, few)
    return few


@pytest.fixture(scope="module")
def arguments(spoken, tmp_path_factory) -> list[object]:
    """Two folds, two epochs, one layer of a tiny WavLM that learns."""
    torch.manual_seed(0)
    config = transformers.WavLMConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, conv_dim=(8,) * 7,
        num_conv_pos_embeddings=16, num_conv_pos_embedding_groups=4,
    )  # fmt: skip
    encoder = tmp_path_factory.mktemp("encoder") / "tiny"
    transformers.WavLMModel(config).save_pretrained(encoder)
    transformers.Wav2Vec2FeatureExtractor().save_pretrained(encoder)
    return [
        "fine-tune", "--data", spoken, "--encoder", encoder, "--unfreeze-top", 1, "--protocol", "group3",
        "--folds", "0,2", "--epochs", 2, "--batch-clips", 4, "--lr", 1e-3, "--device", "cpu",
    ]  # fmt: skip


@pytest.fixture(scope="module")
def whole(arguments, tmp_path_factory) -> Path:
    """An uninterrupted run."""
    out = tmp_path_factory.mktemp("whole") / "run"
    with redirect_stdout(io.StringIO()) as said:
        group.main([*map(str, arguments), "--out", str(out)], prog_name="ravfeat", standalone_mode=False)
    (out.parent / "said.txt").write_text(said.getvalue())
    return out


def rows(run: Path) -> list[dict[str, object]]:
    return Predictions.read(run / "predictions.parquet").table.to_pylist()


def test_it_says_what_it_tested_and_leaves_a_run_and_no_work(whole) -> None:
    said = (whole.parent / "said.txt").read_text().splitlines()
    assert said[0] == "group3, select val, n=8"
    assert said[2].startswith("audio tiny fine-tuned-top1")
    assert said[3] == "with 2 actors, no difference of UAR can be told from zero"
    assert said[4].startswith("2 classes, chance 0.500; 8 clips tested; features encoded here from recordings (trained")
    assert said[5] == "not the corpus's own task: 2 of 3 folds tested"
    assert said[6].startswith("classes: ")
    assert said[7].startswith("run 1 of 1 on these 8 clips; best validation of them: UAR ")
    assert said[8].startswith("best of 2 epochs on validation actors, fold by fold: ")
    assert said[9].startswith("2 of 3 folds of group3 (0, 2): the other actors were not tested, and these")
    assert [path.name for path in whole.parent.iterdir() if path.is_dir()] == ["run"]


def test_the_report_reads_it_and_says_how_many_folds(whole, here, tmp_path) -> None:
    (run,) = read_runs([whole])
    assert run.predictions.systems() == [SYSTEM]
    fine_tuned = json.loads((whole / "recipe.json").read_text())["fine_tuned"]
    assert (fine_tuned["settings"]["lr"], fine_tuned["precision"]) == (1e-3, "float32")
    shutil.copytree(whole, tmp_path / "run")
    assert here("report", tmp_path / "run").returncode == 0
    page = (tmp_path / "run" / "report" / "report.html").read_text()
    assert "Run run trained and tested 2 of 3 folds (0, 2)" in page


@pytest.mark.parametrize(
    ("at", "how"), [(3, "SIGKILL"), pytest.param(8, "SIGKILL", marks=pytest.mark.slow), (4, "SIGINT")]
)
def test_killed_anywhere_and_run_again_it_gives_what_it_would_have_given(
    at, how, arguments, whole, ravfeat, here, tmp_path
) -> None:
    out = tmp_path / "run"
    done = ravfeat(*arguments, "--out", out, before=die_at(at, how))
    assert done.returncode == (-9 if how == "SIGKILL" else 1), done.stderr
    if how == "SIGINT":
        assert "interrupted; finished files are kept" in done.stderr
    assert not out.exists()
    assert (tmp_path / "run.work" / "recipe.json").is_file()
    again = here(*arguments, "--out", out)
    assert again.returncode == 0, again.stderr
    assert rows(out) == rows(whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_other_settings_do_not_go_on_with_what_is_there(arguments, here, tmp_path) -> None:
    work = tmp_path / "run.work"
    work.mkdir()
    (work / "lock").touch()
    (work / "recipe.json").write_text('{"protocol": "group5"}')
    done = here(*arguments, "--out", tmp_path / "run")
    assert done.returncode == 2
    assert "run.work holds the work of another fine-tuning: " in done.stderr
    assert "choose another --out, or remove" in done.stderr


def test_leaky_runs_say_so_and_keep_weights_where_asked(arguments, here, tmp_path) -> None:
    options = ["--protocol", "clip6", "--epochs", 1, "--folds", 0, "--out", tmp_path / "run"]
    done = here(*arguments, *options)
    assert done.returncode == 1
    assert "Add --allow-leak to run it as a control" in done.stderr
    done = here(*arguments, *options, "--allow-leak", "--keep-weights", "--augment", "none")
    assert done.returncode == 0, done.stderr
    assert "clip6 LEAKY (tested on actors it was trained on)" in done.stdout
    kept = tmp_path / "run" / "heads" / "audio-tiny-fine-tuned-top1"
    assert sorted(path.name for path in kept.iterdir()) == ["fold-0-seed-0.safetensors", "fold-0-seed-0.toml"]
    again = here(*arguments, *options, "--allow-leak")
    assert again.returncode == 2
    assert "already holds a run" in again.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--folds", "0,x"], "--folds '0,x': expected numbers with commas between, such as 0,1"),
        (["--unfreeze-top", 3], "3 top layers cannot be trained: 'tiny' has 2 layers; choose 1 to 2"),
        (["--augment", "echo"], "no view 'echo'"),
        (["--device", "cuda:31"], "device 'cuda:31' is not there"),
        (["--encoder", "logmel"], "'logmel' is no speech encoder with layers to train"),
    ],
)
def test_wrong_calls_end_before_anything_starts(options, message, arguments, here, tmp_path) -> None:
    done = here(*arguments, "--out", tmp_path / "run", *options)
    assert done.returncode in {1, 2}
    assert message in done.stderr
    assert not list(tmp_path.iterdir())
