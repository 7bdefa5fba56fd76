"""``ravfeat ledger``: the table, repeats, what was torn, a broken chain, and folders without a ledger."""

from dataclasses import replace

import pytest

from ravfeat.ledger.file import append
from ravfeat.ledger.line import SystemScores
from tests.ledger.test_line import TRIED


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "cache" / "toy").mkdir(parents=True)
    trial = replace(TRIED, kind="sweep trial", systems=(SystemScores("s", 0.75),), plan="q", run="t", protocol="clip6")
    for tried in (TRIED, replace(trial, leaky=True), replace(TRIED, run="again")):
        append(tmp_path / "cache" / "toy" / "ledger.jsonl", tried)
    return tmp_path


def test_it_shows_every_try_and_that_the_chain_is_whole(here, folder) -> None:
    done = here("ledger", cwd=folder)
    assert done.returncode == 0
    first, title, *rows, end = done.stdout.splitlines()
    assert first == "cache/toy/ledger.jsonl: 3 lines, 2 plans"
    assert title.split()[:4] == ["line", "time", "(UTC)", "what"]
    assert rows[0].split("  ")[0] == "1"
    assert "0.500" in rows[0]
    assert "0.250" in rows[0]
    assert "sweep trial" in rows[1]
    assert "clip6 LEAKY" in rows[1]
    assert rows[2].endswith("p, as line 1")
    assert end == "chain whole: line 3 holds the digest of all before it"
    assert here("ledger", "cache/toy", cwd=folder).stdout == done.stdout
    assert here("ledger", "cache/toy/ledger.jsonl", cwd=folder).stdout == done.stdout


def test_a_broken_chain_ends_with_exit_code_1_and_the_line(here, folder) -> None:
    path = folder / "cache" / "toy" / "ledger.jsonl"
    path.write_bytes(path.read_bytes().replace(b"0.75", b"0.85"))
    done = here("ledger", cwd=folder)
    assert done.returncode == 1
    assert "BROKEN: line 2 is not what it was" in done.stdout
    assert done.stderr.startswith("ravfeat: the chain of cache/toy/ledger.jsonl is broken: what was tried cannot be")


def test_a_file_that_is_no_ledger_fills_no_screen(here, tmp_path) -> None:
    (tmp_path / "thesis.txt").write_text("a line\n" * 1000)
    done = here("ledger", str(tmp_path / "thesis.txt"))
    assert done.returncode == 1
    assert done.stdout.endswith("BROKEN: and 990 more lines\n")
    assert len(done.stdout.splitlines()) == 13


def test_what_was_torn_is_said(here, folder) -> None:
    path = folder / "cache" / "toy" / "ledger.jsonl"
    path.write_bytes(path.read_bytes() + b'{"cl')
    done = here("ledger", cwd=folder)
    assert done.returncode == 0
    assert "the last 4 bytes are a line that was never whole; the next try drops them" in done.stdout
    append(path, TRIED)
    assert "before line 4, 4 bytes of a line that was never whole were dropped" in here("ledger", cwd=folder).stdout


def test_long_ledgers_are_cut_unless_all_is_asked_for(here, folder) -> None:
    for _ in range(50):
        append(folder / "cache" / "toy" / "ledger.jsonl", TRIED)
    assert "the last 50 lines; --all shows the others" in here("ledger", cwd=folder).stdout
    assert len(here("ledger", "--all", cwd=folder).stdout.splitlines()) == 56


def test_without_a_ledger_it_says_where_one_would_be(here, tmp_path) -> None:
    done = here("ledger", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith(f"ravfeat: no ledger.jsonl at or below {tmp_path}; 'ravfeat fit-heads' keeps one")
    assert "is missing; name the folder" in here("ledger", str(tmp_path / "no")).stderr
