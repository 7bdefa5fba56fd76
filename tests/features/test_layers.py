"""Layer numbers as people write them."""

import pytest

from ravfeat.errors import UsageError
from ravfeat.features.layers import parse_layers, parse_numbers


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        ("last", (24,)),
        ("0", (0,)),
        ("6-12", (6, 7, 8, 9, 10, 11, 12)),
        ("1,5,9", (1, 5, 9)),
        ("9, 5-6, 5", (5, 6, 9)),
        (None, None),
    ],
)
def test_layers_are_read_each_once_and_sorted(text, layers) -> None:
    assert parse_layers(text, range(25)) == layers


def test_the_last_layer_is_the_last_that_is_stored() -> None:
    assert parse_layers("last", (3, 7, 11)) == (11,)


@pytest.mark.parametrize("text", ["", "first", "1-", "-1", "12-6", "1;2", "1,,2", "1.5"])
def test_anything_else_is_refused_with_examples(text) -> None:
    with pytest.raises(UsageError, match=r"expected 'last', a number, a range like 6-12, or a list like 1,5,9"):
        parse_layers(text, range(25))


@pytest.mark.parametrize(
    ("text", "match"),
    [("25", "there are 0-3,7, not 25"), ("2-9", "there are 0-3,7, not 9"), ("3-7", "there are 0-3,7, not 4-6")],
)
def test_a_layer_that_is_not_there_is_named_beside_those_that_are(text, match) -> None:
    with pytest.raises(UsageError, match=match):
        parse_layers(text, (0, 1, 2, 3, 7))


def test_a_huge_range_is_refused_before_it_is_written_out() -> None:
    with pytest.raises(UsageError, match="actors '1-99999999999999': there are 1-24, not 99999999999999"):
        parse_numbers("1-99999999999999", range(1, 25), noun="actors")
