"""``ravfeat sweep``."""

import pytest

from tests.toycaches import actors_and_emotions
from tests.writtencaches import write_cache


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("swept")
    write_cache(folder / "voice", actors_and_emotions(), name="voice", stream="audio", synthetic=True)
    (folder / "plan.toml").write_text(
        'heads = ["logreg"]\ncaches = "voice"\nlayers = ["0", "1"]\nprotocols = "group3"\n'
    )
    return folder


@pytest.mark.usefixtures("blank_figures")
def test_a_sweep_ranks_by_validation_and_tests_once(folder, here) -> None:
    planned = here("sweep", "plan.toml", "--dry-run", cwd=folder)
    assert planned.returncode == 0
    assert "2 to train, 0 trained; nothing was written" in planned.stdout
    assert not (folder / "sweeps").exists()
    swept = here("sweep", "plan.toml", cwd=folder)
    assert "no test clip was scored" in swept.stdout
    assert "UAR pooled" not in swept.stdout
    assert "synthetic corpus" in swept.stdout
    assert swept.stdout.index("1  1  ") < swept.stdout.index("2  0  ")
    revealed = here("sweep", "plan.toml", "--reveal", cwd=folder)
    assert "0 plans trained, 2 kept" in revealed.stdout
    assert "chosen among 2 by validation UAR" in revealed.stdout
    assert "UAR pooled" in revealed.stdout
    assert "was tested before" in here("sweep", "plan.toml", "--reveal", cwd=folder).stdout


def test_a_plan_that_is_wrong_ends_in_one_line(folder, here) -> None:
    (folder / "wrong.toml").write_text('heads = ["logreg"]\ncache = "voice"\n')
    done = here("sweep", "wrong.toml", cwd=folder)
    assert done.returncode == 2
    assert "no key 'cache', did you mean caches" in done.stderr
    assert here("sweep", "nowhere.toml", cwd=folder).returncode == 2
