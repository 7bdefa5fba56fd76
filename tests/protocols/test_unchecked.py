"""Protocols of clips of which nobody says who speaks."""

from dataclasses import dataclass, replace

import pytest

from ravfeat.errors import ProtocolError
from ravfeat.manifest import is_unknown, unknown_actor
from ravfeat.protocols.folds import inner_folds, make_folds
from ravfeat.protocols.named import get_protocol
from ravfeat.protocols.unchecked import mark_unchecked, plain_protocol
from ravfeat.schema import is_unchecked


@dataclass(frozen=True)
class Clip:
    clip_id: str
    performance_id: str
    actor: str
    gender: str
    label: str
    input_sha256: str


KNOWN = [
    Clip(f"{actor}-{n}", f"{actor}-{n}", f"x:{actor}", "", "ab"[n % 2], f"{actor}{n}")
    for actor in "pqrstu"
    for n in range(4)
]
SOME = [replace(clip, actor=unknown_actor("x", clip.clip_id)) if clip.actor == "x:p" else clip for clip in KNOWN]


def test_a_protocol_says_unchecked_where_a_speaker_is_unknown() -> None:
    protocol = get_protocol("group3")
    assert mark_unchecked(protocol, KNOWN) is protocol
    marked = mark_unchecked(protocol, SOME)
    assert marked.name == "group3 UNCHECKED"
    assert is_unchecked(marked.name)
    assert not is_unchecked(protocol.name)
    assert mark_unchecked(marked, SOME) is marked
    assert plain_protocol(marked.name) == plain_protocol("group3") == "group3"


def test_the_mark_changes_no_draw() -> None:
    protocol = get_protocol("group3")
    folds = make_folds(protocol, SOME)
    plain, marked = (inner_folds(of, folds[0], SOME) for of in (protocol, mark_unchecked(protocol, SOME)))
    assert [val.tolist() for _, val in plain] == [val.tolist() for _, val in marked]


def test_nobody_is_left_out_of_whom_nobody_knows_who_it_is() -> None:
    with pytest.raises(
        ProtocolError, match=r"'loso' leaves one actor out.* of 4 clips nobody says.*--where \"actor != ''\""
    ):
        make_folds(get_protocol("loso"), SOME)
    make_folds(get_protocol("loso"), KNOWN)


def test_every_such_clip_is_a_person_of_its_own() -> None:
    actors = {clip.actor for clip in SOME if is_unknown(clip.actor)}
    assert len(actors) == 4
    assert unknown_actor("x", "take:7") == "x:?take_7"
