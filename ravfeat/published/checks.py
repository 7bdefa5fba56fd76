"""Refuse a published head whose documents and heads contradict each other, however well they are signed."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from ravfeat.cache.origin_file import check_published
from ravfeat.errors import HeadError, UsageError
from ravfeat.files import check_name
from ravfeat.heads.base import Model
from ravfeat.media.augment import View
from ravfeat.model_origin import check_origin
from ravfeat.published.documents import FoldClips, HeadFile, LearnedEntry, LearnedFile, TransferEntry
from ravfeat.published.format import CLIPS_FILE, HEAD_FILE, LEARNED_FILE, REMEDY
from ravfeat.published.parts import PublishedSystem, mixed_in

__all__ = ["check_clips", "check_document", "check_learned", "check_models"]

_SUM_TOLERANCE = 1e-6

T = TypeVar("T")


def check_document(folder: Path, document: HeadFile, parts: Sequence[PublishedSystem]) -> None:
    """Refuse a ``head.toml`` that names a class or a system twice, or a folder that is none.

    Raises
    ------
    HeadError
    """
    where = folder / HEAD_FILE
    if len(document["classes"]) < 2:
        raise HeadError(f"{where}: classes is {document['classes']}, expected two or more; {REMEDY}")
    for field, values in _lists_of_distinct(document, parts):
        if again := _twice(values):
            raise HeadError(f"{where}: {field} names {again[0]!r} twice; {REMEDY}")
    for number, part in enumerate(parts):
        for field, name in part.system._asdict().items():
            check_name(name, f"{where}: systems[{number}].{field}", HeadError, REMEDY)
        for place, need in enumerate(part.needs):
            said = f"{where}: systems[{number}].caches[{place}].model"
            check_origin(need.model or {}, said, HeadError, REMEDY, on_hub=True)
        _check_views(f"{where}: systems[{number}]", part)
    for origin in document.get("made_from", ()):
        check_published(origin, f"{where}: made_from", HeadError, REMEDY)
    if "cross_corpus" in document:
        _check_transfer(where, document["cross_corpus"], document)
    n_sources = len(document["sources"]) if "sources" in document else document["folds"] + ("refit" in document)
    n_heads = sum(len(part.seeds) for part in parts) * n_sources
    if 2 * n_heads > len(document["files"]):  # before a million of them are looked for
        raise HeadError(f"{where} lists {len(document['files'])} files, fewer than the {n_heads} heads have; {REMEDY}")


def _check_views(where: str, part: PublishedSystem) -> None:
    named = [view for need in part.needs for view in need.view_names]
    if bool(named) != (part.average != "none"):
        raise HeadError(f"{where} averages {part.average} over {len(named)} views, which cannot be; {REMEDY}")
    if part.average == "statistics" and not part.reading.statistics:
        raise HeadError(f"{where} averages statistics over views and reads frames; {REMEDY}")
    try:
        views = [View.parse(name) for name in named]
    except UsageError as error:
        raise HeadError(f"{where}: {error}; use the ravfeat that wrote it, or {REMEDY}") from error
    if None in views or any(need.identity.get("stream") != "audio" for need in part.needs if need.view_names):
        raise HeadError(f"{where}: views are changed sound, and {named} are to be views; {REMEDY}")
    if part.reading.active and any(view.crops for view in views if view is not None):
        raise HeadError(f"{where} pools the active part of {named}, which is not known of what was cropped; {REMEDY}")


def _check_transfer(where: Path, transfer: TransferEntry, document: HeadFile) -> None:
    if transfer["train"] != document["corpus"] or transfer["test"] == document["corpus"]:
        raise HeadError(
            f"{where}: cross_corpus trains on {transfer['train']!r} and tests on {transfer['test']!r}, the corpus is"
            f" {document['corpus']!r}; {REMEDY}"
        )
    for side, labels in (("train", transfer["labels"]["train"]), ("test", transfer["labels"]["test"])):
        if odd := sorted(set(labels.values()) ^ set(document["classes"])):
            raise HeadError(f"{where}: cross_corpus.labels.{side} and classes do not agree on {odd[0]!r}; {REMEDY}")


def _lists_of_distinct(
    document: HeadFile, parts: Sequence[PublishedSystem]
) -> Iterator[tuple[str, Sequence[str] | Sequence[int]]]:
    yield "classes", document["classes"]
    yield "sources", [str(source) for source in document.get("sources", ())]
    yield "systems", ["-".join(part.system) for part in parts]  # as their folders are called
    for number, part in enumerate(parts):
        yield f"systems[{number}].seeds", part.seeds
        yield f"systems[{number}].reading.statistics", part.reading.statistics
        for place, need in enumerate(part.needs):
            yield f"systems[{number}].caches[{place}].read_layers", need.layers or ()
            yield f"systems[{number}].caches[{place}].views", need.view_names


def check_learned(folder: Path, document: HeadFile, record: LearnedFile, parts: Sequence[PublishedSystem]) -> None:
    """Refuse a ``learned.json`` of other folds or systems than ``head.toml``, or weights that are no mixture.

    Raises
    ------
    HeadError
    """

    def refuse(fact: str) -> HeadError:
        return HeadError(f"{folder / LEARNED_FILE}: {fact}; {REMEDY}")

    folds = [entry["fold"] for entry in record["folds"]]
    if len(set(folds)) != len(folds) or len(folds) != document["folds"]:
        raise refuse(f"folds are {folds}, {HEAD_FILE} says {document['folds']}, each once")
    if ("refit" in record) != ("refit" in document):
        raise refuse(f"refit is in {LEARNED_FILE if 'refit' in record else HEAD_FILE} only")
    again = {"refit": record["refit"]} if "refit" in record else {}
    entries: dict[str, LearnedEntry] = {f"fold {entry['fold']}": entry for entry in record["folds"]} | again
    for name, entry in entries.items():
        if len(entry["temperatures"]) != len(parts):
            raise refuse(f"{name} has {len(entry['temperatures'])} temperatures for {len(parts)} systems")
        if ("fusion" in entry) != ("rule" in document):
            raise refuse(f"{name} {'is' if 'fusion' in entry else 'is not'} fused, and {HEAD_FILE} says otherwise")
        if "fusion" in entry and (fault := _fault_of_mixture(entry, len(mixed_in([part.system for part in parts])))):
            raise refuse(f"{name}: {fault}")


def _fault_of_mixture(entry: LearnedEntry, n: int) -> str:
    fusion = entry["fusion"]
    counts = [len(fusion[name]) for name in ("system_temperatures", "linear", "loglinear")]
    if set(counts) != {n}:
        return f"the fusion is of {counts} systems, expected {n}"
    if fusion["single"] >= n:
        return f"single is {fusion['single']}, and {n} systems are mixed"
    total = sum(fusion["linear"])
    return "" if abs(total - 1) <= _SUM_TOLERANCE else f"linear weights sum to {total:.6g}, expected 1"


def check_clips(
    folder: Path,
    document: HeadFile,
    record: Sequence[FoldClips],
    learned: LearnedFile,
    parts: Sequence[PublishedSystem],
) -> None:
    """Refuse a ``clips.json`` of other folds or systems, or with clips that stand twice or in some systems only.

    Raises
    ------
    HeadError
    """

    def refuse(fact: str) -> HeadError:
        return HeadError(f"{folder / CLIPS_FILE}: {fact}; {REMEDY}")

    folds, expected = [entry["fold"] for entry in record], [entry["fold"] for entry in learned["folds"]]
    if sorted(folds) != sorted(expected):
        raise refuse(f"folds are {folds}, {LEARNED_FILE} has {expected}")
    mixed = mixed_in([part.system for part in parts])
    for entry in record:
        if len(entry["systems"]) != len(parts):
            raise refuse(f"fold {entry['fold']} has clips of {len(entry['systems'])} systems, expected {len(parts)}")
        if again := [name for clips in entry["systems"] for name in _twice(clip for clip, _ in clips)]:
            raise refuse(f"fold {entry['fold']} names {again[0]!r} twice")
        fused = [sorted(performance for _, performance in entry["systems"][number]) for number in mixed]
        if "rule" in document and any(performances != fused[0] for performances in fused):
            raise refuse(f"fold {entry['fold']} has other performances in some systems than in others")
    n = sum(len(entry["systems"][0]) for entry in record)
    if n != document["clips"]:
        raise refuse(f"{n} clips were tested, {HEAD_FILE} says {document['clips']}")


def check_models(folder: Path, part: PublishedSystem, models: Sequence[Model], classes: Sequence[str]) -> None:
    """Refuse heads of another kind, of other classes, or of other caches than ``head.toml`` says.

    Raises
    ------
    HeadError
    """
    from ravfeat.heads.registry import head_of  # brings torch

    for model in models:
        recipe = model.recipe
        n_caches = len(recipe["blocks"]) if "blocks" in recipe else 1 + len(recipe.get("also_dims", ()))
        stated = (part.system.head, len(classes), part.reading, len(part.needs))
        if (recipe["head"], recipe["n_classes"], head_of(recipe).reading, n_caches) != stated:
            raise HeadError(
                f"{folder / HEAD_FILE}: {part.system} has {len(classes)} classes, {len(part.needs)} caches and reads"
                f" {part.reading}; a head of it is a '{recipe['head']}' of {recipe['n_classes']} classes and {n_caches}"
                f" caches, which reads {head_of(recipe).reading}; {REMEDY}"
            )


def _twice(values: Iterable[T]) -> list[T]:
    return [value for value, n in Counter(values).items() if n > 1]
