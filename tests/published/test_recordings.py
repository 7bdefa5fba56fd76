"""Which recordings taught a head."""

import shutil
from pathlib import Path

import pytest

from ravfeat import load_head
from ravfeat.cache import open_cache
from ravfeat.errors import HeadError, UsageError
from ravfeat.published.recordings import distinct, read_recordings, taught
from tests.published.hostile import Change, content, json_file, put, sign


def test_of_a_fold_all_recordings_but_those_it_tested_taught_its_heads(published, places) -> None:
    head = load_head(published, sources=["refit", 2])
    for stream, system, name in (("audio", 0, "voice"), ("face", 2, "landmarks")):
        records = open_cache(places[name]).records().values()
        tested = {clip.clip_id for clip in head.tested[2][system]}
        digests = {record.input_sha256 for record in records}
        joined = {record.input_sha256 for record in open_cache(places["expressions"]).records().values()}
        assert digests <= head.trained_on("refit", stream) <= digests | joined
        others = {record.input_sha256 for record in records if record.clip_id not in tested}
        assert len(others) == 80
        assert head.trained_on(2, stream) & digests == others
    assert not head.trained_on("refit", "other")
    with pytest.raises(UsageError, match="has no heads of 9; choose from 0, 1, 2, 3, 4, 5, 'refit'"):
        head.trained_on(9, "audio")


def test_what_several_encoders_heard_is_listed_once(published) -> None:
    entries = read_recordings(load_head(published, sources=[0]).folder, 3)
    assert [(entry["stream"], entry["system"]) for entry in entries] == [("audio", 0), ("face", 2), ("face", 2)]
    again = [{**entries[0], "system": 1}, *entries]
    assert len(distinct(again)) == 3


def test_a_head_that_does_not_say_was_taught_by_nothing_known(published) -> None:
    assert taught([], "audio", {}) == frozenset()


HOSTILE: dict[str, tuple[Change, str]] = {
    "no system": (put("recordings.json", "0.system", 3), "it names the system 3, counted from 0, of 3"),
    "a clip without digest": (put("recordings.json", "0.clips.0", ["a"]), "clips[0]"),
    "an object": (content("recordings.json", b"{}"), "expected a list"),
    "no stream": (json_file("recordings.json", lambda d: d[0].pop("stream")), "lacks 'stream'"),
    "missing": (lambda folder: (folder / "recordings.json").unlink(), "is missing"),
    "40 MB": (content("recordings.json", b" " * (40 << 20)), "expected at most"),
}


@pytest.mark.parametrize(("change", "message"), HOSTILE.values(), ids=list(HOSTILE))
def test_recordings_that_are_signed_and_wrong_are_refused(change, message, published, tmp_path) -> None:
    copy = Path(shutil.copytree(published, tmp_path / "copy"))
    change(copy)
    sign(copy)
    with pytest.raises(HeadError) as error:
        load_head(copy, sources=[0]).trained_on(0, "audio")
    assert message in str(error.value)
    assert str(copy) in str(error.value)
