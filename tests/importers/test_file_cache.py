"""What stays in memory."""

from ravfeat.importers.file_cache import FileCache


def test_a_file_that_is_used_again_is_read_once() -> None:
    read = []
    kept = FileCache(lambda name: read.append(name) or name, len, budget=10)
    assert [kept("a"), kept("b"), kept("a")] == ["a", "b", "a"]
    assert read == ["a", "b"]


def test_what_was_not_used_for_longest_goes_first_and_the_last_stays() -> None:
    read = []
    kept = FileCache(lambda name: read.append(name) or name, lambda _: 6, budget=12)
    for name in "abacb":  # c drives out b
        kept(name)
    assert read == ["a", "b", "c", "b"]
    small = FileCache(lambda name: read.append(name) or name, lambda _: 6, budget=1)
    read.clear()
    assert [small("x"), small("x")] == ["x", "x"]
    assert read == ["x"]
