"""The pages of the commands, made from the click definitions."""

import re
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path

import click

from ravfeat.cli import COMMANDS, group

__all__ = ["write_command_pages"]

INDEX = """# Commands

Made from the definitions that the command line itself uses; `ravfeat COMMAND --help` prints the same.

| command | what it does |
|---|---|
{rows}

```{{toctree}}
:hidden:

{names}
```
"""


def write_command_pages(folder: Path) -> None:
    """Write one page per command, and their index, into a folder that may be new."""
    folder.mkdir(exist_ok=True)
    context = group.make_context("ravfeat", ["--help"], resilient_parsing=True)
    names = sorted(COMMANDS)
    for name in names:
        command = group.get_command(context, name)
        if command is not None:
            page = "\n\n".join(_page(command, click.Context(command, info_name=name, parent=context), "#"))
            _write(folder / f"{name}.md", f"{page}\n")
    rows = "\n".join(f"| [`ravfeat {name}`]({name}.md) | {_cell(COMMANDS[name][1])} |" for name in names)
    _write(folder / "index.md", INDEX.format(rows=rows, names="\n".join(names)))


def _page(command: click.Command, context: click.Context, level: str) -> Iterator[str]:
    yield f"{level} {context.command_path}"
    for part in cleandoc(command.help or "").split("\n\n"):
        if part.startswith("\b\n"):  # click's mark for text that is not to be wrapped: our examples
            yield f"```text\n{part[2:]}\n```"
        else:
            yield _text(part)
    yield f"```text\n{command.get_usage(context)}\n```"
    records = [param.get_help_record(context) for param in command.params if isinstance(param, click.Option)]
    shown = [(names.replace("|", "\\|"), _cell(text)) for names, text in filter(None, records)]
    if shown:
        yield "\n".join(["| option | what |", "|---|---|", *(f"| `{names}` | {text} |" for names, text in shown)])
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None:
                yield from _page(child, click.Context(child, info_name=name, parent=context), f"{level}#")


def _text(text: str) -> str:
    """Escape what Markdown would take for markup, and set options as code."""
    escaped = re.sub(r"([\\`*_{}\[\]<>#])", r"\\\1", text)
    return re.sub(r"(?<![\w-])(--?[a-z][\w-]*)", r"`\1`", escaped)


def _cell(text: str) -> str:
    return _text(" ".join(text.split())).replace("|", "\\|")


def _write(path: Path, text: str) -> None:
    # Only what changed, so that a second build is quick.
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
