"""Digest of what a run trained on what and how, wherever that lies and whatever device did it."""

import hashlib
from collections.abc import Mapping
from typing import Any

from ravfeat.files import canonical_json
from ravfeat.runs.recipe import CacheOrigin, Recipe, SystemInputs

__all__ = ["plan_digest"]

_PLACES = (
    "caches", "joins", "train_views", "labels", "clips", "label_map", "protocol", "protocol_sha256", "device",
    "allow_leak", "allow_missing",
)  # fmt: skip
"""Fields of a recorded plan that say where something lies or what is allowed: contents are in the digest instead."""

_OF_FINE_TUNING = ("encoder", "settings", "view", "precision", "clips_sha256")


def plan_digest(recipe: Recipe) -> str:
    """Give the SHA-256 of a plan: contents of caches, heads, settings, protocol, tables, selection, seeds, fusion.

    Two runs of one digest tried the same thing, so the second one is no further try.
    """
    record = recipe.record
    tuned: Mapping[str, Any] = record.get("fine_tuned") or {}
    transfer, folds = recipe.cross_corpus, recipe.tested_folds
    facts = {
        "protocol": recipe.protocol,
        "select": recipe.select,
        "seeds": recipe.seeds,
        "classes": list(recipe.classes),
        "plan": _plan(recipe),
        "inputs": sorted(canonical_json(_inputs(entry)) for entry in recipe.caches),
        "cross_corpus": transfer and {"labels": transfer.labels, "normalise": transfer.normalise},
        "fine_tuned": {name: tuned.get(name) for name in _OF_FINE_TUNING},
        "tested_folds": folds and sorted(folds.folds),
        "scores": sorted({str(entry["sha256"]) for entry in record.get("scores", ())}),
        "rule": record.get("rule"),
    }
    return hashlib.sha256(canonical_json(facts).encode()).hexdigest()


def _plan(recipe: Recipe) -> dict[str, Any]:
    plan = dict(recipe.plan or {})
    # Where one head reads one cache nothing is fused: the same try with any rule, or as a trial of a sweep.
    if len(recipe.caches) == len(plan.get("heads", ())) == 1:
        plan["rule"] = None
    return {name: value for name, value in plan.items() if name not in _PLACES}


def _inputs(entry: SystemInputs) -> dict[str, Any]:
    return {
        "stream": entry.stream,
        "features": entry.features,
        "read": [_content(cache) for cache in entry.caches],
        "views": sorted(_content(view) for view in entry.views),
        "missing": list(entry.missing),
    }


def _content(origin: CacheOrigin) -> str:
    return f"{origin.fingerprint} {origin.content_sha256}"
