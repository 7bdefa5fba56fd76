"""A sweep from its plan to the ranking: by validation rows alone, resumable, and in parts."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from ravfeat.errors import CacheError, HeadError, LeakError, ProtocolError, UsageError
from ravfeat.experiment import systems
from ravfeat.experiment.fit import FitPlan, fit_heads
from ravfeat.predictions import Predictions
from ravfeat.stats import score_rows
from ravfeat.sweep.figure import factor_figure, levels_of
from ravfeat.sweep.run import SweepResult, open_sweep, run_sweep
from tests.toycaches import actors_and_emotions
from tests.writtencaches import write_cache

TAKES = actors_and_emotions()
PLAN = """
caches = ["voice", "face"]
layers = ["all", "1"]
protocols = "group3"

[[heads]]
name = "logreg"
grid = [[10.0]]
"""

pytestmark = pytest.mark.usefixtures("blank_figures")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A voice and a face of the same takes, under names that plans use."""
    folder = tmp_path_factory.mktemp("sweeps")
    for name, stream in (("voice", "audio"), ("face", "face")):
        write_cache(folder / name, TAKES, name=name, stream=stream)
    return folder


def write_plan(folder: Path, text: str = PLAN, name: str = "plan.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def out(folder) -> Path:
    """The sweep of PLAN. Read only."""
    run_sweep(open_sweep(write_plan(folder)), folder / "out")
    return folder / "out"


def run(folder: Path, out: Path, text: str = PLAN, **shard: int) -> SweepResult:
    return run_sweep(open_sweep(write_plan(folder, text, f"{out.name}.toml")), out, **shard)


def files_of(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def test_validation_scores_are_those_of_the_same_plan_trained_alone(folder, out) -> None:
    (trial,) = [each for each in (out / "trials").iterdir() if "voice" in each.name and "layers-1" in each.name]
    settings = {"grid": (10.0,)}
    plan = FitPlan(
        tuple((folder / "voice").glob("*/*/")), heads=("logreg",), settings=settings, layers="1", protocol="group3"
    )
    alone = [
        row for row in score_rows(fit_heads(plan).predictions) if (row["split"], row["averaging"]) == ("val", "fold")
    ]
    swept = json.loads((trial / "trial.json").read_text())["validation"]["scores"]
    assert [score["uar"] for score in swept] == [row["uar"] for row in alone]
    assert [score["nll"] for score in swept] == [row["nll_uncalibrated"] for row in alone]


def test_no_file_holds_a_test_row_and_the_ranking_is_by_validation(folder, out) -> None:
    for path in out.rglob("predictions.parquet"):
        assert set(Predictions.read(path).table["split"].to_pylist()) == {"val"}
    assert not list(out.rglob("metrics.json")) + list(out.rglob("scores.parquet"))
    result = run(folder, out)
    uars = [trial.validation.uar for trial in result.groups["group3"]]
    assert uars == sorted(uars, reverse=True)
    assert (result.n_trained, result.n_kept) == (0, 4)


def test_test_clips_are_not_scored_by_any_head(folder, tmp_path, monkeypatch) -> None:
    def looked(*_: object) -> None:
        raise AssertionError("a test clip was scored")

    monkeypatch.setattr("ravfeat.experiment.fit._test_logits", looked)
    assert run(folder, tmp_path / "blind").n_trained == 4


def test_features_of_a_cache_are_read_once_for_all_plans_and_layers(folder, tmp_path, monkeypatch) -> None:
    read, original = [], systems.load_features

    def watch(cache, *arguments, **options):
        read.append(cache.about["stream"])
        return original(cache, *arguments, **options)

    monkeypatch.setattr("ravfeat.experiment.systems.load_features", watch)
    run(folder, tmp_path / "once", PLAN.replace('"all", "1"', '"1", "0-1", "2"'))
    assert sorted(read) == ["audio", "face"]


def test_what_was_killed_goes_on_to_the_same_files(folder, out, tmp_path, monkeypatch) -> None:
    from ravfeat.sweep import run as module

    trained, original = [], module._train

    def killed(trial, *arguments, **options):
        if len(trained) == 2:
            raise KeyboardInterrupt
        trained.append(trial.digest)
        return original(trial, *arguments, **options)

    monkeypatch.setattr(module, "_train", killed)
    with pytest.raises(KeyboardInterrupt):
        run(folder, tmp_path / "out")
    monkeypatch.setattr(module, "_train", original)
    assert run(folder, tmp_path / "out").n_kept == 2
    assert files_of(tmp_path / "out") == files_of(out)


def test_two_shards_give_what_one_gives(folder, out, tmp_path) -> None:
    first = run(folder, tmp_path / "out", num_shards=2, shard_index=1)
    assert (first.n_trained, first.n_waiting) == (2, 2)
    assert "2 plans are not trained yet" in (tmp_path / "out" / "sweep.md").read_text()
    run(folder, tmp_path / "out", num_shards=2)
    assert files_of(tmp_path / "out") == files_of(out)


def test_plans_whose_files_were_changed_are_trained_again(folder, out, tmp_path, caplog) -> None:
    shutil.copytree(out, tmp_path / "out")
    before = files_of(tmp_path / "out")
    paths = sorted((tmp_path / "out" / "trials").glob("*/trial.json"))
    records = [json.loads(path.read_text()) for path in paths]
    records[0]["validation"]["scores"][0]["uar"] = 1.0
    records[1]["digest"] = "0" * 64
    for path, text in zip(paths, (*map(json.dumps, records[:2]), "{"), strict=False):
        path.write_text(text)
    shutil.copy(paths[0].parent / "predictions.parquet", paths[3].parent)
    assert run(folder, tmp_path / "out").n_trained == 4
    assert caplog.text.count("is trained again") == 4
    assert files_of(tmp_path / "out") == before


def test_protocols_are_ranked_apart_and_chance_is_drawn_beside_choices(folder, tmp_path) -> None:
    text = PLAN.replace('"all", "1"', '"1"').replace('"group3"', '["group3", "group2"]\nchoose_by = "nll"')
    result = run(folder, tmp_path / "out", text)
    assert {protocol: len(ranking) for protocol, ranking in result.groups.items()} == {"group3": 2, "group2": 2}
    for ranking in result.groups.values():
        assert ranking[0].validation.nll <= ranking[1].validation.nll
    page = (tmp_path / "out" / "sweep.md").read_text()
    assert page.count("by NLL") == 2
    assert (tmp_path / "out" / "factors-2.svg").is_file()
    levels = levels_of(result.groups["group2"])
    assert {(level.factor, level.value, len(level.uars)) for level in levels} == {
        ("features", "voice", 1),
        ("features", "face", 1),
        ("between", "folds", 2),
    }
    (words,) = [text.get_text() for text in factor_figure(levels, "group2, x, y").axes[0].texts if "voice" in str(text)]
    assert words == "features voice"


def test_views_train_where_a_cache_has_some(folder, tmp_path) -> None:
    rng = np.random.default_rng(1)
    heard = [
        take.__class__(**{**vars(take), "features": take.features + rng.normal(size=take.features.shape).astype("f4")})
        for take in TAKES
    ]
    write_cache(tmp_path / "view", TAKES, name="voice", stream="audio", view="noise-1:seed0", heard=heard)
    text = (
        f'heads = ["logreg"]\ncaches = ["{folder}/voice", "{folder}/face"]\ntrain_views = ["view"]\n'
        'views = ["none", "train", "statistics"]\n'
    )
    sweep = open_sweep(write_plan(tmp_path, text))
    assert [(trial.factors["features"], trial.factors["views"]) for trial in sweep.trials] == [
        ("voice", "none"),
        ("voice", "train"),
        ("voice@mean-statistics", "statistics"),
        ("face", "none"),
    ]
    assert all("it has no views" in reason for reason in sweep.left_out)


def test_settings_and_joint_heads_are_combined_with_what_they_read(folder, tmp_path) -> None:
    text = f"""
caches = ["{folder}/voice"]
concat = [["{folder}/face", "other"]]
together = [["{folder}/voice", "{folder}/face"]]

[[heads]]
name = "logreg"
grid = [[1.0], [1.0, 10.0]]
statistics = ["mean"]
[[heads]]
name = "attentive"
epochs = [1, 2]
[[heads]]
name = "joint-kernel"
"""
    write_cache(tmp_path / "other", TAKES, name="second", stream="face")
    sweep = open_sweep(write_plan(tmp_path, text))
    named = [(trial.factors["features"], trial.prepared.heads[0][0].name) for trial in sweep.trials]
    assert sorted(set(named)) == [
        ("face+second", "logreg"),
        ("voice", "attentive"),
        ("voice", "logreg"),
        ("voice+face", "joint-kernel"),
    ]
    assert len(named) == 2 * 2 + 2 + 1
    assert any("attentive with concat" in reason and "pools by itself" in reason for reason in sweep.left_out)


@pytest.mark.parametrize(
    ("text", "kind", "match"),
    [
        ('heads = ["logreg"]\ncaches = ["voice"]\nlayer = ["1"]', UsageError, "no key 'layer', did you mean layers"),
        ('caches = ["voice"]', UsageError, "lacks 'heads'"),
        ("heads = [", UsageError, "not valid TOML"),
        ('heads = ["logreg"]', UsageError, "names no cache"),
        ('heads = [3]\ncaches = ["voice"]', UsageError, r"heads\[0\] is 3, expected an object"),
        ('heads = ["logreg"]\ncaches = [[1]]', UsageError, r"caches\[0\]"),
        ('heads = ["logreg"]\ncaches = ["voice"]\nseeds = 0', UsageError, "seeds is 0"),
        ('heads = ["logreg"]\ncaches = ["voice"]\nseeds = [0, 1]', UsageError, "seeds is .* expected a whole number"),
        ('heads = ["logreg"]\ncaches = ["voice"]\nviews = "mean"', UsageError, r"views\[0\] is \"mean\""),
        ('heads = ["logreg", "logreg"]\ncaches = ["voice"]', UsageError, "twice"),
        ('heads = ["logreg"]\ncaches = ["voice", "voice"]', UsageError, "twice"),
        ('heads = ["logreg"]\ncaches = ["voice", "./voice"]', UsageError, "named twice"),
        ('heads = ["logreg"]\ncaches = ["nowhere"]', CacheError, "nowhere"),
        ('heads = ["svc"]\ncaches = ["voice"]', UsageError, "head = svc.*no head 'svc'"),
        ('heads = ["logreg"]\ncaches = ["voice"]\nlayers = [7]', UsageError, "layers = 7.*there are 0-2"),
        ('heads = ["logreg"]\ncaches = ["voice"]\nprotocols = "mine"', UsageError, "protocol = mine.*no protocol"),
        ('heads = ["logreg"]\ncaches = ["voice"]\nprotocols = "clip6"', LeakError, "LEAKY.*allow_missing = true"),
        ('heads = ["joint-kernel"]\ncaches = ["voice"]', UsageError, "is in no combination"),
        ('heads = ["face:logreg"]\ncaches = ["voice"]', UsageError, "of another stream"),
        ('caches = ["voice"]\n[[heads]]\nname = "logreg"\nepochs = 3', UsageError, "none of the heads .* 'epochs'"),
        ('caches = ["voice"]\n[[heads]]\nname = "attentive"\nepochs = [1, 0]', HeadError, "epochs = 0.*epochs"),
        ('caches = ["voice"]\n[[heads]]\nname = "logreg"\ngrid = []', UsageError, "grid is an empty list"),
        ('heads = ["logreg"]\nconcat = [["voice"]]', UsageError, r"concat\[0\] names one cache"),
        ('heads = ["mine.py:SVC"]\ncaches = ["voice"]', UsageError, "names code, 'mine.py:SVC'.*--own-code"),
        ('caches = ["voice"]\n[[heads]]\ngrid = [1.0]', UsageError, "lacks 'name'"),
        ('caches = ["voice"]\n[[heads]]\nname = "attentive"\nepochs = [1, 1]', UsageError, "twice with the same"),
        ('caches = ["voice"]\n[[heads]]\nname = "logreg"\nlayers = [1]', UsageError, "layers is no setting of a head"),
        ('heads = ["logreg"]\ncaches = ["voice"]\nviews = "train"', UsageError, "name caches of views"),
        ('heads = ["logreg"]\ncaches = ["voice"]\ntrain_views = ["face"]', UsageError, "name caches of views"),
        (
            'heads = ["logreg"]\ncaches = ["voice"]\ntrain_views = ["face"]\nviews = "train"',
            UsageError,
            "face.* is a view of none of the plan's caches",
        ),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_trained(folder, text, kind, match) -> None:
    with pytest.raises(kind, match=f"(?s){match}"):
        open_sweep(write_plan(folder, text, "wrong.toml"))


def test_a_product_without_end_is_refused_at_once(folder) -> None:
    numbers = ", ".join(map(str, range(1, 200)))
    text = f'caches = ["voice"]\n[[heads]]\nname = "attentive"\nepochs = [{numbers}]\nframe_average = [{numbers}]'
    with pytest.raises(UsageError, match="more than 10000 combinations"):
        open_sweep(write_plan(folder, text, "endless.toml"))


def test_plans_that_are_validated_on_different_clips_are_not_ranked(folder, tmp_path) -> None:
    lost = [take.clip_id for take in TAKES[::9]]
    write_cache(tmp_path / "less", TAKES, name="less", stream="audio", lost=lost)
    text = f'heads = ["logreg"]\ncaches = ["{folder}/voice", "less"]\nallow_missing = true'
    with pytest.raises(ProtocolError, match=r"on different clips .* cannot be ranked.*clips = "):
        open_sweep(write_plan(tmp_path, text))


def test_a_folder_of_something_else_and_a_shard_that_is_none_are_refused(folder, tmp_path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds no sweep"):
        run(folder, tmp_path)
    with pytest.raises(UsageError, match="shard 2 of 2: expected 0 to 1"):
        run(folder, tmp_path / "new", num_shards=2, shard_index=2)


def test_a_head_of_own_code_is_ranked_where_a_word_was_given(folder, tmp_path) -> None:
    code = tmp_path / "mine.py"
    code.write_text("from sklearn.svm import SVC\n\n\ndef make():\n    return SVC()\n")
    text = PLAN.replace('"logreg"', f'"{code}:make"').replace("grid = [[10.0]]", "").replace('"all", ', "")
    result = run_sweep(open_sweep(write_plan(folder, text, "own.toml"), own_code=True), tmp_path / "out")
    assert [trial.factors["head"] for trial in result.groups["group3"]] == ["make", "make"]
    digests = {trial.digest for trial in result.groups["group3"]}
    code.write_text(code.read_text().replace("SVC()", "SVC(C=3.0)"))
    again = open_sweep(write_plan(folder, text, "own.toml"), own_code=True)
    assert not digests & {trial.digest for trial in again.trials}  # other code is another plan
