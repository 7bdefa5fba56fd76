"""Options of commands that read tables."""

import click
import pytest

from ravfeat.cli.table_options import corpus_option, parse_columns
from ravfeat.corpora.registry import BUILT_IN


def test_columns_are_named_one_by_one_or_with_commas() -> None:
    assert parse_columns(["actor=person", "label = mood,path=a=b"]) == {
        "actor": "person",
        "label": "mood",
        "path": "a=b",
    }
    assert parse_columns([]) == {}


@pytest.mark.parametrize("option", ["actor", "=person", "actor=", "actor=x,", ""])
def test_what_is_no_pair_is_refused(option) -> None:
    with pytest.raises(click.UsageError, match="expected NAME=COLUMN, such as actor=person"):
        parse_columns([option])


def test_a_name_has_one_column() -> None:
    with pytest.raises(click.UsageError, match="--columns gives two columns for 'actor', 'a' and 'b'"):
        parse_columns(["actor=a,actor=b"])


def test_the_help_names_every_corpus() -> None:
    command = corpus_option(click.command("x")(lambda: None))
    (option,) = command.params
    assert isinstance(option, click.Option)
    assert option.help is not None
    assert all(f"{name}," in option.help or f"{name} (" in option.help for name in BUILT_IN)
