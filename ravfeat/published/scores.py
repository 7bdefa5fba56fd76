"""Scores of the published systems on people that their heads never met, as ``head.toml`` holds them."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from ravfeat.errors import HeadError
from ravfeat.fusion import name_of
from ravfeat.predictions import System
from ravfeat.published.documents import HeadFile, ScoredMetric
from ravfeat.published.format import HEAD_FILE, REMEDY
from ravfeat.published.parts import PublishedSystem, mixed_in
from ravfeat.schema import FUSED_STREAMS

__all__ = ["check_scores", "score_entries"]


def score_entries(records: Sequence[Mapping[str, Any]], systems: Collection[System]) -> list[dict[str, Any]]:
    """Choose from ``metrics.json`` what tells how often an answer is right.

    Parameters
    ----------
    records : sequence of mapping
        ``metrics.json`` of the run.
    systems : collection of System
        Those to tell of.

    Returns
    -------
    list of dict
        A `ravfeat.published.documents.ScoreEntry` for each system and metric (``uar``, ``wa``), pooled over folds.
    """
    fields = ("stream", "features", "head", "metric", "value", "ci_low", "ci_high", "protocol", "n")
    return [
        {field: record[field] for field in fields if record[field] is not None}
        for record in records
        if record["averaging"] == "pooled"
        and record["metric"] in get_args(ScoredMetric)
        and System(record["stream"], record["features"], record["head"]) in systems
    ]


def check_scores(folder: Path, document: HeadFile, parts: Sequence[PublishedSystem]) -> None:
    """Refuse scores of systems that are not here, of another protocol, or twice.

    Raises
    ------
    HeadError
    """
    systems = [part.system for part in parts]
    mixed = [systems[number] for number in mixed_in(systems)] if "rule" in document else []
    known = {*systems, *(name_of(mixed, stream) for stream in FUSED_STREAMS if mixed)}
    told: set[tuple[System, str]] = set()
    for number, entry in enumerate(document.get("scores", ())):
        where = f"{folder / HEAD_FILE}: scores[{number}]"
        system = System(entry["stream"], entry["features"], entry["head"])
        if system not in known:
            raise HeadError(f"{where} is of {system}, which is not here; {REMEDY}")
        if entry["protocol"] != document["protocol"]:
            raise HeadError(
                f"{where} is of protocol {entry['protocol']!r}, expected {document['protocol']!r}; {REMEDY}"
            )
        if (system, entry["metric"]) in told:
            raise HeadError(f"{where} gives {entry['metric']} of {system} twice; {REMEDY}")
        told.add((system, entry["metric"]))
