"""Files of a sweep's folder: ``sweep.json``, one folder per plan in ``trials/``, and ``reveals.json``.

A trial's folder holds ``predictions.parquet`` with validation rows alone, and ``trial.json``. It appears whole or not
at all, so a sweep that was killed goes on from the last whole one. No file here holds a test row or a test score but
the winners' own run folders.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from ravfeat.documents import Count, NotEmpty, Text, read_json
from ravfeat.errors import PredictionsError, UsageError
from ravfeat.files import replace_file
from ravfeat.predictions import Predictions
from ravfeat.runs.folder import whole_folder
from ravfeat.runs.format import PREDICTIONS_FILE, SWEEP_FILE, TRIAL_FILE
from ravfeat.sweep.scores import Validation, validation_of

__all__ = [
    "Look",
    "TrialRecord",
    "check_sweep_out",
    "read_looks",
    "read_trial",
    "trial_folder",
    "write_looks",
    "write_sweep",
    "write_trial",
]

_VERSION = 1
_LOOKS_FILE = "reveals.json"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrialRecord:
    """``trial.json``: a plan, and how it did on the validation rows.

    Attributes
    ----------
    digest : str
        See `ravfeat.sweep.prepared.ReadyTrial`.
    factors : mapping of str to str
    about : mapping
        What was read, how it was split, and with which versions; as in a run's recipe.
    validation : Validation
    """

    digest: Text
    factors: Mapping[str, str]
    about: Mapping[str, Any]
    validation: Validation
    format: Literal["ravfeat-trial"] = "ravfeat-trial"
    format_version: Literal[1] = 1


@dataclass(frozen=True)
class Look:
    """One reveal; an entry of ``reveals.json``, which only grows.

    Attributes
    ----------
    look : int
        Which of this protocol, from 1.
    protocol, name, digest : str
        Protocol, and the trial that won.
    folder : str
        Where its run is, beside this file.
    sha256 : str
        Of the sweep as it was then.
    among : int
        Plans that were ranked.
    choose_by : str
    """

    look: Count
    protocol: Text
    name: Text
    digest: Text
    folder: Text
    sha256: Text
    among: Count
    choose_by: Text


@dataclass(frozen=True)
class _Looks:
    looks: Annotated[tuple[Look, ...], NotEmpty]
    format: Literal["ravfeat-reveals"] = "ravfeat-reveals"
    format_version: Literal[1] = 1


def check_sweep_out(out: Path) -> None:
    """Refuse a folder that holds something else than a sweep.

    Raises
    ------
    UsageError
    """
    if out.exists() and not (out.is_dir() and ((out / SWEEP_FILE).is_file() or not any(out.iterdir()))):
        raise UsageError(f"{out} exists and holds no sweep; choose another --out")


def trial_folder(out: Path, name: str) -> Path:
    """Give the folder of a trial."""
    return out / "trials" / name


def write_sweep(out: Path, record: Mapping[str, Any]) -> None:
    """Write ``sweep.json``: the plans, how a winner is chosen, and what was left out."""
    _write(out / SWEEP_FILE, {"format": "ravfeat-sweep", "format_version": _VERSION, **record})


def write_trial(folder: Path, predictions: Predictions, record: TrialRecord) -> None:
    """Write a trial, in place of what its folder holds."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with whole_folder(folder, force=True, kind="plan of a sweep", known_by=TRIAL_FILE) as temporary:
        predictions.write(temporary / PREDICTIONS_FILE)
        _write(temporary / TRIAL_FILE, asdict(record))


def read_trial(folder: Path, digest: str) -> TrialRecord | None:
    """Read a trial; None where it is not there, is another plan's, or its score is not that of its rows."""
    if not (folder / TRIAL_FILE).is_file():
        return None
    try:
        record = read_json(folder / TRIAL_FILE, TrialRecord, PredictionsError, "it is made again")
        if record.digest != digest:
            raise PredictionsError(f"{folder / TRIAL_FILE} is of another plan")
        if not validation_of(Predictions.read(folder / PREDICTIONS_FILE)).equals(record.validation):
            raise PredictionsError(f"{folder / TRIAL_FILE} does not belong to the rows beside it")
    except PredictionsError as error:
        _log.warning("%s is trained again: %s", folder, error)
        return None
    return record


def read_looks(out: Path) -> tuple[Look, ...]:
    """Read ``reveals.json``; empty where nothing was revealed.

    Raises
    ------
    PredictionsError
        Where it is damaged: how often the test clips were looked at is not known then.
    """
    path = out / _LOOKS_FILE
    remedy = "put it back as it was: it says how often test clips were looked at"
    return read_json(path, _Looks, PredictionsError, remedy).looks if path.exists() else ()


def write_looks(out: Path, looks: tuple[Look, ...]) -> None:
    """Write ``reveals.json``."""
    _write(out / _LOOKS_FILE, asdict(_Looks(looks)))


def _write(path: Path, value: Mapping[str, Any]) -> None:
    replace_file(path, (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())
