"""What cheats are made of: generated recordings under plain names, their cache, honest runs, and the real commands."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from click.testing import CliRunner, Result
from numpy.typing import NDArray

from ravfeat.cache import open_cache
from ravfeat.cli import group
from ravfeat.corpora.ravdess import scan_ravdess
from ravfeat.corpora.synth import generate
from ravfeat.predictions import Predictions
from tests.scorefiles.made import Row, write_rows

FOLDS = "group6"


def command(*arguments: object, codes: Sequence[int] = (0,)) -> Result:
    """Run a command of ravfeat in this process."""
    result = CliRunner().invoke(group, [str(argument) for argument in arguments])
    if result.exit_code not in codes:
        raise AssertionError(f"ravfeat {' '.join(map(str, arguments))}: {result.output}") from result.exception
    return result


def uar_of(run: Path) -> float:
    """The best pooled UAR that a run's metrics tell, as somebody who cheats would quote it."""
    records = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    return max(record["value"] for record in records if (record["metric"], record["averaging"]) == ("uar", "pooled"))


@dataclass(frozen=True)
class Honest:
    """Generated recordings as a corpus of one's own, their cache, and an honest run.

    Attributes
    ----------
    folder : Path
        Where all of it lies; cheats write beside it.
    rows : tuple of dict
        Of the table: path, actor, label, gender, performance, cell (emotion, intensity, statement, take).
    """

    folder: Path
    rows: tuple[Row, ...]
    name: str = "mine"

    @property
    def table(self) -> Path:
        """The corpus's table."""
        return self.folder / f"{self.name}.csv"

    @cached_property
    def cache(self) -> Path:
        """Features that were encoded here."""
        return extract(self.table, self.folder / "cache")

    @cached_property
    def run(self) -> Path:
        """Heads that never met the actors they are tested on."""
        return self.fit(self.folder / "run", self.cache)

    @cached_property
    def second(self) -> Path:
        """Heads on the means alone: a second system for what is fused."""
        return self.fit(self.folder / "second", self.cache, "--no-std")

    @cached_property
    def uar(self) -> float:
        """What the honest run scores."""
        return uar_of(self.run)

    @cached_property
    def uar_imported(self) -> float:
        """What the same scores on statistics of the last layer alone, which is what is imported."""
        return uar_of(self.fit_imported(self.folder / "imported", self.pooled))

    @cached_property
    def said(self) -> dict[str, str]:
        """What the honest run calls every clip."""
        predictions = Predictions.read(self.run / "predictions.parquet")
        rows = zip(predictions.table.to_pylist(), predictions.logits().argmax(1).tolist(), strict=True)
        return {row["clip_id"]: predictions.classes[best] for row, best in rows if row["split"] == "test"}

    @property
    def wrong(self) -> NDArray[np.bool_]:
        """Which clips of the table the honest run gets wrong."""
        return np.array([self.said[row["clip_id"]] != row["label"] for row in self.rows])

    @cached_property
    def pooled(self) -> NDArray[np.float64]:
        """Mean and standard deviation of every clip's frames, of shape (N, 2 * D)."""
        cache = open_cache(self.cache)
        frames = [np.asarray(cache[row["clip_id"]], np.float64)[:, -1] for row in self.rows]  # (T, L, D) -> (T, D)
        return np.stack([np.concatenate([clip.mean(0), clip.std(0)]) for clip in frames])

    def column(self, name: str) -> NDArray[Any]:
        """A column of the table."""
        return np.array([row[name] for row in self.rows])

    @staticmethod
    def fit(out: Path, cache: Path, *options: object) -> Path:
        """Train ``logreg`` on a cache, by folds that keep actors apart unless the options say otherwise."""
        folds = () if "--protocol" in options or "--train-cache" in options else ("--protocol", FOLDS)
        caches = () if "--train-cache" in options else ("--cache", cache)
        command("fit-heads", *caches, "--head", "logreg", "--device", "cpu", "--out", out, *folds, *options)
        return out

    def fit_imported(self, out: Path, features: NDArray[np.floating[Any]], *options: object, keep: Any = None) -> Path:
        """Import features, one row per clip, as those of another program, and train on them."""
        out.mkdir(parents=True, exist_ok=True)
        keep = np.ones(len(self.rows), bool) if keep is None else keep
        names = self.column("clip_id")[keep]
        np.savez(out / "made.npz", names=names, offsets=np.arange(len(names) + 1), x=features[keep].astype(np.float32))
        missing = () if keep.all() else ("--allow-missing",)
        command(
            "cache", "import", out / "made.npz", "--corpus", "folder", "--data", self.table, "--stream", "audio",
            "--name", "made", "--fps", 1, "--dtype", "float32", "--transform", "none", "--out", out / "cache", *missing,
        )  # fmt: skip
        return self.fit(out / "run", out / "cache", *options, *missing)


@dataclass(frozen=True)
class Cheated:
    """A run that was cheated for, what the same would score without, and how it is audited."""

    run: Path
    honest: float
    cheated: float
    audit: tuple[object, ...] = ()


@dataclass(frozen=True)
class Cheat:
    """One cheat.

    Attributes
    ----------
    name : str
    make : callable
        ``make(honest, folder)``, with an empty folder that is its own.
    codes : tuple of int
        Exit codes of which the audit has to give one.
    told : str
        Pattern of what it has to say.
    """

    name: str
    make: Callable[[Honest, Path], Cheated]
    codes: tuple[int, ...] = (0,)
    told: str = ""


def extract(table: Path, out: Path) -> Path:
    """Encode the recordings of a table."""
    command(
        "extract", "--corpus", "folder", "--data", table, "--encoder", "logmel", "--device", "cpu", "--out", out
    )  # fmt: skip
    (cache,) = (out / table.stem).glob("audio-*")
    return cache


def make_honest(folder: Path, *, actors: int = 24, seed: int = 0, name: str = "mine") -> Honest:
    """Generate recordings and give them names that say nothing about who speaks."""
    generate(folder / "voices", actors=actors, seed=seed)
    clips = list(scan_ravdess(folder / "voices", corpus="synth", synthetic=True))
    order = np.random.default_rng(seed).permutation(len(clips))
    rows = []
    for number, place in enumerate(order.tolist()):
        clip = clips[place]
        path = f"c{seed}{number:04d}.wav"
        (folder / "voices" / clip.path).rename(folder / path)
        actor, cell = clip.actor.rpartition(":")[2], "-".join(clip.clip_id.split("-")[2:6])
        rows.append(
            {
                "path": path, "clip_id": Path(path).stem, "actor": f"p{actor}", "label": clip.label,
                "gender": clip.gender, "cell": cell,
            }
        )  # fmt: skip
    write_rows(folder / f"{name}.csv", rows)
    return Honest(folder, tuple(rows), name)
