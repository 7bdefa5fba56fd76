"""Every cheat of the table gets the outcome that it should, and the line that tells; all but one by hand."""

import json
import re
from pathlib import Path

import pytest

from tests.cheats.material import Honest, command, make_honest
from tests.cheats.table import CHEATS, answer


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Honest:
    return make_honest(tmp_path_factory.mktemp("cheats") / "honest")


@pytest.mark.slow  # an audit for each, four minutes of processor time in all: `python -m tests.cheats` shows the table
@pytest.mark.parametrize("cheat", CHEATS, ids=lambda cheat: cheat.make.__name__)
def test_a_cheat_is_told(cheat, honest: Honest, tmp_path: Path) -> None:
    found = answer(cheat, honest, tmp_path / "cheat")
    assert found.code in cheat.codes, found.outcome
    assert any(re.search(cheat.told, line) for line in (found.outcome, *found.lines)), "\n".join(found.lines)


def test_scores_never_hold_more_than_as_far_as_could_be_tried(tmp_path: Path) -> None:
    (cheat,) = [cheat for cheat in CHEATS if cheat.make.__name__ == "every_clip_its_actor"]
    found = answer(cheat, make_honest(tmp_path / "honest", actors=6), tmp_path / "cheat")
    assert found.code == 4
    assert found.outcome.startswith("held as far as could be tried: scores only")


@pytest.mark.slow
def test_its_honest_twin_is_not(honest: Honest) -> None:
    assert command("audit", honest.run).exit_code == 0
    lines = json.loads((honest.run / "audit.json").read_text(encoding="utf-8"))["lines"]
    assert not [line for line in lines if line["verdict"] in ("warn", "leak", "edited")]
