"""The prediction table: logits of every system, seed, fold, split and clip, validated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray

from ravfeat.errors import PredictionsError
from ravfeat.predictions.average import SystemProbs, average_seeds
from ravfeat.predictions.checks import check_table
from ravfeat.predictions.columns import SYSTEM_COLUMNS, System, fixed_lists, logit_array, normalised
from ravfeat.predictions.files import read_predictions, write_predictions
from ravfeat.short_repr import short_repr

__all__ = ["Predictions", "concatenate"]


@short_repr
@dataclass(frozen=True)
class Predictions:
    """A validated prediction table.

    Parameters
    ----------
    table : pyarrow.Table
        Columns of `schema.PREDICTION_COLUMNS`; other orders and list types are brought into shape.
    classes : tuple of str, length K
        Labels in the order of the logits.
    protocol : str
        Name of the protocol the folds come from.
    leaky : bool
        The protocol puts actors on two sides; every number made from this table must say LEAKY.
    select : str
        ``val`` or ``nested``: which rows chose models and settings. ``crossfit``: there are no val rows, and what
        is learned from scores is learned from other folds; see `ravfeat.predictions.evidence`.
    synthetic : bool
        The corpus was generated; every number made from this table must say so.

    Raises
    ------
    PredictionsError
        Missing or unknown columns, empty values, unknown streams, splits or labels, a wrong
        number of logits, NaN or Inf, a clip twice where it may stand once, a clip with two
        actors or labels, an actor on two sides of a fold of a protocol that is not leaky.
    """

    table: pa.Table
    classes: tuple[str, ...]
    protocol: str
    leaky: bool
    select: str
    synthetic: bool

    def __post_init__(self) -> None:
        # The dataclass is frozen; this is the one place where its own fields are brought into shape.
        object.__setattr__(self, "classes", tuple(self.classes))
        object.__setattr__(self, "table", normalised(self.table, self.classes))
        check_table(self.table, self.classes, self.protocol, leaky=self.leaky)

    @classmethod
    def from_columns(
        cls,
        columns: Mapping[str, ArrayLike],
        *,
        classes: Sequence[str],
        protocol: str,
        leaky: bool,
        select: str,
        synthetic: bool,
    ) -> "Predictions":
        """Build a table from plain columns.

        Parameters
        ----------
        columns : mapping of str to array-like
            Every column of `schema.PREDICTION_COLUMNS`, all N long; ``logits`` of shape (N, K).
            A single str or int stands for a column that is the same everywhere.
        """
        logits = np.asarray(columns.get("logits", []), dtype=np.float32)
        if logits.ndim != 2:
            raise PredictionsError(f"logits must have shape (N, K), got shape {logits.shape}")
        data: dict[str, pa.Array] = {}
        for name, column in columns.items():
            if name == "logits":
                data[name] = fixed_lists(logits)
            elif isinstance(column, str | int | np.integer):
                data[name] = pa.array([column] * len(logits))
            else:
                # As plain Python values, from which Arrow finds the same types whatever NumPy made of them.
                data[name] = pa.array(np.asarray(column).tolist())
        try:
            table = pa.table(data)
        except pa.ArrowInvalid as error:
            lengths = ", ".join(f"{name} {len(column)}" for name, column in data.items())
            raise PredictionsError(f"columns must be equally long, got {lengths}") from error
        return cls(table, tuple(classes), protocol, leaky, select, synthetic)

    @classmethod
    def read(cls, path: Path) -> "Predictions":
        """Read and validate a file written by `write`."""
        table, facts = read_predictions(path)
        try:
            return cls(table, facts.classes, facts.protocol, facts.leaky, facts.select, facts.synthetic)
        except PredictionsError as error:
            # The check knows the table, only this place knows the file.
            raise PredictionsError(f"{path}: {error}") from error

    def write(self, path: Path) -> None:
        """Write the table to `path`: whole or not at all."""
        about = {
            "classes": list(self.classes),
            "protocol": self.protocol,
            "leaky": self.leaky,
            "select": self.select,
            "synthetic": self.synthetic,
        }
        write_predictions(self.table, about, path)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def systems(self) -> list[System]:
        """Every (stream, features, head) of the table, sorted."""
        rows = self.table.select(SYSTEM_COLUMNS).group_by(SYSTEM_COLUMNS).aggregate([]).to_pylist()
        return sorted(System(**row) for row in rows)

    def seeds(self, system: tuple[str, str, str]) -> tuple[int, ...]:
        """Seeds of one system, ascending."""
        return tuple(sorted(pc.unique(self._rows(system)["seed"]).to_pylist()))

    def select_system(self, system: tuple[str, str, str]) -> "Predictions":
        """Keep the rows of one system; an unknown one raises `PredictionsError` with the choices."""
        return self._with(self._rows(system))

    def seed_averaged(self, system: tuple[str, str, str], split: str = "test") -> SystemProbs:
        """Average the softmax of one system over its seeds.

        Parameters
        ----------
        system : (stream, features, head)
        split : {"test", "val"}
            In ``val`` a clip may serve several folds; it then has one row per fold.

        Raises
        ------
        PredictionsError
            The system is unknown, has no such rows, or its seeds cover different clips.
        """
        rows = self._split_rows(system, split)
        return average_seeds(rows, self.classes, System(*system))

    def seed_scores(self, system: tuple[str, str, str], seed: int, split: str = "test") -> SystemProbs:
        """Probabilities of a single seed, in the shape of `seed_averaged`."""
        rows = self._split_rows(system, split)
        return average_seeds(rows.filter(pc.field("seed") == seed), self.classes, System(*system))

    def has_split(self, system: tuple[str, str, str], split: str) -> bool:
        """Whether one system has rows of a split."""
        return bool(self._rows(system).filter(pc.field("split") == split).num_rows)

    def logits(self) -> NDArray[np.float32]:
        """Logits of all rows in table order, of shape (rows, K)."""
        return logit_array(self.table, len(self.classes))

    def _rows(self, system: tuple[str, str, str]) -> pa.Table:
        wanted = (
            (pc.field("stream") == system[0]) & (pc.field("features") == system[1]) & (pc.field("head") == system[2])
        )
        rows = self.table.filter(wanted)
        if rows.num_rows == 0:
            choices = "; ".join(str(name) for name in self.systems())
            raise PredictionsError(f"no system '{System(*system)}'; choose from {choices}")
        return rows

    def _split_rows(self, system: tuple[str, str, str], split: str) -> pa.Table:
        rows = self._rows(system).filter(pc.field("split") == split)
        if rows.num_rows == 0:
            raise PredictionsError(f"{System(*system)} has no rows of split '{split}'")
        return rows

    def _with(self, table: pa.Table) -> "Predictions":
        return Predictions(table, self.classes, self.protocol, self.leaky, self.select, self.synthetic)


def concatenate(parts: Sequence[Predictions]) -> Predictions:
    """Put tables of one protocol under each other.

    Raises
    ------
    PredictionsError
        No table, tables that differ in classes, protocol, leaky, select or synthetic, or rows
        that contradict each other.
    """
    if not parts:
        raise PredictionsError("nothing to concatenate: no prediction table was given")
    first = parts[0]
    for part in parts[1:]:
        for name in ("classes", "protocol", "leaky", "select", "synthetic"):
            value, other = getattr(first, name), getattr(part, name)
            if value != other:
                raise PredictionsError(f"tables differ in {name}: {value!r} and {other!r}; they cannot be one table")
    return first._with(pa.concat_tables([part.table for part in parts]))
