"""A corpus of generated voices with planted faults: copies, wrong cells, odd files, columns that leak."""

import csv
import os
import shutil
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
import soxr

from ravfeat.corpora.ravdess import scan_ravdess
from ravfeat.corpora.synth import generate

__all__ = ["FAULTS", "Planted", "plant", "plant_refused"]

COLUMNS = ("path", "speaker", "emotion", "gender", "session", "split", "microphone")

FAULTS: dict[str, str] = {
    "alike labels": r"'happiness' \(\d+ clips?\) and 'happy' \(\d+ clips\) look alike",
    "no class": r"'other' \(\d+ clips?\) may stand for 'nobody could say'",
    "one speaker's class": r"'other' has clips of 1 actor only",
    "unknown gender": r"\d+ clips of 1 actor without gender: 4",
    "two genders": r"actor '2' is female in \d+ clips and male in 1 clip",
    "one clip": r"1 actor with one clip: 5",
    "leaking column": r"'microphone' decides the label",
    "shared split": r"1 actor of \d+ is in more than one 'split' \(1\)",
    "shared session": r"1 actor of \d+ is in more than one 'session' \(1\)",
    "short": r"1 clip shorter than 0.3 s",
    "unreadable": r"1 clip cannot be decoded: broken",
    "clipped": r"1 clip clipped",
    "quiet": r"1 clip very quiet",
    "offset": r"1 clip not centred",
    "rates": r"sampling rate \(Hz\) differs: 8000 in 1 clip",
    "channels": r"number of channels differs: .*2 in 1 clip",
    "same samples, two actors": r"1 pair of clips is the same recording under two actors",
    "near copies": r"4 pairs of clips are nearly the same recording$",
    "near copy, two actors": r"1 pair of clips is nearly the same recording under two actors",
    "near copy, two labels": r"1 pair of clips is nearly the same recording with two labels",
}
"""Every fault and what names it."""


@dataclass
class Planted:
    """Where the clips and their table lie, and which copies were made of which."""

    folder: Path
    rows: list[list[str]] = field(default_factory=list)
    copies: dict[str, str] = field(default_factory=dict)

    @property
    def table(self) -> Path:
        return self.folder / "planted.csv"

    def add(self, name: str, of: list[str], samples: np.ndarray, rate: int = 16_000, **changes: str) -> None:
        """Write a clip whose row is like another one but for its path and the changes."""
        soundfile.write(self.folder / f"{name}.wav", samples, rate)
        row = dict(zip(COLUMNS, of, strict=True)) | {"path": f"{name}.wav"} | changes
        self.rows.append([row[column] for column in COLUMNS])
        self.copies[name] = Path(of[0]).stem

    def write(self) -> Path:
        with self.table.open("w", newline="") as file:
            csv.writer(file, delimiter=";").writerows([COLUMNS, *self.rows])
        return self.table


def plant(folder: Path, actors: int = 4) -> Planted:
    """Make the corpus: a table that ``extract`` takes, with every fault of `FAULTS`."""
    generate(folder / "voices", actors=actors)
    planted = Planted(folder)
    for clip in scan_ravdess(folder / "voices", corpus="synth", synthetic=True):
        actor = int(clip.actor.rpartition(":")[2])
        name = f"{clip.clip_id}.wav"
        shutil.copy(folder / "voices" / clip.path, folder / name)
        sex = "" if actor == 4 else clip.gender
        split = "test" if actor == 4 else "train"
        planted.rows.append([name, str(actor), clip.label, sex, str(1 + actor // 3), split, ""])
    _spoil_cells(planted.rows)
    _copy_clips(planted)
    _odd_clips(planted)
    planted.write()
    return planted


def _spoil_cells(rows: list[list[str]]) -> None:
    happy = next(row for row in rows if row[2] == "happy" and row[1] == "3")
    happy[2] = "happiness"
    for row in [row for row in rows if row[1] == "1" and row[2] == "calm"][:2]:
        row[2] = "other"
    next(row for row in rows if row[1] == "1" and row[2] == "sad")[4:6] = ["2", "test"]
    next(row for row in rows if row[1] == "2" and row[2] == "sad")[3] = "male"
    for row in rows:
        row[6] = f"mic-{row[2]}"


def _copy_clips(planted: Planted) -> None:
    rng = np.random.default_rng(0)
    of = {row[0]: row for row in planted.rows}
    noisy, shifted, louder, slow, same = (
        next(row for row in of.values() if row[1] == actor and row[2] == label)
        for actor, label in (("1", "angry"), ("2", "angry"), ("3", "sad"), ("3", "disgust"), ("2", "fearful"))
    )
    chosen = (noisy, shifted, louder, slow, same)
    x = {row[0]: soundfile.read(planted.folder / row[0], dtype="float32")[0] for row in chosen}
    level = np.sqrt(np.mean(x[noisy[0]] ** 2)) * 10 ** (-30 / 20)
    planted.add("noisy", noisy, x[noisy[0]] + level * rng.standard_normal(len(x[noisy[0]])))
    planted.add(
        "shifted", shifted, np.concatenate([np.zeros(800), x[shifted[0]]]), speaker="3", gender="male", session="2"
    )
    planted.add("quieter", louder, 0.3 * x[louder[0]], emotion="disgust", microphone="mic-disgust")
    planted.add("resampled", slow, soxr.resample(x[slow[0]], 16_000, 8_000), 8_000)
    planted.add("same", same, x[same[0]], speaker="3", gender="male", session="2")


def _odd_clips(planted: Planted) -> None:
    rows = [row for row in planted.rows if row[1] == "2" and row[2] == "disgust"]
    x, rate = soundfile.read(planted.folder / rows[0][0], dtype="float32")
    rng = np.random.default_rng(1)
    noise = 0.05 * rng.standard_normal((6, rate)).astype("f")
    planted.add("short", rows[0], noise[0, : rate // 5])
    planted.add("clipped", rows[0], np.clip(60 * noise[1], -1, 1))
    planted.add("silentish", rows[0], 0.004 * noise[2])
    planted.add("offset", rows[0], noise[3] + 0.2)
    planted.add("stereo", rows[0], np.stack([noise[4], 0.5 * noise[4]], axis=1))
    planted.add("alone", rows[0], noise[5], speaker="5", gender="female")
    planted.add("broken", rows[0], x)
    (planted.folder / "broken.wav").write_bytes((planted.folder / "broken.wav").read_bytes()[: len(x)])


def plant_refused(planted: Planted, folder: Path) -> Path:
    """Write a table that ``extract`` refuses, for more than one reason; it names the same clips."""
    rows = [[os.path.relpath(planted.folder / row[0], folder), *row[1:4]] for row in planted.rows[:40]]
    rows[0][2] = ""
    rows[1][1] = "01"
    rows[2][3] = "robot"
    rows[3][0] = "nowhere.wav"
    rows.append([rows[4][0], rows[4][1], "boredom", rows[4][3]])
    folder.mkdir()
    with (folder / "refused.csv").open("w", newline="") as file:
        csv.writer(file).writerows([COLUMNS[:4], *rows])
    return folder / "refused.csv"
