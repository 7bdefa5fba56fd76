import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from ravfeat.errors import PredictionsError
from ravfeat.numerics.softmax import softmax
from ravfeat.predictions import Predictions, System, concatenate, read_scores, write_scores
from ravfeat.schema import PREDICTION_COLUMNS

CLASSES = ("calm", "happy", "sad")
ABOUT: dict[str, Any] = {"classes": CLASSES, "protocol": "p", "leaky": False, "select": "val", "synthetic": True}
SYSTEM = ("audio", "logmel", "logreg")


def columns(n_seeds: int = 2) -> dict[str, Any]:
    """Four actors in two folds, three clips each; the other fold's actors are validation rows."""
    rng = np.random.default_rng(0)
    rows = []
    for seed in range(n_seeds):
        for fold in range(2):
            for actor in range(4):
                split = "test" if actor % 2 == fold else "val"
                rows += [
                    (seed, fold, split, f"03-{actor}-{k}", f"{actor}-{k}", f"a{actor}", CLASSES[k]) for k in range(3)
                ]
    names = ("seed", "fold", "split", "clip_id", "performance_id", "actor", "label")
    table: dict[str, Any] = {name: list(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
    table.update(stream=SYSTEM[0], features=SYSTEM[1], head=SYSTEM[2])
    table["logits"] = rng.normal(size=(len(rows), 3)).astype(np.float32)
    return table


def build(**changes: Any) -> Predictions:
    return Predictions.from_columns({**columns(), **changes}, **ABOUT)


def test_a_table_survives_the_way_to_disk_and_back(tmp_path: Path) -> None:
    table = build()
    table.write(tmp_path / "predictions.parquet")
    again = Predictions.read(tmp_path / "predictions.parquet")
    assert again.table.equals(table.table)
    assert (again.classes, again.protocol, again.leaky, again.select, again.synthetic) == (
        CLASSES,
        "p",
        False,
        "val",
        True,
    )
    assert again.table.column_names == list(PREDICTION_COLUMNS)
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.parquet"]


def test_a_failed_write_leaves_the_old_file_and_no_scraps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "predictions.parquet"
    build().write(target)
    before = target.read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        build(logits=np.zeros((48, 3))).write(target)
    assert target.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["predictions.parquet"]


def test_columns_may_come_in_any_order_and_as_plain_lists(tmp_path: Path) -> None:
    table = build()
    shuffled = table.table.select(sorted(PREDICTION_COLUMNS))
    plain = shuffled.set_column(
        shuffled.column_names.index("logits"), "logits", shuffled["logits"].cast(pa.list_(pa.float64()))
    )
    assert Predictions(plain, **ABOUT).table.equals(table.table)


@pytest.mark.parametrize("missing", PREDICTION_COLUMNS[:-1])
def test_a_missing_column_is_named(missing: str) -> None:
    with pytest.raises(PredictionsError, match=f"missing \\['{missing}'\\]"):
        Predictions(build().table.drop_columns(missing), **ABOUT)


def test_an_unknown_column_is_named() -> None:
    with pytest.raises(PredictionsError, match="unknown \\['speaker'\\]"):
        build(speaker="x")


def test_a_table_without_rows_is_refused() -> None:
    with pytest.raises(PredictionsError, match="has no rows"):
        Predictions(build().table.slice(0, 0), **ABOUT)


def test_empty_values_are_refused() -> None:
    with pytest.raises(PredictionsError, match="column 'actor' has 1 empty values"):
        build(actor=[None, *columns()["actor"][1:]])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_refused_by_clip(value: float) -> None:
    logits = columns()["logits"].copy()
    logits[4, 1] = value
    with pytest.raises(PredictionsError, match="clip 03-1-1 has NaN or Inf logits"):
        build(logits=logits)


def test_a_label_outside_the_classes_is_refused_by_clip() -> None:
    with pytest.raises(PredictionsError, match="clip 03-0-0 has label 'bored', expected one of calm, happy, sad"):
        build(label=["bored", *columns()["label"][1:]])


def test_a_train_row_is_refused() -> None:
    with pytest.raises(PredictionsError, match="split 'train', expected one of val, test"):
        build(split=["train", *columns()["split"][1:]])


def test_an_unknown_stream_is_refused() -> None:
    with pytest.raises(PredictionsError, match="stream 'smell'"):
        build(stream="smell")


def test_a_wrong_number_of_logits_is_refused_by_clip() -> None:
    with pytest.raises(PredictionsError, match="clip 03-0-0 has 2 logits, expected 3"):
        build(logits=np.zeros((48, 2)))


def test_ragged_logits_are_refused_by_clip() -> None:
    table = build().table
    ragged = [list(row) for row in build().logits().tolist()]
    ragged[7] = ragged[7][:2]
    bad = table.set_column(10, "logits", pa.array(ragged, type=pa.list_(pa.float32())))
    with pytest.raises(PredictionsError, match=f"clip {table['clip_id'][7]} has 2 logits"):
        Predictions(bad, **ABOUT)


def test_columns_of_a_wrong_kind_are_refused() -> None:
    with pytest.raises(PredictionsError, match="column 'fold' must be int64, got string"):
        build(fold=["first"] * 48)
    table = build().table
    words = table.set_column(10, "logits", pa.array(["0.1 0.2 0.7"] * 48))
    with pytest.raises(PredictionsError, match="column 'logits' must hold lists of float32, got string"):
        Predictions(words, **ABOUT)


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(PredictionsError, match=r"equally long, got .*actor 3"):
        build(actor=["a", "b", "c"])


def test_a_clip_tested_twice_by_one_system_and_seed_is_refused() -> None:
    table = build().table
    test = next(i for i, split in enumerate(table["split"].to_pylist()) if split == "test")
    again = table.slice(test, 1).set_column(4, "fold", pa.array([7]))
    with pytest.raises(PredictionsError, match="clip 03-0-0 is tested 2 times by audio / logmel / logreg, seed 0"):
        Predictions(pa.concat_tables([table, again]), **ABOUT)


def test_a_validation_clip_may_serve_several_folds_but_each_once() -> None:
    table = build().table
    val = next(i for i, split in enumerate(table["split"].to_pylist()) if split == "val")
    row = table.slice(val, 1)
    Predictions(pa.concat_tables([table, row.set_column(4, "fold", pa.array([7]))]), **ABOUT)
    with pytest.raises(PredictionsError, match="stands 2 times in one fold"):
        Predictions(pa.concat_tables([table, row]), **ABOUT)


def test_a_clip_with_two_actors_is_refused() -> None:
    with pytest.raises(PredictionsError, match="clip 03-0-0 has several performances, actors or labels"):
        build(actor=["a9", *columns()["actor"][1:]])


def test_an_actor_tested_in_two_folds_is_refused_unless_the_table_says_leaky() -> None:
    fold = columns()["fold"]
    fold[0] = 7
    with pytest.raises(PredictionsError, match="actor a0 is tested in 2 folds, but protocol 'p' is not marked leaky"):
        build(fold=fold)
    Predictions.from_columns({**columns(), "fold": fold}, **{**ABOUT, "leaky": True})


def test_an_actor_on_two_sides_is_refused_unless_the_table_says_leaky() -> None:
    split = columns()["split"]
    split[1] = "val"
    with pytest.raises(PredictionsError, match="actor a0 is in val and in test of fold 0"):
        build(split=split)
    Predictions.from_columns({**columns(), "split": split}, **{**ABOUT, "leaky": True})


def test_averaging_is_the_mean_of_softmaxes_sorted_by_clip() -> None:
    data = columns()
    table = build()
    probs = table.seed_averaged(SYSTEM)
    assert list(probs.clip_ids) == sorted(probs.clip_ids)
    assert probs.seeds == (0, 1)
    for i, clip in enumerate(probs.clip_ids):
        rows = [j for j in range(48) if data["clip_id"][j] == clip and data["split"][j] == "test"]
        assert len(rows) == 2
        expected = [np.exp(z) / np.exp(z).sum() for z in data["logits"][rows].astype(np.float64)]
        np.testing.assert_allclose(probs.probs[i], np.mean(expected, axis=0), rtol=1e-12)
        assert CLASSES[probs.y[i]] == data["label"][rows[0]]
        assert (probs.folds[i], probs.actors[i]) == (data["fold"][rows[0]], data["actor"][rows[0]])
        assert probs.performance_ids[i] == data["performance_id"][rows[0]]


def test_row_order_plays_no_part() -> None:
    table = build()
    order = np.random.default_rng(1).permutation(len(table))
    shuffled = Predictions(table.table.take(pa.array(order)), **ABOUT)
    ours, theirs = table.seed_averaged(SYSTEM), shuffled.seed_averaged(SYSTEM)
    np.testing.assert_array_equal(ours.probs, theirs.probs)
    np.testing.assert_array_equal(ours.clip_ids, theirs.clip_ids)


def test_averaging_validation_rows_keeps_clip_and_fold_apart() -> None:
    probs = build().seed_averaged(SYSTEM, "val")
    assert len(probs) == 12
    assert set(zip(probs.clip_ids, probs.folds, strict=True)) == {
        (f"03-{actor}-{k}", 1 - actor % 2) for actor in range(4) for k in range(3)
    }


def test_seeds_that_cover_different_clips_are_refused() -> None:
    data = columns()
    last_test = max(i for i in range(48) if data["split"][i] == "test")
    torn = Predictions(build().table.take(pa.array([i for i in range(48) if i != last_test])), **ABOUT)
    message = r"different clips: 03-3-2 \(fold 1\) has seeds \[0\] of \[0, 1\] \(1 such clips\)"
    with pytest.raises(PredictionsError, match=message):
        torn.seed_averaged(SYSTEM)
    assert len(torn.seed_averaged(SYSTEM, "val")) == 12


def test_one_seed_alone_is_its_own_softmax() -> None:
    data = columns()
    probs = build().seed_scores(SYSTEM, 1)
    row = next(
        j
        for j in range(48)
        if (data["seed"][j], data["split"][j], data["clip_id"][j]) == (1, "test", probs.clip_ids[0])
    )
    np.testing.assert_array_equal(probs.probs[0], softmax(data["logits"][row]))
    with pytest.raises(PredictionsError, match="no rows of this seed"):
        build().seed_scores(SYSTEM, 5)


def test_softmax_stands_huge_logits() -> None:
    np.testing.assert_allclose(softmax(np.array([1e4, 0.0])), [1.0, 0.0])


def test_systems_are_listed_selected_and_missed_by_name() -> None:
    both = concatenate([build(), build(head="attentive")])
    assert both.systems() == [System("audio", "logmel", "attentive"), System("audio", "logmel", "logreg")]
    assert both.select_system(SYSTEM).table.equals(build().table)
    assert both.seeds(SYSTEM) == (0, 1)
    with pytest.raises(PredictionsError, match="no system 'face / x / y'; choose from audio / logmel / attentive; "):
        both.select_system(("face", "x", "y"))


@pytest.mark.parametrize(
    ("name", "value"), [("protocol", "q"), ("leaky", True), ("select", "nested"), ("synthetic", False)]
)
def test_tables_of_different_kinds_do_not_concatenate(name: str, value: Any) -> None:
    other = Predictions.from_columns({**columns(), "head": "b"}, **{**ABOUT, name: value})
    with pytest.raises(PredictionsError, match=f"tables differ in {name}"):
        concatenate([build(), other])


def test_the_same_rows_twice_do_not_concatenate() -> None:
    with pytest.raises(PredictionsError, match="is tested 2 times"):
        concatenate([build(), build()])
    with pytest.raises(PredictionsError, match="nothing to concatenate"):
        concatenate([])


def test_reading_says_what_is_wrong_with_a_file(tmp_path: Path) -> None:
    with pytest.raises(PredictionsError, match=r"none\.parquet is missing; make it again"):
        Predictions.read(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("hello, this is no Parquet file at all")
    with pytest.raises(PredictionsError, match="cannot be read as Parquet"):
        Predictions.read(tmp_path / "text.parquet")
    pq.write_table(build().table, tmp_path / "bare.parquet")
    with pytest.raises(PredictionsError, match="is not a prediction table"):
        Predictions.read(tmp_path / "bare.parquet")
    newer = build().table.replace_schema_metadata({b"ravfeat.predictions": b'{"format_version": 9}'})
    pq.write_table(newer, tmp_path / "newer.parquet")
    with pytest.raises(PredictionsError, match="prediction format 9, this ravfeat reads 1"):
        Predictions.read(tmp_path / "newer.parquet")
    silent = build().table.replace_schema_metadata({b"ravfeat.predictions": b'{"format_version": 1, "classes": []}'})
    pq.write_table(silent, tmp_path / "silent.parquet")
    with pytest.raises(PredictionsError, match=r"silent\.parquet: metadata 'ravfeat.predictions': it lacks 'protocol'"):
        Predictions.read(tmp_path / "silent.parquet")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"leaky": {}}, "leaky is {}, expected true or false; make it again"),
        ({"leaky": 0}, "leaky is 0, expected true or false"),
        ({"classes": ["a", 1]}, r"classes\[1\] is 1, expected text"),
        ({"select": "all"}, "select is \"all\", expected 'val', 'nested' or 'crossfit'"),
        ({"classes": ["happy", "happy"]}, "at least two different labels"),
        ({"format_version": True}, "format_version is true, expected a whole number"),
    ],
)
def test_metadata_of_the_wrong_kind_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    build().write(tmp_path / "a.parquet")
    table = pq.read_table(tmp_path / "a.parquet")
    about = json.loads(table.schema.metadata[b"ravfeat.predictions"]) | change
    pq.write_table(table.replace_schema_metadata({"ravfeat.predictions": json.dumps(about)}), tmp_path / "a.parquet")
    with pytest.raises(PredictionsError, match=rf"a\.parquet: .*{message}"):
        Predictions.read(tmp_path / "a.parquet")


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("fold", pc.negate, "is in fold -1, expected 0 or more"),
        ("fold", lambda column: column.cast(pa.string()), "column 'fold' must be int64, got string: no whole numbers"),
        ("seed", lambda column: column.cast(pa.float64()), "column 'seed' must be int64, got double"),
        ("clip_id", lambda column: pa.array(range(len(column))), "column 'clip_id' must be string, got int64: no text"),
        ("actor", lambda column: pa.nulls(len(column), pa.string()), "column 'actor' has 48 empty values"),
        ("logits", lambda column: pa.array([["1", "2"]] * len(column)), "must hold lists of float32"),
        ("logits", lambda column: pa.array([[1.0]] * len(column)), "has 1 logits, expected 3"),
        ("logits", lambda column: pa.array([[1.0, 2.0, None]] * len(column)), "NaN or Inf logits"),
    ],
)
def test_a_column_of_the_wrong_kind_is_refused(
    tmp_path: Path, name: str, change: Callable[[Any], Any], message: str
) -> None:
    build().write(tmp_path / "a.parquet")
    table = pq.read_table(tmp_path / "a.parquet")
    at = table.column_names.index(name)
    pq.write_table(table.set_column(at, name, change(table[name])), tmp_path / "a.parquet")
    with pytest.raises(PredictionsError, match=rf"a\.parquet: .*{message}"):
        Predictions.read(tmp_path / "a.parquet")


def test_a_column_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    build().write(tmp_path / "a.parquet")
    table = pq.read_table(tmp_path / "a.parquet")
    pq.write_table(table.append_column("seed", table["seed"]), tmp_path / "a.parquet")
    with pytest.raises(PredictionsError, match=r"a\.parquet: there are 2 columns called 'seed'"):
        Predictions.read(tmp_path / "a.parquet")


def test_scores_survive_the_way_to_disk_and_back(tmp_path: Path) -> None:
    rows = [{"head": "a", "fold": -1, "uar": 0.5}, {"head": "b", "fold": 0, "uar": 0.25}]
    write_scores(tmp_path / "scores.parquet", rows)
    assert read_scores(tmp_path / "scores.parquet") == rows
    with pytest.raises(PredictionsError, match="is missing"):
        read_scores(tmp_path / "other.parquet")


@pytest.mark.parametrize("name", ["clip_id", "actor", "features", "head"])
def test_names_with_control_characters_are_refused(name: str) -> None:
    with pytest.raises(PredictionsError, match=rf"column '{name}' holds '.*x1b\[2J', expected a name without control"):
        build(**{name: "red\x1b[2J"})
