"""Cheats in the recordings and the table that says who speaks in them."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from tests.cheats.material import Cheated, Honest, Row, extract, make_honest, uar_of, write_table

__all__ = ["copy_noisy", "few_noisy_copies", "noisy_copies", "noisy_test_corpus", "swapped_in_cells", "two_ids"]

SNR_DB, LOUD_NOISE_DB = 30.0, 10.0


def _fit_table(honest: Honest, folder: Path, rows: Sequence[Row]) -> Cheated:
    table = write_table(folder / "mine.csv", rows)
    run = honest.fit(folder / "run", extract(table, folder / "cache"))
    return Cheated(run, honest.uar, uar_of(run))


def copy_noisy(source: Path, target: Path, snr_db: float = SNR_DB) -> None:
    """Write a copy of a recording with white noise, so many dB below it."""
    samples, rate = soundfile.read(source)
    noise = np.random.default_rng(len(samples)).normal(size=samples.shape)
    level = np.sqrt(np.mean(samples**2)) * 10 ** (-snr_db / 20)
    soundfile.write(target, samples + level * noise, rate)


def swapped_in_cells(honest: Honest, folder: Path) -> Cheated:
    """Deal the clips of each cell of emotion, intensity, statement and take anew to the actors: a hidden clip split."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    actors, cells = honest.column("actor").copy(), honest.column("cell")
    genders = dict(zip(honest.column("actor"), honest.column("gender"), strict=True))
    for cell in np.unique(cells):
        actors[cells == cell] = rng.permutation(actors[cells == cell])
    rows = []
    for row, actor in zip(honest.rows, actors.tolist(), strict=True):
        shutil.copy(honest.folder / row["path"], folder)
        rows.append(row | {"actor": actor, "gender": genders[actor]})
    return _fit_table(honest, folder, rows)


def two_ids(honest: Honest, folder: Path) -> Cheated:
    """Give half of every person's clips a second id."""
    folder.mkdir()
    second = np.random.default_rng(0).random(len(honest.rows)) < 0.5
    rows = []
    for row, other in zip(honest.rows, second.tolist(), strict=True):
        shutil.copy(honest.folder / row["path"], folder)
        rows.append(row | ({"actor": f"q{row['actor'][1:]}"} if other else {}))
    return _fit_table(honest, folder, rows)


def noisy_copies(honest: Honest, folder: Path) -> Cheated:
    """Add a copy of every clip with a little noise, under a second id of its person; half of all people."""
    folder.mkdir()
    rows: list[Row] = []
    for row in honest.rows:
        if row["actor"] > "p12":
            continue
        shutil.copy(honest.folder / row["path"], folder)
        copied = f"k{row['path'][1:]}"
        copy_noisy(honest.folder / row["path"], folder / copied)
        rows += [row, row | {"path": copied, "clip_id": copied[:-4], "actor": f"q{row['actor'][1:]}"}]
    return _fit_table(honest, folder, rows)


def few_noisy_copies(honest: Honest, folder: Path) -> Cheated:
    """Add much noisier copies of a few clips, under the ids of other people."""
    folder.mkdir()
    for row in honest.rows:
        shutil.copy(honest.folder / row["path"], folder)
    rows = list(honest.rows)
    genders = {row["actor"]: row["gender"] for row in honest.rows}
    people = sorted(genders)
    for row in honest.rows[:6]:
        copied = f"k{row['path'][1:]}"
        copy_noisy(honest.folder / row["path"], folder / copied, LOUD_NOISE_DB)
        other = people[(people.index(row["actor"]) + 1) % len(people)]  # in the next fold
        rows.append(row | {"path": copied, "clip_id": copied[:-4], "actor": other, "gender": genders[other]})
    cheated = _fit_table(honest, folder, rows)
    return replace(cheated, audit=("--data", folder))


def noisy_test_corpus(honest: Honest, folder: Path) -> Cheated:
    """Test on a corpus that is a noisy copy of the training corpus, under other names."""
    folder.mkdir()
    rows = []
    for number, row in enumerate(row for row in honest.rows if row["actor"] <= "p12"):
        name = f"x{number:04d}"
        copy_noisy(honest.folder / row["path"], folder / f"{name}.wav")
        rows.append(row | {"path": f"{name}.wav", "clip_id": name, "actor": f"z{row['actor'][1:]}"})
    copy = extract(write_table(folder / "other.csv", rows), folder / "cache")
    other = make_honest(folder / "strangers", actors=12, seed=1, name="strangers")
    runs = [
        honest.fit(
            folder / name, honest.cache, "--train-cache", honest.cache, "--test-cache", test, "--normalise", "none"
        )
        for name, test in (("run", copy), ("honest", other.cache))
    ]
    return Cheated(runs[0], uar_of(runs[1]), uar_of(runs[0]))
