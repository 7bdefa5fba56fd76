"""Export the heads of a run to one folder that can be published."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

from ravfeat import __version__
from ravfeat.cache import Cache
from ravfeat.cache.origin_file import PublishedOrigin, public_origin
from ravfeat.corpora.terms import data_terms
from ravfeat.errors import LeakError, UsageError
from ravfeat.experiment.fit import prepare
from ravfeat.experiment.plan_file import plan_of
from ravfeat.files import replace_file, sha256_of
from ravfeat.fusion import name_of
from ravfeat.heads.base import Model
from ravfeat.heads.checkpoint import save_model
from ravfeat.predictions import System
from ravfeat.published.agreement import UNCHECKED, compare
from ravfeat.published.caches import match
from ravfeat.published.card import card
from ravfeat.published.cross_corpus import check_refit, training_clips, transfer_entry
from ravfeat.published.format import CARD_FILE, CLIPS_FILE, HEAD_FILE, LEARNED_FILE, write_document
from ravfeat.published.load import load_head
from ravfeat.published.parts import (
    Learned,
    PublishedClip,
    PublishedSystem,
    Source,
    clips_record,
    mixed_in,
    stem_of,
)
from ravfeat.published.refit import NOT_MEASURED, Refitted, refit
from ravfeat.published.scores import score_entries
from ravfeat.published.sources import (
    SystemOrigins,
    inputs_of,
    learned_of,
    load_models,
    locate,
    origins_of,
    parts_of,
    views_of,
)
from ravfeat.published.training import sides_of, write_training
from ravfeat.runs.folder import check_out, whole_folder
from ravfeat.runs.format import PREDICTIONS_FILE
from ravfeat.runs.ledger_state import ledger_state
from ravfeat.runs.read import Run, read_run
from ravfeat.runs.recipe import Recipe, SystemInputs
from ravfeat.runs.task import changes
from ravfeat.runs.write import write_json
from ravfeat.schema import transductive_suffix

__all__ = ["Exported", "export_heads"]

_WHAT: dict[str, str] = {"kind": "published head", "known_by": HEAD_FILE, "option": "--to"}
_SETTINGS = ("heads", "seeds", "select", "layers", "std", "settings")


@dataclass(frozen=True)
class Exported:
    """What was published.

    Attributes
    ----------
    n_heads : int
    check : str
        How well its probabilities agree with those of the run.
    left_out : tuple of System
        Systems of the run that cannot be published: their features were standardised by all clips of a corpus.
    """

    n_heads: int
    check: str
    left_out: tuple[System, ...] = ()


def export_heads(
    run: Path,
    to: Path,
    *,
    caches: Sequence[Path] = (),
    device: str = "cpu",
    refitted: bool = False,
    unchecked: bool = False,
    allow_leak: bool = False,
    force: bool = False,
    models: Mapping[str, str] = {},
    detector_models: Sequence[Path] = (),
) -> Exported:
    """Publish the heads of a run.

    Parameters
    ----------
    run, to : Path
    caches : sequence of Path
        Where caches of the run lie now, if they were moved.
    device : str
        Where networks are computed.
    refitted : bool
        Train every head once more, on all actors.
    unchecked : bool
        Do not hold the heads against the run's predictions; needs no cache.
    allow_leak, force : bool
    models : mapping of str to str
        By the encoder's name: a folder, an ONNX file or a hub id, to record where caches do not say it.
    detector_models : sequence of Path
        Model files of MediaPipe that encoders of `models` need.

    Raises
    ------
    PredictionsError
        Where the run's files do not belong together.
    HeadError
        Where it has no heads, or they do not give its predictions.
    CacheError
        Where a cache is gone, or holds something else by now.
    LeakError
        For a LEAKY run, unless `allow_leak`.
    UsageError
        Where `to` is taken, options cannot go together, or a model is of no encoder of the run.
    EncoderError
        Where a model is not the one that the features were made with.
    """
    if unchecked and (refitted or caches):
        raise UsageError("--unchecked reads no cache: it cannot go with --refit or --cache")
    check_out(to, force=force, **_WHAT)
    read = read_run(run)
    if refitted:
        check_refit(read.recipe.cross_corpus)
    _check_leak(read, run, allow_leak=allow_leak)
    parts = _with_models(parts_of(run, read.predictions, read.recipe), models, detector_models, run)
    where = [origins_of(read.recipe, part.system, run) for part in parts]
    places = {} if unchecked else _places(where, read, caches, run, views=refitted)
    by_source: dict[Source, list[tuple[Model, ...]]] = _models(run, read, parts, device)
    learned: dict[Source, Learned] = {fold: learned_of(read, parts, fold) for fold in by_source}  # type: ignore[arg-type]
    document = _document(read, run, parts, to)
    if refitted:
        again = _refit(read, parts, places, device)
        by_source["refit"] = [again.models[part.system] for part in parts]
        learned["refit"] = again.learned
        document["refit"] = _about_refit(again, len(read.predictions.seed_averaged(parts[0].system).folds), document)
    with whole_folder(to, force=force, **_WHAT) as folder:
        _write(folder, parts, by_source, learned, read)
        if not unchecked:
            groups = match(parts, [places[origin.path] for system in where for origin in system.trained], views=False)
            document |= _write_training(folder, read, parts, groups, list(by_source))
        write_document(folder, document | {"check": UNCHECKED, "chosen": _chosen(parts, by_source)})
        check = UNCHECKED
        if not unchecked:
            tested = [places[origin.path] for system in where for origin in (*system.tested, *system.averaged)]
            check = str(compare(load_head(folder, device=device), read.predictions, tested, run))
        document |= {"check": check, "chosen": _chosen(parts, by_source)}
        replace_file(folder / CARD_FILE, card(document, read.records).encode())
        write_document(folder, document)
    left_out = {system for system in read.predictions.systems() if transductive_suffix(system.features)}
    n_heads = sum(len(heads) for by_system in by_source.values() for heads in by_system)
    return Exported(n_heads, check, tuple(sorted(left_out)))


def _with_models(
    parts: tuple[PublishedSystem, ...], models: Mapping[str, str], detector_models: Sequence[Path], run: Path
) -> tuple[PublishedSystem, ...]:
    if not models:
        return parts
    from ravfeat.published.models import ModelFinder, record_models  # brings torch

    return record_models(parts, ModelFinder("cpu", models, detector_models), run)


def _check_leak(read: Run, run: Path, *, allow_leak: bool) -> None:
    if read.predictions.leaky and not allow_leak:
        raise LeakError(
            f"{run} is LEAKY: its heads were tested on actors they were trained on. Add --allow-leak to publish them as"
            " a control; card.md and head.toml will say LEAKY"
        )


def _places(
    where: Sequence[SystemOrigins], read: Run, caches: Sequence[Path], run: Path, *, views: bool
) -> dict[Path, Path]:
    origins = [origin for system in where for origin in (*system.trained, *system.tested, *system.averaged)]
    return locate([*origins, *(views_of(read.recipe) if views else ())], caches, run)


def _models(
    run: Path, read: Run, parts: Sequence[PublishedSystem], device: str
) -> dict[Source, list[tuple[Model, ...]]]:
    by_system = [load_models(run, read.predictions, part, device) for part in parts]
    return {fold: [by_fold[fold] for by_fold in by_system] for fold in by_system[0]}


def _refit(read: Run, parts: Sequence[PublishedSystem], places: Mapping[Path, Path], device: str) -> Refitted:
    def where(path: Path) -> Path:
        # A plan may name a folder that holds the cache.
        return next((now for then, now in places.items() if then == path or path in then.parents), path)

    plan = replace(plan_of(read.recipe.plan or {}, where=where), device=device)
    rule = None if read.fusion is None else read.fusion.rule
    return refit(prepare(plan), [part.system for part in parts], rule)


def _about_refit(again: Refitted, n: int, document: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "score": NOT_MEASURED.format(n=document["folds"]),
        "inner_folds": again.n_inner,
        "clips": again.n_clips,
        "chosen_by": "inner actor-grouped folds over all actors",
    }


def _document(read: Run, run: Path, parts: Sequence[PublishedSystem], to: Path) -> dict[str, Any]:
    predictions, recipe = read.predictions, read.recipe
    first = predictions.seed_averaged(parts[0].system)
    transfer = transfer_entry(read, inputs_of(recipe, parts[0].system, run))
    corpus = recipe.caches[0].corpus if transfer is None else transfer["train"]
    planned = recipe.plan or {}
    plan = {name: planned[name] for name in _SETTINGS if planned.get(name) is not None}
    # Said only where it is so: whose views lack clips is averaged over those there are, in an answer as in the run.
    plan |= {"allow_missing": True} if planned.get("allow_missing") else {}
    return {
        "name": to.resolve().name,
        "ravfeat": __version__,
        "corpus": corpus,
        **({} if transfer is None else {"cross_corpus": transfer}),
        "synthetic": predictions.synthetic,
        # Of two corpora either may be the generated one.
        "data_terms": data_terms(corpus, synthetic=predictions.synthetic and transfer is None),
        "classes": list(predictions.classes),
        "protocol": predictions.protocol,
        "leaky": predictions.leaky,
        "select": predictions.select,
        "folds": len(set(first.folds.tolist())),
        "actors": len(set(first.actors.tolist())),
        "clips": len(first),
        "run_sha256": sha256_of(run / PREDICTIONS_FILE),
        **_made_from(recipe),
        **({} if read.fusion is None else {"rule": read.fusion.rule}),
        **({"replaced_labels": asdict(recipe.replaced_labels)} if recipe.replaced_labels else {}),
        **({"changes": list(changed)} if (changed := changes(recipe)) else {}),
        **({"tries": tries} if (tries := ledger_state(recipe).said) else {}),
        "plan": plan,
        "versions": dict(recipe.versions),
        "systems": [part.record() for part in parts],
        "scores": score_entries(read.records, _shown(read, parts)),
    }


def _made_from(recipe: Recipe) -> dict[str, Any]:
    """Name the published caches that the heads were trained on, or chosen with."""
    published = [cast("PublishedOrigin", dict(origin.published)) for origin in recipe.origins() if origin.published]
    origins = {origin["address"]: origin for origin in map(public_origin, published)}
    return {"made_from": [origins[address] for address in sorted(origins)]} if origins else {}


def _shown(read: Run, parts: Sequence[PublishedSystem]) -> list[System]:
    """Give the systems that the card tells of: those that are published, and their mixture."""
    systems = [part.system for part in parts]
    mixed = [] if read.fusion is None else [name_of([systems[number] for number in mixed_in(systems)], "fused")]
    return [*systems, *mixed]


def _write_training(
    folder: Path,
    read: Run,
    parts: Sequence[PublishedSystem],
    groups: Sequence[tuple[Cache, ...]],
    sources: Sequence[Source],
) -> dict[str, Any]:
    """Write what the heads learned from, by the caches they were trained on; give what ``head.toml`` says of it."""
    sides, terms = [], {}
    for part, caches in zip(parts, groups, strict=True):
        inputs = inputs_of(read.recipe, part.system, folder)
        transfer = transfer_entry(read, inputs)
        if transfer is None:
            _check_all_tested(read, inputs)
        trained = None if transfer is None else training_clips(caches[0], inputs, transfer)
        sides.append(sides_of(read.predictions, part, sources, trained))
        if transfer is not None:
            terms = {"data_terms": data_terms(transfer["train"], synthetic=bool(caches[0].about["synthetic"]))}
    return terms | write_training(folder, parts, groups, sides)


def _check_all_tested(read: Run, inputs: SystemInputs) -> None:
    """Refuse a run of a split that has clips which only train: its predictions do not say which these are.

    Raises
    ------
    UsageError
    """
    first = inputs.folds[0].get("fold") if inputs.folds else 0
    used = sum(side["clips"] for side in inputs.folds if side["fold"] == first)
    tested = sum(side["clips"] for side in inputs.folds if side["split"] == "test")
    if read.recipe.split is not None and tested < used:
        raise UsageError(
            f"the folds of '{read.predictions.protocol}' test {tested} of {used} clips, and a run keeps the names of"
            " tested ones only: what its heads learned from cannot be told; export heads of a protocol that tests every"
            " clip, such as group5"
        )


def _chosen(
    parts: Sequence[PublishedSystem], models: Mapping[Source, Sequence[Sequence[Model]]]
) -> list[dict[str, Any]]:
    return [
        {
            **part.system._asdict(),
            "fold": source,
            "seed": seed,
            "chosen": model.recipe.get("chosen", {}),
            "settings": model.recipe.get("settings", {}),
        }
        for source, by_system in models.items()
        for part, system_models in zip(parts, by_system, strict=True)
        for seed, model in zip(part.seeds, system_models, strict=True)
    ]


def _write(
    folder: Path,
    parts: Sequence[PublishedSystem],
    models: Mapping[Source, Sequence[Sequence[Model]]],
    learned: Mapping[Source, Learned],
    read: Run,
) -> None:
    for source, by_system in models.items():
        for part, system_models in zip(parts, by_system, strict=True):
            for seed, model in zip(part.seeds, system_models, strict=True):
                save_model(stem_of(folder, part, source, seed), model)
    folds = [{"fold": fold, **values.record()} for fold, values in learned.items() if fold != "refit"]
    again = {"refit": learned["refit"].record()} if "refit" in learned else {}
    write_json(folder / LEARNED_FILE, {"folds": folds, **again})
    tested = {fold: [_tested(read, part, fold) for part in parts] for fold in learned if isinstance(fold, int)}
    write_json(folder / CLIPS_FILE, clips_record(tested))


def _tested(read: Run, part: PublishedSystem, fold: int) -> list[PublishedClip]:
    test = read.predictions.seed_averaged(part.system)
    rows = test.rows(test.folds == fold)
    return [PublishedClip(*pair) for pair in zip(rows.clip_ids.tolist(), rows.performance_ids.tolist(), strict=True)]
