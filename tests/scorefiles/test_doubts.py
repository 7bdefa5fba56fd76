"""What scores show that honest ones do not, and that honest ones show nothing."""

import csv
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ravfeat.predictions import Predictions
from ravfeat.scorefiles.copied_rows import copied_rows
from ravfeat.scorefiles.doubts import score_doubts
from tests.toyscores import scores

Columns = dict[str, list[Any]]


def changed(table: Predictions, change: Callable[[Columns], None]) -> Predictions:
    columns = {name: table.table[name].to_pylist() for name in table.table.column_names}
    change(columns)
    return replace(table, table=pa.table(columns, schema=table.table.schema))


def sentences(table: Predictions) -> list[str]:
    return [doubt.sentence for doubt in score_doubts(table)]


@pytest.mark.parametrize(
    "options", [{}, {"val": "nested"}, {"val": "none"}, {"seeds": 2, "sharp": 30.0}, {"skill": 4.0}]
)
def test_honest_scores_show_nothing(options) -> None:
    assert not sentences(scores(actors=16, **options))


def test_folds_that_nobody_published_are_said() -> None:
    (sentence,) = sentences(replace(scores(), protocol="given4"))
    assert sentence.startswith("'given4': these are the folds of no published protocol")


def test_every_clip_its_own_actor_is_seen() -> None:
    table = changed(scores(val="none"), lambda columns: columns.update(actor=list(columns["clip_id"])))
    assert any("96 clips of 96 actors, 1 of each in the middle" in sentence for sentence in sentences(table))


def test_ids_that_carry_the_fold_are_seen() -> None:
    def by_fold(columns: Columns) -> None:
        columns["actor"] = [
            f"f{fold}-s{int(name[-3:]) % 5}" for fold, name in zip(columns["fold"], columns["clip_id"], strict=True)
        ]

    found = sentences(changed(scores(val="none"), by_fold))
    assert any("the ids of actors carry the fold: 'f0-s0' and 'f1-s0' differ in nothing else" in each for each in found)


def test_people_whom_the_names_of_clips_betray_are_seen() -> None:
    def renamed(columns: Columns) -> None:
        speakers = [int(name[-3:]) % 4 for name in columns["clip_id"]]
        columns["clip_id"] = [f"spk{who}_{name}" for who, name in zip(speakers, columns["clip_id"], strict=True)]
        ids = (
            ("amber", "birch", "cedar", "dune"),
            ("elm", "fern", "grove", "heath"),
            ("iris", "jade", "kelp", "lily"),
            ("moss", "nettle", "oak", "pine"),
        )
        columns["actor"] = [ids[fold][who] for fold, who in zip(columns["fold"], speakers, strict=True)]

    found = sentences(changed(scores(val="none"), renamed))
    assert any(
        "'0' in the names of clips goes with 'amber' in one fold and with 'elm' in another" in each for each in found
    )


def test_ids_that_are_new_in_every_fold_are_seen_where_val_rows_could_tell() -> None:
    def renamed(columns: Columns) -> None:
        number = {key: i for i, key in enumerate(sorted(set(zip(columns["actor"], columns["fold"], strict=True))))}
        columns["actor"] = [f"p{number[key]:03d}" for key in zip(columns["actor"], columns["fold"], strict=True)]
        columns["clip_id"] = [f"{name}-{fold}" for name, fold in zip(columns["clip_id"], columns["fold"], strict=True)]
        columns["performance_id"] = list(columns["clip_id"])

    assert any(
        "no actor of one fold has a row in another (16 ids, 4 folds)" in each
        for each in sentences(changed(scores(), renamed))
    )


def test_a_ravdess_stem_proves_who_was_renamed() -> None:
    def renamed(columns: Columns) -> None:
        # Clips of four actors dealt to the folds; each has another id in every fold.
        numbers = [int(name[-3:]) for name in columns["clip_id"]]
        who = [number % 4 + 1 for number in numbers]
        columns["clip_id"] = [
            f"03-01-{2 + n // 4 % 4:02d}-01-{1 + n // 16 % 2:02d}-{1 + n // 32 % 2:02d}-{a:02d}"
            for n, a in zip(numbers, who, strict=True)
        ]
        columns["actor"] = [f"x{17 * fold + 31 * a}" for fold, a in zip(columns["fold"], who, strict=True)]

    doubts = [
        doubt for doubt in score_doubts(_first(changed_rows(scores(val="none"), renamed))) if doubt.verdict == "leak"
    ]
    assert len(doubts) == 1
    assert (
        "the names of the clips are RAVDESS stems, and by them actor 'ravdess:01' is tested in the folds"
        in doubts[0].sentence
    )


def changed_rows(table: Predictions, change: Callable[[Columns], None]) -> Columns:
    columns = {name: table.table[name].to_pylist() for name in table.table.column_names}
    change(columns)
    return columns


def _first(columns: Columns) -> Predictions:
    """Each clip once: the first row that has its name."""
    first = {name: row for row, name in reversed(list(enumerate(columns["clip_id"])))}
    kept = sorted(first.values())
    table = scores(val="none")
    schema = table.table.schema
    rows = {name: [values[row] for row in kept] for name, values in columns.items()}
    rows["performance_id"] = [name[3:] for name in rows["clip_id"]]
    return replace(table, table=pa.table(rows, schema=schema))


@pytest.mark.parametrize("jitter", [0.0, 1e-3])
def test_easy_clips_three_times_are_seen(jitter) -> None:
    table = scores(actors=16, val="none")
    rng = np.random.default_rng(0)

    def tripled(columns: Columns) -> None:
        for row in range(0, len(columns["clip_id"]), 6):
            for copy in "bc":
                for name, values in columns.items():
                    values.append(f"{values[row]}{copy}" if name in ("clip_id", "performance_id") else values[row])
                columns["logits"][-1] = (np.array(columns["logits"][row]) + jitter * rng.normal(size=4)).tolist()

    (sentence,) = sentences(changed(table, tripled))
    assert sentence.startswith("96 of 256 test rows are copies of each other, or nearly so")


def test_val_rows_that_are_test_rows_under_new_names_are_seen() -> None:
    def renamed(columns: Columns) -> None:
        test_of = {fold: [] for fold in range(4)}
        for fold, split, logits, label in zip(
            *(columns[name] for name in ("fold", "split", "logits", "label")), strict=True
        ):
            if split == "test":
                test_of[fold].append((logits, label))
        for row, split in enumerate(columns["split"]):
            if split == "val":
                columns["logits"][row] = test_of[columns["fold"][row]].pop()[0]

    assert any(
        "96 of 96 val rows are copies of test rows of their fold" in each
        for each in sentences(changed(scores(), renamed))
    )


@pytest.mark.parametrize(("amount", "words"), [(1.5, "right in"), (60.0, "right in")])
def test_inflated_test_rows_are_seen(amount, words) -> None:
    table = scores(actors=16)

    def inflated(columns: Columns) -> None:
        for row, (split, label) in enumerate(zip(columns["split"], columns["label"], strict=True)):
            if split == "test":
                logits = list(columns["logits"][row])
                logits[table.classes.index(label)] += amount
                columns["logits"][row] = logits

    found = [each for each in sentences(changed(table, inflated)) if words in each]
    assert len(found) == 1
    assert "of the same heads" in found[0]


def test_right_rows_that_were_made_surer_are_seen() -> None:
    table = scores(actors=16)

    def surer(columns: Columns) -> None:
        for row, (split, label) in enumerate(zip(columns["split"], columns["label"], strict=True)):
            logits, k = list(columns["logits"][row]), table.classes.index(label)
            if split == "test" and max(logits) == logits[k]:
                logits[k] += 5
            elif split == "test":
                logits = (0.1 * np.array(logits)).tolist()
            columns["logits"][row] = logits

    assert any("a log loss of" in each for each in sentences(changed(table, surer)))


def test_rounded_probabilities_are_not_taken_for_copies() -> None:
    table = scores(actors=16, skill=4.0, val="none")

    def rounded(columns: Columns) -> None:
        logits = np.array(columns["logits"])
        probs = np.exp(logits - logits.max(1, keepdims=True))
        probs = np.maximum(np.round(probs / probs.sum(1, keepdims=True), 2), 1e-12)
        columns["logits"] = np.log(probs).tolist()

    (doubt,) = score_doubts(changed(table, rounded))
    assert doubt.verdict == "info"
    assert re.match(r"4 classes, and 0\.\d+ of the rows give two classes the same score", doubt.sentence)


def test_three_classes_in_two_digits_are_not_taken_for_copies() -> None:
    def rounded(columns: Columns) -> None:
        logits = np.array(columns["logits"])[:, :3]
        probs = np.exp(logits - logits.max(1, keepdims=True))
        columns["logits"] = np.log(np.maximum((probs / probs.sum(1, keepdims=True)).round(2), 1e-12)).tolist()
        for name, values in columns.items():
            columns[name] = [value for value, label in zip(values, labels, strict=True) if label != "angry"]

    table = scores(actors=48, takes=16, skill=1.0, val="none")
    labels = table.table["label"].to_pylist()
    columns = {name: table.table[name].to_pylist() for name in table.table.column_names}
    rounded(columns)
    kept = Predictions.from_columns(
        columns, classes=table.classes[:3], protocol="group4", select="crossfit", leaky=False, synthetic=True
    )
    assert copied_rows(kept.logits().astype(float)).mean() > 0.01
    (doubt,) = score_doubts(kept)
    assert (doubt.verdict, doubt.sentence[:9]) == ("info", "3 classes")


def test_hard_decisions_are_not_taken_for_copies() -> None:
    def hard(columns: Columns) -> None:
        columns["logits"] = [np.where(np.array(x) == max(x), 0.0, -27.6).tolist() for x in columns["logits"]]

    assert [doubt.verdict for doubt in score_doubts(changed(scores(actors=16, val="none"), hard))] == ["info"]


def test_fuse_warns_with_the_file_and_the_audit_repeats_it(here, tmp_path) -> None:
    paths = [_csv(tmp_path / f"{name}.csv", scores(features=name, val="none")) for name in ("voice", "face")]
    done = here("fuse", "--scores", paths[0], "--scores", paths[1], "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert f"{paths[0]}: 96 clips of 96 actors, 1 of each in the middle" in done.stderr
    audited = here("audit", tmp_path / "run")
    assert audited.returncode == 4
    assert "warn          scores as they came" in audited.stdout
    assert "96 clips of 96 actors" in audited.stdout.replace("\n              ", " ")


def _csv(path: Path, table: Predictions) -> Path:
    """Write a score file in which every clip is its own actor."""
    rows = table.table.to_pylist()
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "fold", "actor", "label", *table.classes])
        for row in rows:
            name = row["performance_id"]
            writer.writerow([name, row["fold"], f"of-{name}", row["label"], *map(float, row["logits"])])
    return path
