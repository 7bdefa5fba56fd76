"""``ravfeat fuse``."""

import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ravfeat.fusion import fuse
from ravfeat.numerics.softmax import softmax
from ravfeat.predictions import Predictions, concatenate
from ravfeat.runs.result import Fitted
from ravfeat.runs.write import write_run
from ravfeat.schema import FUSED_STREAMS, RAVDESS_LABELS
from tests.scorefiles.made import Row, rows_of, simulated, write_rows


@pytest.fixture(scope="module")
def tables() -> dict[str, Predictions]:
    return {"voice": simulated(seeds=3), "face": simulated("face", seeds=2)}


@pytest.fixture(scope="module")
def run(tables, tmp_path_factory) -> Path:
    """A run that trained and fused both."""
    folder = tmp_path_factory.mktemp("runs") / "both"
    predictions, fusion = fuse(concatenate(list(tables.values())))
    cache = {"stream": "audio", "features": "audio-features", "corpus": "ravdess", "fingerprint": "ab", "missing": []}
    about = {"caches": [cache | {"path": "cache/a", "content_sha256": "cd", "folds": []}]}
    write_run(folder, Fitted(predictions, (), about, fusion), {"command": "ravfeat fit-heads"})
    return folder


@pytest.fixture(scope="module")
def single() -> dict[str, list[Row]]:
    """Rows of one seed and no validation, by stream."""
    return {
        name: rows_of(simulated(stream, seeds=1, val=False), facts=("fold", "label"))
        for name, stream in (("voice", "audio"), ("face", "face"))
    }


def options(folder: Path, rows: dict[str, Sequence[Row]], ending: str = "csv") -> list[object]:
    folder.mkdir(exist_ok=True)
    paths = [write_rows(folder / f"{name}.{ending}", own) for name, own in rows.items()]
    return [part for path in paths for part in ("--scores", path)]


def learned(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "fusion.json").read_text(encoding="utf-8"))
    return found


def fused_rows(folder: Path, stream: str) -> tuple[list[tuple[object, ...]], np.ndarray[Any, Any]]:
    """Whose the fused rows are, and their probabilities."""
    table = Predictions.read(folder / "predictions.parquet")
    own = table.select_system(next(system for system in table.systems() if system.stream == stream))
    facts = [
        tuple(row[name] for name in ("fold", "split", "performance_id", "actor", "label"))
        for row in own.table.to_pylist()
    ]
    return facts, softmax(own.logits())


# --- the same from files as from a run


@pytest.mark.parametrize("rule", ["auto", "linear"])
def test_logits_with_all_their_digits_give_what_the_run_gave(rule, here, tables, tmp_path) -> None:
    predictions, fusion = fuse(concatenate(list(tables.values())), rule)
    write_run(tmp_path / "run", Fitted(predictions, (), {}, fusion), {"command": "x"})
    call = options(tmp_path, {name: rows_of(table) for name, table in tables.items()})
    done = here("fuse", *call, "--fusion", rule, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert learned(tmp_path / "out")["folds"] == learned(tmp_path / "run")["folds"]
    for stream in FUSED_STREAMS:
        ours, theirs = (fused_rows(tmp_path / name, stream) for name in ("out", "run"))
        assert ours[0] == theirs[0]
        np.testing.assert_array_equal(ours[1], theirs[1])


def test_probabilities_give_nearly_what_the_run_gave(here, run, tables, tmp_path) -> None:
    rows = {name: rows_of(table, probabilities=True) for name, table in tables.items()}
    done = here("fuse", *options(tmp_path, rows, "parquet"), "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    for one, other in zip(learned(tmp_path / "out")["folds"], learned(run)["folds"], strict=True):
        assert one["chosen"] == other["chosen"]
        for what in ("temperatures", "linear", "loglinear"):
            np.testing.assert_allclose(one[what], other[what], rtol=0, atol=1e-6)
    for stream in FUSED_STREAMS:
        ours, theirs = (fused_rows(folder, stream) for folder in (tmp_path / "out", run))
        assert ours[0] == theirs[0]
        np.testing.assert_allclose(ours[1], theirs[1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("separate", [False, True])
def test_run_folders_give_exactly_what_the_run_gave(separate, here, run, tables, tmp_path) -> None:
    paths = [run]
    if separate:
        for name, table in tables.items():
            write_run(tmp_path / name, Fitted(table, (), {}), {"command": "x"})
        paths = [tmp_path / "face", tmp_path / "voice" / "predictions.parquet"]
    done = here("fuse", *(part for path in paths for part in ("--scores", path)), "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "fusion.json").read_bytes() == (run / "fusion.json").read_bytes()
    for name in ("metrics.json", "calibration.json", "differences.json"):
        assert (tmp_path / "out" / name).read_bytes() == (run / name).read_bytes()
    for stream in FUSED_STREAMS:
        ours, theirs = (fused_rows(folder, stream) for folder in (tmp_path / "out", run))
        assert ours[0] == theirs[0]
        np.testing.assert_array_equal(ours[1], theirs[1])


def test_a_run_and_a_file_are_fused(here, run, tables, tmp_path) -> None:
    text = options(tmp_path, {"text": [row | {"stream": "other"} for row in rows_of(simulated(draw=7))]})
    done = here("fuse", "--scores", run, *text, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "fused: 3 systems, rule auto" in done.stdout
    assert [system["features"] for system in learned(tmp_path / "out")["systems"]] == [
        "audio-features", "face-features", "text"
    ]  # fmt: skip


# --- what is said and written


def test_it_says_what_every_file_is_and_then_what_fit_heads_says(here, run, tables, tmp_path) -> None:
    rows = {"voice": rows_of(tables["voice"]), "face": rows_of(tables["face"], probabilities=True)}
    call = options(tmp_path, rows)
    done = here("fuse", *call, "--scores", run, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:4] == [
        f"{call[1]}: logits, 1152 rows, 6 folds, 3 seeds, val and test, 8 classes, as audio / voice / scores",
        f"{call[3]}: probabilities, 768 rows, 6 folds, 2 seeds, val and test, 8 classes, as face / face / scores",
        f"{run}: run, 1920 rows, 6 folds, 3 seeds, val and test, 8 classes,"
        " as audio / audio-features / logreg; face / face-features / logreg",
        "ravdess6, select val, n=192",
    ]
    assert re.fullmatch(r"audio audio-features logreg +0\.\d{3} \[.*", lines[5])
    assert re.search(r"fused: 4 systems, rule auto: .* of 6 folds", done.stdout)
    assert re.search(
        r"/out: predictions, scores, .* in \d+\.\d s; 'ravfeat report .*/out' makes the report$", lines[-1]
    )
    recipe = json.loads((tmp_path / "out" / "recipe.json").read_text(encoding="utf-8"))
    assert recipe["command"].startswith("ravfeat fuse --scores ")
    wanted = {
        "rule": "auto",
        "protocol": "ravdess6",
        "leaky": False,
        "select": "val",
        "corpus": "ravdess",
        "caches": [],
    }
    assert wanted.items() <= recipe.items()
    assert [(one["kind"], one["rows"]) for one in recipe["scores"]] == [
        ("logits", 1152), ("probabilities", 768), ("run", 1152), ("run", 768)
    ]  # fmt: skip
    assert [one["path"] for one in recipe["runs"]] == [str(run)]


@pytest.mark.usefixtures("blank_figures")
def test_its_run_can_be_reported_beside_the_one_it_came_from(here, run, single, tmp_path) -> None:
    assert here("fuse", "--scores", run, "--fusion", "linear", "--out", tmp_path / "again").returncode == 0
    done = here("report", tmp_path / "again", run)
    assert done.returncode == 0, done.stderr
    assert here("fuse", *options(tmp_path, single), "--out", tmp_path / "cross").returncode == 0
    done = here("report", tmp_path / "cross")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "cross" / "report" / "report.md").read_text(encoding="utf-8")
    assert "crossfit" in page
    assert "RAVDESS is acted speech" in page


def test_without_out_a_dated_run_is_made(here, single, tmp_path) -> None:
    options(tmp_path, single)
    assert here("fuse", "--scores", "voice.csv", "--scores", "face.csv", cwd=tmp_path).returncode == 0
    (made,) = (tmp_path / "runs").iterdir()
    assert re.fullmatch(r"\d{8}-\d{6}-fused", made.name)


def test_a_run_is_replaced_only_by_force_and_refused_before_anything_is_read(here, single, tmp_path) -> None:
    call = ["fuse", *options(tmp_path, single), "--out", tmp_path / "out"]
    assert here(*call).returncode == 0
    refused = here("fuse", "--scores", tmp_path / "nothing.csv", "--out", tmp_path / "out")
    assert refused.returncode == 2
    assert "already holds a run; choose another --out, or replace it with --force" in refused.stderr
    assert here(*call, "--force").returncode == 0


def test_leaky_scores_need_leave_and_every_number_says_so(here, single, tmp_path) -> None:
    rows = {
        name: [row | {"fold": 3} if row["name"].endswith("-02-01-01-01-11") else row for row in own]
        for name, own in single.items()
    }
    call = ["fuse", *options(tmp_path, rows), "--out", tmp_path / "out"]
    refused = here(*call)
    assert refused.returncode == 1
    assert "actor 'ravdess:11' is tested in the folds 0 and 3" in refused.stderr
    assert not (tmp_path / "out").exists()
    done = here(*call, "--allow-leak")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert all(": logits LEAKY, 192 rows" in line for line in lines[:2])
    assert lines[2].startswith("given6 LEAKY (tested on actors it was trained on), select crossfit")
    assert all(line.endswith("  LEAKY") for line in lines[4:9])
    records = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert all(record["leaky"] for record in records)


# --- cross-fitting


@pytest.mark.parametrize("what", ["scores", "labels"])
def test_a_fold_learns_nothing_from_its_own_rows(what, here, single, tmp_path) -> None:
    def change(row: Row) -> Row:
        if row["fold"] != 2:
            return row
        if what == "labels":
            return row | {"label": RAVDESS_LABELS[RAVDESS_LABELS.index(row["label"]) - 1]}
        return row | {label: -50 * row[label] for label in RAVDESS_LABELS}

    changed = {name: [change(row) for row in own] for name, own in single.items()}
    for name, rows in (("before", single), ("after", changed)):
        done = here("fuse", *options(tmp_path / name, rows), "--out", tmp_path / name / "out")
        assert done.returncode == 0, done.stderr
    before, after = (learned(tmp_path / name / "out")["folds"] for name in ("before", "after"))
    parts = ("split", "n", "temperatures", "linear", "loglinear", "chosen")
    assert [before[2][part] for part in parts] == [after[2][part] for part in parts]
    assert before[2]["split"] == "crossfit"
    assert all(before[fold]["temperatures"] != after[fold]["temperatures"] for fold in (0, 1, 3, 4, 5))
    calibration = [
        {(one["features"], one["fold"]): one["temperature"] for one in json.loads(path.read_text())}
        for path in (tmp_path / name / "out" / "calibration.json" for name in ("before", "after"))
    ]
    own = [key for key in calibration[0] if key[1] == 2 and key[0] in single]
    assert len(own) == 2
    assert all(calibration[0][key] == calibration[1][key] for key in own)


# --- scores that are odd and right


def test_constant_logits_are_fused_at_temperature_1(here, single, tmp_path) -> None:
    dull = [row | dict.fromkeys(RAVDESS_LABELS, 2.0) for row in single["face"]]
    done = here("fuse", *options(tmp_path, single | {"face": dull}), "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert [fold["temperatures"][1] for fold in learned(tmp_path / "out")["folds"]] == [1.0] * 6


def test_scores_that_are_always_right_are_fused_and_their_bound_is_said(here, single, tmp_path) -> None:
    perfect = [row | {label: float(label == row["label"]) for label in RAVDESS_LABELS} for row in single["face"]]
    done = here("fuse", *options(tmp_path, single | {"face": perfect}), "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "face.csv: probabilities" in done.stdout
    assert "face face scores: temperature at its lower bound in fold 0, 1, 2, 3, 4, 5" in done.stderr
    assert {fold["temperatures_at_bound"][1] for fold in learned(tmp_path / "out")["folds"]} == {"lower"}


def test_a_class_may_be_missing_in_a_fold(here, single, tmp_path) -> None:
    rows = {name: [row for row in own if (row["fold"], row["label"]) != (1, "sad")] for name, own in single.items()}
    done = here("fuse", *options(tmp_path, rows), "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "n=188" in done.stdout


@pytest.mark.usefixtures("blank_figures")
def test_another_corpus_says_who_speaks_in_columns(here, tmp_path) -> None:
    rng = np.random.default_rng(0)
    rows: dict[str, list[Row]] = {"voice": [], "text": []}
    for actor in range(10):
        for number in range(6):
            label = ("high", "low")[number % 2]
            for own in rows.values():
                high = float(rng.normal() + (1 if label == "high" else -1))
                facts = {"name": f"speech/{actor}-{number}.wav", "fold": actor % 5, "actor": f"mine:{actor}"}
                own.append(facts | {"label": label, "low": -high, "high": high})
    done = here("fuse", *options(tmp_path, rows), "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "given5, select crossfit, n=60" in done.stdout
    assert Predictions.read(tmp_path / "out" / "predictions.parquet").classes == ("low", "high")
    assert here("report", tmp_path / "out").returncode == 0


# --- refusals


def _nan(rows: dict[str, list[Row]]) -> dict[str, list[Row]]:
    return rows | {"face": [row | {"sad": "nan"} if at == 3 else row for at, row in enumerate(rows["face"])]}


def _fewer(rows: dict[str, list[Row]]) -> dict[str, list[Row]]:
    return rows | {"face": [row for row in rows["face"] if row["name"] != "02-01-02-01-01-01-11"]}


def _strangers(rows: dict[str, list[Row]]) -> dict[str, list[Row]]:
    return rows | {"face": [row | {"name": f"clip{at}"} for at, row in enumerate(rows["face"])]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_nan, "NaN, Inf or a number beyond float32 among the scores (1 such rows)"),
        (_fewer, "face / face / scores lacks 1 of 32: 01-02-01-01-01-11"),
        (
            _strangers,
            "192 of 192 names are no RAVDESS stems like 03-01-06-01-02-01-12: clip0, clip1, clip2 and 189 more;",
        ),
        (lambda rows: {"voice": rows["voice"]}, "fusing needs at least two systems"),
    ],
)
def test_refusals_end_with_a_message_and_leave_nothing(
    change: Callable[[dict[str, list[Row]]], dict[str, list[Row]]], message, here, single, tmp_path
) -> None:
    done = here("fuse", *options(tmp_path, change(single)), "--out", tmp_path / "out")
    assert done.returncode == (2 if "at least two" in message else 1)
    assert message in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing option '--scores'"),
        (["--scores", "a.csv", "--fusion", "none"], "is not one of 'auto', 'linear', 'loglinear'"),
        (["--scores", "a.csv", "--scores", "./a.csv"], "a.csv is given twice"),
    ],
)
def test_calls_that_cannot_be_end_with_2(arguments, message, here, tmp_path) -> None:
    done = here("fuse", *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr


def test_the_real_command_ends_with_0_1_and_2_and_no_traceback(new_ravfeat, single, tmp_path) -> None:
    good = options(tmp_path, single)
    bad = options(tmp_path / "bad", _nan(single))
    cases = (([*good, "--out", tmp_path / "out"], 0), ([*bad, "--out", tmp_path / "no"], 1), (good[:2], 2))
    # What was made elsewhere is fused without what trains heads or draws pages.
    unneeded = (
        "import sys; sys.modules.update(dict.fromkeys(['torch', 'sklearn', 'transformers', 'matplotlib', 'av',"
        " 'soundfile', 'soxr', 'mediapipe', 'onnxruntime', 'PIL', 'safetensors', 'threadpoolctl', 'jinja2']))"
    )
    for arguments, code in cases:
        done = new_ravfeat("fuse", *arguments, before=unneeded, cwd=tmp_path)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
        assert len(done.stderr.splitlines()) == (0 if code == 0 else 1)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["bad", "out", "runs"]
    assert not any((tmp_path / "runs").iterdir())


def test_what_is_fused_is_never_replaced(here, run, tmp_path) -> None:
    other = shutil.copytree(run, tmp_path / "other")
    before = {path.name for path in other.iterdir()}
    done = here("fuse", "--scores", other, "--out", other, "--force")
    assert done.returncode == 2
    assert f"--out {other} would replace {other}, which is fused; choose another --out" in done.stderr
    assert {path.name for path in other.iterdir()} == before


def test_a_run_with_an_actor_in_two_folds_needs_leave_as_a_file_does(here, single, tmp_path) -> None:
    moved = {
        name: [row | ({"fold": (int(row["fold"]) + 1) % 6} if number == 0 else {}) for number, row in enumerate(rows)]
        for name, rows in single.items()
    }
    given = options(tmp_path / "moved", moved)
    refused = here("fuse", *given, "--out", tmp_path / "a")
    assert refused.returncode == 1
    assert "Add --allow-leak" in refused.stderr
    assert here("fuse", *given, "--allow-leak", "--out", tmp_path / "a").returncode == 0
    again = here("fuse", "--scores", tmp_path / "a", "--out", tmp_path / "b")
    assert again.returncode == 1
    assert "is tested in the folds" in again.stderr
