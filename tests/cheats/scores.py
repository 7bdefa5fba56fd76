"""Cheats in score files, which tell only what somebody wrote into them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ravfeat.predictions import Predictions
from tests.cheats.material import Cheated, Honest, command, uar_of
from tests.scorefiles.made import Row, write_rows

_FACTS = ("name", "fold", "split", "stream", "actor", "label")


def _rows(run: Path) -> list[Row]:
    """Rows of a score file of a run: names, folds, sides, actors, labels, and the logits by class."""
    predictions = Predictions.read(run / "predictions.parquet")
    facts = [
        {
            "name": row["clip_id"], "fold": row["fold"], "split": row["split"], "stream": "audio",
            "actor": row["actor"].rpartition(":")[2], "label": row["label"],
        }
        for row in predictions.table.to_pylist()
    ]  # fmt: skip
    logits = predictions.logits().astype(float).tolist()
    return [fact | dict(zip(predictions.classes, own, strict=True)) for fact, own in zip(facts, logits, strict=True)]


def _of(rows: Sequence[Row], split: str) -> list[Row]:
    return [row for row in rows if row["split"] == split]


def _classes(row: Row) -> list[str]:
    return [name for name in row if name not in _FACTS]


def _fused(folder: Path, tables: Sequence[Sequence[Row]]) -> Path:
    folder.mkdir(exist_ok=True)
    files = [write_rows(folder / f"scores{number}.csv", rows) for number, rows in enumerate(tables)]
    command("fuse", *[part for file in files for part in ("--scores", file)], "--out", folder / "run")
    return folder / "run"


def honest_scores(honest: Honest) -> Path:
    """Fuse the scores of two honest runs, written as score files."""
    folder = honest.folder / "fused"
    return folder / "run" if folder.exists() else _fused(folder, [_rows(honest.run), _rows(honest.second)])


def _cheated(honest: Honest, folder: Path, change: Callable[[list[Row]], list[Row]], *runs: Path) -> Cheated:
    """Fuse scores of two runs, changed; by default of honest ones."""
    run = _fused(folder, [change(_rows(run)) for run in runs or (honest.run, honest.second)])
    return Cheated(run, uar_of(honest_scores(honest)), uar_of(run))


def inflated_logits(honest: Honest, folder: Path) -> Cheated:
    """Raise the logit of the label in three of five test rows by hand."""

    def change(rows: list[Row]) -> list[Row]:
        rng = np.random.default_rng(0)
        raised = [row["split"] == "test" and rng.random() < 0.6 for row in rows]
        return [
            row | {row["label"]: row[row["label"]] + 3.0} if up else row for row, up in zip(rows, raised, strict=True)
        ]

    return _cheated(honest, folder, change)


def renamed_per_fold(honest: Honest, folder: Path) -> Cheated:
    """Take the scores of a clip split and call every actor by another name in every fold: LEAKY is gone."""

    def change(rows: list[Row]) -> list[Row]:
        return [row | {"actor": f"{row['actor']}f{row['fold']}"} for row in _of(rows, "test")]

    leaky = "--protocol", "clip6", "--allow-leak"
    runs = [honest.fit(folder / name, honest.cache, *leaky, *more) for name, more in (("a", ()), ("b", ("--no-std",)))]
    return _cheated(honest, folder, change, *runs)


def every_clip_its_actor(honest: Honest, folder: Path) -> Cheated:
    """Say that every clip is of another person: intervals are half as wide."""
    return _cheated(honest, folder, lambda rows: [row | {"actor": f"a{row['name']}"} for row in _of(rows, "test")])


def easy_clips_tripled(honest: Honest, folder: Path) -> Cheated:
    """Put the clips that both runs get right in three times, under new names."""

    def right(run: Path) -> set[str]:
        rows = _of(_rows(run), "test")
        return {row["name"] for row in rows if max(_classes(row), key=row.__getitem__) == row["label"]}

    easy = right(honest.run) & right(honest.second)

    def change(rows: list[Row]) -> list[Row]:
        again = [row for row in _of(rows, "test") if row["name"] in easy]
        return rows + [row | {"name": f"{row['name']}-{copy}"} for row in again for copy in (2, 3)]

    return _cheated(honest, folder, change)


def val_rows_are_test_rows(honest: Honest, folder: Path) -> Cheated:
    """Learn temperatures and weights from val rows that are the test rows under other names."""

    def change(rows: list[Row]) -> list[Row]:
        test = _of(rows, "test")
        return test + [row | {"name": f"v{row['name']}", "actor": f"v{row['actor']}", "split": "val"} for row in test]

    return _cheated(honest, folder, change)
