"""A run across two corpora, audited."""

import pytest

from ravfeat.audit import audit_run
from ravfeat.crosscorpus import CrossPlan, fit_across
from ravfeat.runs.write import write_run
from tests.audit.runs import rewrite
from tests.twocorpora import write_two


@pytest.mark.parametrize("select", ["val", "nested"])
def test_a_run_across_two_corpora_is_made_again(select, tmp_path) -> None:
    pair = write_two(tmp_path / "caches")
    plan = CrossPlan((pair,), heads=("logreg",), select=select)
    write_run(tmp_path / "run", fit_across(plan), {})
    audit = audit_run(tmp_path / "run")
    assert not audit.broken
    verdicts = {(line.check, line.verdict) for line in audit.lines}
    for check in ("plan as recorded", "folds from the shards", "folds as recorded", "trained again",
                  "saved heads give the test rows", "predictions follow the folds", "no clip left out"):  # fmt: skip
        assert (check, "pass") in verdicts
    assert ("gain of a clip split", "not possible") in verdicts
    rewrite(tmp_path / "run" / "recipe.json", lambda recipe: recipe["chosen"][1]["chosen"].update(C=7.0))
    assert {line.check for line in audit_run(tmp_path / "run").broken} == {"trained again"}
