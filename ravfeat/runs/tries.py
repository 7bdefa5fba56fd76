"""Enter runs and trials into the ledger of tries that lies beside the caches whose clips they test.

Which folder: the one that holds the cache, such as ``cache/ravdess``. Of a join, of several caches and of fused runs
every such folder gets a line; of a test on another corpus the folder of the corpus that is tested; views are not looked
at, they train. A cache that is read from an address lies, as far as it was read, in a folder of this user, and the
ledger beside it. Recordings that are fine-tuned on have no cache: their ledger is where their caches are by default,
``cache/CORPUS``. Score files have it beside them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from ravfeat import __version__
from ravfeat.errors import CacheError
from ravfeat.ledger.file import LEDGER_FILE, append, read_ledger
from ravfeat.ledger.line import Kind, Line, SystemScores, Try, clips_digest
from ravfeat.ledger.tries import count_tries
from ravfeat.predictions import Predictions, System
from ravfeat.runs.plan_digest import plan_digest
from ravfeat.runs.recipe import LedgerEntry, LedgerNote, Recipe
from ravfeat.schema import FUSED_STREAMS

__all__ = [
    "CHAIN_BROKEN",
    "NOT_WANTED",
    "Tried",
    "enter_run",
    "enter_trial",
    "in_order",
    "ledger_folders",
]

NOT_WANTED = "--no-ledger"
"""Why there is no ledger where nobody wanted one."""

CHAIN_BROKEN = "; the chain of the ledger is broken"
"""What is said behind a count of tries where lines were changed or taken out: there may have been more."""

_CACHES = Path("cache")

Tested = Iterable[tuple[str, str, str]]
Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Tried:
    """What tried, under which name; `keep` says whether a ledger is kept."""

    kind: Kind
    name: str = ""
    keep: bool = True


def enter_run(
    recipe: Recipe, predictions: Predictions, tried: Tried, *, scores: Rows, records: Rows, sha256: str
) -> LedgerNote:
    """Enter a run whose test rows were scored.

    Parameters
    ----------
    recipe : Recipe
    predictions : Predictions
    tried : Tried
    scores, records : sequence of mapping
        Rows of ``scores.parquet`` and ``metrics.json``.
    sha256 : str
        Of ``predictions.parquet``.

    Returns
    -------
    LedgerNote
        For its recipe. Where no ledger can be kept it says why; that is no error.
    """
    if not tried.keep:
        return LedgerNote(why=NOT_WANTED)
    probs = predictions.seed_averaged(predictions.systems()[0])  # the systems of a run test the same
    tested = zip(probs.clip_ids, probs.performance_ids, (probs.classes[k] for k in probs.y), strict=True)
    kind: Kind = "cross-corpus" if tried.kind == "fit-heads" and recipe.cross_corpus else tried.kind
    values = {_system(row): row["value"] for row in records if _is_headline(row)}
    # Mixtures by a rule that was not chosen are no further tries.
    systems = [system for system in predictions.systems() if system.stream not in FUSED_STREAMS[1:]]
    uars = [
        SystemScores(
            str(system),
            None if system.stream in FUSED_STREAMS else _validated(scores, system),
            _finite(values.get(system)),
        )
        for system in systems
    ]
    return _enter(recipe, _try(recipe, tested, uars, tried.name, kind, sha256))


def enter_trial(recipe: Recipe, tested: Tested, system: System, val_uar: float, name: str) -> LedgerNote:
    """Enter a plan of a sweep that was validated and not tested.

    Parameters
    ----------
    recipe : Recipe
        What a run of the plan would record.
    tested : iterable of (str, str, str)
        Clips that would be tested: clip, performance and label.
    system : System
    val_uar : float
    name : str
        Of its folder.
    """
    return _enter(recipe, _try(recipe, tested, [SystemScores(str(system), _finite(val_uar))], name, "sweep trial", ""))


def ledger_folders(recipe: Recipe) -> tuple[Path, ...]:
    """Give the folders whose ledgers a run belongs into; see the text of this module."""
    folders: list[Path] = []
    for each in recipe.with_fused():
        for entry in each.caches:
            tested = [entry.test_cache] if entry.test_cache is not None else entry.caches
            folders += [origin.path.resolve().parent for origin in tested if origin.path.is_dir()]
        if each.fine_tuned is not None and not each.caches:
            folders.append((_CACHES / each.fine_tuned.corpus).resolve())
        if each is not recipe and each.ledger is not None:  # of a fused run, whose caches may be gone
            folders += [entry.path.resolve().parent for entry in each.ledger.entries if entry.path.is_file()]
    scores = [entry for entry in recipe.record.get("scores", ()) if entry.get("kind") != "run"]
    folders += [Path(entry["path"]).resolve().parent for entry in scores]
    return tuple(dict.fromkeys(folders))


def _try(
    recipe: Recipe, tested: Tested, scores: Sequence[SystemScores], name: str, kind: Kind, predictions: str
) -> Try:
    clips, n_clips = clips_digest(tested)
    return Try(
        time=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        kind=kind,
        plan=plan_digest(recipe),
        clips=clips,
        n_clips=n_clips,
        protocol=recipe.protocol,
        select=recipe.select,
        leaky=recipe.leaky,
        systems=tuple(scores),
        run=name,
        predictions=predictions,
        ravfeat=__version__,
    )


def _enter(recipe: Recipe, tried: Try) -> LedgerNote:
    entries, faults, broken = [], [], False
    lines: list[Line] = []
    for folder in ledger_folders(recipe):
        path = folder / LEDGER_FILE
        try:
            if recipe.fine_tuned is not None and not recipe.caches:
                folder.mkdir(parents=True, exist_ok=True)
            line = append(path, tried)
            ledger = read_ledger(path)
            lines, broken = [line, *lines, *ledger.lines], broken or bool(ledger.faults)
            entries.append(LedgerEntry(_as_written(path), line.number, line.sha256, ledger.first))
        except (OSError, CacheError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            faults.append(f"no ledger can be kept at {_as_written(path)} ({reason})")
    if not entries and not faults:
        faults = ["no ledger can be kept: the caches of these scores are not there, and no score files either"]
    said = count_tries(in_order(lines), lines[0]).said + CHAIN_BROKEN * broken if lines else ""
    return LedgerNote(tuple(entries), "; ".join(faults), said)


def in_order(lines: Iterable[Line]) -> list[Line]:
    """Put the lines of several ledgers into one order; a try that stands in several of them comes once."""
    tries = {(line.time, line.plan, line.run, line.predictions): line for line in lines}
    return sorted(tries.values(), key=lambda line: (line.time, line.number))


def _as_written(path: Path) -> Path:
    """Give a path as a recipe holds it: relative where that leads to it, so that a folder can be moved whole."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _system(record: Mapping[str, Any]) -> System:
    return System(record["stream"], record["features"], record["head"])


def _is_headline(record: Mapping[str, Any]) -> bool:
    return (record["metric"], record["averaging"]) == ("uar", "pooled")


def _validated(scores: Rows, system: System) -> float | None:
    """Give the mean UAR over folds and seeds of the validation rows, as a sweep ranks by."""
    of_folds = [row for row in scores if (row["split"], row["averaging"]) == ("val", "fold")]
    rows = [row["uar"] for row in of_folds if _system(row) == system]
    return _finite(np.mean(rows)) if rows else None


def _finite(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), 6)
