"""Keywords of the API: one value where a list is meant, and values that are refused by name."""

from pathlib import Path

import numpy as np
import pytest

from ravfeat.api.arguments import as_layers, as_names, as_pairs, as_path, as_paths, as_place, run_folder
from ravfeat.errors import UsageError


def test_one_name_is_a_list_of_one() -> None:
    assert as_names("heads", "logreg") == as_names("heads", ["logreg"]) == ("logreg",)
    assert as_names("heads", (name for name in ("a", "b"))) == ("a", "b")
    assert as_paths("caches", "a/b") == as_paths("caches", [Path("a/b")]) == (Path("a/b"),)


@pytest.mark.parametrize("value", [3, [3], [None], [""], b"logreg", {"a": 1}.values()])
def test_what_is_no_name_is_refused_with_the_keyword(value) -> None:
    with pytest.raises(UsageError, match=r"heads: .* is not a name, or a list of names"):
        as_names("heads", value)
    with pytest.raises(UsageError, match=r"caches: .* is not a path, or a list of paths"):
        as_paths("caches", value)


def test_layers_are_numbers_ranges_and_texts() -> None:
    assert as_layers(6) == as_layers(np.int64(6)) == as_layers("6") == "6"
    assert as_layers(range(6, 9)) == as_layers(np.arange(6, 9)) == "6,7,8"
    assert (as_layers(None), as_layers("last")) == (None, "last")


@pytest.mark.parametrize("value", [[], -1, [1.5], 1.5, ["a"], True, [[1]], object()])
def test_what_is_no_layer_is_refused(value) -> None:
    with pytest.raises(UsageError, match=r"layers=.*: expected layer numbers such as 6, \[6, 7\] or '6-12'"):
        as_layers(value)


def test_a_place_is_a_path_or_an_address() -> None:
    assert as_place("out", "s3://bucket/x") == "s3://bucket/x"
    assert as_place("out", "cache") == as_place("out", Path("cache")) == Path("cache")
    assert as_path("labels", None) is None
    with pytest.raises(UsageError, match="out: 3 is not a path or an address"):
        as_place("out", 3)  # type: ignore[arg-type]


def test_pairs_are_a_mapping_of_texts() -> None:
    assert as_pairs("columns", {"actor": "person"}) == {"actor": "person"}
    assert as_pairs("columns", None) == {}
    for odd in ("actor=person", {"actor": 1}, [("a", "b")]):
        with pytest.raises(UsageError, match=r"columns=.*: expected a mapping of texts"):
            as_pairs("columns", odd)  # type: ignore[arg-type]


def test_two_runs_of_one_second_have_folders_of_their_own(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = []
    for _ in range(3):
        folder = run_folder(None, "logreg")
        folder.mkdir(parents=True)
        made.append(folder)
    assert len(set(made)) == 3
    assert run_folder(Path("mine"), "logreg") == Path("mine")
