"""Systems, heads and caches of a run that is to be published, checked against its recipe."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from ravfeat.cache import Cache, open_cache
from ravfeat.documents import check_value
from ravfeat.errors import CacheError, HeadError, PredictionsError, UsageError
from ravfeat.escape import printable
from ravfeat.features.layers import parse_layers
from ravfeat.fusion import name_of
from ravfeat.heads.base import Model
from ravfeat.heads.recipe import Layers
from ravfeat.media.augment import CLEAN
from ravfeat.model_origin import ModelOrigin, is_hub_id
from ravfeat.predictions import Predictions, System
from ravfeat.published.caches import differences
from ravfeat.published.cross_corpus import published_systems
from ravfeat.published.parts import Learned, Need, PublishedSystem, mixed_in
from ravfeat.runs.format import AGAIN, HEADS_FOLDER, RECIPE_FILE, head_stem
from ravfeat.runs.read import Run
from ravfeat.runs.recipe import CacheOrigin, Recipe, SystemInputs
from ravfeat.schema import AVERAGED, FUSED_STREAMS

__all__ = ["SystemOrigins", "inputs_of", "learned_of", "load_models", "locate", "origins_of", "parts_of", "views_of"]

_UNCHECKED = ", or export without holding the heads against their predictions: --unchecked"


@dataclass(frozen=True)
class SystemOrigins:
    """The caches that a system of a run reads.

    Attributes
    ----------
    trained, tested : tuple of CacheOrigin
        The same, but for a test on another corpus.
    averaged : tuple of CacheOrigin
        Views whose scores or statistics are averaged with those of the clips.
    """

    trained: tuple[CacheOrigin, ...]
    tested: tuple[CacheOrigin, ...]
    averaged: tuple[CacheOrigin, ...] = ()


def origins_of(recipe: Recipe, system: System, run: Path) -> SystemOrigins:
    """Give the caches that a system of a run reads.

    Parameters
    ----------
    recipe : Recipe
    system : System
    run : Path
        For messages.

    Raises
    ------
    PredictionsError
        Where the recipe does not tell, or is of an older version.
    """
    inputs = inputs_of(recipe, system, run)
    origins = inputs.caches
    for origin in origins:
        for name in ("identity", "content_sha256"):
            if not getattr(origin, name):
                raise PredictionsError(f"{run / RECIPE_FILE} does not say the '{name}' of its caches; {AGAIN}")
    if inputs.train_cache is not None:
        return SystemOrigins(origins[:1], origins[1:])
    return SystemOrigins(origins, origins, inputs.views if inputs.average_views != "none" else ())


def inputs_of(recipe: Recipe, system: System, run: Path) -> SystemInputs:
    """Give what the recipe says of a system's caches.

    Raises
    ------
    PredictionsError
        Where it does not tell.
    """
    entries = [entry for entry in recipe.caches if (entry.stream, entry.features) == system[:2]]
    if len(entries) != 1:
        raise PredictionsError(
            f"{run / RECIPE_FILE} names {len(entries)} caches with the features '{system.features}' of the stream"
            f" '{system.stream}', expected one; make the run again"
        )
    return entries[0]


def views_of(recipe: Recipe) -> tuple[CacheOrigin, ...]:
    """Give the caches of augmented views that a run's heads were trained on too."""
    return tuple(view for entry in recipe.caches for view in entry.views)


def locate(
    origins: Sequence[CacheOrigin], named: Sequence[Path], run: Path, *, advice: str = _UNCHECKED
) -> dict[Path, Path]:
    """Find the caches of a run where they lay, or among those given, and check that they hold what they held.

    Parameters
    ----------
    origins : sequence of CacheOrigin
    named : sequence of Path
        Where moved caches lie now.
    run : Path
        For messages.
    advice : str
        What else can be done where one is gone.

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
    caches = [open_cache(path) for path in named]
    places: dict[Path, Path] = {}
    used = set()
    for origin in {origin.path: origin for origin in origins}.values():
        moved = next((cache for cache in caches if _holds(cache, origin)), None)
        cache = moved or _where_it_lay(origin, caches, run, advice)
        _check_unchanged(origin, cache, run)
        places[origin.path] = cache.path
        used.add(cache.path)
    if idle := [cache.path for cache in caches if cache.path not in used]:
        raise UsageError(f"--cache {idle[0]} is none of the caches of {run}; leave it out")
    return places


def _holds(cache: Cache, origin: CacheOrigin) -> bool:
    return cache.fingerprint == origin.fingerprint and cache.content_sha256() == origin.content_sha256


def _where_it_lay(origin: CacheOrigin, caches: Sequence[Cache], run: Path, advice: str) -> Cache:
    # A named cache of the same encoder stands for the moved one, so that the message tells what was changed in it.
    if alike := [cache for cache in caches if cache.fingerprint == origin.fingerprint]:
        return alike[0]
    if not origin.path.exists():
        raise CacheError(
            f"{run} was trained on the cache {origin.path}, which is not there any more; say where it lies now with"
            f" --cache DIR{advice}"
        )
    return open_cache(origin.path)


def _check_unchanged(origin: CacheOrigin, cache: Cache, run: Path) -> None:
    if cache.fingerprint != origin.fingerprint:
        odd = "; ".join(differences(origin.identity, cache.identity))
        raise CacheError(f"{cache.path} is another cache than the one {run} was trained on: {odd}; name it by --cache")
    if cache.content_sha256() != origin.content_sha256:
        raise CacheError(
            f"{cache.path} holds other features, labels or actors than when {run} was trained on it (digest of the"
            " content); make the run again"
        )


def parts_of(run: Path, predictions: Predictions, recipe: Recipe) -> tuple[PublishedSystem, ...]:
    """Give the systems of a run whose heads are published: all but the fused ones, and those on normalised features.

    Raises
    ------
    HeadError
        Where the run has no heads, or heads that are not exported.
    PredictionsError
        Where its recipe does not say what the heads read.
    """
    if recipe.fine_tuned is not None:
        raise HeadError(
            f"{run}: fine-tuned heads are not exported, they read waveforms and no features; 'ravfeat fine-tune"
            " --keep-weights' keeps what was trained in the run"
        )
    if recipe.plan is not None and (own := recipe.plan.get("brought")):
        raise HeadError(
            f"{run} has heads of a user's own code ({printable(', '.join(map(str, own)))}), which cannot be exported: a"
            " published head is numbers, and works without anybody's code; export a run without them"
        )
    if not (run / HEADS_FOLDER).is_dir():
        raise HeadError(
            f"{run} has no heads: its scores were made elsewhere, or by runs of their own; export a run of 'ravfeat"
            " fit-heads'"
        )
    if recipe.plan is None:
        raise PredictionsError(f"{run / RECIPE_FILE} has no plan: the run is of an older version; make it again")
    where = f"{run / RECIPE_FILE}: plan.layers"
    layers = check_value(
        recipe.plan.get("layers"), cast("type[str | None]", str | None), where, PredictionsError, AGAIN
    )
    systems = [system for system in predictions.systems() if system.stream not in FUSED_STREAMS]
    systems = published_systems(systems, str(run))
    return tuple(_part(run, predictions, recipe, system, layers) for system in systems)


def _part(run: Path, predictions: Predictions, recipe: Recipe, system: System, layers: str | None) -> PublishedSystem:
    origins, inputs = origins_of(recipe, system, run), inputs_of(recipe, system, run)
    needs = tuple(
        _with_views(
            Need(
                # The name of the features says what was averaged, that of the encoder does not.
                origin.features.removesuffix(AVERAGED[inputs.average_views]),
                origin.fingerprint,
                origin.identity,
                origin.content_sha256,
                _layers(run, layers, origin),
                _model(origin.source),
            ),
            origins.averaged,
        )
        for origin in origins.trained
    )
    if len(origins.averaged) != sum(len(need.view_names) for need in needs):
        raise PredictionsError(
            f"{run / RECIPE_FILE}: of the {len(origins.averaged)} views over which {' '.join(system)} is averaged, some"
            f" are not of its caches; {AGAIN}"
        )
    from ravfeat.heads.registry import head_of  # brings torch

    seeds = predictions.seeds(system)
    first = _load(run, predictions, system, _folds(predictions, system)[0], seeds[0])
    reading = head_of(first.recipe).reading
    return PublishedSystem(system, seeds, reading, needs, inputs.trained_on or CLEAN, inputs.average_views)


def _with_views(need: Need, views: Sequence[CacheOrigin]) -> Need:
    """Name the views that are of this cache: those whose identity is its own but for the view."""
    names = tuple(view.view for view in views if need.of_view(view.view).fingerprint == view.fingerprint)
    return replace(need, view_names=names)


def _model(source: ModelOrigin) -> ModelOrigin | None:
    if not is_hub_id(source.get("repository", "")):  # nothing that others could fetch
        source = {**source}
        source.pop("repository", None)
        source.pop("revision", None)
    return source or None


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
        fold: tuple(_load(run, predictions, part.system, fold, seed, device) for seed in part.seeds)
        for fold in _folds(predictions, part.system)
    }


def learned_of(read: Run, parts: Sequence[PublishedSystem], fold: int) -> Learned:
    """Give temperatures and weights as the run's rows give them, not as its files say."""

    def temperature(system: Any) -> float:
        folds = {fitted.fold: fitted.temperature for fitted in read.calibrations[system].folds}
        return folds[fold].temperature_

    systems = [part.system for part in parts]
    temperatures = tuple(temperature(system) for system in systems)
    if read.fusion is None:
        return Learned(temperatures)
    fusion = next(fitted for fitted in read.fusion.folds if fitted.fold == fold)
    members = [systems[number] for number in mixed_in(systems)]
    return Learned(temperatures, fusion, tuple(temperature(name_of(members, stream)) for stream in FUSED_STREAMS))


def _folds(predictions: Predictions, system: System) -> list[int]:
    return sorted(set(predictions.seed_averaged(system).folds.tolist()))


def _layers(run: Path, planned: str | None, origin: CacheOrigin) -> tuple[int, ...] | None:
    where = f"{run / RECIPE_FILE}: identity.layers of the cache '{origin.features}'"
    held: list[int] = check_value(origin.identity.get("layers"), Layers, where, PredictionsError, AGAIN)
    return parse_layers(planned, held)


def _load(run: Path, predictions: Predictions, system: System, fold: int, seed: int, device: str = "cpu") -> Model:
    from ravfeat.heads.checkpoint import load_model  # brings torch

    stem = head_stem(run, system, fold, seed)
    model = load_model(stem, device=device)
    if (model.recipe["head"], model.recipe["n_classes"]) != (system.head, len(predictions.classes)):
        raise HeadError(
            f"{stem} is a head '{model.recipe['head']}' of {model.recipe['n_classes']} classes, the run's predictions"
            f" are of '{system.head}' with {len(predictions.classes)}; {AGAIN}"
        )
    return model
