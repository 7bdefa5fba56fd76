"""The recorded plan: an audit that cannot make it ready again does not hold its tongue."""

import json
import re
import shutil
from pathlib import Path

import pytest

from ravfeat.audit import Audit, audit_run
from ravfeat.audit.context import check_plan, open_run
from ravfeat.audit.files import check_files
from ravfeat.audit.refit_calibration import check_temperatures
from ravfeat.errors import PredictionsError
from tests.audit.runs import chosen_by, make_run, rewrite, takes
from tests.writtencaches import write_cache


def of_plan(audit: Audit) -> str:
    (line,) = [line for line in audit.broken if line.check == "plan as recorded"]
    assert line.verdict == "edited"
    return line.finding


def labels_in(folder: Path) -> Path:
    path = folder / "labels.csv"
    path.write_text("clip_id,label\n" + "".join(f"{take.clip_id},{take.label}\n" for take in takes()))
    return path


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda recipe: recipe.pop("plan"), "the recipe holds no plan, and the run has heads or caches"),
        (lambda recipe: recipe["plan"].update(protocol="cross-corpus"), "no protocol 'cross-corpus'"),
        (lambda recipe: recipe["plan"].update(foo=1), r"does not fit this version of ravfeat \(foo\)"),
        (lambda recipe: recipe["plan"].update(labels="/nowhere/labels.csv"), "it lay at /nowhere/labels.csv"),
        (lambda recipe: recipe["plan"].update(caches=None), "has caches = None, expected a list of paths"),
        (lambda recipe: recipe["plan"].update(seeds=2), "says seeds = 1, and its plan 2"),
        (lambda recipe: recipe.update(protocol="emobox6"), "says protocol = 'emobox6', and its plan 'ravdess6'"),
        (lambda recipe: recipe.update(select="val"), "says select = 'val', and its plan 'nested'"),
        (lambda recipe: recipe.update(caches=[]), "the recipe does not record what was in it"),
        (lambda recipe: recipe["plan"].update(settings={"C": "x"}), "has the setting 'C'"),
        (lambda recipe: recipe.update(cross_corpus={"normalise": "none"}), "where the train cache of every system lay"),
        (lambda recipe: recipe["caches"][0].update(clips=9), r"of audio / voice \(clips\) is not what the"),
        (lambda recipe: recipe["caches"][0].update(synthetic=True), r"of audio / voice \(synthetic\) is not"),
    ],
)
def test_a_plan_that_is_not_the_run_s_is_an_edited_run(change, message, single, copy) -> None:
    run = copy(single)
    rewrite(run / "recipe.json", change)
    (line,) = check_plan(open_run(run))
    assert line.verdict == "edited"
    assert re.search(message, line.finding), line.finding


def test_a_recipe_that_records_less_of_its_caches_is_that_of_an_older_version(single, copy) -> None:
    run = copy(single)
    rewrite(
        run / "recipe.json",
        lambda recipe: [recipe["caches"][0]["folds"][0].popitem(), recipe["caches"][0].pop("clips")],
    )
    context = open_run(run)
    assert (context.plan_fault, context.reason) == ("", "")


def test_who_made_the_features_is_no_word_of_the_recipe_alone(single, copy) -> None:
    run = copy(single)
    rewrite(run / "recipe.json", lambda recipe: recipe["caches"][0]["identity"].update(layer_convention="hidden/1"))
    (location,) = open_run(run).locations
    assert location.line.verdict == "edited"
    assert "the recipe tells another identity of" in location.line.finding


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"plan": []}, r"recipe\.json: plan is \[\], expected an object; make the run again"),
        ({"protocol": None}, "protocol is null, expected text"),
        ({"cross_corpus": None}, "cross_corpus is null, expected an object"),
        ({"chosen": [{"seed": 0}]}, r"chosen\[0\] lacks 'stream'"),
    ],
)
def test_a_recipe_that_no_run_writes_is_refused_by_the_name_of_its_key(change, message, single, copy) -> None:
    run = copy(single)
    rewrite(run / "recipe.json", lambda recipe: recipe.update(change))
    with pytest.raises(PredictionsError, match=message):
        open_run(run)


def test_a_plan_taken_away_with_caches_and_choices_is_still_missed_where_heads_lie(single, copy) -> None:
    run = copy(single)
    rewrite(
        run / "recipe.json",
        lambda recipe: [recipe.pop(name) for name in ("format_version", "plan", "caches", "chosen")],
    )
    assert "the recipe holds no plan" in of_plan(audit_run(run))
    shutil.rmtree(run / "heads")
    audit = audit_run(run)
    assert not audit.broken
    assert audit.outcome == "held as far as could be tried"
    assert "not possible: plan as recorded, folds from the shards" in audit.summary


def test_a_cheat_without_its_plan_is_no_run_that_nothing_broke(caches, tmp_path, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        chosen_by(patch, lambda n: 0)
        run = make_run(tmp_path / "run", caches[:1])
    assert {line.check for line in audit_run(run).broken} == {"trained again"}
    rewrite(run / "recipe.json", lambda recipe: recipe.pop("plan"))
    assert audit_run(run).summary == "BROKEN by plan as recorded"


def test_a_table_of_labels_that_changed_or_moved_is_an_edited_run(caches, tmp_path) -> None:
    table = labels_in(tmp_path)
    run = make_run(tmp_path / "run", caches[:1], labels=table)
    assert not audit_run(run, quick=True).broken
    table.rename(tmp_path / "moved.csv")
    assert f"it lay at {table}: put it back" in of_plan(audit_run(run, quick=True))
    table.write_text((tmp_path / "moved.csv").read_text().replace(",happy", ",sad"))
    assert "labels.csv is not the table of labels that the run was made with" in of_plan(audit_run(run, quick=True))


def test_an_audit_makes_the_same_clips_and_folds_again_and_notices_that_a_file_changed(caches, tmp_path) -> None:
    folds, classes = tmp_path / "folds.csv", tmp_path / "classes.csv"
    folds.write_text("actor,fold\n" + "".join(f"{n},{n % 3}\n" for n in range(1, 25)))
    classes.write_text("label,class\ncalm,low\nhappy,high\nsad,low\nangry,\n")
    options = {"protocol": str(folds), "label_map": classes, "where": "statement == 'kids' and actor != 3"}
    run = make_run(tmp_path / "run", caches[:1], absent=(takes()[-1].clip_id,), **options)
    audit = audit_run(run)
    assert not audit.broken
    assert {line.verdict for line in audit.lines if line.check == "labels are those of the corpus"} == {"info"}
    for file, called in ((folds, "the file of folds"), (classes, "the table of classes")):
        text = file.read_text()
        file.write_text(text + "\n")
        assert f"{file.name} is not {called} that the run was made with" in of_plan(audit_run(run, quick=True))
        file.write_text(text)
    folds.unlink()
    assert f"it lay at {folds}: put it back" in of_plan(audit_run(run, quick=True))


@pytest.mark.parametrize(
    ("file", "value"),
    [
        *(("metrics.json", value) for value in (None, "zzz", [], {"a": 1}, float("nan"))),
        ("calibration.json", None),
        ("calibration.json", {"a": 1}),
        ("differences.json", []),
        ("differences.json", float("nan")),
    ],
)
def test_a_record_of_the_wrong_kind_is_edited_and_no_crash(file, value, honest, copy) -> None:
    run = copy(honest)

    def spoil(records: list) -> None:
        records[1] = value

    rewrite(run / file, spoil)
    context = open_run(run)
    assert "edited" in {line.verdict for line in check_files(context)}
    found = check_temperatures(context)[0].verdict
    assert found == ("edited" if file == "calibration.json" else "pass")


def test_a_value_that_is_no_number_is_edited_and_no_crash(honest, copy) -> None:
    run = copy(honest)
    rewrite(run / "metrics.json", lambda records: records[0].update(averaging=["pooled"]))
    assert "edited" in {line.verdict for line in check_files(open_run(run))}
    rewrite(run / "metrics.json", lambda records: records[0].update(averaging="pooled", value="high"))
    said = [line.finding for line in check_files(open_run(run))]
    assert any('[0].value is "high", expected a number' in one for one in said)


def test_a_cache_of_another_corpus_beside_the_run_s_is_not_taken_for_it(tmp_path) -> None:
    clips = takes()
    ours = write_cache(tmp_path / "then" / "a", clips, name="voice", stream="audio")
    run = make_run(tmp_path / "run", [ours])
    (tmp_path / "now").mkdir()
    shutil.move(tmp_path / "then" / "a", tmp_path / "now" / "a")
    other = write_cache(tmp_path / "now" / "b", takes(seed=4), name="voice", stream="audio", corpus="zeta")
    assert other.name == ours.name
    (location,) = open_run(run, [tmp_path / "now" / "a", tmp_path / "now" / "b"]).locations
    assert (location.path, location.unchanged) == (tmp_path / "now" / ours.relative_to(tmp_path / "then"), True)
    changed = tmp_path / "other"
    write_cache(changed, takes(seed=5), name="voice", stream="audio")
    (location,) = open_run(run, [changed, tmp_path / "now" / "b"]).locations  # of the same corpus, with other content
    assert location.line.verdict == "edited"
    recipe = json.loads((run / "recipe.json").read_text())
    assert recipe["caches"][0]["corpus"] == "ravdess"
