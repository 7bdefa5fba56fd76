"""Whether systems can be fused: they must know the same performances, and be tested on them in the same folds.

Asked before anything is trained; `ravfeat.fusion.align` asks the predictions again.
"""

from collections.abc import Callable, Sequence

from ravfeat.cache.format import ClipRecord
from ravfeat.errors import CacheError, CorpusError, ProtocolError, format_missing
from ravfeat.protocols.leakage import Fold

__all__ = ["check_fold_by_fold", "in_common"]

_NAMED = 3
_ALONE = "or grade every system alone: --fusion none"

Records = Sequence[ClipRecord]


def in_common(names: Sequence[str], records: Sequence[Records], *, allow_missing: bool) -> list[set[str]]:
    """Find what all systems hold.

    Parameters
    ----------
    names : sequence of str
        What to call each system in a message.
    records : sequence of sequence of ClipRecord
        The clips of each.
    allow_missing : bool
        Go on with the performances that all of them hold.

    Returns
    -------
    list of set of str
        For each system, the ids of its clips that all the others have as well.

    Raises
    ------
    CacheError
        Where one lacks a performance of another and nobody allowed that, or holds one as two clips.
    CorpusError
        Where they do not agree on who acted a performance, or what.
    """
    key = _key(records)
    tables = [_by_key(name, own, key) for name, own in zip(names, records, strict=True)]
    every = sorted(set().union(*tables))
    kept = {one for one in every if all(one in own for own in tables)}
    if len(kept) < len(every) and (not allow_missing or not kept):
        raise CacheError(
            f"systems that are fused must hold the same performances:\n{format_missing(names, tables)}\nextract or"
            f" import those, go on with the performances that all of them hold: --allow-missing, {_ALONE}"
        )
    for name, own in zip(names[1:], tables[1:], strict=True):
        _check_agreed(names[0], tables[0], name, own, kept)
    return [{record.clip_id for one, record in own.items() if one in kept} for own in tables]


def check_fold_by_fold(
    protocol: str, names: Sequence[str], records: Sequence[Records], folds: Sequence[list[Fold]]
) -> None:
    """Refuse systems whose folds do not test and validate on the same performances.

    Raises
    ------
    ProtocolError
    """
    key = _key(records)
    for name, own, mine in zip(names[1:], records[1:], folds[1:], strict=True):
        for one, other in zip(folds[0], mine, strict=True):
            for side in ("test", "val"):
                here = {key(records[0][row]) for row in getattr(one, side)}
                there = {key(own[row]) for row in getattr(other, side)}
                if apart := sorted(here ^ there):
                    raise ProtocolError(
                        f"fold {one.number} of '{protocol}' does not have the same {side} performances for {names[0]}"
                        f" and {name}: {len(apart)} are only in one of them ({', '.join(apart[:_NAMED])} …), so they"
                        f" cannot be fused. Choose a protocol with fixed groups, {_ALONE}"
                    )


def _key(records: Sequence[Records]) -> Callable[[ClipRecord], str]:
    """Join by clip where all systems have the very same clips, else by performance."""
    clips = {frozenset(record.clip_id for record in own) for own in records}
    return (lambda record: record.clip_id) if len(clips) == 1 else (lambda record: record.performance_id)


def _by_key(name: str, records: Records, key: Callable[[ClipRecord], str]) -> dict[str, ClipRecord]:
    table: dict[str, ClipRecord] = {}
    for record in records:
        other = table.setdefault(key(record), record)
        if other is not record:
            raise CacheError(
                f"{name} holds performance '{record.performance_id}' as the clips '{other.clip_id}' and"
                f" '{record.clip_id}': systems are fused over one clip per performance; leave one of them out,"
                f" {_ALONE}"
            )
    return table


def _check_agreed(
    first: str, here: dict[str, ClipRecord], other: str, there: dict[str, ClipRecord], kept: set[str]
) -> None:
    for one in sorted(kept):
        for what in ("actor", "label"):
            mine, theirs = getattr(here[one], what), getattr(there[one], what)
            if mine != theirs:
                raise CorpusError(
                    f"performance '{one}' has {what} '{mine}' in {first} and '{theirs}' in {other}; caches of one"
                    f" corpus agree: make one of them again, {_ALONE}"
                )
