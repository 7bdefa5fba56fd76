"""``ravfeat predict``."""

import csv
import json
import wave
from pathlib import Path

import numpy as np
import pytest

from ravfeat.published import load_head
from tests.spoken import Spoken


@pytest.fixture(scope="module")
def files(spoken: Spoken, tmp_path_factory) -> Path:
    """Two videos, a sound without pictures, silence, and a text that is called a video."""
    folder = tmp_path_factory.mktemp("recordings")
    for clip_id in ("01-01-03-01-01-01-07", "01-01-05-01-01-01-09"):
        (folder / f"{clip_id}.mp4").write_bytes(spoken.recording(clip_id).read_bytes())
    (folder / "text.mp4").write_text("no video\n")
    noise = np.random.default_rng(0).normal(0, 3000, 16_000)
    for name, samples in (("sound", noise), ("silent", 0 * noise)):
        with wave.open(str(folder / f"{name}.wav"), "wb") as file:
            file.setparams((1, 2, 16_000, 0, "NONE", ""))
            file.writeframes(samples.astype("<i2").tobytes())
    return folder


def options(spoken: Spoken) -> list[object]:
    return ["--model", f"tiny={spoken.net}", "--device", "cpu", "--offline"]


def test_a_folder_is_predicted_and_what_cannot_be_is_told(here, spoken, files, tmp_path) -> None:
    done = here("predict", spoken.head, files, *options(spoken), "--whole", "--out", tmp_path / "out.csv")
    assert done.returncode == 3, done.stderr
    with (tmp_path / "out.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["scope"] == "file"]
    assert len(rows) == 5 * 4
    failed = {(Path(row["file"]).name, row["system"].split(" ")[0]) for row in rows if row["status"] == "failed"}
    names = {"silent.wav", "text.mp4"}
    assert failed == {(name, stream) for name in names for stream in ("audio", "face", "fused")} | {
        ("sound.wav", "face"),
        ("sound.wav", "fused"),
    }
    probs = [float(rows[0][name]) for name in rows[0] if name.startswith("p_")]
    assert sum(probs) == pytest.approx(1)
    assert "this recording trained the head" in done.stdout
    assert "silent.wav\n  audio / logmel / attentive: no answer: is silent" in done.stdout
    assert "not everything could be predicted" in done.stderr


def test_it_says_what_the_head_says_in_python(here, spoken, files, tmp_path) -> None:
    name = files / "01-01-03-01-01-01-07.mp4"
    more = ["--system", "audio", "--fold", "mean", "--window", "0.3", "--hop", "0.2"]
    done = here("predict", spoken.head, name, *options(spoken), *more, "--out", tmp_path / "out.jsonl")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    head = load_head(spoken.head)
    with head.predictor(systems=["audio"], fold="mean", window_s=0.3, hop_s=0.2, device="cpu") as predictor:
        prediction = predictor(name)
    expected = [answer.probs for window in (*prediction.windows, prediction.summary) for answer in window.systems]
    got = [[row[f"p_{label}"] for label in head.classes] for row in rows]
    assert np.abs(np.array(got) - np.array(expected)).max() < 1e-9


def test_an_interrupted_command_predicts_only_what_is_missing(here, spoken, files, tmp_path, monkeypatch) -> None:
    from ravfeat.cli import show_prediction

    command = ["predict", spoken.head, files, *options(spoken), "--system", "audio", "--out", tmp_path / "out.csv"]
    shown: list[str] = []

    def interrupt(prediction):
        shown.append(prediction.file)
        if len(shown) == 3:
            raise KeyboardInterrupt
        return ""

    with monkeypatch.context() as patch:
        patch.setattr(show_prediction, "describe", interrupt)
        done = here(*command)
    assert done.returncode == 1
    assert "the predictions of 2 recordings are kept" in done.stderr
    assert not (tmp_path / "out.csv").exists()
    done = here(*command)
    assert done.returncode == 3
    assert "2 of 5 recordings were predicted before the interruption" in done.stdout
    assert len(list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))) >= 10
    assert list(tmp_path.iterdir()) == [tmp_path / "out.csv"]


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["--fold", "x"], 2, "--fold x: expected a fold's number, refit or mean"),
        (["--fold", "7"], 2, "no heads of 7"),
        (["--out", "x.txt"], 2, "x.txt: expected a name that ends in .csv, .parquet, .jsonl"),
        (["--system", "text"], 2, "no system 'text'"),
        (["--whole", "--window", "1"], 2, "leave out whole, or window and hop"),
        (["--model", "tiny"], 2, "--model 'tiny': expected NAME="),
        (["--model", "tiny=nowhere"], 1, "nowhere"),
    ],
)
def test_wrong_calls_are_told_in_one_line(here, spoken, files, more, code, message) -> None:
    done = here("predict", spoken.head, files, "--device", "cpu", "--offline", *more)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
