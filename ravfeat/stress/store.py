"""Logits under each condition, kept in the run's folder as they are made, so that an interrupted stress goes on.

Recordings of a condition are encoded into a cache, with which `ravfeat.extract` goes on by itself. Its logits are
stored, condition by condition, and the cache is then removed unless it is to be kept: the frames of one condition take
as much room as those that the run was trained on.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ravfeat.documents import read_json
from ravfeat.errors import PredictionsError
from ravfeat.files import replace_file, sha256_of
from ravfeat.media.conditions import Condition
from ravfeat.predictions import Predictions
from ravfeat.runs.audit_file import audited_digests
from ravfeat.runs.format import HEADS_FOLDER, STRESS_FOLDER
from ravfeat.stress.encode import StreamRecordings
from ravfeat.stress.open_run import OpenedRun
from ravfeat.stress.score import by_clip, changed_logits

__all__ = ["LogitStore", "Stored"]


@dataclass(frozen=True)
class Stored:
    """Logits of changed recordings, and performances that have none, with the reason."""

    predictions: Predictions
    failed: Mapping[str, str]


@dataclass(frozen=True)
class _Failed:
    failed: Mapping[str, str]


@dataclass(frozen=True)
class LogitStore:
    """Makes the logits of a stream under conditions, or reads those that are there.

    Attributes
    ----------
    opened : OpenedRun
    recordings : StreamRecordings
    cache_dir : Path or None
        Where caches are kept; None removes each as soon as its logits are stored.
    """

    opened: OpenedRun
    recordings: StreamRecordings
    cache_dir: Path | None

    def logits(self, condition: Condition | None) -> Stored:
        """Give the logits of one condition; of recordings as they are for None."""
        name = f"{self.recordings.stream}-{'clean' if condition is None else condition.name.replace(':', '_')}"
        table, reasons = self._folder / f"{name}.parquet", self._folder / f"{name}.json"
        if not table.is_file():
            self._make(condition, table, reasons)
        remedy = f"remove {self._folder} and call 'ravfeat stress' again"
        failed = read_json(reasons, _Failed, PredictionsError, remedy).failed
        try:
            predictions = Predictions.read(table)
        except PredictionsError as error:
            raise PredictionsError(f"{error}; {remedy}") from error
        if not self._is_whole(predictions, failed):
            raise PredictionsError(f"{table}: it holds other classes, clips or seeds than were scored; {remedy}")
        return Stored(predictions, failed)

    def _is_whole(self, predictions: Predictions, failed: Mapping[str, str]) -> bool:
        systems = {system.part.system: system for system in self.recordings.systems}
        if predictions.classes != self.opened.run.predictions.classes or set(predictions.systems()) != systems.keys():
            return False
        for name, system in systems.items():
            scored = {
                clip.clip_id for clips in system.clips.values() for clip in clips if clip.performance_id not in failed
            }
            rows = by_clip(predictions, name)
            if rows.keys() != scored or {len(logits) for logits in rows.values()} != {len(system.part.seeds)}:
                return False
        return True

    def _make(self, condition: Condition | None, table: Path, reasons: Path) -> None:
        caches = (self.cache_dir or self._folder.parent / "cache") / self._folder.name
        encoded = self.recordings.encode(condition, caches)
        predictions = changed_logits(self.opened, self.recordings, condition, encoded)
        for cache in encoded.caches:
            cache.close()
        table.parent.mkdir(parents=True, exist_ok=True)
        # The table last: where it is, the condition is done.
        replace_file(reasons, f"{json.dumps({'failed': dict(encoded.failed)}, ensure_ascii=False)}\n".encode())
        predictions.write(table)
        if self.cache_dir is None:
            shutil.rmtree(caches)
            with suppress(OSError):  # another stress of this run, of other clips, has caches there
                caches.parent.rmdir()

    @cached_property
    def _folder(self) -> Path:
        """Folder of the logits; its name is a digest of all that they depend on but the condition."""
        heads = self.opened.path / HEADS_FOLDER
        about = {
            "files": audited_digests(self.opened.path),
            "heads": {str(file.relative_to(heads)): sha256_of(file) for file in sorted(heads.rglob("*.*"))},
            "reads": [system.part.record() for system in self.recordings.systems],
            "performances": sorted(self.opened.performances),
            "recordings": self.recordings.digests(),
        }
        digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
        return self.opened.path / STRESS_FOLDER / digest[:12]
