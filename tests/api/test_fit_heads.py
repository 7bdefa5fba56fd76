"""`ravfeat.fit_heads`: what the command does, from Python."""

import json
import warnings
from pathlib import Path

import pytest

import ravfeat
from ravfeat.api.observer import Observer
from ravfeat.errors import CacheError, LeakError, UsageError


def test_it_writes_what_the_command_writes(toy_cache, toy_run, here, tmp_path) -> None:
    line = f"--cache {toy_cache} --head logreg --head kernel --protocol group3 --device cpu --out run"
    assert here("fit-heads", *line.split(), cwd=tmp_path).returncode == 0
    for name in ("predictions.parquet", "metrics.json", "calibration.json", "fusion.json", "differences.json"):
        assert (tmp_path / "run" / name).read_bytes() == (toy_run.path / name).read_bytes()
    recipes = [json.loads((folder / "recipe.json").read_text()) for folder in (tmp_path / "run", toy_run.path)]
    assert recipes[0].pop("command").startswith("ravfeat fit-heads --cache")
    assert recipes[1].pop("command") is None
    assert [recipe.pop("ledger")["why"] for recipe in recipes] == ["", ""]
    assert recipes[0] == recipes[1]


def test_nothing_is_printed_and_progress_is_heard(toy_cache, tmp_path, capfd) -> None:
    heard: list[tuple[float, float | None, str]] = []
    ravfeat.fit_heads(
        str(toy_cache), heads="logreg", protocol="group2", device="cpu", layers=1, out=str(tmp_path / "run"),
        progress=lambda *step: heard.append(step),
    )  # fmt: skip
    assert capfd.readouterr() == ("", "")
    assert heard
    assert all(isinstance(what, str) and (total is None or done <= total) for done, total, what in heard)


def test_without_out_every_call_has_a_folder_of_its_own(toy_cache, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    runs = [ravfeat.fit_heads(toy_cache, heads="logreg", protocol="group2", device="cpu", layers=1) for _ in range(2)]
    assert len({run.path for run in runs}) == 2
    assert {run.path.parent for run in runs} == {Path("runs")}


def test_views_that_are_passed_over_are_a_warning(tmp_path, monkeypatch) -> None:
    heard = Observer()
    with pytest.warns(UserWarning, match="look"):
        heard.warning("look")
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings(), pytest.raises(CacheError, match=r"cache"):
        ravfeat.fit_heads()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": "forest"}, "forest"),
        ({"heads": []}, "expected at least one --head"),
        ({"heads": 3}, "heads: 3 is not a name"),
        ({"seeds": "three"}, 'seeds is "three", expected a whole number'),
        ({"seeds": 0}, "seeds is 0, expected"),
        ({"seeds": 1.5}, "seeds is 1.5, expected"),
        ({"select": "test"}, "select is \"test\", expected 'val' or 'nested'"),
        ({"force": "no"}, 'force is "no", expected true or false'),
        ({"layers": [0, "x"]}, "layers="),
        ({"memory": "lots"}, "lots"),
        ({"pool": ["whole"]}, r"fit_heads\(pool=…\) is of the type 'list'"),
        ({"progress": 3}, "progress=3: expected True, False, or a function"),
        ({"normalise": "both"}, "--normalise speaks of two corpora"),
        ({"concat": "a"}, "--concat 'a': expected two or more caches"),
        ({"train_caches": "a"}, "--cache and --protocol and --train-cache do not go together"),
    ],
)
def test_what_is_wrong_is_refused_by_name_before_anything_is_trained(options, message, toy_cache, tmp_path) -> None:
    given = {"heads": "logreg", "protocol": "group2", "device": "cpu", "out": tmp_path / "run"} | options
    with pytest.raises(UsageError, match=message):
        ravfeat.fit_heads(toy_cache, **given)
    assert not (tmp_path / "run").exists()


def test_a_leak_is_refused_as_by_the_command(toy_cache, tmp_path) -> None:
    with pytest.raises(LeakError, match="clip6"):
        ravfeat.fit_heads(toy_cache, heads="logreg", protocol="clip6", out=tmp_path / "run")
