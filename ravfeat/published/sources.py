"""A run that is to be published: its systems, heads and caches, each held against what the run recorded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ravfeat.cache import Cache, open_cache
from ravfeat.errors import CacheError, HeadError, PredictionsError, UsageError
from ravfeat.features.layers import parse_layers
from ravfeat.heads.base import Model
from ravfeat.heads.registry import get_head
from ravfeat.media.augment import CLEAN
from ravfeat.predictions import Predictions, System
from ravfeat.published.caches import differences
from ravfeat.published.parts import Need, PublishedSystem
from ravfeat.schema import FUSED_STREAMS

__all__ = ["Origin", "load_models", "locate", "origins_of", "parts_of", "views_of"]

_RUN_HEADS = "heads"


@dataclass(frozen=True)
class Origin:
    """A cache as a run recorded it.

    Attributes
    ----------
    path : Path
        Where it lay.
    encoder, fingerprint, content_sha256 : str
    identity : mapping
    """

    path: Path
    encoder: str
    fingerprint: str
    content_sha256: str
    identity: Mapping[str, Any]


def origins_of(recipe: Mapping[str, Any], system: System, where: Path) -> tuple[Origin, ...]:
    """Give the caches of a system, from a run's recipe.

    Raises
    ------
    PredictionsError
        Where the recipe does not tell, or is of an older version.
    """
    entry = _entry(recipe, system, where)
    try:
        return tuple(
            Origin(Path(one["path"]), one["features"], one["fingerprint"], one["content_sha256"], one["identity"])
            for one in entry.get("joined", [entry])
        )
    except KeyError as error:
        raise PredictionsError(f"{where} does not say the {error} of its caches; make the run again") from error


def _entry(recipe: Mapping[str, Any], system: System, where: Path) -> Mapping[str, Any]:
    entries = [one for one in recipe.get("caches", []) if (one["stream"], one["features"]) == system[:2]]
    if len(entries) != 1:
        raise PredictionsError(
            f"{where} names {len(entries)} caches with the features '{system.features}' of the stream"
            f" '{system.stream}', expected one; make the run again"
        )
    only: Mapping[str, Any] = entries[0]
    return only


def views_of(recipe: Mapping[str, Any]) -> tuple[Origin, ...]:
    """Give the caches of views that taught a run's heads."""
    views = [view for entry in recipe["caches"] for view in entry.get("views", [])]
    return tuple(Origin(Path(one["path"]), one["view"], one["fingerprint"], one["content_sha256"], {}) for one in views)


def locate(origins: Sequence[Origin], given: Sequence[Path], run: Path) -> dict[Path, Path]:
    """Find the caches of a run where they lay, or among those given, and check that they hold what they held.

    Parameters
    ----------
    origins : sequence of Origin
    given : sequence of Path
        Where moved caches lie now.
    run : Path
        For messages.

    Returns
    -------
    dict of Path to Path
        Recorded place to place.

    Raises
    ------
    CacheError
        Where a cache is not to be found, or is another one by now.
    UsageError
        Where one that was given is none of the run's.
    """
    caches = [open_cache(path) for path in given]
    places: dict[Path, Path] = {}
    used = set()
    for origin in {origin.path: origin for origin in origins}.values():
        moved = next((one for one in caches if _holds(one, origin)), None)
        cache = moved or _where_it_lay(origin, caches, run)
        _check_unchanged(origin, cache, run)
        places[origin.path] = cache.path
        used.add(cache.path)
    if idle := [cache.path for cache in caches if cache.path not in used]:
        raise UsageError(f"--cache {idle[0]} is none of the caches of {run}; leave it out")
    return places


def _holds(cache: Cache, origin: Origin) -> bool:
    return cache.fingerprint == origin.fingerprint and cache.content_sha256() == origin.content_sha256


def _where_it_lay(origin: Origin, caches: Sequence[Cache], run: Path) -> Cache:
    # One that was given and is alike stands for the moved one, so that the message says what was changed in it.
    if alike := [cache for cache in caches if cache.fingerprint == origin.fingerprint]:
        return alike[0]
    if not origin.path.exists():
        raise CacheError(
            f"{run} was trained on the cache {origin.path}, which is not there any more; say where it lies now with"
            " --cache DIR, or export without holding the heads against their predictions: --unchecked"
        )
    return open_cache(origin.path)


def _check_unchanged(origin: Origin, cache: Cache, run: Path) -> None:
    if cache.fingerprint != origin.fingerprint:
        odd = "; ".join(differences(origin.identity, cache.identity))
        raise CacheError(f"{cache.path} is another cache than the one {run} was trained on: {odd}; name it by --cache")
    if cache.content_sha256() != origin.content_sha256:
        raise CacheError(
            f"{cache.path} holds other features, labels or actors than when {run} was trained on it (digest of the"
            " content); make the run again"
        )


def parts_of(run: Path, predictions: Predictions, recipe: Mapping[str, Any]) -> tuple[PublishedSystem, ...]:
    """Give the systems of a run that have heads: all but the fused ones.

    Raises
    ------
    HeadError
        Where the run has no heads, or heads that are not exported.
    PredictionsError
        Where its recipe does not say what the heads read.
    """
    if "cross_corpus" in recipe:
        raise HeadError(
            f"{run}: heads of a cross-corpus run are not exported; train them on one corpus, with 'ravfeat fit-heads"
            " --cache', and export that run"
        )
    if "fine_tuned" in recipe:
        raise HeadError(
            f"{run}: fine-tuned heads are not exported, they read waveforms and no features; 'ravfeat fine-tune"
            " --keep-weights' keeps what was trained in the run"
        )
    if not (run / _RUN_HEADS).is_dir():
        raise HeadError(
            f"{run} has no heads: its scores were made elsewhere, or by runs of their own; export a run of 'ravfeat"
            " fit-heads'"
        )
    where = run / "recipe.json"
    if "plan" not in recipe:
        raise PredictionsError(f"{where} has no plan: the run is of an older version; make it again")
    systems = [system for system in predictions.systems() if system.stream not in FUSED_STREAMS]
    return tuple(_part(run, predictions, recipe, system, where) for system in systems)


def _part(
    run: Path, predictions: Predictions, recipe: Mapping[str, Any], system: System, where: Path
) -> PublishedSystem:
    layers = recipe["plan"]["layers"]
    needs = tuple(
        Need(
            origin.encoder,
            origin.fingerprint,
            origin.identity,
            origin.content_sha256,
            parse_layers(layers, origin.identity["layers"]),
        )
        for origin in origins_of(recipe, system, where)
    )
    seeds = predictions.seeds(system)
    first = _load(run, system, _folds(predictions, system)[0], seeds[0], "cpu")
    reading = get_head(first.recipe["head"], **first.recipe["settings"]).reading
    entry = _entry(recipe, system, where)
    return PublishedSystem(system, seeds, reading, needs, entry.get("trained_on", CLEAN))


def load_models(
    run: Path, predictions: Predictions, part: PublishedSystem, device: str
) -> dict[int, tuple[Model, ...]]:
    """Load a system's heads, by fold; one for each seed.

    Raises
    ------
    HeadError
        Where one is missing or damaged.
    """
    return {
        fold: tuple(_load(run, part.system, fold, seed, device) for seed in part.seeds)
        for fold in _folds(predictions, part.system)
    }


def _folds(predictions: Predictions, system: System) -> list[int]:
    return sorted(set(predictions.seed_averaged(system).folds.tolist()))


def _load(run: Path, system: System, fold: int, seed: int, device: str) -> Model:
    from ravfeat.heads.checkpoint import load_model  # brings torch

    return load_model(run / _RUN_HEADS / "-".join(system) / f"fold-{fold}-seed-{seed}", device=device)
