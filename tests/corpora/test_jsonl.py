"""JSON lines as tables, also from people who mean harm."""

import gzip
from pathlib import Path

import pytest

import ravfeat.corpora.jsonl
from ravfeat.corpora.tables import read_table
from ravfeat.errors import CorpusError


def table(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def test_every_line_is_a_row_and_every_key_a_column(tmp_path: Path) -> None:
    data = '{"path": "ä.wav", "n": 1.0, "x": {"y": [1]}}\n\n{"path": "b.wav", "ok": true, "z": null}\r\n'.encode()
    expected = [
        {"path": "ä.wav", "n": "1", "x": '{"y": [1]}', "ok": None, "z": None},
        {"path": "b.wav", "n": None, "x": None, "ok": "true", "z": None},
    ]
    assert read_table(table(tmp_path / "t.jsonl", b"\xef\xbb\xbf" + data)).to_pylist() == expected
    halves = gzip.compress(data[:50]) + gzip.compress(data[50:])
    assert read_table(table(tmp_path / "t.ndjson.gz", halves)).to_pylist() == expected


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"[1]\n", r"line 1 is list; expected one JSON object per line"),
        (b'{"a": 1}\n{"a": \n', r"line 2 cannot be read as JSON"),
        (b'{"a": 1, "a": 2}\n', r"line 1 cannot be read as JSON \(a key is there twice\)"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "line 1 cannot be read as JSON"),
        (b'{"a": ' + b"9" * 10_000 + b"}", "line 1 cannot be read as JSON"),
        (b'{"a": "' + b"x" * (1 << 20) + b'"}', "it has 1048585 bytes"),
        (b'{"a": "\xff"}', "cannot be read as JSON"),
        (b"{" + b",".join(b'"k%d": 1' % n for n in range(1001)) + b"}", "has 1001 different keys"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(CorpusError, match=message):
        read_table(table(tmp_path / "t.jsonl", data))


def test_packed_files_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = gzip.compress(b'{"a": 1}\n' * 1000)
    for data, message in (
        (packed[:-9], "is cut off"),
        (b"{}\n", "cannot be unpacked"),
        (packed + b"xx", "cannot be unpacked|cut off"),
    ):
        with pytest.raises(CorpusError, match=message):
            read_table(table(tmp_path / "t.jsonl.gz", data))
    monkeypatch.setattr(ravfeat.corpora.jsonl, "_MAX_BYTES", 5000)
    with pytest.raises(CorpusError, match="unpacks to more than 0 MB"):
        read_table(table(tmp_path / "t.jsonl.gz", packed))
