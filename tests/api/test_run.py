"""A finished run from Python."""

import json
import os
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ravfeat
from ravfeat.api.arguments import as_paths
from ravfeat.errors import PredictionsError, UsageError
from ravfeat.heads.checkpoint import load_model


@pytest.fixture(scope="module")
def run(toy_run):
    return ravfeat.open_run(toy_run.path)


def test_predictions_are_the_files_with_what_was_predicted(run) -> None:
    table = run.predictions
    assert isinstance(table, pa.Table)
    assert table.drop_columns("predicted").equals(
        pq.read_table(run.path / "predictions.parquet").cast(table.drop_columns("predicted").schema)
    )
    row = table.slice(5, 1).to_pylist()[0]
    assert row["predicted"] == run.classes[row["logits"].index(max(row["logits"]))]
    assert len(table.to_pandas()) == table.num_rows


def test_metrics_and_folds_are_tables(run) -> None:
    assert run.metrics.to_pylist() == json.loads((run.path / "metrics.json").read_text())
    folds = run.folds.to_pylist()
    assert {(row["fold"], row["split"]) for row in folds} == {
        (f, s) for f in range(3) for s in ("train", "val", "test")
    }
    for fold in range(3):
        sides = [set(row["actors"]) for row in folds if row["fold"] == fold]
        assert sum(map(len, sides)) == len(set.union(*sides)) == 6


def test_every_head_loads(run) -> None:
    assert {(head.head, head.fold) for head in run.heads} == {(h, f) for h in ("logreg", "kernel") for f in range(3)}
    head = run.heads[0]
    assert head.load().recipe == load_model(head.stem).recipe


def test_the_headline_is_the_fused_score_and_says_what_it_rests_on(run) -> None:
    record = next(
        row
        for row in run.metrics.to_pylist()
        if row["stream"] == "fused" and (row["metric"], row["averaging"]) == ("uar", "pooled")
    )
    assert run.headline == (
        f"UAR {record['value']:.3f} [{record['ci_low']:.3f}, {record['ci_high']:.3f}], fused / toy / kernel+logreg,"
        " group3, select val, 48 clips, 4 classes, chance 0.250, encoded here from recordings"
    )
    assert run.headline in repr(run)
    assert len(repr(run)) < 500


def test_a_notebook_shows_a_small_table(run) -> None:
    html = run._repr_html_()
    assert html.count("<tr>") == 1 + len(run.systems) == 6
    assert f"<b>{run.headline}</b>" in html


def test_what_a_run_is_called_cannot_change_the_page_of_a_notebook(small_run, tmp_path) -> None:
    evil = tmp_path / "<script>alert(1)&"
    shutil.copytree(small_run.path, evil)
    html = ravfeat.open_run(evil)._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;alert(1)&amp;" in html


def test_a_run_stands_for_its_folder(toy_run) -> None:
    assert os.fspath(toy_run) == str(toy_run.path)
    assert as_paths("runs", toy_run) == (toy_run.path,)


def test_several_systems_that_are_not_fused_have_no_best(toy_cache, tmp_path) -> None:
    run = ravfeat.fit_heads(
        toy_cache, heads=["logreg", "kernel"], protocol="group2", device="cpu", fusion="none", out=tmp_path / "run"
    )
    assert run.headline.startswith("UAR 0.")
    assert " of 2 systems, group2, select val, 48 clips" in run.headline


def test_a_leak_is_said_before_the_number(toy_cache, tmp_path) -> None:
    run = ravfeat.fit_heads(
        toy_cache, heads="logreg", protocol="clip6", allow_leak=True, device="cpu", out=tmp_path / "run"
    )
    assert run.headline.startswith("LEAKY, UAR ")
    assert "<td>LEAKY audio / toy / logreg</td>" in run._repr_html_()


@pytest.mark.parametrize(
    ("path", "error"), [(None, UsageError), ("", UsageError), (3, UsageError), ("none", PredictionsError)]
)
def test_what_is_no_run_is_refused(path, error, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=r"expected|not a path|not a folder"):
        ravfeat.open_run(path)


def test_a_run_that_was_tampered_with_does_not_open(small_run, tmp_path) -> None:
    spoilt = tmp_path / "run"
    shutil.copytree(small_run.path, spoilt)
    records = json.loads((spoilt / "metrics.json").read_text())
    records[0]["value"] = 0.99
    (spoilt / "metrics.json").write_text(json.dumps(records))
    with pytest.raises(PredictionsError, match=r"metrics\.json"):
        ravfeat.open_run(spoilt)
