"""Generate a synthetic corpus: wav files named and crossed like RAVDESS, spoken by no person.

It exists so that everything can be run and tested without anyone's recordings. The files carry
RAVDESS names and cross its factors the same way: actors (odd: man, even: woman), eight emotions,
two intensities (neutral has only the normal one), two statements, repetitions; what RAVDESS calls
emotion is here a shift of pitch, loudness, tempo and voice quality. On top of the common way, every
actor has a way of acting each emotion, so a model that has heard an actor knows more than one that
has not: as with real speech, random clip folds flatter. No number from this corpus says anything
about people.

Conventions
-----------
The same parameters give the same bytes with the same numpy on the same kind of processor. A folder
is written under a temporary name and renamed when whole; ``SYNTHETIC`` (JSON) says what it holds.
"""

import hashlib
import json
import os
import shutil
import wave
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import TypedDict

from ravfeat.corpora.voice import SAMPLE_RATE_HZ, Delivery, Voice, speak
from ravfeat.documents import read_json
from ravfeat.errors import CorpusError
from ravfeat.files import sha256_of
from ravfeat.progress import track_progress
from ravfeat.schema import RAVDESS_LABELS

__all__ = ["MARKER", "SynthCorpus", "generate"]

MARKER = "SYNTHETIC"
"""Name of the file that marks a folder as generated and holds its parameters."""

VERSION = 1  # of the recipe below: another recipe gives other bytes and must have another number
MAX_ACTORS = 99  # two digits in a file name
CLIP_S = 0.65
STATEMENTS = ("i@ao@", "oai@o")
NEUTRAL = RAVDESS_LABELS.index("neutral")

# How an emotion is acted by everyone, at normal intensity. The columns are the last eight fields of
# `Delivery`: pitch, range, slope (semitones), energy, tilt, breath (dB), pace (octaves), tremor (semitones).
COMMON = np.array(
    [
        [0.0, 1.2, -1.8, 0.0, 0.0, 0.0, 0.00, 0.00],  # neutral
        [-0.7, 0.8, -2.4, -2.4, -1.0, 3.6, -0.12, 0.00],  # calm
        [4.2, 3.8, 0.6, 3.6, 1.0, 1.2, 0.08, 0.06],  # happy
        [-1.0, 1.1, -4.2, -4.8, -1.6, 7.2, -0.20, 0.30],  # sad
        [3.1, 2.9, -3.0, 7.2, 2.2, -2.4, 0.05, 0.00],  # angry
        [5.5, 1.8, 1.8, 1.8, 0.5, 6.0, 0.22, 0.72],  # fearful
        [-1.2, 2.4, -4.8, 1.2, 0.2, 3.6, -0.22, 0.12],  # disgust
        [6.5, 5.0, 6.0, 2.4, 0.6, 2.4, 0.02, 0.06],  # surprised
    ]
)
OWN_WAY = np.array([0.60, 0.30, 0.50, 0.90, 0.30, 1.10, 0.045, 0.045])  # spread over actors, per emotion
TAKE = np.array([0.15, 0.10, 0.15, 0.25, 0.06, 0.25, 0.012, 0.012])  # spread over the takes of one actor
SETTING_DB, SETTING_POINTS = 7.0, 33  # spread of the spectrum an actor gives an emotion, and points it is drawn at
COLOUR_DB, COLOUR_POINTS = 2.0, 9  # the same for an actor's microphone and room
STRONG = 1.25  # strong intensity, as a factor on the difference from neutral


@dataclass(frozen=True)
class SynthCorpus:
    """What lies in a generated folder.

    Attributes
    ----------
    folder : Path
    actors, clips : int
    seconds : float
        Length of all clips together.
    created : bool
        False when the folder was there already, with the same parameters and unchanged files.
    """

    folder: Path
    actors: int
    clips: int
    seconds: float
    created: bool


@dataclass(frozen=True)
class _Take:
    """The factors of one file, as RAVDESS counts them (from 1)."""

    emotion: int
    intensity: int
    statement: int
    repetition: int
    actor: int

    @property
    def path(self) -> Path:
        fields = (3, 1, self.emotion, self.intensity, self.statement, self.repetition, self.actor)
        return Path(f"Actor_{self.actor:02d}") / ("-".join(f"{field:02d}" for field in fields) + ".wav")


def generate(folder: Path, *, actors: int = 24, repetitions: int = 1, seed: int = 0) -> SynthCorpus:
    """Generate the corpus, or leave it alone if it is there already.

    Parameters
    ----------
    folder : Path
        Gets ``Actor_01/03-01-…-01.wav`` …, ``README.txt`` and the marker. Its parent may be new.
    actors : int, default 24
        1 to 99; every actor has 30 clips per repetition: 2 neutral, 4 of every other emotion.
    repetitions : int, default 1
        RAVDESS has 2.
    seed : int, default 0
        Another seed gives other people.

    Returns
    -------
    SynthCorpus

    Raises
    ------
    CorpusError
        The folder holds something else, was generated with other parameters, is incomplete or
        changed, or cannot be written; a parameter is out of range.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as scratch:
    ...     generate(Path(scratch) / "synth", actors=2).clips
    60
    """
    if not (1 <= actors <= MAX_ACTORS and 1 <= repetitions <= 99 and seed >= 0):
        raise CorpusError(
            f"expected 1 to {MAX_ACTORS} actors, 1 to 99 repetitions and a seed of at least 0, "
            f"got actors={actors}, repetitions={repetitions}, seed={seed}"
        )
    parameters = {"corpus": "synth", "version": VERSION, "actors": actors, "repetitions": repetitions, "seed": seed}
    try:
        fresh = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
        return _create(folder, parameters) if fresh else _reuse(folder, parameters)
    except OSError as error:
        raise CorpusError(
            f"{folder}: the generated corpus could not be written or read ({error.strerror or error}); "
            "free some space or choose another folder"
        ) from error


def _takes(actors: int, repetitions: int) -> Iterator[_Take]:
    for actor in range(1, actors + 1):
        for label in range(len(RAVDESS_LABELS)):
            for intensity in (1,) if label == NEUTRAL else (1, 2):
                for statement in range(1, len(STATEMENTS) + 1):
                    for repetition in range(1, repetitions + 1):
                        yield _Take(label + 1, intensity, statement, repetition, actor)


def _create(folder: Path, parameters: dict[str, Any]) -> SynthCorpus:
    """Write everything under a temporary name beside `folder`, then rename."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = folder.parent / f".{folder.name}.{os.getpid()}.partial"
    shutil.rmtree(partial, ignore_errors=True)  # left by a killed process that had our number
    partial.mkdir()
    try:
        marker = {**parameters, **_write_clips(partial, parameters)}
        (partial / "README.txt").write_text(_readme(marker), encoding="utf-8")
        (partial / MARKER).write_text(json.dumps(marker, indent=1) + "\n", encoding="utf-8")
        try:
            partial.rename(folder)
        except OSError:
            if not (folder / MARKER).exists():
                raise
            return _reuse(folder, parameters)  # another process was quicker; is it the same?
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return _summary(folder, marker, created=True)


def _write_clips(folder: Path, parameters: dict[str, Any]) -> dict[str, Any]:
    takes = list(_takes(parameters["actors"], parameters["repetitions"]))
    seed, samples = parameters["seed"], 0
    for take in track_progress(takes, desc="generating synth", unit="clip"):
        path = folder / take.path
        path.parent.mkdir(exist_ok=True)
        pcm = np.round(_record(take, seed) * 32767).astype("<i2")
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE_HZ)
            file.writeframes(pcm.tobytes())
        samples += len(pcm)
    return {"clips": len(takes), "seconds": round(samples / SAMPLE_RATE_HZ, 3), "sha256": _digest(folder)}


def _record(take: _Take, seed: int) -> NDArray[np.float64]:
    """Speak one take; each draw depends only on what it belongs to, not on the other files."""
    voice = _voice(take.actor, np.random.default_rng([seed, 1, take.actor]))
    habit = np.random.default_rng([seed, 2, take.actor, take.emotion])
    own_way = OWN_WAY * habit.standard_normal(len(OWN_WAY))
    onset_db, offset_db = habit.normal(0.0, SETTING_DB, (2, SETTING_POINTS)).tolist()
    rng = np.random.default_rng([seed, 3, take.actor, take.emotion, take.intensity, take.statement, take.repetition])
    acted = COMMON[take.emotion - 1] + own_way
    if take.intensity == 2:
        acted = COMMON[NEUTRAL] + STRONG * (acted - COMMON[NEUTRAL])
    acted = acted + TAKE * rng.standard_normal(len(TAKE))
    delivery = Delivery(onset_db, offset_db, *acted.tolist())
    return speak(voice, delivery, STATEMENTS[take.statement - 1], CLIP_S, rng)


def _voice(actor: int, rng: np.random.Generator) -> Voice:
    man = actor % 2 == 1
    return Voice(
        pitch_hz=(112.0 if man else 195.0) * 2.0 ** rng.normal(0.0, 0.18),
        tract=(1.0 if man else 1.17) * 2.0 ** rng.normal(0.0, 0.07),
        tilt_db=rng.normal(-3.0, 1.0),
        open_quotient=rng.uniform(0.45, 0.75),
        breath_db=rng.normal(-26.0 if man else -22.0, 3.0),
        room_db=rng.normal(-60.0, 4.0),
        colour_db=tuple(float(gain) for gain in rng.normal(0.0, COLOUR_DB, COLOUR_POINTS)),
    )


class _Marker(TypedDict):
    corpus: str
    version: int
    actors: int
    repetitions: int
    seed: int
    clips: int
    seconds: float
    sha256: str


def _reuse(folder: Path, parameters: dict[str, Any]) -> SynthCorpus:
    """Accept a folder only if it is what we would write."""
    remedy = "choose another folder, or remove this one to have it generated again"
    try:
        marker = read_json(folder / MARKER, _Marker, CorpusError, remedy)
    except CorpusError as error:
        raise CorpusError(f"{folder} exists and is not a generated corpus: {error}") from error
    recorded = {key: value for key, value in marker.items() if key in parameters}
    if recorded != parameters:
        raise CorpusError(f"{folder} was generated with {recorded}, this run wants {parameters}; {remedy}")
    if _digest(folder) != marker["sha256"]:
        raise CorpusError(f"{folder} was generated, but wav files were changed, added or lost since; {remedy}")
    return _summary(folder, marker, created=False)


def _digest(folder: Path) -> str:
    """SHA-256 over names and bytes of all wav files, sorted by name."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*.wav")):
        total.update(f"{path.relative_to(folder).as_posix()}\n".encode())
        total.update(bytes.fromhex(sha256_of(path)))
    return total.hexdigest()


def _summary(folder: Path, marker: Mapping[str, Any], *, created: bool) -> SynthCorpus:
    return SynthCorpus(folder, marker["actors"], marker["clips"], marker["seconds"], created)


def _readme(marker: dict[str, Any]) -> str:
    return (
        "SYNTHETIC: generated by ravfeat, spoken by nobody.\n\n"
        f"{marker['clips']} wav files ({SAMPLE_RATE_HZ} Hz, 16 bit, mono) of {marker['actors']} invented actors,\n"
        "named like RAVDESS speech files so that the same programs read them. No file contains or was derived from\n"
        "a recording. Use it to try programs; its scores say nothing about emotion in real voices.\n\n"
        f"recipe version {marker['version']}, seed {marker['seed']}, repetitions {marker['repetitions']}; "
        f"{MARKER} holds the same for programs.\n"
    )
