"""Match imported clips to the performances of a corpus, and report what is left over on either side."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ravfeat.corpora.ravdess import MODALITIES
from ravfeat.errors import CorpusError, UsageError
from ravfeat.importers.base import ImportedClip
from ravfeat.importers.names import Names, Owner
from ravfeat.manifest import Clip, Manifest
from ravfeat.schema import Stream

__all__ = ["ClipMatch", "match_clips", "wanted_modalities"]

_LISTED = 10


@dataclass(frozen=True)
class ClipMatch:
    """Imported clips matched to a corpus.

    Attributes
    ----------
    clips : mapping of str to ImportedClip
        By the clip id in the new cache.
    manifest : mapping of str to Clip
        Actor, label and so on of the same clips, from the corpus.
    unmatched : tuple of str
        Imported names that match no clip of the corpus.
    missing : tuple of str
        Performances of the corpus without imported features.
    unused : int
        Number of clips left out because a preferred copy of their performance is there.
    duplicates : int
        Number of clips that repeat another one with equal contents.
    """

    clips: Mapping[str, ImportedClip]
    manifest: Mapping[str, Clip]
    unmatched: tuple[str, ...]
    missing: tuple[str, ...]
    unused: int
    duplicates: int

    def check_complete(self, *, allow_missing: bool, named: bool = True) -> None:
        """Refuse an incomplete match.

        Parameters
        ----------
        allow_missing : bool
        named : bool
            Whether the files contain clip names; otherwise the files' own names were matched.

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
        problem = "the match is incomplete" if self.clips else "no name matches a performance of the corpus"
        remedy = "give --allow-missing to import the rest" if self.clips else "check --corpus, --data and --modality"
        hint = "" if named else "  the files' names were taken, as they hold no clip_id, name, clip, file or filename"
        raise CorpusError("\n".join([f"{problem}; nothing was written: {remedy}", *filter(None, [*left, hint])]))


def _listed(heading: str, names: Sequence[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"  {len(names)} {heading}: {', '.join(names[:_LISTED])}{more}"


def wanted_modalities(stream: Stream, chosen: str | None) -> tuple[str, ...]:
    """Return the modalities of a performance that are accepted, the preferred one first.

    Parameters
    ----------
    stream : {"audio", "face"}
    chosen : str, optional
        The only modality to accept; None accepts the stream's own.

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


def match_clips(
    imported: Sequence[ImportedClip],
    corpus: Manifest,
    names: Names,
    wanted: Sequence[str],
    same: Callable[[ImportedClip, ImportedClip], bool],
) -> ClipMatch:
    """Match imported clips to the clips of a corpus by name.

    Parameters
    ----------
    imported : sequence of ImportedClip
    corpus : Manifest
    names : Names
        Finds the clip that a name belongs to.
    wanted : sequence of str
        Accepted modalities of a performance, the preferred first; names without a modality are always accepted.
    same : callable
        Whether two clips have equal contents.

    Raises
    ------
    CorpusError
        Where two clips of one name differ, or a name fits several clips.
    """
    unmatched = []
    owners: dict[str, tuple[ImportedClip, Owner]] = {}
    duplicates = 0
    for clip in imported:
        owner = names.owner(clip.name)
        if owner is None:
            unmatched.append(clip.name)
        elif owner.clip.clip_id not in owners:
            owners[owner.clip.clip_id] = clip, owner
        # Equal duplicates are harmless; with different contents nobody can say which one is right.
        elif same(other := owners[owner.clip.clip_id][0], clip):
            duplicates += 1
        else:
            raise CorpusError(
                f"'{owner.clip.clip_id}' is there twice, with different contents: '{other.name}' in {other.file} and"
                f" '{clip.name}' in {clip.file}; remove one of them"
            )
    taken = _taken(owners, wanted)
    have = {owners[clip_id][1].clip.performance_id for clip_id in taken}
    return ClipMatch(
        clips={clip_id: owners[clip_id][0] for clip_id in taken},
        manifest={clip_id: owners[clip_id][1].clip for clip_id in taken},
        unmatched=tuple(dict.fromkeys(unmatched)),
        missing=tuple(dict.fromkeys(clip.performance_id for clip in corpus if clip.performance_id not in have)),
        unused=len(owners) - len(taken),
        duplicates=duplicates,
    )


def _taken(owners: Mapping[str, tuple[ImportedClip, Owner]], wanted: Sequence[str]) -> list[str]:
    """Return the ids of the clips that go into the cache: the preferred copies of every performance."""
    # Names without a modality are always accepted, and precede every modality.
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
