"""The reveal: one winner is tested once, among how many is said, and every look is counted."""

import json
from pathlib import Path

import pytest

from ravfeat.audit import audit_run
from ravfeat.errors import PredictionsError, UsageError
from ravfeat.ledger.file import read_ledger
from ravfeat.report import build_report
from ravfeat.runs.read import read_run
from ravfeat.sweep.run import open_sweep, run_sweep
from ravfeat.sweep.winner import Revealed, reveal
from tests.toycaches import actors_and_emotions
from tests.writtencaches import write_cache

LAYERS = """
caches = ["voice"]
layers = ["0", "1"]
protocols = ["group3"]
heads = [{name = "logreg", grid = [[10.0]]}]
"""

pytestmark = pytest.mark.usefixtures("blank_figures")


def cache_in(folder: Path) -> Path:
    write_cache(folder / "voice", actors_and_emotions(), name="voice", stream="audio")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return cache_in(tmp_path_factory.mktemp("reveals"))


def revealed(folder: Path, out: Path, text: str, **shard: int) -> list[Revealed]:
    path = folder / f"{out.name}.toml"
    path.write_text(text)
    return reveal(run_sweep(open_sweep(path), out, **shard), out, "ravfeat sweep")


@pytest.fixture(scope="module")
def out(tmp_path_factory) -> Path:
    """A sweep whose winner was tested, and beside it a cache whose ledger no other sweep writes. Read only."""
    folder = cache_in(tmp_path_factory.mktemp("revealed"))
    (shown,) = revealed(folder, folder / "out", LAYERS)
    assert shown.fitted is not None
    return folder / "out"


def looks_of(out: Path) -> list[dict[str, object]]:
    return list(json.loads((out / "reveals.json").read_text())["looks"])


def test_the_winner_is_an_ordinary_run_that_says_among_how_many_it_was_chosen(out, tmp_path) -> None:
    run = read_run(out / "winner")
    assert run.recipe.sweep is not None
    assert (run.recipe.sweep.among, run.recipe.sweep.choose_by, run.recipe.sweep.look) == (2, "uar", 1)
    assert run.recipe.plan is not None
    assert run.recipe.plan["layers"] == "1"  # the layer that says the emotion
    page = build_report([out / "winner"], tmp_path / "report")
    said = f"chosen among 2 by validation UAR (UAR {run.recipe.sweep.uar:.3f}"
    assert said in page.read_text()
    assert said in (tmp_path / "report" / "report.md").read_text()
    assert not audit_run(out / "winner", quick=True).broken


def test_the_ledger_has_every_trial_and_the_winner_as_one_plan_on_the_same_clips(out) -> None:
    (path,) = (out.parent / "voice").glob("*/ledger.jsonl")
    trials, reveals = [], []
    for line in read_ledger(path).lines:
        (trials if line.kind == "sweep trial" else reveals).append(line)
    assert len({line.plan for line in trials}) == len(trials) == 2
    assert [line.run for line in reveals] == ["out/winner"]
    assert reveals[0].plan in {line.plan for line in trials}
    assert {line.clips for line in trials} == {reveals[0].clips}
    assert {scores.test_uar for line in trials for scores in line.systems} == {None}
    swept = read_run(out / "winner").recipe.sweep
    assert swept is not None
    assert reveals[0].systems[0].val_uar == pytest.approx(swept.uar, abs=1e-6)


def test_no_test_figure_is_in_what_the_sweep_writes_for_reading(out) -> None:
    uar = next(
        record["value"]
        for record in json.loads((out / "winner" / "metrics.json").read_text())
        if (record["metric"], record["averaging"]) == ("uar", "pooled")
    )
    for path in (out / "sweep.md", out / "sweep.json", out / "reveals.json", *out.glob("trials/*/trial.json")):
        assert f"{uar:.3f}" not in path.read_text()
        assert str(uar) not in path.read_text()


def test_a_second_reveal_of_the_same_sweep_looks_at_nothing(out, monkeypatch) -> None:
    before = looks_of(out)
    monkeypatch.setattr("ravfeat.sweep.winner.train", None)
    (again,) = revealed(out.parent, out, LAYERS)
    assert again.fitted is None
    assert looks_of(out) == before


def test_another_winner_is_another_look_and_the_first_run_stays(folder, tmp_path) -> None:
    out = tmp_path / "out"
    revealed(folder, out, LAYERS.replace('"0", "1"', '"0"'))
    first = (out / "winner" / "predictions.parquet").read_bytes()
    (second,) = revealed(folder, out, LAYERS)
    assert [look["look"] for look in looks_of(out)] == [1, 2]
    assert second.folder == out / "winner-look-2"
    recipe = read_run(second.folder).recipe.sweep
    assert recipe is not None
    assert recipe.said.endswith("look 2 at the test clips in this sweep")
    assert (out / "winner" / "predictions.parquet").read_bytes() == first


def test_a_look_counts_from_before_the_first_test_score(folder, tmp_path, monkeypatch) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("ravfeat.sweep.winner.write_run", killed)
        with pytest.raises(KeyboardInterrupt):
            revealed(folder, tmp_path / "out", LAYERS)
    assert len(looks_of(tmp_path / "out")) == 1
    (shown,) = revealed(folder, tmp_path / "out", LAYERS)
    assert (shown.look.look, len(looks_of(tmp_path / "out"))) == (1, 1)


def test_every_protocol_has_a_winner(folder, tmp_path) -> None:
    shown = revealed(folder, tmp_path / "out", LAYERS.replace('["group3"]', '["group2", "group3"]'))
    assert [each.folder.name for each in shown] == ["winner-group2", "winner-group3"]
    assert [each.look.look for each in shown] == [1, 1]


def test_a_winner_among_some_is_none(folder, tmp_path) -> None:
    with pytest.raises(UsageError, match="1 of 2 plans are not trained yet; run the other shards first"):
        revealed(folder, tmp_path / "out", LAYERS, num_shards=2)


def test_a_damaged_count_of_looks_and_a_spoilt_winner_are_refused(folder, tmp_path) -> None:
    out = tmp_path / "out"
    revealed(folder, out, LAYERS)
    (out / "winner" / "metrics.json").unlink()
    with pytest.raises(UsageError, match=r"metrics\.json missing.*Take .*winner away"):
        revealed(folder, out, LAYERS)
    (out / "reveals.json").write_text("{}")
    with pytest.raises(PredictionsError, match="put it back as it was"):
        revealed(folder, out, LAYERS)


def test_a_plan_that_was_validated_only_is_no_run(out) -> None:
    trial = next((out / "trials").iterdir())
    for path, match in ((trial, "validation only, no test clip was scored"), (out, "is a sweep: validation only")):
        with pytest.raises(PredictionsError, match=match):
            read_run(path)
        with pytest.raises(PredictionsError, match=match):
            audit_run(path)
