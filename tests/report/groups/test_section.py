"""The section by group: figure, tables, what is left out, and runs of whose clips nothing is known."""

from dataclasses import replace

import numpy as np
import pytest

from ravfeat.report.graded import Graded
from ravfeat.report.groups.findings import run_groups
from ravfeat.report.groups.section import group_section


@pytest.fixture(scope="module")
def known(fused: list[Graded]) -> list[Graded]:
    """The same systems, with a gender and an intensity of every clip; nothing neutral is strong."""
    rng = np.random.default_rng(0)
    rows = {}
    for entry in fused:
        probs = entry.probs
        for clip, actor, y in zip(probs.clip_ids, probs.actors, probs.y, strict=True):
            strong = y > 0 and rng.random() < 0.5
            rows.setdefault(clip, (("female", "male")[int(actor[-1]) % 2], "strong" if strong else "normal"))
    groups = {name: {clip: row[at] for clip, row in rows.items()} for at, name in enumerate(("gender", "intensity"))}
    runs = {id(entry.run): replace(entry.run, groups=groups) for entry in fused}
    return [replace(entry, run=runs[id(entry.run)]) for entry in fused]


def test_the_best_systems_and_the_fused_one_are_shown_by_every_column(known) -> None:
    section = group_section([entry for entry in known if not entry.leaky])
    assert section is not None
    (figure,), (differences,) = section.figures, section.tables
    systems = {row.cells[0].removesuffix(", synthetic") for row in figure.table.rows}
    assert {system.split(" / ")[0] for system in systems} == {"audio", "face", "fused"}
    assert "gender: female 0." in figure.alt
    gender = next(row for row in differences.rows if row.cells[1] == "gender")
    assert gender.cells[2:4] == ("female - male", "different")
    intensity = next(row for row in differences.rows if row.cells[1] == "intensity")
    assert intensity.cells[2:4] == ("normal - strong", "the same")
    assert intensity.cells[-1] == "neutral"
    assert "corrected by Holm over the 2 comparisons of all columns of a system" in differences.caption
    assert not section.leaky


def test_groups_that_are_too_small_are_said(known) -> None:
    first = known[0]
    values = {clip: "tiny" if n < 3 else "ab"[n % 7 > 3] for n, clip in enumerate(first.probs.clip_ids.tolist())}
    section = group_section([replace(first, run=replace(first.run, groups={"room": values}))])
    assert section is not None
    assert {row.cells[1] for row in section.tables[0].rows} == {"room"}
    assert section.points == ("room tiny: 3 clips, too few clips or actors to be scored.",)


def test_without_anything_known_there_is_no_section(fused) -> None:
    assert group_section(fused) is None
    assert run_groups(fused) == []


def test_leaky_runs_have_a_part_of_their_own_that_opens_on_demand(known) -> None:
    section = group_section(known)
    assert section is not None
    assert [(part.leaky, part.folded) for part in section.subsections] == [(False, False), (True, True)]
    assert all(row.leaky for row in section.subsections[1].tables[0].rows)
