"""Check that one cache can be trained on and another tested on: one encoder, two corpora, no person in both."""

from collections.abc import Iterable

from ravfeat.cache import Cache
from ravfeat.cache.format import ClipRecord
from ravfeat.errors import LeakError, UsageError
from ravfeat.protocols.groups import ties

__all__ = ["check_alike", "check_apart"]

_REMEDIES = {
    "actor": "a head would be tested on a person it knows. Who is who is known by these ids only: take the person's"
    " clips out of one of the corpora, or, where two people share an id, rename one and extract again",
    "performance": "the same take would be trained on and tested on. Take it out of one of the corpora, or, where two"
    " takes share an id, give one corpus a column 'performance' of its own and extract again",
    "recording": "the same sound or pictures would be trained on and tested on; take it out of one of the corpora",
    "clip": "one table of predictions holds both; give one corpus a column 'clip_id' of its own and extract again",
}


def check_alike(train: Cache, test: Cache) -> None:
    """Refuse caches of one corpus, and of encoders or extractions that differ in anything.

    Raises
    ------
    UsageError
        Naming every part of the identity that differs.
    """
    if train.about["corpus"] == test.about["corpus"]:
        raise UsageError(
            f"{train.path} and {test.path} are both of corpus '{train.about['corpus']}'; to test on its own actors use"
            " --cache and a --protocol, to test on another corpus name a cache of that with --test-cache"
        )
    names = [*dict.fromkeys([*train.identity, *test.identity])]
    if differing := [name for name in names if train.identity.get(name) != test.identity.get(name)]:
        listing = "\n  ".join(f"{name}: {train.identity.get(name)} and {test.identity.get(name)}" for name in differing)
        reason = (
            "come from an encoder of another family"
            if {"weights", "stream", "layer_convention"} & set(differing)
            else "were not extracted alike"
        )
        raise UsageError(
            f"the features of {train.path} and {test.path} {reason}: a head of one cannot read the other. They differ"
            f" in\n  {listing}\nextract both corpora with the same encoder and the same settings"
        )


def check_apart(train: str, trained_on: Iterable[ClipRecord], test: str, tested_on: Iterable[ClipRecord]) -> None:
    """Refuse corpora that share an actor, a performance, a recording or the id of a clip.

    Parameters
    ----------
    train, test : str
        The corpora's names.
    trained_on, tested_on : iterable of ClipRecord
        All their clips, as the shards know them.

    Raises
    ------
    LeakError
        Naming the first that is in both.
    """
    trained: dict[tuple[str, str], ClipRecord] = {}
    for record in trained_on:
        for tie in _ties(record):
            trained.setdefault(tie, record)
    for record in tested_on:
        for kind, value in _ties(record):
            # Ties of one kind meet only their like: an actor's id may well be the id of a clip.
            other = trained.get((kind, value))
            if other is not None:
                shared = f"{kind} '{value[:16]}…'" if kind == "recording" else f"{kind} '{value}'"
                raise LeakError(
                    f"{shared} is in '{train}' (clip '{other.clip_id}', {other.actor}) and in '{test}' (clip"
                    f" '{record.clip_id}', {record.actor}): {_REMEDIES[kind]}"
                )


def _ties(record: ClipRecord) -> list[tuple[str, str]]:
    return [*ties(record), ("clip", record.clip_id)]  # predictions of both corpora are rows of one table
