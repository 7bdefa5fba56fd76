"""Every file of a run, damaged at random: refused by name, or read to what the predictions give.

A run has no digests. What follows from its predictions is computed again, so a change of it is refused or makes no
difference. Nothing tells a change of the rest from an edit by hand: what the recipe, the audit and the layer weights
say beside that is read where it fits its schema.
"""

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from ravfeat.audit.record import Audit, write_audit
from ravfeat.audit.verdicts import pass_
from ravfeat.errors import PredictionsError, RavfeatError
from ravfeat.predictions import Predictions
from ravfeat.report import build_report
from ravfeat.runs import check, records
from ravfeat.runs.audit_file import audited_digests, read_audit
from ravfeat.runs.read import read_run
from ravfeat.stats import metric_records
from tests.fuzz.mutations import mutated, outcome, rounds
from tests.report.simulated import CLASSES, write_run

SIDE = {"fold": 0, "split": "test", "clips": 8, "actors": ["sim:01"], "labels": {"calm": 8}, "genders": {"male": 8}}
CACHE = {
    "path": "cache/a", "stream": "audio", "features": "logmel-0f3c9a", "corpus": "sim", "fingerprint": "f0",
    "identity": {"encoder": "logmel", "layers": [0, 1]}, "content_sha256": "c0", "missing": ["x"], "folds": [SIDE],
    "views": [{"view": "gain-1:seed0", "path": "cache/v", "fingerprint": "f1", "content_sha256": "c1"}],
}  # fmt: skip
CHOSEN = {
    "stream": "audio", "features": "logmel-0f3c9a", "head": "attentive", "seed": 0, "fold": 1,
    "chosen": {"epochs": 2}, "settings": {"lr": 0.01, "statistics": ["mean", "std"]},
}  # fmt: skip
RECIPE = {
    "format_version": 1, "protocol": "group2", "leaky": False, "select": "val", "seeds": 1, "classes": list(CLASSES),
    "caches": [CACHE], "chosen": [CHOSEN], "versions": {"ravfeat": "1"}, "plan": {"seeds": 1, "heads": ["attentive"]},
    "replaced_labels": {"file": "l.csv", "sha256": "0", "clips": 8, "relabelled": 1, "left_out": 0},
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz") / "run"
    shape: dict[str, Any] = {"protocol": "group2", "actors": 4, "takes": 8, "folds": 2, "seeds": 1}
    write_run(folder, heads={"attentive": 1.0}, faces={"kernel": 0.9}, recipe=RECIPE, **shape)
    write_audit(Audit(folder, (pass_("folds from the shards", "", "they hold"),), False, audited_digests(folder)))
    return folder


def readers(run: Path) -> Mapping[str, Callable[[], object]]:
    """Of every file the reader that the report and the audit use."""
    predictions = read_run(run).predictions
    calibrations = read_run(run).calibrations

    def whole_run() -> object:
        changed = Predictions.read(run / "predictions.parquet")
        read_run(run)  # predictions are held against everything beside them
        return metric_records(changed)

    return {
        "predictions.parquet": whole_run,
        "metrics.json": lambda: check.check_metrics(run, predictions),
        "differences.json": lambda: check.check_differences(run, calibrations),
        "scores.parquet": lambda: check.check_scores(run, predictions),
        "calibration.json": lambda: (check.check_calibration(run, predictions), records.read_calibration(run))[1],
        "fusion.json": lambda: (check.check_fusion(run, predictions), records.read_fusion(run))[1],
        "layer_weights.json": lambda: check.check_layer_weights(run, predictions),
        "recipe.json": lambda: check.check_recipe(run, predictions),
        "audit.json": lambda: read_audit(run),
    }


# Intervals and p-values of differences are made anew by whoever shows them.
NOT_READ = {"differences.json": ("ci_low", "ci_high", "p", "p_holm", "n")}
EDITABLE = ("recipe.json", "audit.json", "layer_weights.json")


def alike(a: Any, b: Any, unread: tuple[str, ...] = ()) -> bool:
    """Equal but for the last digits, as runs of other machines are."""
    if dataclasses.is_dataclass(a) and dataclasses.is_dataclass(b):
        return alike(vars(a), vars(b))
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        names = [name for name in a if name not in unread]
        return a.keys() == b.keys() and all(alike(a[name], b[name]) for name in names)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(alike(x, y, unread) for x, y in zip(a, b, strict=True))
    if isinstance(a, float) and isinstance(b, int | float):
        return math.isclose(a, b, rel_tol=1e-3, abs_tol=1e-3)
    return bool(a == b)


@pytest.mark.parametrize(
    "name",
    [
        "predictions.parquet", "metrics.json", "differences.json", "scores.parquet", "calibration.json", "fusion.json",
        "layer_weights.json", "recipe.json", "audit.json",
    ],
)  # fmt: skip
def test_a_damaged_file_is_refused_by_name_or_read_to_what_the_predictions_give(name: str, run: Path) -> None:
    read, path = readers(run)[name], run / name
    honest, data = read(), path.read_bytes()
    tally = Counter[str]()
    try:
        for seed in range(rounds(15)):
            path.write_bytes(mutated(name, data, Random(seed)))
            value = outcome(read)
            if isinstance(value, PredictionsError):
                assert any(file.name in str(value) for file in run.iterdir()), f"seed {seed}: {value}"
                tally["refused"] += 1
                continue
            same = alike(honest, value, NOT_READ.get(name, ()))
            assert same or name in EDITABLE, f"seed {seed} of {name} is read to another value"
            tally["read, equal" if same else "read, edited"] += 1
            if seed % 100 == 99 and name in EDITABLE:  # in long rounds: seconds each
                with suppress(RavfeatError):
                    build_report([run], run.parent / "report")
    finally:
        path.write_bytes(data)
    print(f"{name}: {dict(tally)}")
    assert tally["refused"]
