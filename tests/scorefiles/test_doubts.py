"""What scores show that honest ones do not, and that honest ones show nothing."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from ravfeat.numerics.softmax import softmax
from ravfeat.predictions import Predictions
from ravfeat.scorefiles.copied_rows import copied_rows
from ravfeat.scorefiles.doubts import score_doubts
from tests.scorefiles.made import rows_of, write_rows
from tests.toyscores import changed, scores


def column(table: Predictions, name: str) -> list[Any]:
    return table.table[name].to_pylist()


def sentences(table: Predictions) -> list[str]:
    return [doubt.sentence for doubt in score_doubts(table)]


def rounded(logits: np.ndarray) -> np.ndarray:
    """As probabilities of two digits give them."""
    return np.log(np.maximum(np.round(softmax(logits.astype(float)), 2), 1e-12))


@pytest.mark.parametrize(
    "options", [{}, {"val": "nested"}, {"val": "none"}, {"seeds": 2, "sharp": 30.0}, {"skill": 4.0}]
)
def test_honest_scores_show_nothing(options) -> None:
    assert not sentences(scores(actors=16, **options))


def test_folds_that_nobody_published_are_said() -> None:
    (sentence,) = sentences(replace(scores(), protocol="given4"))
    assert sentence.startswith("'given4': these are the folds of no published protocol")


def test_every_clip_its_own_actor_is_seen() -> None:
    table = scores(val="none")
    found = sentences(changed(table, actor=column(table, "clip_id")))
    assert any("96 clips of 96 actors, 1 of each in the middle" in sentence for sentence in found)


def test_ids_that_carry_the_fold_are_seen() -> None:
    table = scores(val="none")
    clips = zip(column(table, "fold"), column(table, "clip_id"), strict=True)
    found = sentences(changed(table, actor=[f"f{fold}-s{int(name[-3:]) % 5}" for fold, name in clips]))
    assert any("the ids of actors carry the fold: 'f0-s0' and 'f1-s0' differ in nothing else" in each for each in found)


def test_people_whom_the_names_of_clips_betray_are_seen() -> None:
    table = scores(val="none")
    names, folds = column(table, "clip_id"), column(table, "fold")
    speakers = [int(name[-3:]) % 4 for name in names]
    ids = (
        ("amber", "birch", "cedar", "dune"),
        ("elm", "fern", "grove", "heath"),
        ("iris", "jade", "kelp", "lily"),
        ("moss", "nettle", "oak", "pine"),
    )
    clip_ids = [f"spk{who}_{name}" for who, name in zip(speakers, names, strict=True)]
    actors = [ids[fold][who] for fold, who in zip(folds, speakers, strict=True)]
    found = sentences(changed(table, clip_id=clip_ids, actor=actors))
    assert any(
        "'0' in the names of clips goes with 'amber' in one fold and with 'elm' in another" in each for each in found
    )


def test_ids_that_are_new_in_every_fold_are_seen_where_val_rows_could_tell() -> None:
    table = scores()
    keys = list(zip(column(table, "actor"), column(table, "fold"), strict=True))
    number = {key: place for place, key in enumerate(sorted(set(keys)))}
    names = [f"{name}-{fold}" for name, (_, fold) in zip(column(table, "clip_id"), keys, strict=True)]
    actors = [f"p{number[key]:03d}" for key in keys]
    found = sentences(changed(table, actor=actors, clip_id=names, performance_id=names))
    assert any("no actor of one fold has a row in another (16 ids, 4 folds)" in each for each in found)


def test_a_ravdess_stem_proves_who_was_renamed() -> None:
    # Clips of four actors dealt to the folds; each has another id in every fold.
    table = scores(takes=8, val="none")
    numbers = [int(name[-3:]) for name in column(table, "clip_id")]
    names = [f"01-{2 + n // 4 % 4:02d}-01-{1 + n // 16 % 2:02d}-{1 + n // 32:02d}-{n % 4 + 1:02d}" for n in numbers]
    actors = [f"x{17 * fold + 31 * (n % 4)}" for fold, n in zip(column(table, "fold"), numbers, strict=True)]
    stems = changed(table, clip_id=[f"03-{name}" for name in names], performance_id=names, actor=actors)
    (leak,) = [doubt.sentence for doubt in score_doubts(stems) if doubt.verdict == "leak"]
    assert "the names of the clips are RAVDESS stems, and by them actor 'ravdess:01' is tested in the folds" in leak


@pytest.mark.parametrize("jitter", [0.0, 1e-3])
def test_easy_clips_three_times_are_seen(jitter) -> None:
    table = scores(actors=16, val="none")
    rng, rows = np.random.default_rng(0), table.table.to_pylist()
    copies = [
        row
        | {name: f"{row[name]}{copy}" for name in ("clip_id", "performance_id")}
        | {"logits": (np.array(row["logits"]) + jitter * rng.normal(size=4)).tolist()}
        for row in rows[::6]
        for copy in "bc"
    ]
    tripled = replace(table, table=pa.Table.from_pylist([*rows, *copies], schema=table.table.schema))
    (sentence,) = sentences(tripled)
    assert sentence.startswith("96 of 256 test rows are copies of each other, or nearly so")


def test_val_rows_that_are_test_rows_under_new_names_are_seen() -> None:
    table = scores()
    rows = table.table.to_pylist()
    tested = {fold: [r["logits"] for r in rows if (r["fold"], r["split"]) == (fold, "test")] for fold in range(4)}
    logits = [tested[row["fold"]].pop() if row["split"] == "val" else row["logits"] for row in rows]
    found = sentences(changed(table, logits=logits))
    assert any("96 of 96 val rows are copies of test rows of their fold" in each for each in found)


def knowing(table: Predictions) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits, classes as of shape (N, K) with 1 for the label, and which rows are tested."""
    y = [table.classes.index(label) for label in column(table, "label")]
    return table.logits(), np.eye(len(table.classes))[y], np.array(column(table, "split")) == "test"


@pytest.mark.parametrize("amount", [1.5, 60.0])
def test_inflated_test_rows_are_seen(amount) -> None:
    table = scores(actors=16)
    logits, labels, tested = knowing(table)
    inflated = logits + amount * labels * tested[:, None]
    (found,) = [each for each in sentences(changed(table, logits=inflated)) if "right in" in each]
    assert "of the same heads" in found


def test_right_rows_that_were_made_surer_are_seen() -> None:
    table = scores(actors=16)
    logits, labels, tested = knowing(table)
    right = tested & (logits.argmax(1) == labels.argmax(1))
    surer = np.where(right[:, None], logits + 5 * labels, np.where(tested[:, None], 0.1 * logits, logits))
    assert any("a log loss of" in each for each in sentences(changed(table, logits=surer)))


def test_rounded_probabilities_are_not_taken_for_copies() -> None:
    table = scores(actors=16, skill=4.0, val="none")
    (doubt,) = score_doubts(changed(table, logits=rounded(table.logits())))
    assert doubt.verdict == "info"
    assert re.match(r"4 classes, and 0\.\d+ of the rows give two classes the same score", doubt.sentence)


def test_three_classes_in_two_digits_are_not_taken_for_copies() -> None:
    table = scores(actors=48, takes=16, skill=1.0, val="none")
    rows = [row for row in table.table.to_pylist() if row["label"] != "angry"]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    columns["logits"] = rounded(np.array(columns["logits"])[:, :3])
    kept = Predictions.from_columns(
        columns, classes=table.classes[:3], protocol="group4", select="crossfit", leaky=False, synthetic=True
    )
    assert copied_rows(kept.logits().astype(float)).mean() > 0.01
    (doubt,) = score_doubts(kept)
    assert (doubt.verdict, doubt.sentence[:9]) == ("info", "3 classes")


def test_hard_decisions_are_not_taken_for_copies() -> None:
    table = scores(actors=16, val="none")
    logits = table.logits()
    hard = np.where(logits == logits.max(1, keepdims=True), 0.0, -27.6)
    assert [doubt.verdict for doubt in score_doubts(changed(table, logits=hard))] == ["info"]


def test_fuse_warns_with_the_file_and_the_audit_repeats_it(here, tmp_path) -> None:
    paths = []
    for name in ("voice", "face"):
        rows = rows_of(scores(features=name, val="none"), facts=("fold", "label"))
        rows = [row | {"actor": f"of-{row['name']}"} for row in rows]  # every clip is its own actor
        paths.append(write_rows(tmp_path / f"{name}.csv", rows))
    done = here("fuse", "--scores", paths[0], "--scores", paths[1], "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert f"{paths[0]}: 96 clips of 96 actors, 1 of each in the middle" in done.stderr
    audited = here("audit", tmp_path / "run")
    assert audited.returncode == 4
    assert "warn          scores as they came" in audited.stdout
    assert "96 clips of 96 actors" in audited.stdout.replace("\n              ", " ")
