"""Rows of a table that are parts of a file: which columns say where a part starts and ends, and how times are written.

Times are seconds, ``0 days 00:00:01.5`` (audformat, pandas), ``00:00:01.5`` or ``1:02.5``; an empty end, and NaT, is
the end of the file. Columns are known by their names (`SpanColumns.of`): start and end, onset and offset, start and
duration … in any spelling, with the unit behind (``start_s``, ``end_ms``). What counts frames or samples is refused.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from ravfeat.corpora.tables import cell_text, plain_name
from ravfeat.errors import CorpusError
from ravfeat.manifest import Clip

__all__ = ["NOTHING", "SpanColumns", "check_whole_files", "file_lengths_checked", "span_notes", "span_text"]

_UNITS: Mapping[str, float] = {
    **dict.fromkeys(("", "s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "msec", "msecs", "millis", "millisecond", "milliseconds"), 1000.0),
    **dict.fromkeys(("us", "usec", "microseconds"), 1e6),
    **dict.fromkeys(("min", "mins", "minutes"), 1 / 60),
    **dict.fromkeys(("h", "hour", "hours"), 1 / 3600),
}
"""How many of a unit are a second."""

_UNIT = (
    r"(s|secs?|seconds?|ms|msecs?|millis|milliseconds?|us|usec|microseconds|mins?|minutes|h|hours?"
    r"|frames?|samples?|smp|idx|index|bytes?)?"
)
_POINT = re.compile(
    r"(?:segment|seg|clip|utterance|utt|turn|audio|time|t|x)?(start|begin|beg|onset|min|end|stop|offset|max)"
    rf"(?:time|timestamp|times|pos|position)?{_UNIT}"
)
"""Columns, in lower case without separators, that say where a part starts or ends."""

_DURATION = re.compile(rf"(?:segment|seg|clip|utterance|utt|turn)?(?:duration|dur|length|len){_UNIT}")
_NO_POINT = frozenset({"min", "max", "clipmin", "clipmax", "audiomin", "audiomax"})
_STARTS = frozenset({"start", "begin", "beg", "onset", "min"})

NOTHING = frozenset({"", "nan", "nat", "na", "n/a", "null", "none", "<na>"})
"""How programs write an empty cell among numbers, in lower case."""

_CLOCK = re.compile(r"(?:(\d+) days?,?(?: |$)\+?)?(?:(?:(\d+):)?(\d{1,3}):(\d{1,2}(?:[.,]\d+)?))?")
_SECONDS = re.compile(r"((?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d+)?) ?(?:s|sec|secs|seconds?)?")

_CUT_S = 0.05
"""Ends that are so much later than the file's are rounded ones, and are cut."""

_EXACT_S = 1e-3
_NAMED = 8


@dataclass(frozen=True)
class SpanColumns:
    """Columns of a table that say which part of its file a row is; empty where there is none.

    Attributes
    ----------
    start, end, duration : str
    """

    start: str = ""
    end: str = ""
    duration: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that there are."""
        return tuple(filter(None, (self.start, self.end, self.duration)))

    @classmethod
    def of(cls, where: str, columns: Sequence[str], chosen: Mapping[str, str]) -> "SpanColumns":
        """Find the columns by their names.

        Parameters
        ----------
        where : str
            The table, for messages.
        columns : sequence of str
            Those of the table whose meaning is not known.
        chosen : mapping of str to str
            ``start`` and ``end`` → the column, where somebody said so.

        Raises
        ------
        CorpusError
            Where several columns could be meant, or the only ones count frames or samples.
        """
        starts, ends = (_points(columns, is_start=is_start) for is_start in (True, False))
        start = chosen.get("start") or _one(where, "start", starts)
        end = chosen.get("end") or _one(where, "end", [name for name in ends if name != start])
        durations = [name for name in columns if _DURATION.fullmatch(plain_name(name))]
        # A manifest of NeMo says offset and duration, and its offset is a start.
        if not start and plain_name(end) in {"offset", "offsets"} and not chosen.get("end"):
            if not durations:
                raise CorpusError(
                    f"{where} has the column '{end}' and neither a start nor a duration: say what it is, --columns"
                    f" start={end} or --columns end={end}"
                )
            start, end = end, ""
        found = cls(start, end, _one(where, "duration", durations) if start and not end else "")
        if counts := [name for name in found.names if _per_second(name) == math.inf]:
            raise CorpusError(
                f"{where}: the column '{counts[0]}' counts frames or samples, and nobody says how many are a second;"
                " write seconds, in columns 'start' and 'end'"
            )
        return found

    def read(self, row: Mapping[str, object], where: str) -> tuple[float, float]:
        """Read start and end of a row in seconds; NaN for the file's own.

        Raises
        ------
        CorpusError
            For what is no time, a negative one, or an end that is not behind the start.
        """
        start_s, end_s, duration_s = (
            _seconds(row.get(name), name, where) if name else math.nan for name in (self.start, self.end, self.duration)
        )
        if self.duration and not math.isnan(duration_s):
            end_s = (0.0 if math.isnan(start_s) else start_s) + duration_s
        if not math.isnan(end_s) and end_s <= (0.0 if math.isnan(start_s) else start_s):
            begins = "the file's start" if math.isnan(start_s) else f"{start_s:g} s"
            raise CorpusError(f"{where}: the part ends at {end_s:g} s, expected an end behind its start, {begins}")
        # The whole file, whether the table says 0 or nothing.
        return (math.nan, math.nan) if not start_s > 0 and math.isnan(end_s) else (start_s, end_s)


def _points(columns: Iterable[str], *, is_start: bool) -> list[str]:
    names = []
    for column in columns:
        match = _POINT.fullmatch(plain_name(column))
        if match and plain_name(column) not in _NO_POINT and (match[1] in _STARTS) == is_start:
            names.append(column)
    return names


def _one(where: str, what: str, columns: Sequence[str]) -> str:
    """Choose among columns: seconds before other units; empty where there is none."""
    if not columns:
        return ""
    by_unit: dict[float, list[str]] = {}
    for column in columns:
        by_unit.setdefault(_per_second(column), []).append(column)
    best = min(by_unit, key=lambda per_second: (per_second != 1, per_second))
    named = [column for column in by_unit[best] if plain_name(column) == what]
    if len(by_unit[best]) > 1 and len(named) != 1:
        raise CorpusError(
            f"{where} has the columns {by_unit[best]}, and each could be the {what} of a part; say which: --columns"
            f" {what}={columns[0]}"
        )
    return (named or by_unit[best])[0]


def _per_second(column: str) -> float:
    """How many of a column's unit are a second; infinite where nobody can know."""
    match = _POINT.fullmatch(plain_name(column)) or _DURATION.fullmatch(plain_name(column))
    # Of a column that somebody named, whatever it is called: its last word.
    match = match or re.search(rf"(?:^|[\W_]){_UNIT}\W*$", column.lower())
    return _UNITS.get((match[match.re.groups] or "") if match else "", math.inf)


def _seconds(value: object, column: str, where: str) -> float:
    text = cell_text(value)
    if text.casefold() in NOTHING:
        return math.nan
    if seconds := _SECONDS.fullmatch(text):
        number = float(seconds[1].replace(",", ".")) / _per_second(column)
        if math.isfinite(number):
            return number
    if clock := _CLOCK.fullmatch(text):
        days, hours, minutes, rest = (float((part or "0").replace(",", ".")) for part in clock.groups())
        if minutes < 60 or clock[2] is None:
            return 86_400 * days + 3600 * hours + 60 * minutes + rest
    raise CorpusError(
        f"{where}: '{column}' is {text[:80]!r}; expected seconds from the file's start, such as 1.5 or 00:00:01.5, or"
        " an empty cell for the file's own start or end"
    )


def span_text(start_s: float, end_s: float) -> str:
    """Write a part for its clip's id, the same wherever the same part is written.

    Examples
    --------
    >>> span_text(1.5, 3.25), span_text(float("nan"), 0.1234567), span_text(60, float("nan"))
    ('1.500-3.250', '0.000-0.123457', '60.000-end')
    """
    return f"{_point_text(start_s, '0.000')}-{_point_text(end_s, 'end')}"


def _point_text(time_s: float, unknown: str) -> str:
    if math.isnan(time_s):
        return unknown
    # Milliseconds, and more digits only where there are some.
    whole, _, digits = f"{time_s:.6f}".partition(".")
    return f"{whole}.{digits.rstrip('0'):0<3}"


def file_lengths_checked(where: str, clips: Sequence[Clip], lengths_s: Mapping[str, float]) -> Iterator[Clip]:
    """Hold parts against the lengths of their files; an end that is a little late is that of the file.

    Parameters
    ----------
    where : str
        The table, for messages.
    clips : sequence of Clip
    lengths_s : mapping of str to float
        Of files in seconds, by path; NaN where nobody knows it.

    Yields
    ------
    Clip
        With ``duration_s``.

    Raises
    ------
    CorpusError
        Where a part begins or ends behind the end of its file.
    """
    for clip in clips:
        length_s = lengths_s[clip.path]
        begin_s = _begin_of(clip)
        end_s = length_s if math.isnan(clip.end_s) else clip.end_s
        if begin_s >= length_s or end_s > length_s + _CUT_S:
            raise CorpusError(
                f"{where}: clip '{clip.clip_id}' is the part of {clip.path} from {begin_s:g} to {end_s:g} s, and this"
                f" file lasts {length_s:.3f} s. Are times seconds from the start of this very file (or else: start_ms,"
                " end_ms)? If rows are whole files, drop or rename these columns"
            )
        if end_s > length_s:
            clip, end_s = replace(clip, end_s=math.nan), length_s
        yield replace(clip, duration_s=end_s - begin_s)


def check_whole_files(where: str, clips: Sequence[Clip], unread: Sequence[str]) -> None:
    """Refuse rows that are the same whole file and not the same clip: parts of it, whose times nobody understood.

    Parameters
    ----------
    where : str
        The table, for messages.
    clips : sequence of Clip
    unread : sequence of str
        Columns of the table that are kept, and not read as anything: the times may be among them.

    Raises
    ------
    CorpusError
        Where a whole file is spoken by two actors, or is listed twice under one id.
    """
    first: dict[str, Clip] = {}
    for clip in clips:
        if clip.is_part or (other := first.setdefault(clip.path, clip)) is clip:
            continue
        if clip.actor == other.actor and clip.clip_id != other.clip_id:
            continue  # as where several people rated it
        n_rows = sum(each.path == clip.path and not each.is_part for each in clips)
        what = "one id" if clip.clip_id == other.clip_id else "two actors"
        columns = f" among {', '.join(unread[:_NAMED])}" if unread else ""
        raise CorpusError(
            f"{where}: {n_rows} rows are the whole file {clip.path}, of {what}: '{other.clip_id}' ({other.actor},"
            f" {other.label}) and '{clip.clip_id}' ({clip.actor}, {clip.label}). If they are parts of it, say where"
            f" they lie: --columns start=COLUMN --columns end=COLUMN{columns}; else keep one row"
        )


def _same_whole(clips: Sequence[Clip]) -> Iterator[str]:
    """Say which rows are a whole file that another row is as well."""
    first: dict[str, str] = {}
    again = [clip for clip in clips if not clip.is_part and first.setdefault(clip.path, clip.clip_id) != clip.clip_id]
    if again:
        yield (
            f"{len(again)} rows are a whole file that another row is as well, such as '{first[again[0].path]}' and"
            f" '{again[0].clip_id}'; if they are parts of it: --columns start=COLUMN --columns end=COLUMN"
        )


def span_notes(before: Sequence[Clip], after: Sequence[Clip]) -> Iterator[str]:
    """Say what is odd about parts, without being wrong: cut ends, parts that are listed twice, two people at once."""
    cut = [old.clip_id for old, new in zip(before, after, strict=True) if _is_cut(old, new)]
    if cut:
        yield f"{len(cut)} parts end up to {1000 * _CUT_S:g} ms behind their file and are cut there, such as '{cut[0]}'"
    yield from _same_whole(after)
    by_file: dict[str, list[Clip]] = {}
    for clip in after:
        if clip.is_part:
            by_file.setdefault(clip.path, []).append(clip)
    odd = [pair for parts in by_file.values() for pair in _odd_pairs(parts)]
    for said in ("are listed twice", "overlap one of another actor in the same file"):
        if pairs := [pair for kind, pair in odd if kind == said]:
            yield f"{len(pairs)} parts {said}, such as {pairs[0]}"


def _odd_pairs(parts: Sequence[Clip]) -> Iterator[tuple[str, str]]:
    """Compare every part of a file with those that begin before it."""
    spans: dict[tuple[float, float], str] = {}
    ends: dict[str, tuple[float, str]] = {}  # by actor: the latest end so far, and whose
    for clip in sorted(parts, key=_begin_of):
        start_s, end_s = _begin_of(clip), math.inf if math.isnan(clip.end_s) else clip.end_s
        others = [other for actor, (end, other) in ends.items() if actor != clip.actor and end > start_s + _EXACT_S]
        if (same := spans.setdefault((start_s, end_s), clip.clip_id)) != clip.clip_id:
            yield "are listed twice", f"'{same}' and '{clip.clip_id}'"
        elif others:
            yield "overlap one of another actor in the same file", f"'{others[0]}' and '{clip.clip_id}'"
        ends[clip.actor] = max(ends.get(clip.actor, (0.0, "")), (end_s, clip.clip_id))


def _begin_of(clip: Clip) -> float:
    return 0.0 if math.isnan(clip.start_s) else clip.start_s


def _is_cut(old: Clip, new: Clip) -> bool:
    return math.isnan(new.end_s) and old.end_s - (_begin_of(new) + new.duration_s) > _EXACT_S
