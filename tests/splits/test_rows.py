"""A row of the comparison of splits, as people read it, and the drawing of several."""

import json

import pytest

from ravfeat.identity.probe import IdentityProbe
from ravfeat.predictions import System
from ravfeat.report.drawings.style import render
from ravfeat.splits.figure import split_figure
from ravfeat.splits.rows import HEADINGS, SplitRow, cells, markdown, record, summary
from ravfeat.stats import Difference, Interval

PROBE = IdentityProbe(0.9, 0.85, 0.95, 1 / 24, 1440, 24, 8, 0)
GAP = Difference("uar", "pooled", 0.8, 0.6, 0.2, 0.15, 0.25, 1440)
ROW = SplitRow(
    System("face", "landmarks", "logreg"), Interval(0.8, 0.01, 0.78, 0.82), Interval(0.6, 0.02, 0.55, 0.65),
    GAP, (960.0, 960.0), PROBE,
)  # fmt: skip
BARE = SplitRow(System("audio", "a", "logreg"), ROW.clip, ROW.actor, GAP, (960.0, 950.4), None, "one emotion only")
ABOUT = {
    "protocol": "ravdess6", "clip_protocol": "clip6", "select": "nested", "seeds": 1, "synthetic": False,
    "classes": list("abcdefgh"), "detectable": "with 24 actors, differences under about 0.05",
}  # fmt: skip


def test_a_row_has_a_cell_under_every_heading_and_says_what_is_leaky() -> None:
    assert dict(zip(HEADINGS, cells(ROW), strict=True)) == {
        "stream": "face",
        "features": "landmarks",
        "head": "logreg",
        "clip split, LEAKY": "0.800 [0.780, 0.820] LEAKY",
        "actor split": "0.600 [0.550, 0.650]",
        "gap": "+0.200 [+0.150, +0.250]",
        "identity (chance)": "0.900 [0.850, 0.950] (0.042)",
        "n": "1440",
    }
    assert dict(zip(HEADINGS, cells(BARE), strict=True))["identity (chance)"] == "none"


def test_the_summary_states_splits_selection_seeds_and_sizes() -> None:
    assert summary([ROW, BARE], ABOUT) == (
        "clip6 LEAKY (tested on actors it was trained on) against ravdess6 (no id of an actor on two sides),"
        " select nested, 1 seed, trained on 960 or 960 and 950 clips per fold, 8 classes, chance 0.125"
    )
    assert "2 seeds" in summary([ROW], {**ABOUT, "seeds": 2})
    assert "says nothing about people" in summary([ROW], {**ABOUT, "synthetic": True})


def test_the_page_has_a_line_per_row_and_says_why_a_probe_lacks() -> None:
    text = markdown([ROW, BARE], ABOUT)
    assert "| face | landmarks | logreg | 0.800 [0.780, 0.820] LEAKY |" in text
    assert "- No identity probe of audio / a / logreg: one emotion only." in text
    assert "No identity probe" not in markdown([ROW], ABOUT)
    assert "Under the actor split: with 24 actors, differences under about 0.05. " in text


def test_a_record_is_plain_and_marked() -> None:
    plain = json.loads(json.dumps(record(ROW)))
    assert plain["clip_split"] == {"value": 0.8, "ci_low": 0.78, "ci_high": 0.82, "leaky": True}
    assert plain["actor_split"]["leaky"] is False
    assert plain["identity"]["value"] == 0.9
    assert json.loads(json.dumps(record(BARE)))["no_identity"] == "one emotion only"


@pytest.mark.parametrize("synthetic", [True, False])
def test_the_drawing_names_systems_splits_and_gap(synthetic) -> None:
    svg = render(split_figure([ROW, BARE], protocol="ravdess6", synthetic=synthetic, n_classes=8)).svg
    for words in ("logreg · face", "landmarks", "+0.200 [+0.150, +0.250]", "clip6 LEAKY (hollow) · n = 1440"):
        assert words in svg
    assert ("synthetic · ravdess6" in svg) == synthetic
