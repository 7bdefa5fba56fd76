"""Systems that nobody trained."""

from dataclasses import replace

import pyarrow as pa

from ravfeat.audit.context import open_run
from ravfeat.audit.rows import check_against_folds
from ravfeat.experiment.fit import FitPlan, fit_heads, fused
from ravfeat.predictions import Predictions, concatenate
from ravfeat.runs.result import Fitted
from ravfeat.runs.write import write_run


def renamed(predictions: Predictions, features: str) -> Predictions:
    column = pa.array([features] * len(predictions))
    table = predictions.table
    return replace(predictions, table=table.set_column(table.schema.get_field_index("features"), "features", column))


def test_a_system_that_the_plan_does_not_train_is_a_leak_and_its_fusion_too(caches, tmp_path) -> None:
    fitted = fit_heads(FitPlan(caches[:1], heads=("logreg",)))
    both = concatenate([fitted.predictions, renamed(fitted.predictions, "oracle")])
    write_run(tmp_path / "run", fused(Fitted(both, fitted.models, fitted.about), "auto"), {})
    lines = [line for line in check_against_folds(open_run(tmp_path / "run")) if line.verdict == "leak"]
    assert lines[0].subject == "audio / oracle / logreg"
    assert "the plan does not train it" in lines[0].finding
    assert {line.subject.split(" / ")[0] for line in lines[1:]} == {"fused", "fused-linear", "fused-loglinear"}
    assert "the plan trains audio / voice / logreg, and this is no fusion of these" in lines[1].finding
