"""Runs of a voice, a face and a joined face, fused, and what was published of them."""

from dataclasses import replace
from pathlib import Path

import pytest

from ravfeat.experiment.fit import FitPlan, fit_heads
from ravfeat.published.export import export_heads
from ravfeat.runs.write import write_run
from tests.toycaches import Take, actors_and_emotions
from tests.writtencaches import write_cache

QUICK = {"epochs": 2, "hidden": 8}


def seen(takes: list[Take], seed: int) -> list[Take]:
    """The same performances as another stream sees them, under other clip ids in another order."""
    others = actors_and_emotions(seed=seed)
    return [
        replace(other, clip_id=f"{99 - i:02d}-face-{take.clip_id}", performance_id=take.clip_id)
        for i, (take, other) in enumerate(zip(takes, others, strict=True))
    ]


@pytest.fixture(scope="session")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A voice and two faces of 24 actors. Read only."""
    folder = tmp_path_factory.mktemp("published")
    takes = actors_and_emotions()
    return {
        "voice": write_cache(folder, takes, name="voice", stream="audio"),
        "landmarks": write_cache(folder, seen(takes, 1), name="landmarks"),
        "expressions": write_cache(folder, seen(takes, 2), name="expressions"),
    }


@pytest.fixture(scope="session")
def run(places: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three systems, one of them joined, two seeds, fused. Read only."""
    plan = FitPlan(
        (places["voice"],),
        heads=("audio:attentive", "audio:logreg", "face:kernel"),
        seeds=2,
        settings=QUICK,
        joins=((places["landmarks"], places["expressions"]),),
    )
    out = tmp_path_factory.mktemp("runs") / "a"
    write_run(out, fit_heads(plan), {"command": "ravfeat fit-heads"})
    return out


@pytest.fixture(scope="session")
def published(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What was published of it, with heads of all actors. Read only."""
    folder = tmp_path_factory.mktemp("heads") / "both"
    export_heads(run, folder, refitted=True)
    return folder
