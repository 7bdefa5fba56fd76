"""``ravfeat.open_run``: a finished run as tables, folds and heads, with its headline."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ravfeat.api.arguments import AnyPath, as_path
from ravfeat.errors import UsageError
from ravfeat.heads.base import Model
from ravfeat.manifest import is_unknown
from ravfeat.predictions import System
from ravfeat.runs.format import head_stem
from ravfeat.runs.ledger_state import ledger_state
from ravfeat.runs.read import Run as RunFiles
from ravfeat.runs.read import read_run
from ravfeat.runs.recipe import Recipe
from ravfeat.runs.task import chance_said, changes
from ravfeat.runs.trust import Trust, trust_of
from ravfeat.schema import transductive_suffix

__all__ = ["Run", "TrainedHead", "open_run"]

_TEXT, _WHOLE, _REAL = pa.string(), pa.int64(), pa.float64()
_METRICS = pa.schema({
    "stream": _TEXT, "features": _TEXT, "head": _TEXT, "protocol": _TEXT, "leaky": pa.bool_(), "select": _TEXT,
    "metric": _TEXT, "averaging": _TEXT, "value": _REAL, "sd": _REAL, "ci_low": _REAL, "ci_high": _REAL,
    "interval": _TEXT, "n": _WHOLE,
})  # fmt: skip
_FOLDS = pa.schema({
    "stream": _TEXT, "features": _TEXT, "fold": _WHOLE, "split": _TEXT, "clips": _WHOLE, "actors": pa.list_(_TEXT),
})  # fmt: skip


@dataclass(frozen=True)
class TrainedHead:
    """One trained head of a run.

    Attributes
    ----------
    stream, features, head : str
        Its system.
    fold, seed : int
    stem : Path
        Of its two files.
    """

    stream: str
    features: str
    head: str
    fold: int
    seed: int
    stem: Path

    def load(self, device: str = "cpu") -> Model:
        """Load the head.

        Raises
        ------
        HeadError
            See `ravfeat.heads.checkpoint.load_model`.
        """
        from ravfeat.heads.checkpoint import load_model  # brings torch, which looking at a run can do without

        return load_model(self.stem, device=device)


class Run:
    """A finished run; make one with `open_run`. Where a path of a run is wanted, it stands for its folder.

    Attributes
    ----------
    path : Path
        Folder of the run.

    Examples
    --------
    >>> run = ravfeat.open_run("runs/a")  # doctest: +SKIP
    >>> run.predictions.to_pandas()  # doctest: +SKIP
    >>> ravfeat.report(run)  # doctest: +SKIP
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)

    def __repr__(self) -> str:
        return f"<Run {self.path!s:.200}: {self.headline:.280}>"

    def _repr_html_(self) -> str:
        """Show the headline, and a row for each system, in a notebook."""
        names = ("system", "UAR pooled, 95 % over actors", "UAR of folds", "WA (plain accuracy)")
        head = "".join(f"<th>{name}</th>" for name in names)
        rows = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in map(self._cells, self.systems)
        )
        return (
            f"<p><b>{escape(self.headline)}</b><br><code>{escape(str(self.path))}</code></p>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )

    @cached_property
    def files(self) -> RunFiles:
        """The run as it was read and checked; see `ravfeat.runs.read`."""
        return read_run(self.path)

    @property
    def recipe(self) -> Recipe:
        """What the run was made from, how, and with which versions."""
        return self.files.recipe

    @property
    def trust(self) -> Trust:
        """Who made what it was made from: encoded here, made elsewhere, or scores only; see `ravfeat.runs.trust`."""
        return trust_of(self.recipe)

    @property
    def classes(self) -> tuple[str, ...]:
        """Labels, in the order of the logits."""
        return self.files.predictions.classes

    @property
    def systems(self) -> list[System]:
        """What was graded: (stream, features, head)."""
        return self.files.predictions.systems()

    @cached_property
    def predictions(self) -> pa.Table:
        """A row for each system, seed, fold, split and clip: the columns of ``predictions.parquet`` and ``predicted``.

        Logits are uncalibrated, of shape (K,), in the order of `classes`.
        """
        kept = self.files.predictions
        predicted = pa.array(kept.classes).take(pa.array(kept.logits().argmax(1)))
        return kept.table.append_column("predicted", predicted)

    @cached_property
    def metrics(self) -> pa.Table:
        """A row for each system, metric and averaging, with its interval over actors: ``metrics.json``."""
        return pa.Table.from_pylist([dict(record) for record in self.files.records], schema=_METRICS)

    @cached_property
    def folds(self) -> pa.Table:
        """A row for each side of each fold of what a system reads: how many clips, and whose; see `Recipe.inputs`."""
        rows = [
            {"stream": entry.stream, "features": entry.features, **side}
            for entry in self.recipe.inputs()
            for side in entry.folds
        ]
        return pa.Table.from_pylist([{name: row[name] for name in _FOLDS.names} for row in rows], schema=_FOLDS)

    @property
    def heads(self) -> tuple[TrainedHead, ...]:
        """The trained heads; a run of fused scores has none."""
        chosen = self.recipe.chosen
        return tuple(
            TrainedHead(
                *entry.system, entry.fold, entry.seed, head_stem(self.path, entry.system, entry.fold, entry.seed)
            )
            for entry in chosen
        )

    @property
    def tries(self) -> str:
        """Where the run stands among the tries on its clips, as the ledger has it now; empty for one of before it."""
        return ledger_state(self.recipe).said

    @property
    def headline(self) -> str:
        """The score in one line, of the fused system or the only one, with what it is about and who made the features.

        Of several systems that are not fused, from the lowest to the highest.
        """
        systems = [system for system in self.systems if system.stream == "fused"] or self.systems
        scores = {system: self._record(system, "uar", "pooled") for system in systems}
        of_all = sorted(record["value"] for record in scores.values())
        if len(systems) > 1:
            score = f"UAR {of_all[0]:.3f} to {of_all[-1]:.3f} of {len(systems)} systems"
        else:
            score = f"UAR {_with_interval(scores[systems[0]])}, {systems[0]}"
        counts = sorted({record["n"] for record in scores.values()})
        clips = " to ".join(map(str, dict.fromkeys((counts[0], counts[-1]))))
        facts = self.files.predictions
        about = [facts.protocol, f"select {facts.select}", f"{clips} clips", chance_said(len(self.classes))]
        return ", ".join([*self._warnings(systems), score, *about, *changes(self.recipe), self.trust.grade])

    def _warnings(self, systems: Sequence[System]) -> list[str]:
        facts, audit = self.files.predictions, self.files.audit
        warnings = {
            "LEAKY": facts.leaky,
            "UNCHECKED": any(map(is_unknown, pc.unique(facts.table["actor"]).to_pylist())),
            "TRANSDUCTIVE": any(transductive_suffix(system.features) for system in systems),
            "SYNTHETIC": facts.synthetic,
            "AUDIT STALE": audit is not None and audit.stale,
            "AUDIT BROKEN": audit is not None and not audit.stale and audit.broken,
        }
        return [word for word, holds in warnings.items() if holds]

    def _record(self, system: System, metric: str, averaging: str) -> Mapping[str, Any]:
        wanted = {**system._asdict(), "metric": metric, "averaging": averaging}
        return next(record for record in self.files.records if wanted.items() <= record.items())

    def _cells(self, system: System) -> tuple[str, ...]:
        folds = self._record(system, "uar", "fold_mean")
        spread = "" if folds["sd"] is None else f" ± {folds['sd']:.3f}"
        return (
            " ".join([*self._warnings([system]), str(system)]),
            _with_interval(self._record(system, "uar", "pooled")),
            f"{folds['value']:.3f}{spread}",
            f"{self._record(system, 'wa', 'pooled')['value']:.3f}",
        )


def _with_interval(record: Mapping[str, Any]) -> str:
    low, high = record["ci_low"], record["ci_high"]
    return f"{record['value']:.3f}" + ("" if low is None else f" [{low:.3f}, {high:.3f}]")


def open_run(path: AnyPath) -> Run:
    """Open a run's folder, and check that its files belong together.

    Raises
    ------
    PredictionsError
        Where it is no run, or a file is missing, damaged, or of another run.

    Examples
    --------
    >>> print(ravfeat.open_run("runs/a").headline)  # doctest: +SKIP
    """
    folder = as_path("path", path)
    if folder is None:
        raise UsageError("open_run(None): expected the folder of a run")
    run = Run(folder)
    _ = run.files
    return run
