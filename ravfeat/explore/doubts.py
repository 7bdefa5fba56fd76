"""Find missing and doubtful values of a corpus: what a person should look at before anything is trained."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import combinations, takewhile

import numpy as np

from ravfeat.corpora.spellings import spelling_key
from ravfeat.explore.listing import OWN_COLUMNS, UNKNOWN, Listing, natural
from ravfeat.explore.telling import Telling, binned, telling

__all__ = ["Doubt", "doubts", "listed", "times"]

_NO_CLASS = frozenset({
    "x", "xx", "xxx", "oth", "other", "others", "unk", "unknown", "undefined", "unlabelled", "unlabeled", "none", "nan",
    "na", "n/a", "null", "?", "-", "no agreement", "noagreement", "no majority", "garbage", "todo",
})  # fmt: skip
"""What corpora write where nobody could say the emotion, by `spelling_key`."""

_SPLIT = frozenset({"train", "training", "dev", "devel", "development", "val", "valid", "validation", "test", "eval"})
_SESSIONS = re.compile(
    r"(session|split|fold|partition|subset|set|dialog|dialogue|recording|day|site|show|episode)s?(_?id)?"
)

_LIKE_GENDER = frozenset({"sex", "gender_id", "speaker_gender", "speaker_sex", "actor_gender", "actor_sex"})

_ALIKE, _PREFIX = 0.8, 4
_SHORT_S, _LONG_S = 0.3, 30.0
_FEW_ACTORS = 3
_TELLS, _DECIDES = 0.5, 0.98
"""Shares of the way from chance to certainty at which a column is named."""
_SHOWN = 8
_MOST_LABELS = 200


@dataclass(frozen=True)
class Doubt:
    """One thing to look at.

    Attributes
    ----------
    topic : str
        A word: ``label``, ``gender``, ``actor``, ``column``, ``duration``, ``recording``, ``not stored``.
    sentence : str
    clips : tuple of str
        Whom it is about, where these are single clips.
    grave : bool
        Whether a score would be wrong with it.
    """

    topic: str
    sentence: str
    clips: tuple[str, ...] = ()
    grave: bool = False


def doubts(listing: Listing) -> tuple[Doubt, ...]:
    """Look for missing and doubtful values, grave ones first; what needs sound or features is not looked for."""
    found = [
        *_labels(listing),
        *_genders(listing),
        *_actors(listing),
        *_gaps(listing),
        *_leaks(listing),
        *_sessions(listing),
        *_durations(listing),
    ]
    return tuple(sorted(found, key=lambda doubt: not doubt.grave))


def listed(names: Sequence[str], shown: int = _SHOWN) -> str:
    """Join names by commas, the first of them where there are many."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return f"{', '.join(names[:shown])}{more}"


def times(n: int, noun: str, plural: str = "") -> str:
    """Write a count: "1 clip", "2 clips"."""
    return f"{n} {noun if n == 1 else plural or f'{noun}s'}"


def _labels(listing: Listing) -> Iterator[Doubt]:
    counts = Counter(listing.labels)
    for label in sorted(counts):
        if spelling_key(label) in _NO_CLASS:
            yield Doubt(
                "label",
                f"'{label}' ({times(counts[label], 'clip')}) may stand for 'nobody could say': as a class, heads learn"
                " to predict it",
            )
    if len(counts) > _MOST_LABELS:
        yield Doubt("label", f"there are {len(counts)} labels: is this the column of classes?", grave=True)
        return
    for a, b in combinations(sorted(counts), 2):
        if _alike(a, b):
            yield Doubt(
                "label",
                f"'{a}' ({times(counts[a], 'clip')}) and '{b}' ({times(counts[b], 'clip')}) look alike: one class or"
                " two?",
            )
    actors_of: defaultdict[str, set[str]] = defaultdict(set)
    for label, actor in zip(listing.labels, listing.actors, strict=True):
        actors_of[label].add(actor)
    enough = len(set(listing.actors)) >= _FEW_ACTORS
    for label, actors in sorted(actors_of.items()):
        if enough and len(actors) < _FEW_ACTORS:
            yield Doubt(
                "label",
                f"'{label}' has clips of {times(len(actors), 'actor')} only ({listed(sorted(actors))}): it cannot be"
                " trained, validated and tested on different people",
                grave=True,
            )


def _alike(a: str, b: str) -> bool:
    a, b = spelling_key(a), spelling_key(b)
    if a == b:
        return True
    if any(letter.isdigit() for letter in a + b) or min(len(a), len(b)) < 3:  # codes and numbers differ by little
        return False
    begin = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))
    return begin >= _PREFIX or begin == min(len(a), len(b)) or SequenceMatcher(None, a, b).ratio() >= _ALIKE


def _genders(listing: Listing) -> Iterator[Doubt]:
    of_actor: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for actor, gender in zip(listing.actors, listing.columns["gender"], strict=True):
        of_actor[actor][gender] += 1
    unknown = sorted((actor for actor, genders in of_actor.items() if genders[""]), key=natural)
    if len(unknown) == len(of_actor):
        like = [name for name in listing.columns if name not in OWN_COLUMNS and name in _LIKE_GENDER]
        hint = f" ('{like[0]}' may say it: --columns gender={like[0]})" if like else ""
        yield Doubt("gender", f"no gender is known{hint}: folds cannot be balanced by it, nor scores compared")
    elif unknown:
        n = sum(genders[""] for genders in of_actor.values())
        yield Doubt("gender", f"{times(n, 'clip')} of {times(len(unknown), 'actor')} without gender: {listed(unknown)}")
    for actor, genders in sorted(of_actor.items()):
        if len(both := [gender for gender in ("female", "male") if genders[gender]]) > 1:
            n_each = " and ".join(f"{gender} in {times(genders[gender], 'clip')}" for gender in both)
            yield Doubt(
                "gender", f"actor '{actor}' is {n_each}: two people under one name, or a wrong cell", grave=True
            )


def _actors(listing: Listing) -> Iterator[Doubt]:
    counts, labels_of = Counter(listing.actors), defaultdict(set)
    if nobody := counts.pop(UNKNOWN, 0):
        words = "people may be on both sides of every fold, and whatever is tested says UNCHECKED"
        yield Doubt(
            "actor", f"nobody says who speaks in {times(nobody, 'clip')} of {len(listing)}: {words}", grave=True
        )
    if not counts:
        return
    for actor, label in zip(listing.actors, listing.labels, strict=True):
        labels_of[actor].add(label)
    if len(counts) < _FEW_ACTORS:
        yield Doubt(
            "actor",
            f"there {'is' if len(counts) == 1 else 'are'} {times(len(counts), 'actor')}: nothing can be tested on"
            " people that training and validation have not met",
            grave=True,
        )
    elif len(counts) == len(listing) > _FEW_ACTORS:
        yield Doubt("actor", "every clip has an actor of its own: is this the column of people?", grave=True)
        return
    if once := sorted((actor for actor, n in counts.items() if n == 1), key=natural):
        yield Doubt("actor", f"{times(len(once), 'actor')} with one clip: {listed(once)}")
    one_label = [actor for actor, n in counts.items() if n > 1 and len(labels_of[actor]) == 1]
    if len(set(listing.labels)) > 1 and one_label:
        names = listed(sorted(one_label, key=natural))
        yield Doubt("actor", f"{times(len(one_label), 'actor')} with clips of one class only: {names}")
    spellings: defaultdict[str, list[str]] = defaultdict(list)
    for actor in sorted(counts):
        spellings[spelling_key(actor)].append(actor)
    for group in spellings.values():
        if len(group) > 1:
            written = " and ".join(f"'{actor}' ({times(counts[actor], 'clip')})" for actor in group)
            yield Doubt(
                "actor", f"{written} may be one person: two actors to every fold, one voice on both sides", grave=True
            )


def _gaps(listing: Listing) -> Iterator[Doubt]:
    for name, values in listing.groupings.items():
        if n := values.count(""):
            yield Doubt("column", f"'{name}' is empty in {times(n, 'clip')} of {len(listing)}")
    for name, numbers in listing.numbers.items():
        if n := int(np.isnan(numbers).sum()):
            yield Doubt("column", f"'{name}' is empty in {times(n, 'clip')} of {len(listing)}")


def _leaks(listing: Listing) -> Iterator[Doubt]:
    """Name columns that tell the label: what was recorded, where and by whom may be learned in place of how."""
    measured = {"duration_s": listing.durations_s, **listing.numbers}
    columns: dict[str, Sequence[str]] = {
        "actor": listing.actors,
        "gender": listing.columns["gender"],
        **listing.groupings,
        **{name: binned(numbers) for name, numbers in measured.items() if np.isfinite(numbers).any()},
    }
    for name, values in columns.items():
        told = telling(values, listing.labels)
        if told.gain >= _TELLS:
            yield Doubt("column", _leak_words(name, told), grave=name not in measured)


def _leak_words(name: str, told: Telling) -> str:
    words = "decides the label" if told.gain >= _DECIDES else "tells much of the label"
    return (
        f"'{name}' {words}: by itself it names it with a UAR of {told.value:.2f} (chance {told.chance:.2f}); whatever"
        f" features tell of '{name}' will look like emotion"
    )


def _sessions(listing: Listing) -> Iterator[Doubt]:
    """Say which columns of sessions and splits keep actors apart."""
    for name, values in listing.groupings.items():
        places: defaultdict[str, set[str]] = defaultdict(set)
        actors: defaultdict[str, set[str]] = defaultdict(set)
        for actor, value in zip(listing.actors, values, strict=True):
            places[actor].add(value)
            actors[value].add(actor)
        is_split = {value.casefold() for value in actors if value} <= _SPLIT
        if not (is_split or _SESSIONS.fullmatch(name)):
            continue
        several = sorted((actor for actor, where in places.items() if len(where) > 1), key=natural)
        if several:
            yield Doubt(
                "column",
                f"{times(len(several), 'actor')} of {len(places)} {'is' if len(several) == 1 else 'are'} in more than"
                f" one '{name}' ({listed(several)}): folds by it test people they have trained on",
                grave=is_split,
            )
        elif all(len(who) == 1 for who in actors.values()):
            yield Doubt("column", f"'{name}' and the actor are confounded: every '{name}' is one person")


def _durations(listing: Listing) -> Iterator[Doubt]:
    seconds, ids = listing.durations_s, np.array(listing.columns["clip_id"], object)
    cases: Mapping[str, np.ndarray] = {
        "of unknown length: their headers cannot be read": np.isnan(seconds),
        f"shorter than {_SHORT_S:g} s": seconds < _SHORT_S,
        f"longer than {_LONG_S:g} s: a label for all of it?": seconds > _LONG_S,
    }
    for words, rows in cases.items():
        if rows.any():
            clips = tuple(ids[rows].tolist())
            yield Doubt("duration", f"{times(len(clips), 'clip')} {words}", clips)
