"""Which columns say where a part of a file is, and how times may be written."""

import math

import pytest

from ravfeat.corpora.segments import SpanColumns, span_text
from ravfeat.errors import CorpusError


@pytest.mark.parametrize(
    ("columns", "start", "end", "duration"),
    [
        (["start", "end"], "start", "end", ""),
        (["StartTime", "EndTime"], "StartTime", "EndTime", ""),
        (["start_time", "end_time", "duration"], "start_time", "end_time", ""),
        (["onset", "offset"], "onset", "offset", ""),
        (["Begin Time (s)", "End Time (s)"], "Begin Time (s)", "End Time (s)", ""),
        (["start_ms", "end_ms"], "start_ms", "end_ms", ""),
        (["start_frame", "start_s", "end_s", "end_frame"], "start_s", "end_s", ""),
        (["start", "start_time", "end"], "start", "end", ""),
        (["start", "duration"], "start", "", "duration"),
        (["offset", "duration"], "offset", "", "duration"),
        (["segment_start"], "segment_start", "", ""),
        (["tmin", "tmax"], "tmin", "tmax", ""),
        (["xmin", "xmax"], "xmin", "xmax", ""),
        (["start_min", "start_us", "start", "end"], "start", "end", ""),
        (["start_hours", "end_us"], "start_hours", "end_us", ""),
        (["min", "max", "duration", "trend", "restart", "weekend", "stopword", "age"], "", "", ""),
    ],
)
def test_columns_are_known_by_their_names(columns: list[str], start: str, end: str, duration: str) -> None:
    assert SpanColumns.of("t.csv", columns, {}) == SpanColumns(start, end, duration)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["start_frame", "end_frame"], "t.csv: the column 'start_frame' counts frames or samples.*; write seconds"),
        (["start", "end_sample"], "the column 'end_sample' counts frames or samples"),
        (
            ["start_time", "begin"],
            r"has the columns \['start_time', 'begin'\], and each could be the start.*--columns start",
        ),
        (
            ["offset"],
            "has the column 'offset' and neither a start nor a duration: say what it is, --columns start=offset",
        ),
    ],
)
def test_columns_that_could_mean_several_things_are_refused(columns: list[str], message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        SpanColumns.of("t.csv", columns, {})


def test_a_named_column_is_believed_but_not_about_frames() -> None:
    assert SpanColumns.of("t.csv", ["von", "start", "end"], {"start": "von"}).start == "von"
    with pytest.raises(CorpusError, match="'first_frame' counts frames"):
        SpanColumns.of("t.csv", [], {"start": "first_frame"})


@pytest.mark.parametrize(
    ("start", "end", "span"),
    [
        ("1.5", "2", (1.5, 2.0)),
        (1.5, 2, (1.5, 2.0)),
        ("0 days 00:00:01.5", "0 days 00:01:02.250000", (1.5, 62.25)),
        ("0 days", "1 days 01:00:00", (0.0, 90_000.0)),
        ("00:00:01,500", "1:02.5", (1.5, 62.5)),
        ("1,5", "2,25 s", (1.5, 2.25)),
        ("1e-1", "61.0sec", (0.1, 61.0)),
        ("", "2", (math.nan, 2.0)),
        ("1", "NaT", (1.0, math.nan)),
        ("0", "NaN", (math.nan, math.nan)),
        (None, float("nan"), (math.nan, math.nan)),
    ],
)
def test_times_are_read_as_people_write_them(start: object, end: object, span: tuple[float, float]) -> None:
    read = SpanColumns("start", "end").read({"start": start, "end": end}, "row 2")
    assert read == pytest.approx(span, nan_ok=True, abs=0, rel=0)


def test_units_are_those_of_the_names_and_a_duration_counts_from_the_start() -> None:
    assert SpanColumns("start_ms", "end").read({"start_ms": "1500", "end": "2"}, "") == (1.5, 2.0)
    assert SpanColumns("start_ms", "end").read({"start_ms": "00:00:01.5", "end": "2"}, "") == (1.5, 2.0)
    assert SpanColumns("offset", duration="dur_ms").read({"offset": "1", "dur_ms": "250"}, "") == (1.0, 1.25)
    assert SpanColumns("offset", duration="dur").read({"offset": "1", "dur": ""}, "") == pytest.approx(
        (1.0, math.nan), nan_ok=True
    )


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        ("-1", "2", "row 2: 'start' is '-1'; expected seconds from the file's start"),
        ("-1 days +23:59:59", "2", "expected seconds"),
        ("1.2.3", "2", "expected seconds"),
        ("00:00:01:12", "2", "expected seconds"),
        ("00:75:01", "", "expected seconds"),
        ("1e999", "2", "expected seconds"),
        ("inf", "2", "expected seconds"),
        ("x" * 1000, "2", "'start' is 'x{80}'; expected"),
        ("2", "2", "row 2: the part ends at 2 s, expected an end behind its start, 2 s"),
        ("2", "1", "the part ends at 1 s"),
        ("", "0", "the part ends at 0 s, expected an end behind its start, the file's start"),
    ],
)
def test_what_is_no_part_of_a_file_is_refused(start: str, end: str, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        SpanColumns("start", "end").read({"start": start, "end": end}, "row 2")


def test_a_part_has_one_name_however_it_is_written() -> None:
    assert span_text(1.5, 3.25) == "1.500-3.250"
    assert span_text(0.1 + 0.2, math.nan) == "0.300-end"
    assert span_text(1 / 3, 100_000) == "0.333333-100000.000"
