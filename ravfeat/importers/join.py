"""Brought clips × corpus: who belongs to whom, what is left over on either side."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ravfeat.corpora.ravdess import MODALITIES
from ravfeat.errors import CorpusError, UsageError
from ravfeat.importers.base import BroughtClip
from ravfeat.importers.names import Names, Owner
from ravfeat.manifest import Clip, Manifest
from ravfeat.schema import Stream

__all__ = ["Joined", "join", "wanted_modalities"]

_LISTED = 10


@dataclass(frozen=True)
class Joined:
    """The outcome of a join.

    Attributes
    ----------
    clips : mapping of str to BroughtClip
        What was brought for a clip of the new cache, by its id.
    manifest : mapping of str to Clip
        The same clips with what the corpus knows of them.
    unmatched : tuple of str
        Brought names that are nobody's.
    missing : tuple of str
        Performances of the corpus that nothing was brought for.
    unused : int
        Names that are other copies of a performance than the wanted.
    twice : int
        Names that are there more than once, with equal contents.
    """

    clips: Mapping[str, BroughtClip]
    manifest: Mapping[str, Clip]
    unmatched: tuple[str, ...]
    missing: tuple[str, ...]
    unused: int
    twice: int

    def check_complete(self, *, allow_missing: bool, named: bool = True) -> None:
        """Refuse an incomplete match.

        Parameters
        ----------
        allow_missing : bool
        named : bool
            Whether the names stand inside the files; otherwise they are the files' own.

        Raises
        ------
        CorpusError
            Where nothing matches, or, unless ``allow_missing``, where something is left over.
        """
        if self.clips and (allow_missing or not (self.unmatched or self.missing)):
            return
        left = [
            _listed("names match no performance of the corpus", self.unmatched),
            _listed("performances have no features", self.missing),
        ]
        what = "the match is incomplete" if self.clips else "no name matches a performance of the corpus"
        remedy = "give --allow-missing to import the rest" if self.clips else "check --corpus, --data and --modality"
        whose = "" if named else "  the files' names were taken, as they hold no clip_id, name, clip, file or filename"
        raise CorpusError("\n".join([f"{what}; nothing was written: {remedy}", *filter(None, [*left, whose])]))


def _listed(what: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"  {len(names)} {what}: {', '.join(names[:_LISTED])}{more}"


def wanted_modalities(stream: Stream, chosen: str | None) -> tuple[str, ...]:
    """Give the copies of a performance that are taken, the preferred first.

    Parameters
    ----------
    stream : {"audio", "face"}
    chosen : str, optional
        The only one that is taken; None takes the stream's own.

    Raises
    ------
    UsageError
        Where there is no such modality.
    """
    if chosen is None:
        return MODALITIES[stream]
    if chosen not in {"01", "02", "03"}:
        raise UsageError(f"--modality {chosen}: choose from 01 (picture and voice), 02 (picture), 03 (voice)")
    return (chosen,)


def join(
    brought: Sequence[BroughtClip],
    corpus: Manifest,
    names: Names,
    wanted: Sequence[str],
    same: Callable[[BroughtClip, BroughtClip], bool],
) -> Joined:
    """Join brought clips to a corpus.

    Parameters
    ----------
    brought : sequence of BroughtClip
    corpus : Manifest
    names : Names
        Reads the corpus's names.
    wanted : sequence of str
        Copies of a performance that are taken, the preferred first; names without a modality are always.
    same : callable
        Whether two clips have equal contents.

    Raises
    ------
    CorpusError
        Where two clips of one name differ, or a name could be several clips'.
    """
    unmatched = []
    owners: dict[str, tuple[BroughtClip, Owner]] = {}
    twice = 0
    for clip in brought:
        owner = names.owner(clip.name)
        if owner is None:
            unmatched.append(clip.name)
        elif owner.clip.clip_id not in owners:
            owners[owner.clip.clip_id] = clip, owner
        elif same(other := owners[owner.clip.clip_id][0], clip):
            twice += 1
        else:
            raise CorpusError(
                f"'{owner.clip.clip_id}' is there twice, with different contents: '{other.name}' in {other.file} and"
                f" '{clip.name}' in {clip.file}; remove one of them"
            )
    taken = _taken(owners, wanted)
    have = {owners[clip_id][1].clip.performance_id for clip_id in taken}
    return Joined(
        clips={clip_id: owners[clip_id][0] for clip_id in taken},
        manifest={clip_id: owners[clip_id][1].clip for clip_id in taken},
        unmatched=tuple(dict.fromkeys(unmatched)),
        missing=tuple(dict.fromkeys(clip.performance_id for clip in corpus if clip.performance_id not in have)),
        unused=len(owners) - len(taken),
        twice=twice,
    )


def _taken(owners: Mapping[str, tuple[BroughtClip, Owner]], wanted: Sequence[str]) -> list[str]:
    """Give the clips that go into the cache: of every performance's copies the most wanted."""
    rank = {"": -1, **{modality: place for place, modality in enumerate(wanted)}}
    best: dict[str, int] = {}
    for _, owner in owners.values():
        if owner.modality in rank:
            key = owner.clip.performance_id
            best[key] = min(best.get(key, len(rank)), rank[owner.modality])
    return [
        clip_id
        for clip_id, (_, owner) in owners.items()
        if owner.modality in rank and rank[owner.modality] == best[owner.clip.performance_id]
    ]
