"""Inputs of a fusion: score files, and prediction tables of runs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ravfeat.corpora.tables import read_table
from ravfeat.errors import PredictionsError
from ravfeat.fusion import members_of
from ravfeat.predictions import Predictions, System, concatenate
from ravfeat.runs.format import PREDICTIONS_FILE, RECIPE_FILE
from ravfeat.runs.recipe import Recipe, read_recipe
from ravfeat.schema import CONTROL_STREAMS, PREDICTION_COLUMNS
from ravfeat.scorefiles.fold_actors import FoldActors
from ravfeat.short_repr import short_repr

__all__ = ["Part", "RunScores", "fold_actors_of", "is_run", "read_run", "table_path"]

_PARQUET = {".parquet", ".pq"}
_LONG = ("chosen", "folds")  # a list for every model and fold; the run's own recipe keeps them
_SHORT = "tested_folds"  # which folds were tested at all: what a report warns of


@dataclass(frozen=True)
class RunScores:
    """The systems of a run that are not fused already.

    Attributes
    ----------
    path : Path
        As it was given.
    predictions : Predictions
    recipe : Recipe
        Empty where there is none.
    """

    path: Path
    predictions: Predictions
    recipe: Recipe


@short_repr
@dataclass(frozen=True)
class Part:
    """One --scores.

    Attributes
    ----------
    path : Path
        As it was given.
    sha256 : str
        Of the table's bytes.
    kind : {"probabilities", "logits", "run"}
        What was found there.
    predictions : Predictions
        One system of a score file, at least one of a run.
    recipe : Recipe
        Of a run; empty otherwise.
    """

    path: Path
    sha256: str
    kind: str
    predictions: Predictions
    recipe: Recipe

    def systems(self) -> list[System]:
        """Every system."""
        return self.predictions.systems()

    def trimmed_recipe(self) -> dict[str, Any]:
        """Give the recipe of a run for the record of a fusion: without lists that have an entry per head or fold."""
        record: dict[str, Any] = _without(dict(self.recipe.record), _LONG)
        return record

    def about(self) -> list[dict[str, Any]]:
        """Say what was read, an entry for every system, for the record."""
        return [
            {
                "path": str(self.path),
                "sha256": self.sha256,
                "kind": self.kind,
                "rows": len(self.predictions.select_system(system)),
                "system": str(system),
            }
            for system in self.systems()
        ]


def table_path(path: Path) -> Path:
    """Give the file that holds the scores.

    Raises
    ------
    PredictionsError
        For a folder that is no run's.
    """
    if not path.is_dir():
        return path
    if not (path / PREDICTIONS_FILE).is_file():
        raise PredictionsError(
            f"{path} is a folder without {PREDICTIONS_FILE}; give a folder that 'ravfeat fit-heads' wrote, or a score"
            " file"
        )
    return path / PREDICTIONS_FILE


def is_run(table: Path) -> bool:
    """Whether a file is what a run predicted; by its columns, as it may have been renamed."""
    if table.suffix.lower() not in _PARQUET:
        return False
    return set(PREDICTION_COLUMNS) <= set(read_table(table).column_names)


def read_run(path: Path) -> RunScores:
    """Read what a run predicted.

    Raises
    ------
    PredictionsError
        Where it cannot be read, or every system is fused already or a control.
    """
    table = table_path(path)
    predictions = Predictions.read(table)
    members = members_of(predictions)
    if not members:
        raise PredictionsError(_nothing_to_fuse(path, predictions))
    single = concatenate([predictions.select_system(system) for system in members])
    # Whatever lies beside a table of another name is not its recipe.
    has_recipe = table.name == PREDICTIONS_FILE and table.with_name(RECIPE_FILE).is_file()
    return RunScores(path, single, read_recipe(table.parent) if has_recipe else Recipe())


def fold_actors_of(predictions: Predictions) -> FoldActors:
    """Give the actors of every fold of a table."""
    columns = (predictions.table[name].to_pylist() for name in ("fold", "split", "actor"))
    return FoldActors.of(zip(*columns, strict=True))


def _nothing_to_fuse(path: Path, predictions: Predictions) -> str:
    controls = [str(system) for system in predictions.systems() if system.stream in CONTROL_STREAMS]
    if not controls:
        return f"{path} holds fused systems only; give the runs or score files that were fused"
    return (
        f"{path} holds no system that can be fused: {'; '.join(controls)} is a network over several streams, a control"
        " that stands beside fusions; give the runs of its streams"
    )


def _without(node: Any, names: tuple[str, ...]) -> Any:
    if isinstance(node, dict):
        rest = {name: child for name, child in node.items() if name not in names}
        return {name: child if name == _SHORT else _without(child, names) for name, child in rest.items()}
    return [_without(child, names) for child in node] if isinstance(node, list) else node
