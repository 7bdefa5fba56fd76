"""Read lhotse's recordings and supervisions (``*recordings*.jsonl``, ``*supervisions*.jsonl``, gzipped or not)."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from ravfeat.corpora.jsonl import read_objects
from ravfeat.errors import CorpusError

__all__ = ["SUPERVISIONS", "read_lhotse"]

SUPERVISIONS = re.compile(r"(.*?)supervisions(.*)\.jsonl(\.gz)?")
_SPLIT = re.compile(r"(?:^|[_-])(train|dev|val|valid|validation|test|eval)$")
_LABELS = ("emotion", "label", "emo")
_WHOLE_S = 1e-3


def read_lhotse(folder: Path, name: str = "") -> pa.Table:
    """Read all supervisions of a folder, or those of one file, with their recordings.

    Returns
    -------
    pyarrow.Table
        ``clip_id``, ``path``, ``start``, ``end``, ``actor``, ``label`` (``emotion`` or ``label`` of the supervision or
        of its ``custom`` fields), ``gender``, ``split`` where file names say it, and what else is said of a
        supervision.

    Raises
    ------
    CorpusError
        Where recordings lack, are no files or changed on the fly, or a supervision is of some channels only.
    """
    names = [name] if name else sorted(path.name for path in folder.iterdir() if SUPERVISIONS.fullmatch(path.name))
    rows: list[dict[str, Any]] = []
    for supervisions in names:
        recordings = _recordings(_beside(folder, supervisions))
        match = SUPERVISIONS.fullmatch(supervisions)
        split = _SPLIT.search(match[2]) if match else None
        for entry in read_objects(folder / supervisions):
            row = _row(folder / supervisions, entry, recordings)
            rows.append({"split": split[1], **row} if split and len(names) > 1 else row)
    columns = dict.fromkeys(column for row in rows for column in row)
    return pa.table({column: pa.array([_cell(row.get(column)) for row in rows], pa.string()) for column in columns})


def _beside(folder: Path, supervisions: str) -> Path:
    path = folder / supervisions.replace("supervisions", "recordings")
    other = path.with_name(path.name.removesuffix(".gz") if path.name.endswith(".gz") else f"{path.name}.gz")
    if not path.is_file() and not other.is_file():
        raise CorpusError(f"{folder / supervisions} speaks of recordings, and {path.name} is not beside it")
    return path if path.is_file() else other


def _recordings(path: Path) -> dict[str, Mapping[str, Any]]:
    recordings: dict[str, Mapping[str, Any]] = {}
    for entry in read_objects(path):
        sources = entry.get("sources")
        source = sources[0] if isinstance(sources, list) and len(sources) == 1 else None
        file = source.get("source") if isinstance(source, dict) and source.get("type") == "file" else None
        if not isinstance(entry.get("id"), str) or not isinstance(file, str):
            raise CorpusError(
                f"{path}: the recording {str(entry.get('id'))[:60]!r} is not one file (commands and addresses are never"
                " opened); write it as a file and make the manifest again"
            )
        if entry.get("transforms"):
            raise CorpusError(f"{path}: the recording '{entry['id']}' is changed on the fly (transforms); write it out")
        beside, here = path.parent / file, Path(file)
        where = file if beside.exists() or not here.exists() else str(here.absolute())
        n_channels = len(source.get("channels", ())) if isinstance(source, dict) else 1
        recordings[entry["id"]] = {"path": where, "duration": entry.get("duration"), "channels": n_channels}
    return recordings


def _row(path: Path, entry: Mapping[str, Any], recordings: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    where = f"{path}: the supervision {str(entry.get('id'))[:60]!r}"
    recording = recordings.get(str(entry.get("recording_id")))
    start, duration = entry.get("start"), entry.get("duration")
    if recording is None:
        raise CorpusError(f"{where} is of the recording {str(entry.get('recording_id'))[:60]!r}, which is not there")
    if not isinstance(start, int | float) or not isinstance(duration, int | float):
        raise CorpusError(f"{where} has no start and duration in seconds")
    channel = entry.get("channel", 0)
    if recording["channels"] > (len(channel) if isinstance(channel, list) else 1):
        raise CorpusError(f"{where} is of channel {channel} of {recording['channels']}; write each channel as a file")
    custom = entry.get("custom") if isinstance(entry.get("custom"), dict) else {}
    said = {**{key: value for key, value in entry.items() if key not in _KNOWN}, **(custom or {})}
    label = next((said.pop(key) for key in _LABELS if said.get(key)), None)
    length = recording["duration"]
    is_whole = start == 0 and isinstance(length, int | float) and abs(duration - length) <= _WHOLE_S
    return {
        "clip_id": entry.get("id"), "path": recording["path"],
        "start": None if is_whole else start, "end": None if is_whole else start + duration,
        "actor": entry.get("speaker"), "label": label, "gender": entry.get("gender"),
        **{key: value for key, value in said.items() if key not in {"path", "actor", "clip_id", "start", "end"}},
    }  # fmt: skip


_KNOWN = frozenset({"id", "recording_id", "start", "duration", "channel", "speaker", "gender", "custom", "alignment"})


def _cell(value: object) -> str | None:
    return None if value is None else value if isinstance(value, str) else repr(value)
