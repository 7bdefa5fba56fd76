"""Runs in the ledger of tries: which folder, which plan, what the recipe keeps, and what is said later."""

import json
import shutil
from pathlib import Path

import pytest

import ravfeat
from ravfeat.ledger.file import read_ledger
from ravfeat.runs.ledger_state import ledger_state
from ravfeat.runs.recipe import Recipe, read_recipe, recipe_of
from ravfeat.runs.tries import ledger_folders
from tests.toycaches import actors_and_emotions, build_cache

OPTIONS = {"protocol": "group2", "device": "cpu", "layers": 1}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fit one plan twice, another once and fuse these, on one cache."""
    folder = tmp_path_factory.mktemp("tries")
    cache = build_cache(folder / "cache", actors_and_emotions(actors=6, repeats=2), corpus="toy")
    for name, head in (("a", "logreg"), ("b", "kernel"), ("again", "logreg")):
        ravfeat.fit_heads(cache, heads=head, out=folder / name, **OPTIONS)
    ravfeat.fuse([folder / "a", folder / "b"], out=folder / "fused")
    return folder


@pytest.fixture
def runs(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy in which the recipes name the ledger by where it lies in the copy."""
    shutil.copytree(made, tmp_path / "runs")
    for recipe in (tmp_path / "runs").glob("*/recipe.json"):
        recipe.write_text(recipe.read_text().replace(str(made), str(tmp_path / "runs")))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "runs"


def ledger_of(folder: Path) -> Path:
    (path,) = folder.glob("cache/**/ledger.jsonl")
    return path


def state(run: Path):
    return ledger_state(read_recipe(run))


def test_every_run_adds_a_line_and_keeps_its_digest(made) -> None:
    ledger = read_ledger(ledger_of(made))
    assert [(line.kind, line.run) for line in ledger.lines] == [
        ("fit-heads", "a"), ("fit-heads", "b"), ("fit-heads", "again"), ("fuse", "fused"),
    ]  # fmt: skip
    assert ledger.faults == ()
    for line in ledger.lines:
        (entry,) = read_recipe(made / line.run).ledger.entries
        assert (entry.line, entry.sha256, entry.first) == (line.number, line.sha256, ledger.first)
    first, second, again, fused = ledger.lines
    assert (again.plan, again.predictions) == (first.plan, first.predictions)
    assert len({line.plan for line in ledger.lines}) == 3
    assert {line.clips for line in ledger.lines} == {first.clips}
    record = json.loads((made / "b" / "metrics.json").read_text())[0]
    assert second.systems[0].test_uar == pytest.approx(record["value"], abs=1e-6)
    assert fused.systems[-1].system.startswith("fused / ")
    assert fused.systems[-1].val_uar is None


def test_what_a_published_card_would_carry_names_no_place(made) -> None:
    assert str(made) not in ledger_of(made).read_text()
    assert "/" not in ledger_state(read_recipe(made / "a")).said.replace(" / ", "")


def test_the_sentence_counts_plans_and_repeats_as_they_are_now(made) -> None:
    assert read_recipe(made / "a").ledger.said.startswith("run 1 of 1 on these ")
    now = state(made / "a")
    assert (now.standing, now.tries.number, now.tries.plans, now.tries.repeats) == ("held", 1, 3, 1)
    assert "made 2 times; best validation of them: UAR " in now.said
    assert ravfeat.open_run(made / "a").tries == now.said
    assert state(made / "b").tries.number == 2


def test_a_line_that_was_changed_is_seen_by_its_own_run_and_by_the_others(runs) -> None:
    path = ledger_of(runs)
    path.write_bytes(path.read_bytes().replace(b'"run":"b"', b'"run":"x"'))
    assert [state(runs / name).standing for name in ("a", "b", "again")] == ["broken", "changed", "broken"]
    assert "line 2 is not what it was" in state(runs / "a").finding
    assert state(runs / "a").said.endswith("; the chain of the ledger is broken")
    assert "line 2 was that of the run, and is gone or changed" in state(runs / "b").finding


@pytest.mark.parametrize("kept", [slice(0, 0), slice(0, 1), slice(1, None)])
def test_lines_that_were_taken_out_are_missed(runs, kept) -> None:
    path = ledger_of(runs)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[kept]))
    lost = "a" if kept.start else "b"
    assert state(runs / lost).standing == "changed"
    assert state(runs / lost).said.endswith("its line in the ledger is gone or changed")


def test_a_ledger_that_is_gone_or_another_one_tells_nothing(runs) -> None:
    path = ledger_of(runs)
    path.unlink()
    gone = state(runs / "a")
    assert (gone.standing, gone.tries) == ("gone", None)
    assert gone.said.endswith("(when it was made); the ledger is not there now")
    cache = next(path.parent.glob("*/"))
    ravfeat.fit_heads(cache, heads="logreg", out=runs / "new", **OPTIONS)
    assert state(runs / "a").standing == "gone"
    assert "is another ledger than the one" in state(runs / "a").finding


def test_a_ledger_is_found_beside_caches_that_were_moved(runs) -> None:
    path = ledger_of(runs)
    moved = path.parent.rename(runs / "moved")
    assert state(runs / "a").standing == "gone"
    assert ledger_state(read_recipe(runs / "a"), [moved]).standing == "held"


@pytest.mark.parametrize("damage", [b"\xff\xfe", b"[" * 100_000 + b"\n", b'{"a":1}\n', b"\n\n\n"])
def test_a_ledger_from_strangers_is_said_to_be_changed(runs, damage) -> None:
    ledger_of(runs).write_bytes(damage)
    assert state(runs / "a").standing == "changed"


def test_a_ledger_whose_first_line_cannot_be_read_stops_no_run(runs) -> None:
    path = ledger_of(runs)
    path.write_bytes(b"\xff\xfe\n")
    ravfeat.fit_heads(next(path.parent.glob("*/")), heads="logreg", out=runs / "late", **OPTIONS)
    assert state(runs / "late").standing == "broken"
    assert read_recipe(runs / "late").ledger.said.endswith("; the chain of the ledger is broken")
    assert state(runs / "late").said == read_recipe(runs / "late").ledger.said


def test_without_a_ledger_the_recipe_says_why(runs) -> None:
    cache = next(ledger_of(runs).parent.glob("*/"))
    before = ledger_of(runs).read_bytes()
    ravfeat.fit_heads(cache, heads="logreg", out=runs / "silent", no_ledger=True, **OPTIONS)
    assert ledger_of(runs).read_bytes() == before
    assert (state(runs / "silent").standing, state(runs / "silent").said) == (
        "not wanted",
        "tries not counted: --no-ledger",
    )
    ledger_of(runs).unlink()
    (cache.parent / "ledger.jsonl").mkdir()
    ravfeat.fit_heads(cache, heads="logreg", out=runs / "kept", **OPTIONS)
    assert state(runs / "kept").standing == "none kept"
    assert "is not a regular file" in state(runs / "kept").finding
    assert state(runs / "kept").said == "tries not counted: no ledger could be kept"


def test_a_run_of_before_the_ledger_says_nothing() -> None:
    old = ledger_state(Recipe())
    assert (old.standing, old.said) == ("unknown", "")


def test_the_folders_are_those_of_the_caches_that_are_tested(tmp_path) -> None:
    for path in ("c/a", "c/b", "d/b", "s/b", "t/a", "v/w"):
        (tmp_path / path).mkdir(parents=True)

    def cache(path, **more):
        return {"stream": "audio", "features": "x", "path": f"{tmp_path}/{path}", **more}

    def folders(**record):
        recipe = recipe_of(record, Path("recipe.json"))
        return [str(folder.relative_to(tmp_path)) for folder in ledger_folders(recipe)]

    both = {"joined": [{"path": f"{tmp_path}/c/a"}, {"path": f"{tmp_path}/d/b"}]}
    views = {"views": [{"path": f"{tmp_path}/v/w"}]}
    pair = {"train_cache": {"path": f"{tmp_path}/t/a"}, "test_cache": {"path": f"{tmp_path}/s/b"}}
    assert folders(caches=[cache("c/a"), cache("c/b"), cache("d/b")]) == ["c", "d"]
    assert folders(caches=[{"stream": "audio", **both}]) == ["c", "d"]
    assert folders(caches=[cache("c/a", **views)]) == ["c"]
    assert folders(caches=[{"stream": "audio", **pair}]) == ["s"]
    scores = [
        {"path": f"{tmp_path}/x/a.csv", "sha256": "0", "kind": "logits"},
        {"path": "r", "sha256": "1", "kind": "run"},
    ]
    assert folders(scores=scores, runs=[{"recipe": {"caches": [cache("c/a")]}}]) == ["c", "x"]
    assert folders(caches=[cache("gone/a")]) == []
    (tmp_path / "d" / "ledger.jsonl").touch()
    kept = {
        "entries": [
            {"path": f"{tmp_path}/{name}/ledger.jsonl", "line": 1, "sha256": "0", "first": "0"} for name in "de"
        ]
    }
    assert folders(runs=[{"recipe": {"caches": [cache("gone/a")], "ledger": kept}}]) == ["d"]


def test_fine_tuning_has_its_ledger_where_caches_of_its_corpus_are_by_default(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = recipe_of({"fine_tuned": {"corpus": "ravdess"}}, Path("recipe.json"))
    assert ledger_folders(recipe) == (tmp_path.resolve() / "cache" / "ravdess",)
