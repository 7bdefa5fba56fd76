"""Open a run that is to be stressed: heads, temperatures, weights, caches, and a sample of its test clips."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ravfeat.cache import Cache, find_caches, open_cache
from ravfeat.errors import CacheError, HeadError, PredictionsError, UsageError
from ravfeat.heads.base import Model
from ravfeat.predictions import System
from ravfeat.published.parts import Learned, Need, PublishedClip, PublishedSystem
from ravfeat.published.sources import learned_of, load_models, locate, origins_of, parts_of
from ravfeat.runs.format import PREDICTIONS_FILE
from ravfeat.runs.read import Run, read_run
from ravfeat.runs.recipe import CacheOrigin
from ravfeat.schema import FUSED_STREAMS

__all__ = ["OpenedRun", "OpenedSystem", "open_stressed", "sampled"]

Models = Mapping[int, tuple[Model, ...]]


@dataclass(frozen=True)
class OpenedSystem:
    """A system with its heads.

    Attributes
    ----------
    part : PublishedSystem
    models : mapping of int to tuple of Model
        By fold, one for each seed.
    caches : tuple of Cache
        Of the tested clips, one for each of ``part.needs``; after them those of views that are averaged.
    clips : mapping of int to tuple of PublishedClip
        The clips of the sample that every fold tested, sorted by ``clip_id``.
    """

    part: PublishedSystem
    models: Models
    caches: tuple[Cache, ...]
    clips: Mapping[int, tuple[PublishedClip, ...]]

    def reads(self, stream: str) -> list[tuple[Need, Cache]]:
        """Give the caches of one stream, and what it needs of them."""
        pairs = zip(self.part.needs, self.caches, strict=False)  # views come after
        return [(need, cache) for need, cache in pairs if need.identity.get("stream") == stream]


@dataclass(frozen=True)
class OpenedRun:
    """A run, opened.

    Attributes
    ----------
    path : Path
    run : Run
    systems : tuple of OpenedSystem
    learned : mapping of int to Learned
        Temperatures and weights of every fold.
    performances : frozenset of str
        The sample.
    sample : str
        The same in words.
    labels : mapping of str to str
        Of every performance that was tested.
    """

    path: Path
    run: Run
    systems: tuple[OpenedSystem, ...]
    learned: Mapping[int, Learned]
    performances: frozenset[str]
    sample: str
    labels: Mapping[str, str]

    @property
    def allow_missing(self) -> bool:
        """Whether the run averaged over the views that there were of a clip."""
        return (self.run.recipe.plan or {}).get("allow_missing") is True


def open_stressed(path: Path, caches: Sequence[Path], *, clips: int | None, device: str) -> OpenedRun:
    """Open a run.

    Parameters
    ----------
    path : Path
    caches : sequence of Path
        Caches of the run that were moved, or folders of them.
    clips : int, optional
        Size of the sample; all test clips by default.
    device : str
        Where heads are computed.

    Raises
    ------
    PredictionsError
        Where there is no finished run, or its files do not belong together.
    HeadError
        Where it has no heads that score recordings.
    CacheError
        Where a cache is gone, or is another one by now.
    UsageError
        For a sample of fewer clips than there are classes.
    """
    run = read_run(path)
    parts = parts_of(path, run.predictions, run.recipe)
    _check_whole(run, parts, path)
    origins = [origins_of(run.recipe, part.system, path) for part in parts]
    needed = [origin for each in origins for origin in (*each.tested, *each.averaged)]
    places = locate(needed, _moved(caches, needed), path, advice="")
    opened = {place: open_cache(place) for place in places.values()}
    facts = _performances(run, parts)
    chosen = frozenset(facts) if clips is None else sampled(facts, clips)
    systems = tuple(
        OpenedSystem(
            part,
            load_models(path, run.predictions, part, device),
            tuple(opened[places[origin.path]] for origin in (*each.tested, *each.averaged)),
            _clips(run, part.system, chosen),
        )
        for part, each in zip(parts, origins, strict=True)
    )
    learned = {fold: learned_of(run, parts, fold) for fold in systems[0].models}
    labels = {name: label for name, (_, label) in facts.items()}
    return OpenedRun(path, run, systems, learned, chosen, _in_words(facts, chosen), labels)


def _check_whole(run: Run, parts: Sequence[PublishedSystem], path: Path) -> None:
    left_out = set(run.calibrations) - {part.system for part in parts}
    if transductive := sorted(system for system in left_out if system.stream not in FUSED_STREAMS):
        raise HeadError(
            f"{path}: {transductive[0]} reads features that were standardised by all clips of an actor or corpus, which"
            " a changed recording would change for all of them; stress a run with --normalise none"
        )
    if any(folds != _folds(run, parts[0].system) for folds in (_folds(run, part.system) for part in parts)):
        raise PredictionsError(f"{path / PREDICTIONS_FILE}: its systems were tested in other folds; make the run again")


def _folds(run: Run, system: System) -> list[int]:
    return [fitted.fold for fitted in run.calibrations[system].folds]


def _moved(named: Sequence[Path], origins: Iterable[CacheOrigin]) -> list[Path]:
    """Find the caches of the run at and below the paths that were named."""
    prints = {origin.fingerprint for origin in origins}
    found = {path: [cache for cache in find_caches(path) if open_cache(cache).fingerprint in prints] for path in named}
    if idle := [path for path, caches in found.items() if not caches]:
        raise CacheError(f"--cache {idle[0]}: no cache of the run is at or below it; give the folder of the cache")
    return list(dict.fromkeys(cache for caches in found.values() for cache in caches))


def _performances(run: Run, parts: Sequence[PublishedSystem]) -> dict[str, tuple[str, str]]:
    """Give actor and label of every performance that was tested."""
    facts: dict[str, tuple[str, str]] = {}
    for part in parts:
        test = run.calibrations[part.system].test
        labels = (test.classes[k] for k in test.y)
        facts |= dict(zip(test.performance_ids, zip(test.actors, labels, strict=True), strict=True))
    return facts


def sampled(facts: Mapping[str, tuple[str, str]], n: int) -> frozenset[str]:
    """Draw performances, as many of every actor and class as can be; the same every time.

    Parameters
    ----------
    facts : mapping of str to (actor, label)
    n : int

    Raises
    ------
    UsageError
        For a sample that cannot hold every class.

    Examples
    --------
    >>> sorted(sampled({"a1": ("a", "sad"), "a2": ("a", "sad"), "b1": ("b", "calm")}, 2))
    ['a2', 'b1']
    """
    if n < (needed := len({label for _, label in facts.values()})):
        raise UsageError(f"--clips {n}: a sample needs at least one clip of each of the {needed} classes")
    # Hashed, so that neither the order of names nor another corpus changes which clips of an actor are taken.
    cells: dict[str, dict[str, list[str]]] = {}
    for name in sorted(facts, key=_hashed, reverse=True):
        actor, label = facts[name]
        cells.setdefault(label, {}).setdefault(actor, []).append(name)
    taken: list[str] = []
    of_actor, of_cell = Counter[str](), Counter[tuple[str, str]]()
    classes = sorted(cells, key=_hashed)
    while len(taken) < min(n, len(facts)):
        # Class after class in turn; of each the actor of whom it has fewest, and then of whom there are fewest in all.
        for label in [label for label in classes if cells[label]][: n - len(taken)]:
            names = cells[label]
            actor = min((of_cell[label, name], of_actor[name], _hashed(name), name) for name in names)[-1]
            taken.append(names[actor].pop())
            of_cell[label, actor] += 1
            of_actor[actor] += 1
            if not names[actor]:
                del names[actor]
    return frozenset(taken)


def _hashed(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def _clips(run: Run, system: System, chosen: frozenset[str]) -> dict[int, tuple[PublishedClip, ...]]:
    test = run.calibrations[system].test
    clips: dict[int, list[PublishedClip]] = {fold: [] for fold in _folds(run, system)}
    for fold, *names in zip(test.folds.tolist(), test.clip_ids, test.performance_ids, strict=True):
        clip = PublishedClip(*names)
        if clip.performance_id in chosen:
            clips[fold].append(clip)
    return {fold: tuple(of_fold) for fold, of_fold in clips.items()}


def _in_words(facts: Mapping[str, tuple[str, str]], chosen: frozenset[str]) -> str:
    n = len({facts[name][0] for name in chosen})
    actors = f"of {n} actor{'s' if n > 1 else ''}"
    if len(chosen) == len(facts):
        return f"all {len(facts)} test clips {actors}"
    return f"{len(chosen)} of {len(facts)} test clips {actors}, as many of every actor and class as can be"
