import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ravfeat.predictions import Predictions
from ravfeat.report.differences.findings import Contrast, all_pairs, gains, groups
from ravfeat.report.differences.section import difference_section
from ravfeat.report.differences.tables import gain_table, pair_table, quality_gain_table
from ravfeat.report.graded import Graded
from ravfeat.report.page.document import Table
from ravfeat.stats import holm
from tests.report.simulated import graded_of, write_made

Make = Callable[..., Path]
BOTH = {"heads": {"logreg": 1.0}, "faces": {"kernel": 0.9}, "seeds": 1}


def cells(table: Table, title: str) -> list[str]:
    at = [column.title for column in table.columns].index(title)
    return [row.cells[at] for row in table.rows]


def without(run: Path, stream: str, performance: str) -> Path:
    """Take a performance from one stream of a run."""
    found = Predictions.read(run / "predictions.parquet")
    rows = np.array(found.table["stream"].to_pylist()) == stream
    rows &= np.array(found.table["performance_id"].to_pylist()) == performance
    about = {name: getattr(found, name) for name in ("classes", "protocol", "leaky", "select", "synthetic")}
    write_made(run, Predictions(found.table.filter(~rows), **about))
    return run


@pytest.fixture(scope="module")
def honest(fused: list[Graded]) -> list[Graded]:
    return fused[:5]


def test_gains_are_those_of_differences_json_and_of_metrics_json(fused_runs: list[Path], honest: list[Graded]) -> None:
    records = json.loads((fused_runs[0] / "differences.json").read_text())
    for one in gains(honest[0], all_pairs(honest)).contrasts:
        for metric, found in one.differences.items():
            values = [entry.records[metric, "pooled"]["value"] for entry in (one.a, one.b)]
            assert found.value == pytest.approx(values[0] - values[1], abs=1e-12)
            pair = {json.dumps(entry.system._asdict()) for entry in (one.a, one.b)}
            own = next(
                record for record in records
                if {json.dumps(record[side]) for side in "ab"} == pair
                and (record["metric"], record["averaging"]) == (metric, "pooled")
            )  # fmt: skip
            sign = 1 if own["a"] == one.a.system._asdict() else -1
            assert found.value == pytest.approx(sign * own["value"])
            assert sorted((found.ci_low, found.ci_high)) == pytest.approx(
                sorted(sign * own[name] for name in ("ci_low", "ci_high"))
            )
            assert found.p == pytest.approx(own["p"])
            assert one.corrected[metric] == pytest.approx(own["p_holm"])


def test_p_values_are_corrected_for_all_pairs_of_the_run(honest: list[Graded]) -> None:
    pairs = all_pairs(honest).contrasts
    for metric in ("uar", "brier"):
        assert [pair.corrected[metric] for pair in pairs] == holm([pair.differences[metric].p for pair in pairs])
    assert {pair.corrected["ece"] for pair in pairs} == {None}


def test_a_pair_has_one_corrected_p_value_wherever_it_stands(make_run: Make) -> None:
    runs = [make_run("val", **BOTH, rule="loglinear"), make_run("nested", **BOTH | {"faces": {"kernel": 1.2}})]
    graded = graded_of(runs)
    pairs = all_pairs(graded)
    for run, fused in zip(runs, [entry for entry in graded if entry.role == "fused"], strict=True):
        alone = {_names(pair): pair.corrected for pair in all_pairs(graded_of([run])).contrasts}
        table = gains(fused, pairs).contrasts
        assert {pair.family for pair in table} == {f"all 10 pairs of run {run.name}", "all 6 pairs of different runs"}
        for pair in (pair for pair in table if pair.a.run is pair.b.run):
            assert pair.a is fused
            assert pair.corrected == alone[_names(pair)]
    crossed = [pair for pair in pairs.contrasts if pair.a.run is not pair.b.run]
    assert [pair.corrected["uar"] for pair in crossed] == holm([pair.differences["uar"].p for pair in crossed])


def _names(pair: Contrast) -> frozenset[str]:
    return frozenset(entry.system.stream for entry in (pair.a, pair.b))


def test_calibration_errors_have_an_interval_and_no_p_value(honest: list[Graded]) -> None:
    family = gains(honest[0], all_pairs(honest))
    table = quality_gain_table(family.contrasts)
    assert all(" p = " in cell for cell in cells(table, "NLL (nats), pooled"))
    assert all(cell.endswith("]") for cell in cells(table, "ECE (15 bins), pooled"))


def test_the_caption_names_the_pairs_that_were_corrected_for(honest: list[Graded]) -> None:
    family = gains(honest[0], all_pairs(honest))
    for table in (gain_table(family.contrasts), quality_gain_table(family.contrasts)):
        assert "corrected (Holm) for all 10 pairs of run both" in table.caption
        assert "10,000 draws" in table.caption
    assert cells(gain_table(family.contrasts), "p, Holm") == [
        f"{pair.corrected['uar']:.4f}" for pair in family.contrasts
    ]


def test_cells_are_the_differences(honest: list[Graded]) -> None:
    family = all_pairs(honest)
    found = family.contrasts[0].differences
    table = pair_table(family.contrasts, "pairs")
    assert cells(table, "Difference in UAR")[0] == (
        f"{found['uar'].value:+.3f} [{found['uar'].ci_low:+.3f}, {found['uar'].ci_high:+.3f}]"
    )
    assert cells(table, "UAR, first")[0] == f"{family.contrasts[0].a.records['uar', 'pooled']['value']:.3f}"
    brier = quality_gain_table(gains(honest[0], all_pairs(honest)).contrasts)
    assert cells(brier, "Brier, pooled")[0].startswith(
        f"{gains(honest[0], all_pairs(honest)).contrasts[0].differences['brier'].value:+.3f} ["
    )
    assert cells(table, "Seeds")[0] == "2 systems / 2"


def test_a_mixture_that_was_chosen_everywhere_is_not_compared_with_itself(make_run: Make) -> None:
    graded = graded_of([make_run(**BOTH, rule="loglinear")])
    family = gains(graded[0], all_pairs(graded))
    assert [one.b.system.stream for one in family.contrasts] == ["audio", "face", "fused-linear"]
    assert family.notes == ("Clip by clip, fused is fused-loglinear here, so there is no row for that.",)
    assert len(all_pairs(graded).contrasts) == 6  # of four systems


def test_leaky_systems_are_compared_within_their_run_only(fused: list[Graded]) -> None:
    assert [(len(group), group[0].leaky) for group in groups(fused)] == [(5, False), (5, True)]
    section = difference_section(fused)
    assert section is not None
    assert [(part.leaky, part.folded) for part in section.subsections] == [(False, False)] * 2 + [(True, True)] * 2
    assert all(row.leaky for part in section.subsections[2:] for table in part.tables for row in table.rows)


def test_honest_runs_of_one_protocol_are_compared_with_each_other(make_run: Make) -> None:
    graded = graded_of(
        [make_run("val", **BOTH), make_run("nested", **BOTH | {"faces": {"kernel": 1.2}}, select="nested")]
    )
    family = gains(graded[0], all_pairs(groups(graded)[0]))
    others = {(one.b.run.name, one.b.role) for one in family.contrasts}
    assert ("nested", "fused") in others
    assert ("nested", "alternative") not in others  # of another run, only what was chosen
    table = gain_table(family.contrasts)
    assert "val / nested" in cells(table, "Select")
    assert "corrected (Holm) for all 10 pairs of run val or all 6 pairs of different runs" in table.caption


def test_what_stands_in_two_runs_is_compared_once(make_run: Make) -> None:
    graded = graded_of([make_run("both", **BOTH), make_run("voice", heads={"logreg": 1.0}, seeds=1)])
    family = gains(graded[0], all_pairs(groups(graded)[0]))
    assert sum(one.b.system.stream == "audio" for one in family.contrasts) == 1
    assert any("is the same in the runs both and voice" in note for note in family.notes)


def test_runs_of_other_protocols_stay_apart(make_run: Make) -> None:
    graded = graded_of([make_run("four", **BOTH), make_run("eight", **BOTH, protocol="group8", folds=8)])
    assert [group[0].run.name for group in groups(graded)] == ["four", "eight"]


def test_systems_on_other_clips_are_named_instead_of_left_out_in_silence(make_run: Make) -> None:
    short = make_run("short", heads={"logreg": 1.0}, seeds=1)
    longer = make_run("longer", heads={"kernel": 1.0}, takes=24, seeds=1)
    section = difference_section(graded_of([short, longer]))
    assert section is not None
    assert not section.figures
    text = " ".join(section.paragraphs)
    assert (
        "audio / logmel-0f3c9a / logreg (run short): n = 128; audio / logmel-0f3c9a / kernel (run longer): n = 192"
        in text
    )
    assert "A difference needs the same performances on both sides" in text


def test_systems_of_one_run_on_other_clips_are_named_too(make_run: Make) -> None:
    run = make_run(heads={"logreg": 1.0, "kernel": 1.0}, seeds=1)
    found = Predictions.read(run / "predictions.parquet")
    rows = np.array(found.table["head"].to_pylist()) == "kernel"
    rows &= np.array(found.table["performance_id"].to_pylist()) == "08-0127"
    about = {name: getattr(found, name) for name in ("classes", "protocol", "leaky", "select", "synthetic")}
    write_made(run, Predictions(found.table.filter(~rows), **about))
    section = difference_section(graded_of([run]))
    assert section is not None
    assert "kernel (run run): n = 127; audio / logmel-0f3c9a / logreg (run run): n = 128" in " ".join(
        section.paragraphs
    )


def test_a_performance_that_stands_twice_is_said_to_be_incomparable(make_run: Make) -> None:
    graded = graded_of([make_run(heads={"logreg": 1.0, "kernel": 0.9}, seeds=1)])
    probs = graded[0].probs
    ids = probs.performance_ids.copy()
    ids[0] = ids[1]
    twice = _with(graded[0], ids)
    family = all_pairs([twice, graded[1]])
    assert family.contrasts == ()
    assert "these systems test different ones" in family.notes[0]


def test_without_a_fusion_all_pairs_are_drawn(make_run: Make) -> None:
    section = difference_section(graded_of([make_run(heads={"logreg": 1.0, "kernel": 1.1, "gram": 0.9}, seeds=1)]))
    assert section is not None
    assert section.title == "System against system"
    assert len(section.figures[0].table.rows) == 3
    assert not section.figures[0].table.folded


def test_a_system_alone_has_no_such_section(make_run: Make) -> None:
    assert difference_section(graded_of([make_run(heads={"logreg": 1.0}, seeds=1)])) is None


def _with(entry: Graded, performance_ids: "np.ndarray") -> Graded:
    test = replace(entry.probs, performance_ids=performance_ids)
    return replace(entry, calibration=replace(entry.calibration, test=test))
