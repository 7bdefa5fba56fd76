from ravfeat.audit.overlap import overlaps_of


def test_what_two_sides_share_is_named_with_a_clip_of_either() -> None:
    def clip(name: str, actor: str, recording: str) -> tuple[str, dict[str, str]]:
        return name, {"actor": actor, "performance": name[1:], "recording": recording}

    sides = {
        "train": [clip("a1", "ann", "x" * 64), clip("a2", "ann", "y" * 64)],
        "val": [clip("a3", "bob", "z" * 64)],
        "test": [clip("b1", "cis", "w" * 64), clip("b9", "dan", "z" * 64)],
    }
    found = sorted(map(str, overlaps_of(sides)))
    assert found == [
        "performance 1 in train (clip a1) and in test (clip b1)",
        "recording zzzzzzzzzzzz… in val (clip a3) and in test (clip b9)",
    ]
    records = sorted((one.record() for one in overlaps_of(sides)), key=lambda one: one["kind"])
    assert records[0] == {
        "kind": "performance",
        "sides": ["train", "test"],
        "values": ["1"],
        "clips": ["a1", "b1"],
    }


def test_sides_that_share_nothing_give_nothing() -> None:
    assert not list(overlaps_of({"a": [("1", {"actor": "ann"})], "b": [("2", {"actor": "bob"})], "c": []}))
