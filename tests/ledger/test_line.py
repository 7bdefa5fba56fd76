"""Lines of the ledger: their digest, and what is refused."""

from dataclasses import replace

import pytest

from ravfeat.errors import CacheError
from ravfeat.ledger.line import Line, SystemScores, Try, clips_digest, parse_line

SCORES = (SystemScores("audio / logmel / logreg", 0.5, 0.25),)
TRIED = Try(
    "2026-01-01T00:00:00Z", "fit-heads", "p", "c", 8, "group4", "val", leaky=False, systems=SCORES, run="a",
    predictions="d", ravfeat="0.1",
)  # fmt: skip


def test_a_line_is_read_as_it_was_written() -> None:
    line = Line.of(TRIED, 1, "", 0)
    assert parse_line(line.encode()[:-1], "line 1") == line
    assert line.is_tested
    assert not replace(line, systems=(SystemScores("x", 0.5),)).is_tested


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (b"0.25", b"0.35", "its text gives another one"),
        (b'"fit-heads"', b'"guess"', "kind is"),
        (b'"number":1', b'"number":"1"', "number is"),
        (b'"format_version":1', b'"format_version":2', "newer version"),
        (b'"run":"a"', b'"run":"a","run":"b"', "stands twice"),
        (b'{"clips"', b'[[{"clips"', "line 1"),
    ],
)
def test_a_line_that_was_changed_is_refused(old, new, said) -> None:
    data = Line.of(TRIED, 1, "", 0).encode()[:-1]
    assert old in data
    with pytest.raises(CacheError, match=said):
        parse_line(data.replace(old, new), "line 1")


def test_a_set_of_clips_has_one_digest_in_any_order() -> None:
    a, b = ("x-a", "a", "sad"), ("x-b", "b", "sad")
    assert clips_digest([b, a, b]) == clips_digest(iter([a, b]))
    assert clips_digest([a, b]) == clips_digest([("y-b", "b", "sad"), ("y-a", "a", "sad")])
    different = [[a], [a, ("x-b", "b", "calm")], [a, b, ("x-c", "b", "sad")], [a, ("x-b", "c", "sad")]]
    assert len({clips_digest(clips)[0] for clips in (*different, [a, b])}) == 5
