"""Classes and columns that commands print."""

from dataclasses import replace

from ravfeat.cli.show_corpus import show_classes, show_columns
from ravfeat.manifest import Clip, Manifest


def test_every_class_is_printed_with_its_count(capsys) -> None:
    show_classes({"sad": 2, "happy": 1}, ("happy", "sad", "calm"))
    assert capsys.readouterr().out == "classes: happy 1, sad 2, calm 0\n"


def test_columns_that_are_kept_and_not_and_notes_are_printed(capsys) -> None:
    clips = (Clip("a", "a", "x:1", "", "sad", "a.wav", further={"session": 1.0}),)
    show_columns(Manifest("x", ("sad",), [replace(clips[0], further={})]))
    assert capsys.readouterr().out == ""
    show_columns(Manifest("x", ("sad",), clips, unread=("gap (empty)",), notes=("two parts overlap",)))
    printed = capsys.readouterr()
    assert printed.out == "further columns: session\ncolumns not kept: gap (empty)\n"
    assert printed.err == "two parts overlap\n"
