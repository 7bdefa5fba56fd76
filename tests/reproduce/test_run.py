"""A study from its caches to its report."""

import json
import shutil
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ravfeat.errors import UsageError
from ravfeat.reproduce import StudyOptions, plan_study, run_study
from ravfeat.reproduce.run import STUDY_FILE, Outcome, folder_of
from ravfeat.reproduce.work import is_done
from ravfeat.runs.audit_file import read_audit
from ravfeat.stats import permutation
from tests.conftest import command_code
from tests.reproduce.conftest import write_all


def study(home: Path, out: Path) -> Outcome:
    return run_study(plan_study(StudyOptions(out, (home,), seeds=1)))


@pytest.fixture(scope="module")
def done(home, tmp_path_factory) -> tuple[Path, Outcome]:
    out = tmp_path_factory.mktemp("study") / "out"
    return out, study(home, out)


def test_the_table_holds_numbers_with_their_conditions(done) -> None:
    _, outcome = done
    assert not outcome.failed
    by_key = {(line.key, line.stand_in): line for line in outcome.lines}
    frozen = by_key["5", True].scores
    assert [(one.label, one.conditions) for one in frozen][:2] == [
        ("attentive-sum", "ravdess6, val, 1 seed, n=96"),
        ("attentive", "ravdess6, val, 1 seed, n=96"),
    ]
    assert all(one.wa[1] <= one.wa[0] <= one.wa[2] for one in frozen)
    leaky, honest = by_key["1", True].scores
    assert (leaky.leaky, honest.leaky) == (True, False)
    assert (leaky.label, honest.label) == ("clip split", "actor split")
    gap = leaky.uar[0] - honest.uar[0]
    assert by_key["1", True].said[0].startswith(f"gap in pooled UAR {gap:+.3f} (95 %: ")
    assert "a linear probe names the actor" in by_key["1", True].said[0]
    assert leaky.protocol == "clip6"
    assert by_key["2", False].said == (
        "holds: 6 folds, actors per fold train 16, val 4, test 4; checked from the shards",
    )
    assert by_key["6", True].said[0].startswith("heaviest: layer 1 of 0 to 2;")  # where the emotion was put
    joint, late, voice = by_key["9", True].scores
    assert (joint.label, late.label[:11], voice.label) == ("joint", "late fusion", "the voice alone")


def test_numbers_are_those_of_the_runs(done) -> None:
    out, outcome = done
    records = json.loads((out / "steps/loso24-toy-voice/metrics.json").read_text())
    (uar,) = (one["value"] for one in records if (one["metric"], one["averaging"]) == ("uar", "pooled"))
    (line,) = (line for line in outcome.lines if line.key == "R1" and line.scores)
    assert line.scores[0].uar[0] == uar


def test_the_report_begins_with_the_study(done) -> None:
    out, outcome = done
    assert outcome.report == out / "report/report.html"
    page = outcome.report.read_text()
    assert page.index("The study, row by row") < page.index("Pooled UAR with 95 % intervals")
    assert "No cache of wavlm-large here. Published with softmax weights over 25 layers" in page
    assert "toy-voice in place of wavlm-large" in page
    assert (out / "report/figures/study.png").is_file()
    assert "| R1 |" in (out / "study.md").read_text()
    assert "## Ablations" in (out / "study.md").read_text()


def test_the_number_that_a_study_is_quoted_for_is_audited(done) -> None:
    out, outcome = done
    audit = read_audit(out / "steps/best-toy-voice")
    assert audit is not None
    assert not audit.broken
    assert outcome.audit == f"{out / 'steps/best-toy-voice'}: {audit.badge}"
    assert audit.badge in (out / "report/report.html").read_text()


@pytest.mark.slow
def test_only_a_lost_step_is_made_again(home, done, tmp_path) -> None:
    first, outcome = done
    out = tmp_path / "again"
    shutil.copytree(first, out)
    shutil.rmtree(out / "steps/ablation-layers-0-toy-voice")
    again = study(home, out)
    assert again.n_kept == len(list((out / "steps").iterdir())) - 1
    assert again.lines == outcome.lines


def test_a_step_of_other_features_or_of_another_plan_is_not_done(home, done) -> None:
    out, _ = done
    planned = plan_study(StudyOptions(out, (home,), seeds=1))
    assert all(is_done(step, folder_of(planned, step)) for step in planned.steps)
    (step,) = (step for step in planned.steps if step.name == "loso24-toy-voice")
    changed = replace(step, materials=(replace(step.materials[0], content_sha256="other"),))
    assert not is_done(changed, folder_of(planned, step))
    assert not is_done(replace(step, plan=replace(step.plan, seeds=2)), folder_of(planned, step))
    assert not is_done(step, out / "steps/nowhere")


@pytest.mark.parametrize("how", ["changed", "gone"])
def test_a_step_that_was_changed_by_hand_is_not_done(how, home, done, tmp_path, caplog) -> None:
    out, _ = done
    planned = plan_study(StudyOptions(out, (home,), seeds=1))
    (step,) = (step for step in planned.steps if step.name == "ablation-layers-0-toy-voice")
    folder = tmp_path / step.name
    shutil.copytree(folder_of(planned, step), folder)
    assert is_done(step, folder)
    metrics = folder / "metrics.json"
    records = json.loads(metrics.read_text())
    metrics.unlink()
    if how == "changed":
        metrics.write_text(json.dumps([one | {"value": 0.999} for one in records]))
    assert not is_done(step, folder)
    assert "is made again" in caplog.text


def test_a_step_that_cannot_be_done_leaves_its_reason_and_the_others_go_on(tmp_path) -> None:
    outcome = study(write_all(tmp_path / "caches", actors=20), tmp_path / "out")
    (line,) = (line for line in outcome.lines if line.key == "5" and line.stand_in)
    assert "needs the actors 1 to 24" in line.missing
    assert outcome.report is None
    assert (tmp_path / "out" / STUDY_FILE).is_file()


def test_another_folder_is_refused(home, tmp_path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="exists and holds no reproduced study; choose another --out"):
        study(home, tmp_path)


@pytest.mark.slow
def test_a_killed_study_goes_on_and_gives_the_same(home, done, commands, tmp_path) -> None:
    first, outcome = done
    out = tmp_path / "out"
    shutil.copytree(first, out)  # most of it is done; three steps are not
    (out / STUDY_FILE).unlink()
    lost = [out / f"steps/ablation-layers-{layer}-toy-voice" for layer in ("0", "1", "last")]
    for step in lost:
        shutil.rmtree(step)
    few_swaps = (  # as in this process, or the p-values differ
        f"import ravfeat.stats.permutation as permutation\npermutation.SWAPS = {permutation.SWAPS}\n"
    )
    command = ["reproduce", "--cache", home, "--home", home, "--out", out, "--seeds", "1", "--device", "cpu"]
    with commands.start(command_code(few_swaps), command, cwd=tmp_path) as process:
        deadline = time.monotonic() + 120
        while not any(step.exists() for step in lost):  # a step has its name once it is whole
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (out / STUDY_FILE).exists()
    again = study(home, out)
    assert len(outcome.lines) > 10
    assert again.n_kept > len(list((out / "steps").iterdir())) - len(lost)
    assert again.lines == outcome.lines
