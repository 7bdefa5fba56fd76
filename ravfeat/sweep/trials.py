"""The product of a sweep's lists: every combination that can be trained, as a plan of its own.

A head that pools by itself reads no concatenated caches, a head of several streams reads caches together, and views are
for a cache that has some: such combinations are left out, and said to be.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from ravfeat.cache import open_cache, resolve_cache
from ravfeat.errors import UsageError
from ravfeat.experiment.own_heads import bring_heads
from ravfeat.experiment.plan import FitPlan, shared_options
from ravfeat.experiment.training_views import views_beside
from ravfeat.heads.registry import HEADS, make_head, several_streams
from ravfeat.sweep.plan_file import SweepPlan

__all__ = ["MOST_TRIALS", "Trial", "make_trials"]

MOST_TRIALS = 10_000


@dataclass(frozen=True)
class Trial:
    """One combination.

    Attributes
    ----------
    plan : FitPlan
    factors : mapping of str to str
        What it has of every list: ``protocol``, ``features``, ``head``, ``layers``, ``std``, ``views``, and
        ``HEAD.SETTING``; the features are filled in when their caches are open.
    """

    plan: FitPlan
    factors: Mapping[str, str]


@dataclass(frozen=True)
class _HeadChoice:
    """A head with one value of every setting."""

    entry: str
    settings: Mapping[str, Any]
    kind: Any = None
    own: bool = False

    @property
    def name(self) -> str:
        return self.entry.rpartition(":")[2] if self.entry.partition(":")[0] in ("audio", "face") else self.entry


@dataclass(frozen=True)
class _Input:
    """Caches that feed one head: one, several that are concatenated, or one of each stream."""

    kind: str
    paths: tuple[Path, ...]

    @property
    def data(self) -> dict[str, Any]:
        return {"caches": (), "joins": (self.paths,)} if self.kind == "concat" else {"caches": self.paths}


def make_trials(sweep: SweepPlan, *, device: str = "cpu", own_code: bool = False) -> tuple[list[Trial], list[str]]:
    """Combine all lists of a plan.

    Parameters
    ----------
    sweep : SweepPlan
    device : str
    own_code : bool
        Whether heads may be a user's own code, which is loaded then.

    Returns
    -------
    trials : list of Trial
        In the order of the lists.
    left_out : list of str
        Combinations that no plan can be made of, in words.

    Raises
    ------
    UsageError
        Where a head or caches are in no combination, or there are more than `MOST_TRIALS`.
    CacheError
        Where a cache is not there.
    """
    heads, inputs = _heads(sweep, own_code=own_code), _inputs(sweep)
    beside = _views_of(sweep, inputs)
    n = len(heads) * len(inputs) * prod(map(len, (sweep.protocols, sweep.layers, sweep.std, sweep.views)))
    if n > MOST_TRIALS:
        raise UsageError(f"the plan's lists make up to {n} plans, expected at most {MOST_TRIALS}; shorten some lists")
    trials: list[Trial] = []
    left_out: dict[str, None] = {}
    used: set[object] = set()
    for protocol, source, head, views in product(sweep.protocols, inputs, heads, sweep.views):
        if reason := _unfit(head, source, views, beside[source]):
            left_out[reason] = None
            continue
        used |= {source, head.entry}
        trials += _trials_of(sweep, protocol, source, head, views, beside[source] if views != "none" else (), device)
    _check_used([*inputs, *dict.fromkeys(head.entry for head in heads)], used, left_out)
    return trials, list(left_out)


def _trials_of(
    sweep: SweepPlan,
    protocol: str,
    source: _Input,
    head: _HeadChoice,
    views: str,
    beside: tuple[Path, ...],
    device: str,
) -> Iterator[Trial]:
    for layers, std in product(sweep.layers, sweep.std):
        of_this = source.data | {
            "train_views": beside,
            "average_views": views if views in ("scores", "statistics") else "none",
            "heads": (head.entry,),
            "layers": None if layers == "all" else layers,
            "std": std,
            "settings": head.settings,
            "brought": {head.name: head.kind} if head.own else {},
            "device": device,
            "protocol": protocol,
            "rule": None,  # each is ranked alone
        }
        plan = FitPlan(**(shared_options(sweep, FitPlan) | of_this))
        settings = {f"{head.name}.{key}": _text(value) for key, value in head.settings.items()}
        yield Trial(
            plan,
            {"protocol": protocol, "head": head.entry, "layers": layers, "std": _text(std), "views": views, **settings},
        )


def _heads(sweep: SweepPlan, *, own_code: bool) -> list[_HeadChoice]:
    """Give every head with every combination of its settings."""
    entries = [str(entry["name"]) for entry in sweep.heads]
    names, brought = bring_heads(entries) if own_code else (entries, {})
    choices = []
    for name, entry in zip(names, sweep.heads, strict=True):
        bare = _HeadChoice(name, {}).name
        kind = brought.get(bare) or HEADS.get(bare)
        settings = {key: value for key, value in entry.items() if key != "name"}
        lists = {key: _values(kind, key, value) for key, value in settings.items()}
        if prod(map(len, lists.values())) > MOST_TRIALS:
            raise UsageError(f"the settings of head '{name}' make more than {MOST_TRIALS} combinations")
        for values in product(*lists.values()):
            named = dict(zip(lists, values, strict=True))
            if "pool" in named:  # as the command line calls it
                named["parts"] = tuple(str(named.pop("pool")).split("+"))
            choices.append(_HeadChoice(name, named, kind, bare in brought))
    for choice, n in Counter(map(repr, choices)).items():
        if n > 1:
            raise UsageError(f"a head stands twice with the same settings, as {choice}; name it once")
    return choices


def _values(kind: Any, key: str, value: object) -> list[Any]:
    """Give the alternatives of a setting; one that takes a list has a list of lists of them."""
    if not isinstance(value, list):
        return [value]
    takes_list = isinstance(getattr(kind, key, None), tuple)
    if takes_list and not all(isinstance(item, list) for item in value):
        return [tuple(value)]
    return [tuple(item) if isinstance(item, list) else item for item in value]


def _inputs(sweep: SweepPlan) -> list[_Input]:
    alone = [("cache", (path,)) for path in sweep.caches]
    several = [(kind, paths) for kind in ("concat", "together") for paths in getattr(sweep, kind)]
    inputs = [_Input(kind, tuple(map(resolve_cache, paths))) for kind, paths in (*alone, *several)]
    if not inputs:
        raise UsageError("the plan names no cache; give 'caches', 'concat' or 'together'")
    if twice := [source for number, source in enumerate(inputs) if source in inputs[:number]]:
        raise UsageError(f"{_named(twice[0])} is named twice; name every cache once")
    return inputs


def _views_of(sweep: SweepPlan, inputs: Sequence[_Input]) -> dict[_Input, tuple[Path, ...]]:
    """Give the caches of views of every input; concatenated caches have none."""
    if bool(sweep.train_views) != (set(sweep.views) != {"none"}):
        raise UsageError(
            "the plan has 'train_views' and nothing is done with them, or the other way round: name caches of views,"
            ' and what is done with them, such as views = ["none", "train"]'
        )
    paths = tuple(map(resolve_cache, sweep.train_views))
    beside = {source: () if source.kind == "concat" else tuple(views_beside(paths, source.paths)) for source in inputs}
    if idle := [path for path in paths if not any(path in views for views in beside.values())]:
        raise UsageError(f"{idle[0]} is a view of none of the plan's caches, or those are only concatenated")
    return beside


def _unfit(head: _HeadChoice, source: _Input, views: str, beside: tuple[Path, ...]) -> str:
    """Say why a head does not read an input; empty where it does."""
    several = several_streams(head.name)
    stream = head.entry.partition(":")[0] if head.name != head.entry else ""
    # A head that nobody knows is refused later.
    pools = head.kind is None or bool(make_head(head.kind, head.name, {}).reading.statistics)
    if (several is not None) != (source.kind == "together"):
        return f"{head.entry} with {_named(source)}: it reads {'caches together' if several else 'one cache at a time'}"
    if source.kind == "concat" and not pools:
        return f"{head.entry} with {_named(source)}: it pools by itself, and caches are concatenated after pooling"
    if stream and stream != open_cache(source.paths[0]).about["stream"]:
        return f"{head.entry} with {_named(source)}: that is of another stream"
    if views == "none":
        return ""
    if not beside or (several is not None and not several.reads_views):
        return f"{head.entry} with {_named(source)} with views = {views}: it has no views"
    if views == "statistics" and not pools:
        return f"{head.entry} with {_named(source)} with views = statistics: it pools by itself"
    return ""


def _check_used(wanted: list[Any], used: set[object], left_out: Mapping[str, None]) -> None:
    if idle := [entry for entry in wanted if entry not in used]:
        name = _named(idle[0]) if isinstance(idle[0], _Input) else f"the head '{idle[0]}'"
        raise UsageError(f"{name} is in no combination; leave it out:\n  " + "\n  ".join(left_out))


def _named(source: _Input) -> str:
    return f"{source.kind} {' + '.join(path.name for path in source.paths)}"


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "+".join(map(_text, value)) if isinstance(value, tuple | list) else str(value)
