"""An audit of a run with a user's own heads runs their code only where it is named and has not changed."""

import pytest

from ravfeat.audit import audit_run
from ravfeat.audit.context import open_run
from ravfeat.audit.retraining import check_retrained
from ravfeat.audit.saved_heads import check_saved_heads
from ravfeat.errors import HeadError, UsageError
from ravfeat.experiment.load import FeatureLoader
from ravfeat.experiment.own_heads import bring_heads
from ravfeat.published.export import export_heads
from tests.audit.runs import make_run
from tests.experiment.test_own_heads import SOURCE


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("code") / "mine.py"
    path.write_text(SOURCE)
    return path


@pytest.fixture(scope="module")
def run(caches, file, tmp_path_factory):
    heads, brought = bring_heads([f"{file}:svc", f"{file}:Net", "lda"])
    return make_run(
        tmp_path_factory.mktemp("own") / "run",
        caches[:1],
        heads=heads,
        brought=brought,
        layers="1",
        settings={"epochs": 1},
    )


def verdicts(run, *references):
    """Of every head, what the two checks that need its code say."""
    context = open_run(run, heads=references)
    (prepared,) = context.prepared.by_system()
    load = FeatureLoader()
    return [
        {line.subject.split()[-1]: (line.verdict, line.finding) for line in check(context, prepared, load)}
        for check in (check_retrained, check_saved_heads)
    ]


def test_without_their_code_they_are_not_run_and_the_others_are_checked(run, file) -> None:
    log = file.with_suffix(".log").read_text()
    retrained, saved = verdicts(run)
    assert {name: verdict for name, (verdict, _) in retrained.items()} == {
        "svc": "not possible", "net": "not possible", "lda": "pass",
    }  # fmt: skip
    assert "only where it is named" in retrained["net"][1]
    assert saved["net"][0] == "not possible"
    assert file.with_suffix(".log").read_text() == log


def test_with_their_code_they_are_trained_again_and_what_was_kept_is_held_against_the_rows(run, file) -> None:
    retrained, saved = verdicts(run, f"{file}:svc", f"{file}:Net")
    assert {verdict for verdict, _ in retrained.values()} == {"pass"}
    assert {name: verdict for name, (verdict, _) in saved.items()} == {
        "svc": "not possible", "net": "pass", "lda": "pass",
    }  # fmt: skip
    assert "are not kept" in saved["svc"][1]


def test_code_that_has_changed_is_refused(run, tmp_path) -> None:
    changed = tmp_path / "mine.py"
    changed.write_text(SOURCE + "\n# another\n")
    with pytest.raises(UsageError, match="has changed since the run was made"):
        audit_run(run, heads=[f"{changed}:svc"])


def test_they_are_not_exported(run, tmp_path) -> None:
    with pytest.raises(HeadError, match=r"has heads of a user's own code \(svc, net\), which cannot be exported"):
        export_heads(run, tmp_path / "published")
