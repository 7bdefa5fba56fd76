"""Classes and columns that commands print."""

from ravfeat.cli.show_corpus import show_classes, show_unread
from ravfeat.manifest import Clip, Manifest


def test_every_class_is_printed_with_its_count(capsys) -> None:
    show_classes({"sad": 2, "happy": 1}, ("happy", "sad", "calm"))
    assert capsys.readouterr().out == "classes: happy 1, sad 2, calm 0\n"


def test_columns_that_were_not_read_are_printed(capsys) -> None:
    clips = (Clip("a", "a", "x:1", "", "sad", "a.wav"),)
    show_unread(Manifest("x", ("sad",), clips))
    assert capsys.readouterr().out == ""
    show_unread(Manifest("x", ("sad",), clips, unread=("note", "")))
    assert capsys.readouterr().out == "columns not read: note, (without a name)\n"
