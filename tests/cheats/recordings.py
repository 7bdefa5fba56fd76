"""Cheats in the recordings and the table that says who speaks in them."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from tests.cheats.material import Cheated, Honest, extract, make_honest, uar_of
from tests.scorefiles.made import Row, write_rows

SNR_DB, LOUD_NOISE_DB = 30.0, 10.0


def _fit_table(honest: Honest, folder: Path, rows: Sequence[Row]) -> Cheated:
    """Train on a table whose recordings are in a folder, or come from the honest corpus."""
    for row in rows:
        if not (folder / row["path"]).exists():
            shutil.copy(honest.folder / row["path"], folder)
    run = honest.fit(folder / "run", extract(write_rows(folder / "mine.csv", rows), folder / "cache"))
    return Cheated(run, honest.uar, uar_of(run))


def noisy_row(honest: Honest, folder: Path, row: Row, snr_db: float = SNR_DB) -> Row:
    """Write a copy of a row's recording with white noise, so many dB below it, and give its row."""
    path = f"k{row['path'][1:]}"
    samples, rate = soundfile.read(honest.folder / row["path"])
    noise = np.random.default_rng(len(samples)).normal(size=samples.shape)
    level = np.sqrt(np.mean(samples**2)) * 10 ** (-snr_db / 20)
    soundfile.write(folder / path, samples + level * noise, rate)
    return row | {"path": path, "clip_id": path[:-4]}


def swapped_in_cells(honest: Honest, folder: Path) -> Cheated:
    """Deal the clips of each cell of emotion, intensity, statement and take anew to the actors: a hidden clip split."""
    rng = np.random.default_rng(0)
    actors, cells = honest.column("actor").copy(), honest.column("cell")
    genders = dict(zip(honest.column("actor"), honest.column("gender"), strict=True))
    for cell in np.unique(cells):
        actors[cells == cell] = rng.permutation(actors[cells == cell])
    dealt = zip(honest.rows, actors.tolist(), strict=True)
    return _fit_table(honest, folder, [row | {"actor": actor, "gender": genders[actor]} for row, actor in dealt])


def two_ids(honest: Honest, folder: Path) -> Cheated:
    """Give half of every person's clips a second id."""
    second = np.random.default_rng(0).random(len(honest.rows)) < 0.5
    drawn = zip(honest.rows, second.tolist(), strict=True)
    rows = [row | ({"actor": f"q{row['actor'][1:]}"} if other else {}) for row, other in drawn]
    return _fit_table(honest, folder, rows)


def noisy_copies(honest: Honest, folder: Path) -> Cheated:
    """Add a copy of every clip with a little noise, under a second id of its person; half of all people."""
    half = [row for row in honest.rows if row["actor"] <= "p12"]
    copies = [noisy_row(honest, folder, row) | {"actor": f"q{row['actor'][1:]}"} for row in half]
    return _fit_table(honest, folder, [row for pair in zip(half, copies, strict=True) for row in pair])


def few_noisy_copies(honest: Honest, folder: Path) -> Cheated:
    """Add much noisier copies of a few clips, under the ids of other people."""
    genders = {row["actor"]: row["gender"] for row in honest.rows}
    people = sorted(genders)
    rows = list(honest.rows)
    for row in honest.rows[:6]:
        other = people[(people.index(row["actor"]) + 1) % len(people)]  # in the next fold
        copy = noisy_row(honest, folder, row, LOUD_NOISE_DB)
        rows.append(copy | {"actor": other, "gender": genders[other]})
    return replace(_fit_table(honest, folder, rows), audit=("--data", folder))


def noisy_test_corpus(honest: Honest, folder: Path) -> Cheated:
    """Test on a corpus that is a noisy copy of the training corpus, under other names."""
    half = [row for row in honest.rows if row["actor"] <= "p12"]
    rows = [noisy_row(honest, folder, row) | {"actor": f"z{row['actor'][1:]}"} for row in half]
    copy = extract(write_rows(folder / "other.csv", rows), folder / "cache")
    other = make_honest(folder / "strangers", actors=12, seed=1, name="strangers")
    runs = [
        honest.fit(
            folder / name, honest.cache, "--train-cache", honest.cache, "--test-cache", test, "--normalise", "none"
        )
        for name, test in (("run", copy), ("honest", other.cache))
    ]
    return Cheated(runs[0], uar_of(runs[1]), uar_of(runs[0]))
