"""Every option of a command is a keyword of its function, with the same name and the same default."""

import inspect
from importlib import import_module
from typing import Any

import pytest

MORE = {"progress", "observer"}
"""Keywords that only Python has."""

EXIT_CODE = {"strict"}
"""Options that change how the command ends and nothing else."""


def plain(default: Any) -> Any:
    """One value stands for a list of one, and a path for its text."""
    if default is None or default == []:
        return ()
    return tuple(map(str, default)) if isinstance(default, list | tuple) else (str(default),)


@pytest.mark.parametrize("name", ["audit", "explore", "extract", "fit_heads", "fuse", "report", "stress"])
def test_the_keywords_are_the_options(name) -> None:
    function = getattr(import_module(f"ravfeat.api.{name}"), name)
    options = {
        option.name: option.to_info_dict()["default"] for option in import_module(f"ravfeat.cli.{name}").command.params
    }
    keywords = {parameter.name: parameter.default for parameter in inspect.signature(function).parameters.values()}
    required = [name for name, default in keywords.items() if default is inspect.Parameter.empty]
    keywords |= dict.fromkeys(required)
    assert options.keys() == (keywords.keys() | (EXIT_CODE & options.keys())) - MORE
    assert {option: plain(default) for option, default in options.items()} == {
        option: plain(keywords.get(option, False)) for option in options
    }
