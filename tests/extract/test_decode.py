"""Decoding ahead."""

import threading
import time
from pathlib import Path
from typing import Any

import pytest

from ravfeat.encoders.logmel import LogMelEncoder
from ravfeat.extract import decode as module
from ravfeat.extract.decode import DecodedClip, decode, decode_ahead
from ravfeat.manifest import Clip

CLIPS = [Clip(f"{i:03d}", f"{i:03d}", "c:1", "", "sad", f"{i:03d}.wav") for i in range(100)]


def test_results_come_in_order_however_long_each_takes() -> None:
    def work(clip: Clip) -> DecodedClip:
        time.sleep(0.002 if int(clip.clip_id) % 3 else 0.006)
        return DecodedClip(clip, None)

    assert [item.clip for item in decode_ahead(CLIPS, work)] == CLIPS


def test_no_more_clips_wait_than_memory_should_hold() -> None:
    started, given = [], []

    def work(clip: Clip) -> DecodedClip:
        started.append(clip)
        return DecodedClip(clip, None)

    for item in decode_ahead(CLIPS, work):
        given.append(item)
        time.sleep(0.0005)
        assert len(started) - len(given) <= module._AHEAD + 1


def test_closing_ends_the_threads() -> None:
    before = threading.active_count()
    results = decode_ahead(CLIPS, lambda clip: DecodedClip(clip, None))
    next(results)
    assert threading.active_count() > before
    results.close()
    assert threading.active_count() == before


def test_a_decoded_clip_knows_its_samples(corpus: Any) -> None:
    clip = corpus.manifest.clips[0]
    decoded = decode(clip, corpus.root, LogMelEncoder())
    assert decoded.prepared is not None
    assert (decoded.n_samples, decoded.rate_hz) == (len(decoded.prepared.values), 16_000.0)
    assert (len(decoded.input_sha256), decoded.reason) == (64, "")


@pytest.mark.parametrize("data", [b"", b"hello", None])
def test_what_is_wrong_is_a_reason_without_the_machines_paths(tmp_path: Path, data: bytes | None) -> None:
    clip = Clip("x", "x", "c:1", "", "sad", "deep/x.wav")
    (tmp_path / "deep").mkdir()
    if data is not None:
        (tmp_path / "deep/x.wav").write_bytes(data)
    decoded = decode(clip, tmp_path, LogMelEncoder())
    assert decoded.prepared is None
    assert decoded.reason.startswith("deep/x.wav ")
    assert str(tmp_path) not in decoded.reason


def test_a_clip_that_is_not_at_hand_says_so() -> None:
    assert "not among the data given now" in decode(CLIPS[0], None, LogMelEncoder()).reason
