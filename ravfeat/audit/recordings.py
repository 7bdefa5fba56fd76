"""Are the recordings of RAVDESS under their own names? Stored digests and lengths against those of the corpus.

Clips that were renamed before they were encoded pass every count of actors and performances: the leak is in the names.
Where clips were encoded here, a cache keeps the digest and the length of every decoded recording, and
`ravfeat.corpora.ravdess_recordings` knows those of RAVDESS, whatever the corpus is called here.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ravfeat.audit.context import RunContext
from ravfeat.audit.verdicts import Line, edited, leak, not_possible, pass_, warn
from ravfeat.cache import Cache, open_cache
from ravfeat.cache.format import ClipRecord
from ravfeat.corpora.ravdess import parse_stem
from ravfeat.corpora.ravdess_recordings import DIGITS, PICTURE_S, Recorded, by_digest, ravdess_recordings
from ravfeat.manifest import is_unknown
from ravfeat.runs.trust import is_imported

__all__ = ["check_inputs", "check_recordings", "check_records"]

_CHECK = "recordings are those of their names"

_SHOWN = 3

_NEAR = 0.1
"""Pictures by which a sound may be shorter than published. Half a sample is 0.002 pictures at 8 kHz."""

_LATE = 3.0
"""Pictures by which it may be longer: MP3 and AAC pad, by 1.3 pictures at most in the 18 videos at hand."""

_OFF = 1.5
"""Pictures by which a video may be longer or shorter: 1 in all but 3 of the 1440."""

_SEGMENT = ("start_s", "end_s")


def check_recordings(context: RunContext) -> list[Line]:
    """Check every cache of a run; see `check_inputs`."""
    paths = [location.path for location in context.locations if location.path is not None]
    return [line for path in paths for line in check_inputs(open_cache(path))]


def check_inputs(cache: Cache) -> list[Line]:
    """Hold the recordings that a cache was made of against those of RAVDESS.

    Parameters
    ----------
    cache : Cache
        Of any corpus; a published one, too.

    Returns
    -------
    list of Line
        None of a generated corpus, and none where neither names nor digests are RAVDESS's. Else one line: `leak` where
        a digest is that of another actor's recording, or of one actor under two names; `edited` where it is another
        recording of the same actor; `warn` where lengths are not those of the names, or labels not those that the same
        emotion has elsewhere.
    """
    if cache.about["synthetic"]:
        return []
    records, subject = cache.records().values(), cache.path.name
    if is_imported(cache.identity):
        reason = "features made elsewhere: nothing is known of the recordings that they were made of"
        return [not_possible(_CHECK, subject, reason)] if any(_clip_of(record).named for record in records) else []
    return check_records(records, cache.about["stream"], subject)


def check_records(records: Iterable[ClipRecord], stream: str, subject: str) -> list[Line]:
    """Check the records of clips that were encoded here; see `check_inputs`.

    Parameters
    ----------
    records : iterable of ClipRecord
    stream : str
        ``audio`` or ``face``: of pictures no digests are known.
    subject : str
        What to call the cache.
    """
    clips = [_clip_of(record) for record in records if not _is_segment(record)]
    named = [clip for clip in clips if clip.named is not None]
    if line := _under_other_names(named, subject) or _under_two_actors(clips, subject) or _labelled(clips, subject):
        return [line]
    return [_by_length(named, stream, subject)] if named else []


@dataclass(frozen=True)
class _Clip:
    """A stored clip, what its name says it is, and what its digest says it is; None and empty where they say nothing.

    Attributes
    ----------
    record : ClipRecord
    named : Recorded or None
    heard : tuple of Recorded
        More than one where the corpus holds one recording twice.
    """

    record: ClipRecord
    named: Recorded | None
    heard: tuple[Recorded, ...]

    @property
    def misnamed(self) -> bool:
        return bool(self.named and self.heard) and self.named not in self.heard

    @property
    def pictures(self) -> float:
        rate_hz = self.record.rate_hz
        return self.record.n_samples / rate_hz / PICTURE_S if rate_hz >= 1 else 0.0


def _clip_of(record: ClipRecord) -> _Clip:
    # Of a corpus of its own layout, the name is the last part of the id.
    parsed = parse_stem(record.clip_id.rpartition("/")[2])
    named = ravdess_recordings().get(parsed.performance_id) if parsed else None
    return _Clip(record, named, by_digest().get(record.input_sha256[:DIGITS], ()))


def _is_segment(record: ClipRecord) -> bool:
    """Whether a clip is a part of its file, so that digest and length are not the file's."""
    return any(isinstance(value := record.further.get(name), float) and value == value for name in _SEGMENT)


def _under_other_names(named: Sequence[_Clip], subject: str) -> Line | None:
    """Tell clips whose digest is that of a recording with another name."""
    wrong = [clip for clip in named if clip.misnamed]
    if not wrong:
        return None
    across = [clip for clip in wrong if clip.named and clip.named.actor not in {one.actor for one in clip.heard}]
    pairs = [f"{clip.record.clip_id} is the recording {clip.heard[0].performance_id}" for clip in across or wrong]
    verdict = leak if across else edited
    return verdict(
        _CHECK,
        subject,
        f"{len(wrong)} of {len(named)} clips hold another recording of RAVDESS than their names say,"
        f" {len(across)} of them another actor's: {_some(pairs)}",
        clips=len(named),
        misnamed=len(wrong),
        other_actor=len(across),
    )


def _under_two_actors(clips: Sequence[_Clip], subject: str) -> Line | None:
    """Tell people of RAVDESS, known by digests, who are more than one actor here."""
    here: defaultdict[str, set[str]] = defaultdict(set)
    for clip in clips:
        if clip.heard and not is_unknown(clip.record.actor):
            here[clip.heard[0].actor].add(clip.record.actor)
    several = {actor: sorted(names) for actor, names in sorted(here.items()) if len(names) > 1}
    if not several:
        return None
    people = [f"RAVDESS's actor {actor} is {' and '.join(names)}" for actor, names in several.items()]
    return leak(
        _CHECK,
        subject,
        f"by the digests of their recordings, {len(several)} people have more than one name here: {_some(people)}",
        actors=several,
    )


def _labelled(clips: Sequence[_Clip], subject: str) -> Line | None:
    """Tell clips whose label is not what most recordings of their emotion, strength, sentence and gender have here."""
    labels: defaultdict[tuple[str, bool], Counter[str]] = defaultdict(Counter)
    cells = []
    for clip in clips:
        if known := clip.named or next(iter(clip.heard), None):
            cells.append((clip.record, (known.performance_id[:-6], int(known.actor) % 2 == 1)))
            labels[cells[-1][1]][clip.record.label] += 1
    usual = {cell: counts.most_common(1)[0][0] for cell, counts in labels.items()}
    odd = [(record.clip_id, record.label, usual[cell]) for record, cell in cells if record.label != usual[cell]]
    if not odd:
        return None
    finding = (
        f"{len(odd)} of {len(cells)} recordings of RAVDESS have another label than most that were acted alike:"
        f" {_some(f'{clip_id} {label}, not {most}' for clip_id, label, most in odd)}"
    )
    return warn(_CHECK, subject, finding, clips=len(cells), labelled_otherwise=len(odd))


def _by_length(named: Sequence[_Clip], stream: str, subject: str) -> Line:
    """Hold lengths against those of the names, where no digest speaks against a name."""
    known = sum(bool(clip.heard) for clip in named)
    wrong = [clip for clip in named if not clip.heard and not _fits(clip, stream)]
    # Of lengths that are none of RAVDESS's, one in five is as near to one of them.
    lengths = {recording.pictures for recording in ravdess_recordings().values()}
    whole = [clip for clip in wrong if min(abs(clip.pictures - length) for length in lengths) < _NEAR]
    swapped = stream == "audio" and len(whole) > len(wrong) / 2
    evidence = {"clips": len(named), "known_digest": known, "other_length": len(wrong), "lengths_of_others": len(whole)}
    if not wrong:
        return pass_(_CHECK, subject, _as_published(len(named), known), **evidence)
    if len(wrong) == len(named) and not swapped:
        reason = "no clip is as long as the recording of RAVDESS whose name it bears: cut, or another recording"
        return not_possible(_CHECK, subject, reason, **evidence)
    pairs = [
        f"{clip.record.clip_id} {clip.pictures * PICTURE_S:.2f} s instead of {clip.named.pictures * PICTURE_S:.2f} s"
        for clip in wrong
        if clip.named
    ]
    why = (
        f"{len(whole)} of them are as long as another recording of RAVDESS, as if clips bore each other's names"
        if swapped
        else "cut, or other recordings"
    )
    return warn(
        _CHECK,
        subject,
        f"{len(wrong)} of {len(named)} clips are not as long as the recording of RAVDESS whose name they bear"
        f" ({_some(pairs)}): {why}",
        **evidence,
    )


def _fits(clip: _Clip, stream: str) -> bool:
    longer = clip.pictures - clip.named.pictures if clip.named else 0.0
    if stream == "face":
        return abs(longer) <= _OFF
    return -_NEAR <= longer <= _LATE


def _as_published(clips: int, known: int) -> str:
    if known == clips:
        return f"{clips} of {clips} clips have the digest of the recording of RAVDESS whose name they bear"
    others = f"{known} have its digest, {clips - known} are another copy" if known else "none is a copy known by digest"
    return f"{clips} of {clips} clips are as long as the recording of RAVDESS whose name they bear; {others}"


def _some(items: Iterable[str]) -> str:
    items = list(items)
    return "; ".join(items[:_SHOWN]) + (f"; and {len(items) - _SHOWN} more" if len(items) > _SHOWN else "")
