"""What the pages show: every command and option is one that there is, and the tool that runs them sees differences.

The pages themselves are run by ``make docs``, which takes minutes.
"""

import ast
import re

import click
import pytest

from docs.snippets import PAGES, ROOT, blocks_of, check_command, commands_of, differences
from ravfeat.cli import COMMANDS, group

SHOWN = ("README.md", "CONTRIBUTING.md", *(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md")))
BLOCKS = [block for page in sorted(SHOWN) for block in blocks_of(page)]
CONSOLE = [block for block in BLOCKS if block.kind == "console"]


def examples(command: click.Command) -> list[str]:
    """The commands that a help text shows."""
    lines = re.findall(r"^ +(ravfeat .*)", command.help or "", re.MULTILINE)
    children = command.commands.values() if isinstance(command, click.Group) else ()
    return [*lines, *(line for child in children for line in examples(child))]


@pytest.mark.parametrize("block", CONSOLE, ids=lambda block: block.where)
def test_every_shown_command_has_the_options_it_names(block) -> None:
    for command, _ in commands_of(block):
        check_command(command)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_example_of_a_help_text_has_the_options_it_names(name: str) -> None:
    command = group.get_command(click.Context(group), name)
    lines = examples(command)
    assert lines
    for line in lines:
        check_command(line.replace("$SLURM_ARRAY_TASK_ID", "3"))


@pytest.mark.parametrize("line", ["ravfeat fit-heads --no-such", "ravfeat no-such", "ravfeat fit-heads --select never"])
def test_an_option_that_is_not_there_is_found(line: str) -> None:
    with pytest.raises(click.UsageError):
        check_command(line)


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.kind == "python"], ids=lambda block: block.where)
def test_every_shown_python_is_python(block) -> None:
    ast.parse(block.text)


def test_every_page_is_run_or_shows_nothing_to_run() -> None:
    run = {"README.md", *PAGES}
    assert not [block.where for block in BLOCKS if block.kind in ("console", "python") and block.page not in run]


def test_few_blocks_are_not_run_and_each_says_why() -> None:
    left_out = [block for block in BLOCKS if block.reason]
    assert len(left_out) <= 10
    assert all(len(block.reason) > 10 for block in left_out)


def test_the_readme_is_short_and_names_both_ways_to_set_up() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 150
    assert "make quickstart" in text
    assert "make test" in text


def test_the_readme_trains_what_the_quickstart_trains() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (heads,) = re.findall(r"QUICK_HEADS := (.*)", makefile)
    shown = [command for block in blocks_of("README.md") if block.kind == "console" and not block.reason
             for command, _ in commands_of(block) if " fit-heads " in command]  # fmt: skip
    assert len(shown) == 2
    assert all(heads in command for command in shown)


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        (["UAR 0.678 [0.628, 0.728]"], ["UAR 0.681 [0.630, 0.727]"]),
        (["720 clips, in 2.6 s"], ["720 clips, in 31.0 s"]),
        (["first", "…", "last"], ["first", "second", "third", "last"]),
        (["first", "…"], ["first"]),
        (["…", "last"], ["first", "last"]),
    ],
)
def test_times_last_digits_and_what_is_left_out_make_no_difference(shown, printed) -> None:
    assert differences(shown, printed) == ""


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        (["UAR 0.678"], ["UAR 0.738"]),
        (["720 clips"], ["719 clips"]),
        (["one"], ["one", "two"]),
        (["one", "two"], ["one"]),
        (["one", "…", "last"], ["one", "last", "more"]),
        (["one", "…", "one"], ["one"]),
        (["audio logmel"], ["face logmel"]),
    ],
)
def test_another_output_is_shown_as_a_difference(shown, printed) -> None:
    assert "page" in differences(shown, printed)
