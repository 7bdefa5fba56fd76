"""What --scores can name: a score file, or what a run predicted."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ravfeat.corpora.tables import read_table
from ravfeat.errors import PredictionsError
from ravfeat.fusion import members_of
from ravfeat.predictions import Predictions, System, concatenate
from ravfeat.schema import CONTROL_STREAMS, PREDICTION_COLUMNS
from ravfeat.scorefiles.fold_actors import Sides

__all__ = ["Part", "Run", "is_run", "read_run", "sides_of", "table_path"]

_TABLE = "predictions.parquet"
_PARQUET = {".parquet", ".pq"}
_LONG = ("chosen", "folds")  # a list for every model and fold; the run's own recipe keeps them
_SHORT = "tested_folds"  # which folds were tested at all: what a report warns of


@dataclass(frozen=True)
class Run:
    """The systems of a run that are not fused already.

    Attributes
    ----------
    path : Path
        As it was given.
    predictions : Predictions
    recipe : dict
        What it says in ``recipe.json``, without the settings of every model; empty where there is none.
    """

    path: Path
    predictions: Predictions
    recipe: dict[str, Any]


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
    recipe : dict
        Of a run; empty otherwise.
    """

    path: Path
    sha256: str
    kind: str
    predictions: Predictions
    recipe: dict[str, Any]

    def systems(self) -> list[System]:
        """Every system."""
        return self.predictions.systems()

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
    if not (path / _TABLE).is_file():
        raise PredictionsError(
            f"{path} is a folder without {_TABLE}; give a folder that 'ravfeat fit-heads' wrote, or a score file"
        )
    return path / _TABLE


def is_run(table: Path) -> bool:
    """Whether a file is what a run predicted; by its columns, as it may have been renamed."""
    if table.suffix.lower() not in _PARQUET:
        return False
    return set(PREDICTION_COLUMNS) <= set(read_table(table).column_names)


def read_run(path: Path) -> Run:
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
    own = concatenate([predictions.select_system(system) for system in members])
    # Whatever lies beside a table of another name is not its recipe.
    recipe = _read_recipe(table.with_name("recipe.json")) if table.name == _TABLE else {}
    return Run(path, own, recipe)


def sides_of(predictions: Predictions) -> Sides:
    """Give the actors of every fold of a table."""
    columns = (predictions.table[name].to_pylist() for name in ("fold", "split", "actor"))
    return Sides.of(zip(*columns, strict=True))


def _nothing_to_fuse(path: Path, predictions: Predictions) -> str:
    controls = [str(system) for system in predictions.systems() if system.stream in CONTROL_STREAMS]
    if not controls:
        return f"{path} holds fused systems only; give the runs or score files that were fused"
    return (
        f"{path} holds no system that can be fused: {'; '.join(controls)} is a network over several streams, a control"
        " that stands beside fusions; give the runs of its streams"
    )


def _read_recipe(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        recipe = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise PredictionsError(f"{path} is not valid JSON ({error}); restore it, or take it away") from error
    kept: dict[str, Any] = _without(recipe, _LONG) if isinstance(recipe, dict) else {}
    return kept


def _without(node: Any, names: tuple[str, ...]) -> Any:
    if isinstance(node, dict):
        kept = {name: child for name, child in node.items() if name not in names}
        return {name: child if name == _SHORT else _without(child, names) for name, child in kept.items()}
    return [_without(child, names) for child in node] if isinstance(node, list) else node
