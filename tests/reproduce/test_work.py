"""When a step counts as done."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ravfeat.errors import PredictionsError
from ravfeat.reproduce.work import _check_gaps
from ravfeat.runs.read import read_runs

Make = Callable[..., Path]


def test_gaps_that_are_not_those_of_the_two_runs_are_refused(make_run: Make) -> None:
    folders = [make_run("actor", heads={"logreg": 0.8}), make_run("clip", heads={"logreg": 1.5})]
    runs = read_runs(folders)
    actor, clip = (run.records[0] for run in runs)
    gap = {"value": clip["value"] - actor["value"], "ci_low": 0.0, "ci_high": 0.1}
    row = {name: actor[name] for name in ("stream", "features", "head")} | {"gap": gap, "identity": None}
    file = folders[0].parent / "splits.json"
    file.write_text(json.dumps({"systems": [row]}))
    _check_gaps(file.parent, runs)
    for systems in ([row | {"gap": gap | {"value": gap["value"] + 0.01}}], [], [row | {"head": "kernel"}]):
        file.write_text(json.dumps({"systems": systems}))
        with pytest.raises(PredictionsError, match=r"splits\.json does not belong to the runs beside it"):
            _check_gaps(file.parent, runs)
