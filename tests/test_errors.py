"""Messages about many and about missing items."""

from ravfeat.errors import format_missing, listed


def test_only_those_that_lack_something_are_listed_with_the_first_of_it() -> None:
    have = [set("abcdefg"), set("ab"), {"g", "x"}]
    assert format_missing(["one", "two", "three"], have) == (
        "  one lacks 1 of 8: x\n  two lacks 6 of 8: c, d, e and 3 more\n  three lacks 6 of 8: a, b, c and 3 more"
    )
    assert format_missing(["one", "two"], [["a"], ["a"]]) == ""


def test_long_lists_are_cut() -> None:
    assert listed(map(str, range(5)), 3) == "0, 1, 2 and 2 more"
    assert listed("abc", 3) == "a, b, c"
