"""Doubts about scores that came without features: what a table of scores shows that honest ones do not.

Nobody can train such scores again or see what they were made from. What can be asked: whether names and ids fit folds
of other people, whether rows are copies, and whether test rows are better than val rows of the same heads. Only a
RAVDESS stem proves anything, for it names the actor; all else is a warning.

Thresholds rest on seven honest runs on RAVDESS with 31 systems (six folds, EmoBox's, and one actor left out): test
accuracy less that of val rows -0.035 to +0.022, log loss of val rows less that of test rows up to 0.08, copied rows
0.28 %.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ravfeat.corpora.ravdess import parse_stem
from ravfeat.numerics.softmax import log_softmax
from ravfeat.predictions import Predictions, System
from ravfeat.schema import FUSED_STREAMS
from ravfeat.scorefiles.copied_rows import copied_rows, tied_rows
from ravfeat.scorefiles.fold_actors import FoldActors
from ravfeat.scorefiles.inputs import fold_actors_of

__all__ = ["ScoreDoubt", "named_actors", "score_doubts"]

_FEW_CLIPS = 3
"""Clips of an actor, in the middle of all, up to which intervals are those of clips."""

_COPIES, _COPIED_SHARE = 4, 0.01
"""Copied rows, and their share, up to which nothing is said."""

_TIED = 0.05
"""Share of rows with equal scores of two classes, up to which rows are compared."""

_BY_CHANCE = 0.002
"""Share of rows that rounding makes equal to another one, up to which rows are compared. Where t of N rows give two of
K classes the same score, a pair of scores agrees with a chance of about q = t / (K (K - 1) / 2), and two rows with one
of q^(K - 1): of 960 generated rows of 3 classes, probabilities of two digits, t is 0.03 and a tenth had an equal row.
"""

_BETTER, _LOWER_LOSS, _ERRORS = 0.08, 0.25, 3.0
"""By how much test rows may be better than val rows (accuracy, log loss in nats), and in how many standard errors."""

_FEWEST = 3
_TOKENS = re.compile(r"[A-Za-z]+|\d+|[^A-Za-z\d]+")


@dataclass(frozen=True)
class ScoreDoubt:
    """Something about scores that honest ones do not have.

    Attributes
    ----------
    verdict : {"warn", "leak", "info"}
        ``leak`` where a name proves it; ``info`` for what could not be asked.
    sentence : str
        With its numbers.
    system : str
        Empty for the table as a whole.
    evidence : mapping
        Plain values.
    """

    verdict: Literal["warn", "leak", "info"]
    sentence: str
    system: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)


def _warn(sentence: str, system: System | str = "", **evidence: Any) -> ScoreDoubt:
    return ScoreDoubt("warn", sentence, str(system), evidence)


def _facts(predictions: Predictions, *names: str) -> set[tuple[Any, ...]]:
    """Give what rows say in some columns, each combination once."""
    return set(zip(*(predictions.table[name].to_pylist() for name in names), strict=True))


def score_doubts(predictions: Predictions) -> list[ScoreDoubt]:
    """Look for what honest scores do not have; those of fusions are left to their members.

    Parameters
    ----------
    predictions : Predictions
        Of score files, or of runs made from them.
    """
    found = [*named_actors(predictions), *_protocol(predictions), *_few_clips(predictions)]
    if not predictions.leaky:
        found += _hidden_folds(predictions)
    for system in predictions.systems():
        if system.stream not in FUSED_STREAMS:
            found += _of_system(_Rows.of(predictions.select_system(system)), system)
    return found


def named_actors(predictions: Predictions) -> list[ScoreDoubt]:
    """Hold the actors against those that RAVDESS stems name: somebody under several ids, on two sides, is a leak."""
    rows = _facts(predictions, "fold", "split", "clip_id", "actor")
    clips = {clip_id: parse_stem(clip_id) or parse_stem(f"03-{clip_id}") for _, _, clip_id, _ in rows}
    stems = [(fold, split, clip.actor, actor) for fold, split, name, actor in rows if (clip := clips[name])]
    leak = FoldActors.of((fold, split, named) for fold, split, named, _ in stems).leak
    ids: dict[str, set[str]] = {}
    for _, _, named, actor in stems:
        ids.setdefault(named, set()).add(actor)
    several = sorted(named for named, given in ids.items() if len(given) > 1)
    if predictions.leaky or not leak or not several:
        return []
    sentence = (
        f"the names of the clips are RAVDESS stems, and by them {leak}; {len(several)} of {len(ids)} actors have"
        f" several ids, {several[0]} {', '.join(sorted(ids[several[0]])[:_FEWEST])}: the scores are LEAKY"
    )
    return [ScoreDoubt("leak", sentence, evidence={"actors": several[:20]})]


def _protocol(predictions: Predictions) -> Iterator[ScoreDoubt]:
    if re.fullmatch(r"given\d+", predictions.protocol):
        yield _warn(
            f"'{predictions.protocol}': these are the folds of no published protocol and of no run; who was trained on"
            " is what the file says",
        )


def _few_clips(predictions: Predictions) -> Iterator[ScoreDoubt]:
    tested = [actor for split, _, actor in _facts(predictions, "split", "clip_id", "actor") if split == "test"]
    counts = Counter(tested)
    middle = float(np.median(list(counts.values()))) if counts else 0.0
    if middle <= _FEW_CLIPS:
        yield _warn(
            f"{len(tested)} clips of {len(counts)} actors, {middle:g} of each in the middle: intervals are over actors,"
            " and as narrow as if hardly two clips were of one person; where they are, intervals are too narrow",
            clips=len(tested),
            actors=len(counts),
        )


def _hidden_folds(predictions: Predictions) -> Iterator[ScoreDoubt]:
    sides = fold_actors_of(predictions)
    if coded := _coded_by_fold(sides.test):
        a, b = coded
        yield _warn(
            f"the ids of actors carry the fold: '{a}' and '{b}' differ in nothing else; if they are one person, the"
            " scores are LEAKY",
            ids=[a, b],
        )
    if alike := _told_by_names(predictions):
        name, (a, b) = alike
        yield _warn(
            f"'{name}' in the names of clips goes with '{a}' in one fold and with '{b}' in another, as if the actors"
            " had new ids in every fold; if they are one person, the scores are LEAKY",
            name=name,
            ids=[a, b],
        )
    folds = {fold: actors | sides.val.get(fold, frozenset()) for fold, actors in sides.test.items()}
    counts = Counter(actor for actors in folds.values() for actor in actors)
    if len(folds) > 1 and sides.val and max(counts.values()) == 1:
        yield _warn(
            f"no actor of one fold has a row in another ({len(counts)} ids, {len(folds)} folds), though there are val"
            " rows: whether somebody has another id in every fold cannot be seen",
        )


def _coded_by_fold(tested: Mapping[int, frozenset[str]]) -> tuple[str, str] | None:
    """Two ids of two folds that differ in one part only, which all ids of a fold share and no other fold's have."""
    parts = {fold: sorted(tuple(_TOKENS.findall(actor)) for actor in actors) for fold, actors in tested.items()}
    lengths = {len(part) for ids in parts.values() for part in ids}
    if len(parts) < 2 or len(lengths) != 1 or min(map(len, parts.values())) < _FEWEST:
        return None
    for place in range(lengths.pop()):
        codes = {fold: {part[place] for part in ids} for fold, ids in parts.items()}
        if any(len(code) > 1 for code in codes.values()) or len(set.union(*codes.values())) < len(codes):
            continue
        rest = [{(*part[:place], *part[place + 1 :]): "".join(part) for part in ids} for ids in parts.values()]
        if shared := sorted(rest[0].keys() & rest[1].keys()):
            return rest[0][shared[0]], rest[1][shared[0]]
    return None


def _told_by_names(predictions: Predictions) -> tuple[str, tuple[str, str]] | None:
    """Find a part of the clips' names that goes with one actor in every fold, and with another in another."""
    tested = sorted(row for row in _facts(predictions, "fold", "clip_id", "actor", "split") if row[-1] == "test")
    rows = [(fold, tuple(_TOKENS.findall(name)), actor) for fold, name, actor, _ in tested]
    if len({len(part) for _, part, _ in rows}) != 1 or len(rows) < 2 * len({actor for *_, actor in rows}):
        return None  # with one clip each, every part of a name goes with one actor
    for place in range(len(rows[0][1])):
        actors_of: dict[tuple[int, str], set[str]] = {}
        names_of: dict[tuple[int, str], set[str]] = {}
        for fold, part, actor in rows:
            actors_of.setdefault((fold, part[place]), set()).add(actor)
            names_of.setdefault((fold, actor), set()).add(part[place])
        if any(len(both) > 1 for both in (*actors_of.values(), *names_of.values())):
            continue
        if min(Counter(fold for fold, _ in actors_of).values()) < _FEWEST:
            continue
        seen: dict[str, str] = {}
        for (_, name), (actor,) in sorted(actors_of.items()):
            if seen.setdefault(name, actor) != actor:
                return name, (seen[name], actor)
    return None


@dataclass(frozen=True)
class _Rows:
    """Rows of one system: arrays of length N, logits of shape (N, K)."""

    fold: NDArray[np.int64]
    seed: NDArray[np.int64]
    is_test: NDArray[np.bool_]
    actor: NDArray[np.object_]
    y: NDArray[np.int64]
    logits: NDArray[np.float64]

    @classmethod
    def of(cls, predictions: Predictions) -> "_Rows":
        columns = {name: predictions.table[name].to_pylist() for name in ("fold", "seed", "split", "actor", "label")}
        return cls(
            np.array(columns["fold"], np.int64),
            np.array(columns["seed"], np.int64),
            np.array(columns["split"], object) == "test",
            np.array(columns["actor"], object),
            np.array([predictions.classes.index(label) for label in columns["label"]], np.int64),
            predictions.logits().astype(np.float64),
        )


def _of_system(rows: _Rows, system: System) -> Iterator[ScoreDoubt]:
    first = rows.seed == rows.seed.min()
    n_classes = rows.logits.shape[1]
    tied = float(tied_rows(rows.logits).mean())
    equal = first.sum() * (tied / (n_classes * (n_classes - 1) / 2)) ** (n_classes - 1)
    if tied > _TIED or equal > _BY_CHANCE or n_classes < _FEWEST:
        reason = f"{n_classes} classes, and {tied:.3f} of the rows give two classes the same score, as rounded ones do"
        yield ScoreDoubt("info", f"{reason}: whether rows are copies cannot be told", str(system))
    else:
        yield from _copies(rows, first, system)
    yield from _better_tested(rows, system)


def _copies(rows: _Rows, first: NDArray[np.bool_], system: System) -> Iterator[ScoreDoubt]:
    tested = copied_rows(rows.logits[first & rows.is_test])
    if _many(tested):
        yield _warn(
            f"{tested.sum()} of {len(tested)} test rows are copies of each other, or nearly so, under different names:"
            " a clip may be counted several times",
            system,
            copied=int(tested.sum()),
            rows=len(tested),
        )
    of_folds = [first & (rows.fold == fold) for fold in np.unique(rows.fold)]
    beside = [copied_rows(rows.logits[one & ~rows.is_test], rows.logits[one & rows.is_test]) for one in of_folds]
    if _many(copied := np.concatenate(beside)):
        yield _warn(
            f"{copied.sum()} of {len(copied)} val rows are copies of test rows of their fold, or nearly so:"
            " temperatures and weights would be learned from what they are tested on",
            system,
            copied=int(copied.sum()),
            rows=len(copied),
        )


def _many(copied: NDArray[np.bool_]) -> bool:
    return bool(copied.sum() > max(_COPIES, _COPIED_SHARE * len(copied)))


def _better_tested(rows: _Rows, system: System) -> Iterator[ScoreDoubt]:
    """Compare test rows with val rows of the same folds and heads, actors as units."""
    with_val = np.isin(rows.fold, np.unique(rows.fold[~rows.is_test]))
    hit = (rows.logits.argmax(1) == rows.y).astype(float)
    loss = -log_softmax(rows.logits)[np.arange(len(rows.y)), rows.y]
    for values, most, sign, words in (
        (hit, _BETTER, 1, "right in {test:.3f} of the test rows and in {val:.3f} of the val rows"),
        (loss, _LOWER_LOSS, -1, "a log loss of {test:.2f} on the test rows and of {val:.2f} on the val rows"),
    ):
        test, val = (_by_actor(values, rows.actor, with_val & side) for side in (rows.is_test, ~rows.is_test))
        if min(len(test), len(val)) <= _FEWEST:
            return
        gain = sign * (test.mean() - val.mean())
        error = float(np.sqrt(test.var(ddof=1) / len(test) + val.var(ddof=1) / len(val)))
        if gain > max(most, _ERRORS * error):
            numbers = {"test": float(test.mean()), "val": float(val.mean())}
            yield _warn(
                f"{words.format(**numbers)} of the same heads, over {_ERRORS:g} standard errors apart: heads are"
                " seldom better on people whom nothing was chosen for",
                system,
                **numbers,
            )
            return


def _by_actor(values: NDArray[np.float64], actor: Any, mask: Any) -> NDArray[np.float64]:
    chosen, who = values[mask], actor[mask]
    return np.array([chosen[who == name].mean() for name in sorted(set(who.tolist()))])
