"""Read one score file: clips, folds, splits and seeds of its rows, scores as logits."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ravfeat.corpora.spellings import check_names
from ravfeat.errors import PredictionsError
from ravfeat.predictions import Predictions
from ravfeat.scorefiles.columns import ScoreTable, read_cells
from ravfeat.scorefiles.fold_actors import FoldActors
from ravfeat.scorefiles.identify import Owners, check_labels, owners_of
from ravfeat.scorefiles.kinds import Kind, kind_of, logits_of

__all__ = ["HEAD", "ScoreFile", "read_score_file"]

HEAD = "scores"
"""What stands for the head of a system whose scores were brought."""


@dataclass(frozen=True)
class ScoreFile:
    """The scores of one system.

    Attributes
    ----------
    path : Path
    kind : {"probabilities", "logits"}
        What the file holds.
    owners : Owners
        Of its N rows.
    seeds, folds : tuple of int, length N
    splits : tuple of str, length N
        ``val`` or ``test``.
    classes : tuple of str, length K
        In the order of the file.
    logits : ndarray of shape (N, K), float64
    """

    path: Path
    kind: Kind
    owners: Owners
    seeds: tuple[int, ...]
    folds: tuple[int, ...]
    splits: tuple[str, ...]
    classes: tuple[str, ...]
    logits: NDArray[np.float64]

    @property
    def sides(self) -> FoldActors:
        """Who sits where."""
        return FoldActors.of(zip(self.folds, self.splits, self.owners.actors, strict=True))

    def predictions(
        self, features: str, classes: Sequence[str], *, protocol: str, select: str, synthetic: bool
    ) -> Predictions:
        """Make the prediction table of a file.

        Parameters
        ----------
        features : str
            What to call the file.
        classes : sequence of str, length K
            The file's own in any order.
        protocol, select : str
        synthetic : bool

        Raises
        ------
        PredictionsError
            See `ravfeat.predictions.Predictions`; the file is named in front.
        """
        columns = {
            "stream": self.owners.stream,
            "features": features,
            "head": HEAD,
            "seed": self.seeds,
            "fold": self.folds,
            "split": self.splits,
            "clip_id": self.owners.clip_ids,
            "performance_id": self.owners.performance_ids,
            "actor": self.owners.actors,
            "label": self.owners.labels,
            "logits": self.logits[:, [self.classes.index(name) for name in classes]],
        }
        leaky = bool(self.sides.leak)
        about = {"classes": classes, "protocol": protocol, "leaky": leaky, "select": select, "synthetic": synthetic}
        try:
            return Predictions.from_columns(columns, **about)  # type: ignore[arg-type]  # one dict for five types
        except PredictionsError as error:
            raise PredictionsError(f"{self.path}: {error}") from error


def read_score_file(path: Path, as_written: Collection[str] = ()) -> ScoreFile:
    """Read and check one score file.

    Parameters
    ----------
    path : Path
    as_written : collection of str
        Actors, labels and performances that are meant as they are written; see `ravfeat.corpora.spellings`.

    Raises
    ------
    CorpusError
        Where the file is missing or is no table, or an actor, a label or a performance has two spellings.
    PredictionsError
        Where columns, names, labels, folds, splits or numbers are not what they should be, or a row is there
        twice.
    """
    cells = read_cells(path)
    owners = owners_of(cells)
    columns = {"actor": owners.actors, "label": owners.labels, "performance": owners.performance_ids}
    for kind, names in columns.items():
        # A clip stands in many rows, one for every fold, split and seed; without a column its name is its performance.
        if kind != "performance" or kind in cells.facts:
            check_names(
                str(path), kind, (name for _, name in set(zip(owners.clip_ids, names, strict=True))), as_written
            )
    check_labels(cells, owners.labels)
    folds, seeds, splits = cells.integers("fold"), cells.integers("seed"), _splits(cells)
    _check_folds(cells, folds, splits)
    _check_once(cells, list(zip(owners.clip_ids, folds, splits, seeds, strict=True)))
    kind = kind_of(cells)
    return ScoreFile(path, kind, owners, seeds, folds, splits, cells.classes, logits_of(kind, cells.values))


def _splits(cells: ScoreTable) -> tuple[str, ...]:
    splits = cells.facts.get("split", ("test",) * len(cells))
    for row, split in enumerate(splits):
        if split == "train":
            raise PredictionsError(
                f"{cells.where(row)}: split is 'train' ({splits.count('train')} such rows); leave training rows out: a"
                " model is too sure of what it was trained on to learn temperatures and weights there"
            )
        if split not in ("val", "test"):
            raise PredictionsError(f"{cells.where(row)}: split is '{split}'; expected val or test")
    return splits


def _check_folds(cells: ScoreTable, folds: Sequence[int], splits: Sequence[str]) -> None:
    tested = {fold for fold, split in zip(folds, splits, strict=True) if split == "test"}
    for row, fold in enumerate(folds):
        if fold < 0:
            raise PredictionsError(f"{cells.where(row)}: fold is {fold}; expected 0 or more")
        if fold not in tested:
            raise PredictionsError(
                f"{cells.where(row)}: fold {fold} has val rows and no test rows; add its test rows, or leave it out"
            )


def _check_once(cells: ScoreTable, keys: Sequence[tuple[str, int, str, int]]) -> None:
    seen: dict[tuple[str, int, str, int], int] = {}
    for row, key in enumerate(keys):
        if (first := seen.setdefault(key, row)) != row:
            name, fold, split, seed = key
            raise PredictionsError(
                f"{cells.path}: {name}, fold {fold}, {split}, seed {seed} stands in the rows {first + 1} and {row + 1}"
                f" ({len(keys) - len(set(keys))} rows too many); leave one of them out, or number runs in a column"
                " 'seed'"
            )
