import json

from ravfeat.report.recipes import readable


def test_short_recipes_are_whole() -> None:
    recipe = {
        "command": "ravfeat fit-heads [ x ] {y}",
        "layers": [0, 1, 2],
        "notes": ["two  spaces", "b"],
        "caches": [{"path": "a", "missing": []}],
    }
    assert json.loads(readable(recipe)) == recipe
    assert '"layers": [0, 1, 2]' in readable(recipe)


def test_long_lists_say_how_much_was_cut() -> None:
    found = json.loads(readable({"clips": list(range(1440)), "folds": [{"fold": n} for n in range(24)]}))
    assert found["clips"][-1] == "and 1410 more"
    assert len(found["clips"]) == 31
    assert found["folds"] == [{"fold": 0}, "and 23 more"]
