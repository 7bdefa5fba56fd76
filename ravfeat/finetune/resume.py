"""Resume a fine-tuning: the one place that decides which folds and epochs are still to be trained.

Beside the run's folder lies ``OUT.work`` while it is being made::

    recipe.json                       what is being made; another recipe is refused
    lock                              held by the process that works here
    seed-0/fold-3.progress.safetensors   a fold after its last whole epoch
    seed-0/fold-3.result.safetensors     a fold that is done

A damaged file counts as missing. The folder is removed when the run has been written.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ravfeat.documents import read_json
from ravfeat.errors import UsageError
from ravfeat.files import canonical_json, replace_file
from ravfeat.finetune.checkpoint import read_tensors, write_tensors
from ravfeat.finetune.fold import FoldResult, Progress

try:
    import fcntl
except ModuleNotFoundError:  # on Windows
    fcntl = None  # type: ignore[assignment]

__all__ = ["Work", "open_work", "remove_work", "work_folder"]

_log = logging.getLogger(__name__)

_RECIPE, _LOCK = "recipe.json", "lock"
_PARTS = ("params", "best", "first", "second", "constants")


def work_folder(out: Path) -> Path:
    """Give the folder of a run's unfinished work: ``OUT.work``, beside it."""
    place = out.resolve()
    return place.with_name(f"{place.name}.work")


@contextmanager
def open_work(folder: Path, recipe: Mapping[str, Any]) -> Iterator["Work"]:
    """Make a work folder, or go on in an existing one; a lock keeps every other process out meanwhile.

    Parameters
    ----------
    folder : Path
    recipe : mapping
        Plain values: all that decides what a fold learns.

    Raises
    ------
    UsageError
        Where another recipe's work lies there, another process works there, or it is no such folder.
    """
    # An empty folder, or one with this lock in it; nothing else is ever written into.
    if folder.exists() and not (folder.is_dir() and (not any(folder.iterdir()) or (folder / _LOCK).is_file())):
        raise UsageError(f"{folder} exists and is not the work of a fine-tuning; choose another --out, or move it away")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / _LOCK).open("a") as lock:
        if fcntl is None:
            raise UsageError("fine-tuning locks its folder, and this system has no such locks; on Windows use WSL")
        try:
            # The system frees the lock with the process, however that ends.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(f"another process works in {folder}; wait for it, or choose another --out") from error
        except OSError as error:
            raise UsageError(
                f"{folder} cannot be locked ({error.strerror}): its file system has no locks; choose another --out"
            ) from error
        plain = canonical_json(recipe)
        # As JSON gives it back: tuples have become lists, as in the recorded recipe.
        _check_recipe(folder, json.loads(plain))
        for left in folder.glob("**/.*.tmp"):  # of a process that was killed while it wrote
            left.unlink()
        yield Work(folder, hashlib.sha256(plain.encode()).hexdigest())


def remove_work(folder: Path) -> None:
    """Remove a work folder whose run has been written."""
    shutil.rmtree(folder, ignore_errors=True)


def _check_recipe(folder: Path, recipe: Mapping[str, Any]) -> None:
    path = folder / _RECIPE
    if not path.is_file():
        replace_file(path, f"{json.dumps(recipe, indent=1, sort_keys=True)}\n".encode())
        return
    remedy = f"choose another --out, or remove {folder} to begin anew"
    recorded = read_json(path, dict[str, Any], UsageError, remedy)
    if recorded != recipe:
        raise UsageError(f"{folder} holds the work of another fine-tuning: {_difference(recorded, recipe)}; {remedy}")


def _difference(before: Mapping[str, Any], recipe: Mapping[str, Any]) -> str:
    different = sorted(key for key in {*before, *recipe} if before.get(key) != recipe.get(key))
    nested = [key for key in different if isinstance(before.get(key), dict) and isinstance(recipe.get(key), dict)]
    if nested:
        return f"{nested[0]}: {_difference(before[nested[0]], recipe[nested[0]])}"
    return "; ".join(f"{key} {before.get(key)!r} there, {recipe.get(key)!r} now" for key in different[:3])


@dataclass(frozen=True)
class Work:
    """An open work folder.

    Attributes
    ----------
    folder : Path
    recipe_sha256 : str
        Every file carries it: one of another work is not read.
    """

    folder: Path
    recipe_sha256: str

    def result(self, seed: int, fold: int, shapes: Mapping[str, tuple[int, ...]]) -> FoldResult | None:
        """Give a fold that is done; None where it is not.

        Parameters
        ----------
        seed, fold : int
        shapes : mapping of str to tuple of int
            Of ``val_logits`` and ``test_logits``.
        """
        path = self._path(seed, fold, "result")
        saved = read_tensors(path, self._about("result", seed, fold))
        if saved is None:
            return None
        tensors, about = saved
        if {name: tuple(tensors[name].shape) for name in shapes if name in tensors} != shapes or "epoch" not in about:
            _log.warning("%s holds other rows or classes: what it should hold is trained again", path)
            return None
        params, constants = _part(tensors, "params"), _part(tensors, "constants")
        val, test = tensors["val_logits"].numpy(), tensors["test_logits"].numpy()
        return FoldResult(int(about["epoch"]), val, test, params, constants)

    def save_result(self, seed: int, fold: int, result: FoldResult, *, weights: bool) -> None:
        """Keep a fold that is done; its progress is not needed any more."""
        logits = {"val_logits": result.val_logits, "test_logits": result.test_logits}
        tensors = {name: torch.from_numpy(values) for name, values in logits.items()}
        if weights:
            # Without them the file is small: predictions need the logits alone.
            tensors |= _named("params", result.params) | _named("constants", result.constants)
        path = self._path(seed, fold, "result")
        write_tensors(path, tensors, self._about("result", seed, fold) | {"epoch": result.epoch})
        self._path(seed, fold, "progress").unlink(missing_ok=True)

    def progress(self, seed: int, fold: int) -> Progress | None:
        """Give a fold after its last whole epoch; None where it was not begun."""
        saved = read_tensors(self._path(seed, fold, "progress"), self._about("progress", seed, fold))
        if saved is None:
            return None
        tensors, _ = saved
        parts = {part: _part(tensors, part) for part in _PARTS}
        return Progress(**parts, val_logits=tensors.get("val_logits", torch.empty(0)).numpy())

    def save_progress(self, seed: int, fold: int, progress: Progress) -> None:
        """Keep a fold after an epoch; that of the epoch before is replaced."""
        tensors: dict[str, Tensor] = {"val_logits": torch.from_numpy(progress.val_logits)}
        for part in _PARTS:
            tensors |= _named(part, getattr(progress, part))
        write_tensors(self._path(seed, fold, "progress"), tensors, self._about("progress", seed, fold))

    def _about(self, kind: str, seed: int, fold: int) -> dict[str, Any]:
        return {"what": kind, "seed": seed, "fold": fold, "recipe_sha256": self.recipe_sha256}

    def _path(self, seed: int, fold: int, kind: str) -> Path:
        folder = self.folder / f"seed-{seed}"
        folder.mkdir(exist_ok=True)
        return folder / f"fold-{fold}.{kind}.safetensors"


def _named(part: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{part}/{name}": value for name, value in tensors.items()}


def _part(tensors: Mapping[str, Tensor], part: str) -> dict[str, Tensor]:
    return {name.removeprefix(f"{part}/"): value for name, value in tensors.items() if name.startswith(f"{part}/")}
