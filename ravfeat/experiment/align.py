"""Which performances the caches of one head, or the systems of one fusion, have in common."""

from collections.abc import Collection, Sequence

from ravfeat.align import AlignErrors, Alignment, align, common_key
from ravfeat.cache import Cache
from ravfeat.cache.format import ClipRecord
from ravfeat.errors import CacheError, CorpusError, ProtocolError, UsageError
from ravfeat.heads.registry import several_streams
from ravfeat.protocols.leakage import Fold

__all__ = ["align_caches", "check_fold_by_fold", "common_clips"]

_SHOWN = 3
_SHOWN_OF_CACHES = 5
_ALONE = "or grade every system alone: --fusion none"

_CACHES = AlignErrors(
    duplicate=lambda fact: CacheError(
        f"{fact}: concatenated caches hold one clip per performance; give this cache a --cache of its own"
    ),
    missing=lambda alignment: CacheError(
        f"concatenated caches must hold the same performances:\n{alignment.gaps(_SHOWN_OF_CACHES)}\nextract or import"
        " those, or go on with the performances that all of them hold: --allow-missing"
        if alignment.keys
        else f"{' and '.join(alignment.names)} have no performance in common; concatenate caches of the same recordings"
    ),
    conflict=lambda fact: CorpusError(f"{fact}; caches of one corpus agree: make one of them again"),
)
_SYSTEMS = AlignErrors(
    duplicate=lambda fact: CacheError(
        f"{fact}: systems are fused over one clip per performance; leave one of them out, {_ALONE}"
    ),
    missing=lambda alignment: CacheError(
        f"systems that are fused must hold the same performances:\n{alignment.gaps(_SHOWN)}\nextract or import those,"
        f" go on with the performances that all of them hold: --allow-missing, {_ALONE}"
    ),
    conflict=lambda fact: CorpusError(f"{fact}; caches of one corpus agree: make one of them again, {_ALONE}"),
)


def align_caches(
    caches: Sequence[Cache],
    chosen: Sequence[Collection[str] | None] | None = None,
    *,
    allow_missing: bool = False,
    head: str = "",
) -> Alignment[ClipRecord]:
    """Match the clips of caches that feed one head, by performance.

    Parameters
    ----------
    caches : sequence of Cache
        Two or more.
    chosen : sequence of (collection of str, or None), optional
        The clips of each that are matched; None, as by default, stands for all.
    allow_missing : bool
        Go on with the performances that all of them hold.
    head : str
        Name of the head where it reads several streams: the caches are of one each.

    Raises
    ------
    UsageError
        Where the caches are of different streams (with `head`: two of one), or one is there twice.
    CacheError
        Where a cache lacks a performance of another without `allow_missing`, or holds one as two clips.
    CorpusError
        Where they do not agree on who acted a performance, or what.
    """
    # Concatenation puts dimensions side by side, which is one stream's affair; such a head keeps streams apart.
    if head:
        _check_several_streams(caches, head)
    else:
        _check_one_stream(caches)
    subsets = chosen or [None] * len(caches)
    records = [cache.records(clip_ids).values() for cache, clip_ids in zip(caches, subsets, strict=True)]
    names = [cache.path for cache in caches]
    agree_on = ("actor", "gender", "label")
    return align(names, records, "performance_id", agree_on, _CACHES, allow_missing=allow_missing)


def _check_one_stream(caches: Sequence[Cache]) -> None:
    paths = [cache.path.resolve() for cache in caches]
    # Resolved paths: one cache by two names is still one.
    if len(set(paths)) < max(2, len(paths)):
        raise UsageError(f"--concat needs two or more different caches, got {', '.join(str(path) for path in paths)}")
    if len({cache.about["stream"] for cache in caches}) > 1:
        raise UsageError(
            "--concat feeds caches of one stream to one head; give those of other streams a --cache of their own:\n"
            f"  {_streams_of(caches)}"
        )


def _check_several_streams(caches: Sequence[Cache], head: str) -> None:
    streams = [str(cache.about["stream"]) for cache in caches]
    kind = several_streams(head)
    once = [stream for stream in streams if not (kind and kind.several_of_last and stream == kind.streams[-1])]
    if len(set(streams)) < 2 or len(set(once)) < len(once):
        raise UsageError(
            f"the head '{head}' reads several streams: give it one --cache of each (a voice, a face), got\n"
            f"  {_streams_of(caches)}"
        )


def _streams_of(caches: Sequence[Cache]) -> str:
    return "\n  ".join(f"{cache.about['stream']}: {cache.path}" for cache in caches)


def common_clips(
    names: Sequence[str], records: Sequence[Sequence[ClipRecord]], *, allow_missing: bool
) -> list[set[str]]:
    """Find the clips of each system whose performances all the other systems hold as well.

    Asked before anything is trained; `ravfeat.fusion.align_rows` asks the predictions again.

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
        For each system, clip ids.

    Raises
    ------
    CacheError
        Where one lacks a performance of another without `allow_missing`, or holds one as two clips.
    CorpusError
        Where they do not agree on who acted a performance, or what.
    """
    key = common_key([[record.clip_id for record in clips] for clips in records])
    # A fused row has one actor and one label, so all systems must have the same.
    alignment = align(names, records, key, ("actor", "label"), _SYSTEMS, allow_missing=allow_missing)
    return [{record.clip_id for record in table.values()} for table in alignment.records]


def check_fold_by_fold(
    protocol: str, names: Sequence[str], records: Sequence[Sequence[ClipRecord]], folds: Sequence[list[Fold]]
) -> None:
    """Refuse systems whose folds do not test and validate on the same performances.

    Raises
    ------
    ProtocolError
    """
    key = common_key([[record.clip_id for record in clips] for clips in records])
    for name, clips, other_folds in zip(names[1:], records[1:], folds[1:], strict=True):
        for first, other in zip(folds[0], other_folds, strict=True):
            for side in ("test", "val"):
                # Rows count within a system, so folds are compared by what was performed.
                expected = {getattr(records[0][row], key) for row in getattr(first, side)}
                got = {getattr(clips[row], key) for row in getattr(other, side)}
                if differing := sorted(expected ^ got):
                    raise ProtocolError(
                        f"fold {first.number} of '{protocol}' does not have the same {side} performances for {names[0]}"
                        f" and {name}: {len(differing)} are only in one of them ({', '.join(differing[:_SHOWN])} …), so"
                        f" they cannot be fused. Choose a protocol with fixed groups, {_ALONE}"
                    )
