"""Score files and runs that are to be fused."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ravfeat.errors import CorpusError, LeakError, PredictionsError, UsageError
from ravfeat.fusion import fuse
from ravfeat.predictions import Predictions, concatenate
from ravfeat.runs.result import Fitted
from ravfeat.runs.write import write_run
from ravfeat.schema import ACTOR_NORMALISED, NORMALISED, RAVDESS_LABELS
from ravfeat.scorefiles import gather_scores
from tests.scorefiles.made import Row, rows_of, simulated, write_rows

CACHE = {
    "stream": "face",
    "features": "f",
    "corpus": "ravdess",
    "fingerprint": "0",
    "missing": ["x"],
    "path": "cache/f",
}
SIDE = {"fold": 0, "split": "test", "clips": 1, "actors": ["ravdess:01"], "labels": {"sad": 1}}
ABOUT = {"caches": [CACHE | {"content_sha256": "0", "folds": [SIDE]}]}


@pytest.fixture(scope="module")
def voice() -> list[Row]:
    return rows_of(simulated(seeds=1))


@pytest.fixture(scope="module")
def face() -> list[Row]:
    return rows_of(simulated("face", seeds=1))


def files(folder: Path, **tables: Sequence[Row]) -> list[Path]:
    return [write_rows(folder / f"{name}.csv", rows) for name, rows in tables.items()]


def without_val(rows: Sequence[Row]) -> list[Row]:
    return [{key: value for key, value in row.items() if key != "split"} for row in rows if row["split"] == "test"]


def run(folder: Path, *tables: Predictions, **about: Any) -> Path:
    """A finished run of tables, fused where there are several."""
    table, fusion = (tables[0], None) if len(tables) == 1 else fuse(concatenate(tables))
    write_run(folder, Fitted(table, (), ABOUT | about, fusion), {"command": "ravfeat fit-heads"})
    return folder


def test_files_become_one_table_and_the_record_says_what_they_were(voice, face, tmp_path) -> None:
    paths = files(tmp_path, voice=voice, face=face)
    gathered = gather_scores(paths)
    assert [str(system) for system in gathered.predictions.systems()] == [
        "audio / voice / scores",
        "face / face / scores",
    ]
    assert gathered.predictions.protocol == "ravdess6"
    about = gathered.about()
    wanted = {"protocol": "ravdess6", "leaky": False, "select": "val", "seeds": 1, "corpus": "ravdess", "caches": []}
    assert wanted.items() <= about.items()
    assert about["scores"][0] == {
        "path": str(paths[0]),
        "sha256": gathered.parts[0].sha256,
        "kind": "logits",
        "rows": len(voice),
        "system": "audio / voice / scores",
    }
    assert len(about["scores"][0]["sha256"]) == 64


def test_classes_stand_in_the_order_of_ravdess(voice, face, tmp_path) -> None:
    turned = [dict(reversed(row.items())) for row in face]
    gathered = gather_scores(files(tmp_path, face=turned, voice=voice))
    assert gathered.predictions.classes == RAVDESS_LABELS
    wanted = simulated("face", seeds=1).logits()
    np.testing.assert_array_equal(gathered.predictions.select_system(("face", "face", "scores")).logits(), wanted)


def merged(rows: Sequence[Row], first: str) -> list[Row]:
    """Two classes that are no emotions of RAVDESS."""
    labels = {"high": ("happy", "angry", "fearful", "surprised"), "low": ("neutral", "calm", "sad", "disgust")}
    given = []
    for row in rows:
        emotion = RAVDESS_LABELS[int(row["name"].split("-")[2]) - 1]
        own = {name: max(row[label] for label in old) for name, old in labels.items()}
        label = next(name for name, old in labels.items() if emotion in old)
        facts = {key: value for key, value in row.items() if key not in RAVDESS_LABELS}
        given.append(facts | {"label": label} | dict(sorted(own.items(), reverse=first == "low")))
    return given


def test_merged_classes_stand_in_the_order_of_the_first_file(voice, face, tmp_path) -> None:
    gathered = gather_scores(files(tmp_path, voice=merged(voice, "low"), face=merged(face, "high")))
    assert gathered.predictions.classes == ("low", "high")


def test_other_classes_are_refused_and_both_are_listed(voice, face, tmp_path) -> None:
    message = (
        r"voice\.csv and .*face\.csv cannot be fused, they differ in classes:\n.*neutral, calm, .*\n.*: high, low\n"
    )
    with pytest.raises(PredictionsError, match=message):
        gather_scores(files(tmp_path, voice=voice, face=merged(face, "high")))


# --- names


def test_two_files_of_one_stem_are_told_apart_by_their_folders(voice, face, tmp_path) -> None:
    paths = []
    for name, rows in (("a", voice), ("b", face)):
        (tmp_path / name).mkdir()
        paths.append(write_rows(tmp_path / name / "scores.csv", rows))
    systems = gather_scores(paths).predictions.systems()
    assert [system.features for system in systems] == ["a-scores", "b-scores"]


def test_files_that_cannot_be_told_apart_are_refused(voice, face, tmp_path) -> None:
    paths = [write_rows(tmp_path / "a.csv", voice), write_rows(tmp_path / "a.parquet", face)]
    with pytest.raises(UsageError, match=r"a\.csv and .*a\.parquet would both be called '.*-a'; rename one"):
        gather_scores(paths)


def test_one_path_or_one_content_for_two_systems_is_refused(voice, tmp_path) -> None:
    (path,) = files(tmp_path, a=voice)
    with pytest.raises(UsageError, match=r"a\.csv is given twice; name every score file and run once"):
        gather_scores([path, tmp_path / ".." / tmp_path.name / "a.csv"])
    copy = shutil.copy(path, tmp_path / "b.csv")
    with pytest.raises(UsageError, match=r"a\.csv and .*b\.csv have the same content: one file for two systems"):
        gather_scores([path, copy])


def test_fusing_needs_two_systems(voice, tmp_path) -> None:
    with pytest.raises(UsageError, match=r"at least two systems, got audio / a / scores; name another score file"):
        gather_scores(files(tmp_path, a=voice))
    with pytest.raises(UsageError, match="at least two systems, got audio / audio-features / logreg"):
        gather_scores([run(tmp_path / "run", simulated(seeds=1))])


# --- folds


def test_without_val_rows_scores_are_cross_fitted(voice, face, tmp_path) -> None:
    gathered = gather_scores(files(tmp_path, voice=without_val(voice), face=without_val(face)))
    assert gathered.predictions.select == gathered.about()["select"] == "crossfit"


def test_val_rows_in_some_files_only_are_refused(voice, face, tmp_path) -> None:
    for order in (("voice", "face"), ("face", "voice")):
        paths = files(tmp_path, voice=voice, face=without_val(face))
        with pytest.raises(
            PredictionsError, match=r"voice\.csv has val rows and .*face\.csv has none; give every system"
        ):
            gather_scores(sorted(paths, key=lambda path: order.index(path.stem)))


def test_val_rows_in_some_folds_only_are_refused(voice, face, tmp_path) -> None:
    holed = [row for row in voice if (row["split"], row["fold"]) != ("val", 2)]
    with pytest.raises(PredictionsError, match="audio / voice / scores has val rows in some folds and none in fold 2"):
        fuse(gather_scores(files(tmp_path, voice=holed, face=face)).predictions)


def moved(rows: Sequence[Row], **to: object) -> list[Row]:
    """Put one tested clip of actor 11, who is tested in fold 0, somewhere else."""
    chosen = "01-02-01-01-01-11"
    return [row | to if row["name"][3:] == chosen and row.get("split") != "val" else row for row in rows]


def test_an_actor_tested_in_two_folds_leaks(voice, face, tmp_path) -> None:
    given = {"voice": moved(without_val(voice), fold=3), "face": moved(without_val(face), fold=3)}
    paths = files(tmp_path, **given)
    message = r"voice\.csv puts actors on both sides: actor 'ravdess:11' is tested in the folds 0 and 3, .*--allow-leak"
    with pytest.raises(LeakError, match=message):
        gather_scores(paths)
    table = gather_scores(paths, allow_leak=True).predictions
    assert (table.leaky, table.protocol) == (True, "given6")
    assert fuse(table)[0].leaky


def test_an_actor_in_val_and_test_of_a_fold_leaks(voice, face, tmp_path) -> None:
    paths = files(tmp_path, voice=moved(voice, split="val"), face=moved(face, split="val"))
    with pytest.raises(LeakError, match=r"voice\.csv .*: actor 'ravdess:11' is in val and in test of fold 0, so its"):
        gather_scores(paths)
    gathered = gather_scores(paths, allow_leak=True)
    assert gathered.predictions.leaky
    assert gathered.about()["leaky"]


def test_a_leak_in_one_file_only_is_refused_with_or_without_leave(voice, face, tmp_path) -> None:
    paths = files(tmp_path, voice=voice, face=moved(face, split="val"))
    with pytest.raises(LeakError, match=r"face\.csv puts actors on both sides"):
        gather_scores(paths)
    with pytest.raises(PredictionsError, match=r"differ in leaky:\n  .*voice\.csv: False\n  .*face\.csv: True\n"):
        gather_scores(paths, allow_leak=True)


def test_other_folds_are_refused_with_the_first_that_is_different(voice, face, tmp_path) -> None:
    swap = {0: 1, 1: 0}
    halves = [row | {"fold": swap.get(row["fold"], row["fold"])} for row in without_val(face)]
    gathered = gather_scores(files(tmp_path, voice=without_val(voice), face=halves))
    with pytest.raises(PredictionsError, match=r"fold 0, crossfit: systems that are fused must score the same"):
        fuse(gathered.predictions)
    lacking = [row for row in without_val(face) if not row["name"].endswith("-11")]
    message = (
        r"differ in protocol:\n.*: ravdess6\n.*: given6\n  fold 0 tests ravdess:11, .* and ravdess:12, .* second\n"
    )
    with pytest.raises(PredictionsError, match=message):
        gather_scores(files(tmp_path, voice=without_val(voice), face=lacking))


def test_other_clips_are_refused_with_counts_and_first_names(voice, face, tmp_path) -> None:
    gone = ("01-02-01-01-01-11", "01-03-01-01-01-11")
    holed = [row for row in face if not (row["split"] == "test" and row["name"][3:] in gone)]
    message = r"fold 0, test: systems .*\n  face / face / scores lacks 2 of 32: 01-02-01-01-01-11, 01-03-01-01-01-11\n"
    with pytest.raises(PredictionsError, match=message):
        fuse(gather_scores(files(tmp_path, voice=voice, face=holed)).predictions)


# --- runs


def test_a_run_is_its_systems_that_are_not_fused(tmp_path) -> None:
    tables = simulated(), simulated("face")
    folder = run(tmp_path / "run", *tables)
    for path in (
        folder,
        folder / "predictions.parquet",
        shutil.copy(folder / "predictions.parquet", tmp_path / "x.pq"),
    ):
        gathered = gather_scores([path])
        assert gathered.predictions.table.equals(concatenate(tables).table)
        assert [entry["rows"] for entry in gathered.about()["scores"]] == [len(table) for table in tables]
        assert {entry["kind"] for entry in gathered.about()["scores"]} == {"run"}


def test_what_a_runs_recipe_warns_of_is_kept(voice, tmp_path) -> None:
    paths = [run(tmp_path / "run", simulated("face", seeds=1)), *files(tmp_path, voice=voice)]
    (kept,) = gather_scores(paths).about()["runs"]
    assert kept["path"] == str(tmp_path / "run")
    assert kept["recipe"]["caches"] == [CACHE | {"content_sha256": "0"}]
    assert "chosen" not in kept["recipe"]
    (tmp_path / "run" / "recipe.json").write_text("{", encoding="utf-8")
    with pytest.raises(PredictionsError, match=r"recipe\.json is not valid JSON"):
        gather_scores(paths)
    (tmp_path / "run" / "recipe.json").unlink()
    assert gather_scores(paths).about()["runs"] == []


def test_which_folds_a_run_tested_is_kept_and_who_was_in_them_is_not(voice, tmp_path) -> None:
    tested = {"folds": [0, 1], "of": 6}
    tuned = {"stream": "face", "folds": [SIDE]}
    path = run(tmp_path / "run", simulated("face", seeds=1), tested_folds=tested, fine_tuned=tuned)
    (kept,) = gather_scores([path, *files(tmp_path, voice=voice)]).about()["runs"]
    assert kept["recipe"]["tested_folds"] == tested
    assert kept["recipe"]["fine_tuned"] == {"stream": "face"}


def test_a_file_takes_classes_and_protocol_from_the_run_it_is_fused_with(voice, tmp_path) -> None:
    table = simulated("face", seeds=1)
    order = RAVDESS_LABELS[::-1]
    turned = replace(table, protocol="group6", classes=order)
    paths = [run(tmp_path / "run", turned), *files(tmp_path, voice=voice)]
    with pytest.raises(PredictionsError, match=r"differ in protocol:\n  .*run: group6\n  .*voice\.csv: ravdess6\n"):
        gather_scores(paths)
    moved = _with_actors(turned, lambda actor: f"mine:{actor[-2:]}x")
    other = [run(tmp_path / "other", moved), write_rows(tmp_path / "b.csv", [_named(row) for row in voice])]
    gathered = gather_scores(other)
    assert (gathered.predictions.protocol, gathered.predictions.classes) == ("group6", order)
    assert fuse(gathered.predictions)[1].folds


def _with_actors(table: Predictions, rename: Any) -> Predictions:
    columns = {name: table.table[name].to_pylist() for name in table.table.column_names}
    columns |= {"actor": [rename(actor) for actor in columns["actor"]], "logits": table.logits()}
    facts = ("classes", "protocol", "leaky", "select", "synthetic")
    return Predictions.from_columns(columns, **{name: getattr(table, name) for name in facts})


def _named(row: Row) -> Row:
    return row | {"actor": f"mine:{row['name'][-2:]}x"}


def test_runs_that_do_not_belong_together_are_refused_by_name(voice, tmp_path) -> None:
    first = run(tmp_path / "a", simulated(seeds=1))
    for what, change in (("select", "nested"), ("synthetic", True), ("classes", RAVDESS_LABELS[::-1])):
        other = run(tmp_path / f"b-{what}", replace(simulated("face", seeds=1), **{what: change}))
        with pytest.raises(PredictionsError, match=rf"a and .*b-{what} cannot be fused, they differ in {what}:\n  "):
            gather_scores([first, other])
    nested = run(tmp_path / "nested", replace(simulated("face", seeds=1), select="nested"))
    with pytest.raises(PredictionsError, match=r"differ in select:\n  .*nested: nested\n  .*voice\.csv: val\n"):
        gather_scores([nested, *files(tmp_path, voice=voice)])


def test_a_system_in_two_runs_is_refused(tmp_path) -> None:
    paths = [run(tmp_path / name, simulated(seeds=1, draw=draw)) for draw, name in enumerate("ab")]
    with pytest.raises(
        PredictionsError, match=r"a and .*b both hold the system audio / audio-features / logreg; leave"
    ):
        gather_scores(paths)


def test_one_that_views_taught_and_one_that_clean_clips_taught_have_one_name(tmp_path) -> None:
    entry = ABOUT["caches"][0] | {"stream": "audio", "features": "audio-features"}
    taught = [entry | {"trained_on": "clean + gain-1:seed0"}]
    clean = run(tmp_path / "a", simulated(seeds=1), caches=[entry | {"trained_on": "clean"}])
    views = run(tmp_path / "b", simulated(seeds=1, draw=1), caches=taught)
    for paths in ([clean, views], [views, clean]):
        with pytest.raises(
            PredictionsError, match=r"that of .*b was trained on views \(clean \+ gain-1:seed0\), which a name does not"
        ):
            gather_scores(paths)


def test_normalised_and_plain_features_are_never_mixed(voice, tmp_path) -> None:
    both = simulated(seeds=1), simulated(seeds=1, draw=1, features=f"audio-features{NORMALISED}")
    path = run(tmp_path / "both", concatenate(both))
    alone = run(tmp_path / "one", both[1])
    message = (
        r"holds audio / audio-features@corpus-normalised / logreg, which is TRANSDUCTIVE, and .* which is not; they"
    )

    for paths in ([path], [alone, *files(tmp_path, voice=voice)]):
        with pytest.raises(PredictionsError, match=message):
            gather_scores(paths)
    by_actor = run(tmp_path / "actor", simulated("face", seeds=1, features=f"face-features{ACTOR_NORMALISED}"))
    with pytest.raises(PredictionsError, match=r"@corpus-normalised / .* TRANSDUCTIVE, .* which is @actor-normalised"):
        gather_scores([by_actor, alone])
    face = run(tmp_path / "face", simulated("face", seeds=1, features=f"face-features{NORMALISED}"))
    assert len(gather_scores([alone, face]).predictions.systems()) == 2


def test_a_leaky_run_needs_leave(tmp_path) -> None:
    tables = (replace(simulated(stream, seeds=1), protocol="clip6", leaky=True) for stream in ("audio", "face"))
    path = run(tmp_path / "leaky", *tables)
    with pytest.raises(
        LeakError, match=r"leaky puts actors on both sides: protocol 'clip6' does so by design, .*--allow"
    ):
        gather_scores([path])
    assert gather_scores([path], allow_leak=True).predictions.leaky


def test_a_run_that_is_synthetic_makes_all_of_it_so(voice, tmp_path) -> None:
    synthetic = replace(simulated("face", seeds=1), synthetic=True)
    paths = [*files(tmp_path, voice=voice), run(tmp_path / "run", synthetic)]
    assert gather_scores(paths).predictions.synthetic


def test_actors_of_the_generated_corpus_are_synthetic(voice, face, tmp_path) -> None:
    given = {
        name: [row | {"actor": f"synth:{row['name'][-2:]}"} for row in rows]
        for name, rows in (("voice", voice), ("face", face))
    }
    assert gather_scores(files(tmp_path, **given)).predictions.synthetic


def test_what_is_neither_a_run_nor_a_file_is_refused(voice, tmp_path) -> None:
    (path,) = files(tmp_path, voice=voice)
    (tmp_path / "empty").mkdir()
    with pytest.raises(PredictionsError, match=r"empty is a folder without predictions\.parquet; give a folder that"):
        gather_scores([path, tmp_path / "empty"])
    with pytest.raises(CorpusError, match=r"nothing\.csv is not a file"):
        gather_scores([path, tmp_path / "nothing.csv"])


def test_fused_systems_alone_are_refused(tmp_path) -> None:
    table, _ = fuse(concatenate([simulated(seeds=1), simulated("face", seeds=1)]))
    fused = next(system for system in table.systems() if system.stream == "fused")
    table.select_system(fused).write(tmp_path / "fused.parquet")
    with pytest.raises(
        PredictionsError, match=r"fused\.parquet holds fused systems only; give the runs or score files"
    ):
        gather_scores([tmp_path / "fused.parquet"])


def test_a_network_over_several_streams_alone_is_refused_as_a_control(voice, tmp_path) -> None:
    path = run(tmp_path / "joint", simulated("joint", seeds=1))
    with pytest.raises(
        PredictionsError, match=r"joint / joint-features / logreg is a network over several streams, a control"
    ):
        gather_scores([path, *files(tmp_path, voice=voice)])


def test_the_record_is_plain(voice, face, tmp_path) -> None:
    about = gather_scores(files(tmp_path, voice=voice, face=face)).about()
    assert json.loads(json.dumps(about)) == about
