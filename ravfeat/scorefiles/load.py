"""Load score files and runs into one prediction table, after checking that they can be fused."""

import platform
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ravfeat import __version__
from ravfeat.errors import PredictionsError, UsageError
from ravfeat.files import sha256_of
from ravfeat.predictions import Predictions, concatenate
from ravfeat.runs.recipe import Recipe
from ravfeat.schema import RAVDESS_LABELS
from ravfeat.scorefiles.compatibility import check_alike, check_leaks, check_normalised, check_systems, different
from ravfeat.scorefiles.fold_actors import protocol_of, select_of
from ravfeat.scorefiles.inputs import Part, RunScores, fold_actors_of, is_run, read_run, table_path
from ravfeat.scorefiles.read import ScoreFile, read_score_file
from ravfeat.short_repr import short_repr

__all__ = ["Gathered", "gather_scores"]

_GENERATED = "synth"  # the corpus of `ravfeat.corpora.synth`; no other may have this name


@short_repr
@dataclass(frozen=True)
class Gathered:
    """Everything that --scores named.

    Attributes
    ----------
    parts : tuple of Part
        In the order given; of equal classes, protocol, leaky, select and synthetic.
    """

    parts: tuple[Part, ...]

    @cached_property
    def predictions(self) -> Predictions:
        """All systems in one table."""
        try:
            return concatenate([part.predictions for part in self.parts])
        except PredictionsError as error:
            names = " and ".join(str(part.path) for part in self.parts)
            raise PredictionsError(f"{names} contradict each other: {error}") from error

    def about(self) -> dict[str, Any]:
        """Say what was read, for the record: what a run's recipe says, and where the scores come from."""
        table = self.predictions
        corpus = _corpus(table.table["actor"].unique().to_pylist())
        return {
            "protocol": table.protocol,
            "leaky": table.leaky,
            "select": table.select,
            "seeds": max(len(table.seeds(system)) for system in table.systems()),
            "classes": list(table.classes),
            **({"corpus": corpus} if corpus else {}),
            "caches": [],
            "scores": [entry for part in self.parts for entry in part.about()],
            "runs": [
                {"path": str(part.path), "recipe": recipe} for part in self.parts if (recipe := part.trimmed_recipe())
            ],
            "versions": {"ravfeat": __version__, "python": platform.python_version()}
            | {name: version(name) for name in ("numpy", "scipy")},
        }


def gather_scores(paths: Sequence[Path], *, allow_leak: bool = False, as_written: Collection[str] = ()) -> Gathered:
    """Read score files and runs and check that they can be fused.

    That they score the same performances in the same folds is left to `ravfeat.fusion.fuse`.

    Parameters
    ----------
    paths : sequence of Path
        Score files, run folders, or prediction tables of runs.
    allow_leak : bool
        Needed where an actor is tested in two folds, or is in val and test of one.
    as_written : collection of str
        Actors, labels and performances of score files that are meant as they are written; see
        `ravfeat.corpora.spellings`.

    Raises
    ------
    UsageError
        For one path or one content twice, names that cannot be told apart, and fewer than two systems.
    LeakError
        For scores that leak.
    CorpusError, PredictionsError
        For what cannot be read, and for files that do not belong together.
    """
    tables = [table_path(path) for path in paths]
    digests = _digests(paths, tables)
    inputs = [
        read_run(path) if is_run(table) else read_score_file(path, as_written)
        for path, table in zip(paths, tables, strict=True)
    ]
    runs = [scores for scores in inputs if isinstance(scores, RunScores)]
    files = [scores for scores in inputs if isinstance(scores, ScoreFile)]
    check_leaks(inputs, allow_leak=allow_leak)
    made = _tables(files, runs)
    parts = tuple(
        Part(scores.path, digest, scores.kind, made[scores.path], Recipe())
        if isinstance(scores, ScoreFile)
        else Part(scores.path, digest, "run", scores.predictions, scores.recipe)
        for scores, digest in zip(inputs, digests, strict=True)
    )
    for other in parts[1:]:
        check_alike(parts[0], other)
    check_systems(parts)
    check_normalised(parts)
    return Gathered(parts)


def _digests(paths: Sequence[Path], tables: Sequence[Path]) -> list[str]:
    """Give the digests of all files; refuse one for two systems, which would be mixed with itself."""
    digests: dict[str, Path] = {}
    places: dict[Path, Path] = {}
    for path, table in zip(paths, tables, strict=True):
        if table.resolve() in places:
            raise UsageError(f"{path} is given twice; name every score file and run once")
        places[table.resolve()] = path
        # What is no file is refused by whoever reads it.
        digest = sha256_of(table) if table.is_file() else str(table.resolve())
        if digest in digests:
            raise UsageError(
                f"{digests[digest]} and {path} have the same content: one file for two systems; give every system's own"
            )
        digests[digest] = path
    return list(digests)


def _tables(files: Sequence[ScoreFile], runs: Sequence[RunScores]) -> dict[Path, Predictions]:
    """Make the tables of all score files: one order of classes, protocols by the runs they are fused with."""
    classes = _classes(files, runs)
    of_runs = {run.predictions.protocol: fold_actors_of(run.predictions) for run in runs}
    synthetic = any(run.predictions.synthetic for run in runs)
    return {
        file.path: file.predictions(
            name,
            classes,
            protocol=protocol_of(file.sides, of_runs),
            select=select_of(file.sides),
            synthetic=synthetic or _corpus(file.owners.actors) == _GENERATED,
        )
        for file, name in zip(files, _names(files), strict=True)
    }


def _classes(files: Sequence[ScoreFile], runs: Sequence[RunScores]) -> tuple[str, ...]:
    """Give the order of the classes; refuse files that have others."""
    if not files:
        return ()
    first = runs[0].path if runs else files[0].path
    classes = runs[0].predictions.classes if runs else files[0].classes
    for file in files:
        if set(file.classes) != set(classes):
            raise different(first, file.path, "classes", ", ".join(classes), ", ".join(file.classes))
    if not runs and set(classes) <= set(RAVDESS_LABELS):
        return tuple(label for label in RAVDESS_LABELS if label in classes)
    return classes


def _names(files: Sequence[ScoreFile]) -> list[str]:
    """Call every file by its stem, and by its folder too where two have one stem."""
    stems = [file.path.stem for file in files]
    names = [
        stem if stems.count(stem) == 1 else f"{file.path.resolve().parent.name}-{stem}"
        for file, stem in zip(files, stems, strict=True)
    ]
    for name in names:
        alike = [str(file.path) for file, other in zip(files, names, strict=True) if other == name]
        if len(alike) > 1:
            raise UsageError(f"{' and '.join(alike)} would both be called '{name}'; rename one of them")
    return names


def _corpus(actors: Sequence[str]) -> str:
    """Give the corpus that all actors carry in front; empty where they carry none, or several."""
    corpora = {actor.rpartition(":")[0] for actor in actors}
    return corpora.pop() if len(corpora) == 1 else ""
