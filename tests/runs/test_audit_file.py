"""What an audit left, beside the numbers."""

import json

import numpy as np
import pytest

from ravfeat.audit.record import Audit, write_audit
from ravfeat.audit.verdicts import info, leak, not_possible, pass_
from ravfeat.errors import PredictionsError
from ravfeat.report import build_report
from ravfeat.runs.audit_file import audited_digests, read_audit
from ravfeat.runs.format import AUDIT_FILE

pytestmark = pytest.mark.usefixtures("blank_figures")


def audit(run, *lines, quick=False) -> None:
    held = (pass_("folds", "", "no actor on two sides"), not_possible("sentences", "", "one sentence only"))
    write_audit(Audit(run, (*held, *lines), quick, audited_digests(run)))


def page(runs, tmp_path) -> str:
    build_report(runs, tmp_path / "report")
    return (tmp_path / "report" / "report.md").read_text(encoding="utf-8")


def test_without_an_audit_nothing_speaks_of_one(make_run, tmp_path) -> None:
    run = make_run()
    assert read_audit(run) is None
    assert "udit" not in page([run], tmp_path)


def test_an_audit_that_held_stands_beside_the_number_with_all_its_lines(make_run, tmp_path) -> None:
    run = make_run()
    audit(run, info("identity", "audio", "names the actor of 0.900"), quick=True)
    text = page([run], tmp_path)
    assert "| held as far as could be tried (2 of 3 tried, quick) |" in text
    assert "Held as far as could be tried: 1 checks found no leak and no edit. But not judged (--quick): the" in text
    assert "| identity | info | audio | names the actor of 0.900 |" in text
    assert "**Audit.**" not in text


def test_a_broken_number_is_said_to_be_broken_before_anything_else(make_run, tmp_path) -> None:
    runs = [make_run("one"), make_run("two")]
    audit(runs[0], leak("weights", "fold 2", "as if chosen on test"))
    text = page(runs, tmp_path)
    assert "> **Audit.** The audit broke the numbers of one: read there why before you quote them." in text
    assert "| BROKEN |" in text
    assert "| none |" in text
    assert "Not audited: two." in text
    assert "- weights, fold 2: as if chosen on test" in text
    assert "| weights | LEAK | fold 2 |" in text


def test_an_audit_of_other_predictions_is_stale(make_run, tmp_path) -> None:
    run, other = make_run("one"), make_run("two", heads={"logreg": 1.4})
    audit(other)
    (run / AUDIT_FILE).write_bytes((other / AUDIT_FILE).read_bytes())
    found = read_audit(run)
    assert found is not None
    assert found.badge == "stale: of other files"
    assert "predictions.parquet" in found.stale
    text = page([run], tmp_path)
    assert "> **Stale audit.** The audit of one is of other files than these; audit the run again." in text
    assert "changed since this audit; it says nothing about the numbers here." in text


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"audit\.json is not valid JSON .* audit the run again, or take it away"),
        ("[]", r"it is \[\], expected an object; audit the run again"),
        ('{"format": "ravfeat-audit", "format_version": 1}', "it lacks 'quick'; audit the run again"),
        (
            '{"format": "ravfeat-audit", "format_version": 1, "quick": true, "broken": false, "files": {}, "lines":'
            ' [{"verdict": "fine", "check": "", "subject": "", "finding": ""}]}',
            r"lines\[0\]\.verdict is \"fine\", expected 'pass', 'info', 'warn', 'leak', 'edited' or 'not possible'",
        ),
        ('{"format": "ravfeat-audit", "format_version": 9}', "version 9, this ravfeat reads ravfeat-audit version 1"),
    ],
)
def test_a_file_that_is_no_audit_is_refused(content, message, make_run) -> None:
    run = make_run()
    (run / AUDIT_FILE).write_text(content)
    with pytest.raises(PredictionsError, match=message):
        read_audit(run)


@pytest.mark.parametrize("files", [{}, {"metrics.jsonx": "0"}, {"../../etc/passwd": ""}])
def test_an_audit_that_names_other_files_is_stale(files, make_run) -> None:
    run = make_run()
    audit(run)
    record = json.loads((run / AUDIT_FILE).read_text())
    assert read_audit(run).stale == ()
    (run / AUDIT_FILE).write_text(json.dumps(record | {"files": files}))
    assert set(read_audit(run).stale) >= {"metrics.json", "predictions.parquet", "recipe.json"}


def test_a_leak_among_the_lines_breaks_the_number_whatever_the_file_says_of_all_of_them(make_run) -> None:
    run = make_run()
    audit(run, leak("weights", "fold 2", "as if chosen on test"))
    record = json.loads((run / AUDIT_FILE).read_text())
    (run / AUDIT_FILE).write_text(json.dumps(record | {"broken": False}))
    assert read_audit(run).badge == "BROKEN"


def test_numbers_of_numpy_are_written_and_other_things_refused(make_run) -> None:
    run = make_run()
    audit(run, info("a", "", "b", value=np.float64(0.5), n=np.int64(3)))
    assert json.loads((run / AUDIT_FILE).read_text())["lines"][-1]["evidence"] == {"value": 0.5, "n": 3}
    with pytest.raises(TypeError, match=r"audit\.json holds plain values, got object"):
        audit(run, info("a", "", "b", value=object()))


def test_an_audit_that_saw_neither_folds_nor_features_held_as_far_as_could_be_tried(make_run, tmp_path) -> None:
    run = make_run()
    core = ("folds from the shards", "saved heads give the test rows", "trained again")
    lines = [pass_("files belong together", "", "the same"), *(not_possible(one, "", "scores only") for one in core)]
    write_audit(Audit(run, tuple(lines), quick=False, files=audited_digests(run)))
    text = page([run], tmp_path)
    assert "| held as far as could be tried (1 of 4 tried) |" in text
    assert "But not possible: folds from the shards, saved heads give the test rows, trained again; not looked" in text
