"""``ravfeat fit-heads``."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ravfeat.cache.format import StoreRecipe
from ravfeat.cli.fit_heads import command
from ravfeat.experiment.plan import FitPlan
from ravfeat.media.augment import View
from tests.toycaches import Take, actors_and_emotions, build_cache
from tests.writtencaches import write_cache

QUICK = ["--head", "logreg", "--layers", "1", "--device", "cpu"]


@pytest.fixture(scope="module")
def takes() -> list[Take]:
    return actors_and_emotions()


@pytest.fixture(scope="module")
def home(takes, tmp_path_factory) -> Path:
    """A folder with one cache under cache/."""
    folder = tmp_path_factory.mktemp("home")
    build_cache(folder, takes)
    return folder


def test_bare_it_means_ravdess6_block_kernel_val_one_seed_auto() -> None:
    defaults = {parameter.name: parameter.to_info_dict()["default"] for parameter in command.params}
    wanted = {"protocol": None, "select": "val", "seeds": 1, "device": "auto"}
    assert wanted == {name: defaults[name] for name in wanted}
    assert FitPlan().protocol == "ravdess6"
    assert list(defaults["heads"]) == ["block-kernel"] == list(FitPlan().heads)


def test_bare_it_trains_on_every_cache_under_cache_and_makes_a_dated_run(here, home, takes, tmp_path) -> None:
    build_cache(tmp_path / "a", takes)
    build_cache(tmp_path / "b", takes, name="other")
    for name in ("a", "b"):
        folder = next((tmp_path / name / "cache" / "ravdess").glob("*/"))
        (tmp_path / "cache" / "ravdess").mkdir(parents=True, exist_ok=True)
        folder.rename(tmp_path / "cache" / "ravdess" / folder.name)
    done = here("fit-heads", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (run,) = (tmp_path / "runs").iterdir()
    assert re.fullmatch(r"\d{8}-\d{6}-block-kernel", run.name)
    records = json.loads((run / "metrics.json").read_text())
    assert {(r["features"], r["head"], r["protocol"], r["select"]) for r in records} == {
        (name, "block-kernel", "ravdess6", "val") for name in ("toy", "other", "other+toy")
    }
    assert json.loads((run / "recipe.json").read_text())["command"].endswith("fit-heads")


def test_only_listed_clips_are_trained_on_and_the_run_says_so(here, home, takes, tmp_path) -> None:
    chosen = [take.clip_id for take in takes if take.label != takes[0].label]
    (tmp_path / "some.csv").write_text("\n".join(["clip_id", *chosen, ""]), encoding="utf-8")
    command = ["fit-heads", "--cache", home / "cache", *QUICK, "--clips", tmp_path / "some.csv"]
    done = here(*command, "--out", tmp_path / "a")
    assert done.returncode == 0, done.stderr
    recipe = json.loads((tmp_path / "a" / "recipe.json").read_text())
    assert recipe["caches"][0]["clips"] == len(chosen) < len(takes)
    assert recipe["plan"]["clips"] == str(tmp_path / "some.csv")
    assert len(recipe["plan"]["clips_sha256"]) == 64


def test_the_table_names_metric_averaging_protocol_interval_and_n(here, home, tmp_path) -> None:
    done = here("fit-heads", "--cache", home / "cache", *QUICK, "--head", "kernel", "--out", tmp_path / "a")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "ravdess6, select val, n=96"
    assert re.split(r" {2,}", lines[1]) == [
        "system", "UAR pooled, 95 % over actors", "UAR of folds", "WA (plain accuracy)"
    ]  # fmt: skip
    for line, head in zip(lines[2:4], ("kernel", "logreg"), strict=True):
        assert re.fullmatch(
            rf"audio toy {head} +0\.\d{{3}} \[0\.\d{{3}}, [01]\.\d{{3}}\] +0\.\d{{3}} ± 0\.\d{{3}} +0\.\d{{3}}", line
        )
    assert [line.split()[:3] for line in lines[4:7]] == [
        [stream, "toy", "kernel+logreg"] for stream in ("fused", "fused-linear", "fused-loglinear")
    ]
    assert re.fullmatch(
        r"with 24 actors, differences of UAR under about 0\.\d{3} cannot be told from zero \(half the width of the 95 %"
        r" interval of a paired difference, median of \d pairs of systems.*\)",
        lines[7],
    )
    assert lines[8] == (
        "4 classes, chance 0.250; 96 of 96 clips tested; features encoded here from recordings, as their caches say"
    )
    assert re.fullmatch(r"classes: calm \d+, .*", lines[9])
    assert sum(map(int, re.findall(r"\d+", lines[9]))) == 96
    assert re.fullmatch(r"fused: 2 systems, rule auto: .* of 6 folds", lines[10])
    gain = (
        r"  UAR over audio toy (kernel|logreg): [+-]0\.\d{3} \[[+-]0\.\d{3}, [+-]0\.\d{3}\], "
        r"p = [01]\.\d{4} \(Holm, all 10 pairs of the run\)"
    )
    assert re.fullmatch(gain, lines[11])
    assert re.search(
        r"12 heads, in \d+\.\d s \(\d+\.\d s training\); 'ravfeat report .*/a' makes the report", lines[-1]
    )
    records = json.loads((tmp_path / "a" / "metrics.json").read_text())
    uar = next(r for r in records if (r["head"], r["metric"], r["averaging"]) == ("kernel", "uar", "pooled"))
    assert f"{uar['value']:.3f} [{uar['ci_low']:.3f}, {uar['ci_high']:.3f}]" in lines[2]


def test_a_leaky_run_needs_leave_and_says_so_in_every_line_with_a_number(here, home, tmp_path) -> None:
    leaky = ["fit-heads", "--cache", home / "cache", *QUICK, "--head", "kernel", "--protocol", "clip6"]
    leaky += ["--out", tmp_path / "leaky"]
    refused = here(*leaky)
    assert refused.returncode == 1
    assert "Add --allow-leak" in refused.stderr
    assert not (tmp_path / "leaky").exists()
    done = here(*leaky, "--allow-leak")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("clip6 LEAKY (tested on actors it was trained on), ")
    assert all(line.endswith("  LEAKY") for line in lines[2:-1] if not line.startswith("classes: "))
    assert len(lines) == 2 + 5 + 1 + 2 + 3 + 1 + 1


def test_some_clips_under_other_classes_in_folds_of_a_file_are_said_and_recorded(here, home, takes, tmp_path) -> None:
    first, second, *_ = sorted({take.label for take in takes})
    rest = sorted({take.label for take in takes} - {first, second})
    rows = [f"{first},low", f"{second},high", *(f"{label}," for label in rest)]
    (tmp_path / "classes.csv").write_text("\n".join(["label,class", *rows]))
    (tmp_path / "folds.csv").write_text("\n".join(["speaker,fold", *(f"{n},{n % 3}" for n in range(1, 31))]))
    command = ["fit-heads", "--cache", home / "cache", *QUICK, "--protocol", tmp_path / "folds.csv"]
    command += ["--where", "actor != 24", "--label-map", tmp_path / "classes.csv", "--out", tmp_path / "a"]
    done = here(*command)
    assert done.returncode == 0, done.stderr
    recipe = json.loads((tmp_path / "a" / "recipe.json").read_text())
    assert re.fullmatch(r"folds@[0-9a-f]{8}", recipe["protocol"])
    assert done.stdout.startswith(f"{recipe['protocol']}, select val, n=46\n")
    assert "classes: low 23, high 23\n" in done.stdout
    assert "Folds are those of folds.csv (SHA-256 " in done.stdout
    assert "…): 0, 1, 2; 7 of its names are no actor of the run.\n" in done.stdout
    said = rf"Clips used: 46 where actor != 24, classes by classes.csv \(.*: high 23, low 23; left out: {len(rest) + 2}"
    assert re.search(said + r" by --where, \d+ by --label-map\.\n", done.stdout)
    assert recipe["narrowed"]["left_out"] == {"--where": len(rest) + 2, "--label-map": 23 * len(rest)}
    assert {record["protocol"] for record in json.loads((tmp_path / "a" / "metrics.json").read_text())} == {
        recipe["protocol"]
    }


def test_an_official_split_says_how_many_are_tested_and_a_leak_in_it_is_leaky(here, home, takes, tmp_path) -> None:
    def split(name: str, side_of) -> Path:
        rows = [f"{take.clip_id}.wav,{side_of(number, take)}" for number, take in enumerate(takes)]
        (tmp_path / name).write_text("\n".join(["file,split", *rows]))
        return tmp_path / name

    command = ["fit-heads", "--cache", home / "cache", *QUICK, "--force", "--out", tmp_path / "a", "--protocol"]
    done = here(*command, split("official.csv", lambda _, take: "train" if take.actor < "ravdess:17" else "eval"))
    assert done.returncode == 0, done.stderr
    assert f"clips of a fold: train {len(takes) // 3}, val {len(takes) // 3}, test {len(takes) // 3};" in done.stdout
    leaky = split("leaky.csv", lambda number, _: ("train", "test", "dev")[number % 3])
    refused = here(*command, leaky)
    assert refused.returncode == 1
    assert re.search(
        r"fold 0 \(0\) of 'leaky@.*' leaks: 24 of 24 actors are on two sides \(ravdess:01 in", refused.stderr
    )
    done = here(*command, leaky, "--allow-leak")
    assert done.returncode == 0, done.stderr
    assert re.match(r"leaky@[0-9a-f]{8} LEAKY \(tested on actors it was trained on\)", done.stdout)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--where", "label = 'sad'"], "write == to compare"),
        (["--where", "label != 'bordom'"], "no clip has label 'bordom'; there is "),
        (["--protocol", "group:session"], "protocol 'group:session': no column 'session'; there is clip_id"),
        (["--protocol", "gone.csv"], "gone.csv is not a file"),
        (["--protocol", "loso5"], "no protocol 'loso5'; choose from ravdess6"),
        (["--label-map", "gone.csv"], "gone.csv is not a file"),
    ],
)
def test_a_condition_a_split_or_a_map_that_cannot_be_is_one_line(options, message, here, home, tmp_path) -> None:
    done = here("fit-heads", "--cache", home / "cache", *QUICK, *options, "--out", tmp_path / "a")
    assert done.returncode in (1, 2)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "a").exists()


def test_a_synthetic_corpus_is_called_synthetic(here, takes, tmp_path) -> None:
    path = build_cache(tmp_path, takes, corpus="synth", synthetic=True)
    done = here("fit-heads", "--cache", path, *QUICK, "--out", tmp_path / "a")
    assert "on a synthetic corpus (says nothing about people)" in done.stdout.splitlines()[0]


def test_a_folder_of_several_caches_is_no_choice(here, takes, home, tmp_path) -> None:
    build_cache(tmp_path / "one", takes)
    build_cache(tmp_path / "two", takes, name="other")
    done = here("fit-heads", "--cache", tmp_path, *QUICK)
    assert done.returncode == 1
    assert "holds 2 caches; name one of them" in done.stderr
    assert "audio-toy-" in done.stderr
    assert "audio-other-" in done.stderr


def test_without_a_cache_it_says_how_to_make_one(here, tmp_path) -> None:
    done = here("fit-heads", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.strip() == (
        "ravfeat: no cache under cache/; make one with 'ravfeat extract', or name it with --cache DIR"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--head", "forest"], "no head 'forest'; choose from attentive"),
        (["--head", "logreg", "--head", "logreg"], "expected every head once"),
        (["--protocol", "ravdess5"], "no protocol 'ravdess5'; choose from ravdess6"),
        (["--layers", "7"], "layers '7': there are 0-2, not 7"),
        (["--head", "logreg", "--epochs", "3"], "none of the heads logreg has the setting 'epochs'"),
        (["--device", "tpu"], "no device 'tpu'"),
        (["--device", "mps"], "device 'mps': Apple's GPUs are not supported"),
        (["--select", "test"], "is not one of 'val', 'nested'"),
        (["--seeds", "0"], "is not in the range x>=1"),
    ],
)
def test_options_that_cannot_be_end_with_2(options, message, here, home, tmp_path) -> None:
    done = here("fit-heads", "--cache", home / "cache", "--out", tmp_path / "a", *options)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "a").exists()


def test_a_gpu_that_is_not_there_is_one_line(here, home, tmp_path) -> None:
    done = here("fit-heads", "--cache", home / "cache", "--device", "cuda:31", "--out", tmp_path / "a")
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert "device 'cuda:31' is not there" in line


def test_a_run_is_replaced_only_by_force_and_refused_before_training(here, home, tmp_path, monkeypatch) -> None:
    call = ["fit-heads", "--cache", home / "cache", *QUICK, "--out", tmp_path / "a"]
    assert here(*call).returncode == 0
    with monkeypatch.context() as patch:
        patch.setattr("ravfeat.api.fit_heads.fit_plan", pytest.fail)
        refused = here(*call)
    assert refused.returncode == 2
    assert "already holds a run; choose another --out, or replace it with --force" in refused.stderr
    assert here(*call, "--force").returncode == 0


def test_missing_clips_are_named_and_left_out_on_request(here, takes, tmp_path) -> None:
    silent = [
        replace(take, features=np.zeros_like(take.features)) if i in {3, 50} else take for i, take in enumerate(takes)
    ]
    path = build_cache(tmp_path, silent)
    call = ["fit-heads", "--cache", path, *QUICK, "--out", tmp_path / "a"]
    refused = here(*call)
    assert refused.returncode == 1
    assert "lacks 2 of 96 clips" in refused.stderr
    assert all(takes[i].clip_id in refused.stderr for i in (3, 50))
    done = here(*call, "--allow-missing")
    assert done.returncode == 0, done.stderr
    assert "n=94" in done.stdout
    assert "audio toy: without 2 clips that are not stored and 0 that have no label" in done.stdout
    whole = build_cache(tmp_path / "other", takes, name="whole")
    fused = here(*call[:3], "--cache", whole, *QUICK, "--out", tmp_path / "f", "--allow-missing")
    assert fused.returncode == 0, fused.stderr
    assert "n=94" in fused.stdout.splitlines()[0]
    assert "audio whole: without 2 clips that are not stored here or in a cache it is fused with" in fused.stdout
    alone = [*call[:3], "--cache", whole, *QUICK, "--out", tmp_path / "b", "--fusion", "none"]
    both = here(*alone, "--allow-missing")
    assert "n=" not in both.stdout.splitlines()[0]
    assert "the rows rest on different clips (audio toy " in both.stdout


def test_a_leak_in_the_shards_ends_with_1_and_names_who_and_where(here, takes, tmp_path) -> None:
    torn = [replace(take, performance_id=takes[0].clip_id) if take is takes[-1] else take for take in takes]
    done = here("fit-heads", "--cache", build_cache(tmp_path, torn), *QUICK, "--out", tmp_path / "a")
    assert done.returncode == 1
    assert re.search(
        r"fold \d of 'ravdess6' leaks: performance '01-00' is in .*ravdess:(01|24).* and in .*", done.stderr
    )


def test_labels_are_replaced_by_clip_id(here, home, takes, tmp_path) -> None:
    merge = {"angry": "high", "happy": "high", "sad": "low", "calm": "low"}
    rows = [f"{take.clip_id},{merge[take.label]}" for take in takes]
    (tmp_path / "labels.csv").write_text("\n".join(["clip_id,label", *rows]), encoding="utf-8")
    done = here(
        "fit-heads", "--cache", home / "cache", *QUICK, "--labels", tmp_path / "labels.csv", "--select", "nested",
        "--no-std", "--out", tmp_path / "a",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "a" / "recipe.json").read_text())["classes"] == ["high", "low"]


# --- joins


def test_a_join_alone_trains_only_the_join_and_its_run_can_be_reported(here, home, takes, tmp_path) -> None:
    paths = [write_cache(tmp_path / "caches", takes, name=name) for name in ("one", "two")]
    join = ",".join(map(str, paths))
    done = here("fit-heads", "--concat", join, *QUICK, "--out", tmp_path / "a", cwd=home)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[2].startswith("face one+two logreg  0.")
    assert len(done.stdout.splitlines()) == 8
    recipe = json.loads((tmp_path / "a" / "recipe.json").read_text())
    assert [one["path"] for one in recipe["caches"][0]["joined"]] == list(map(str, paths))
    assert (tmp_path / "a" / "heads" / "face-one+two-logreg" / "fold-0-seed-0.toml").is_file()
    assert {r["features"] for r in json.loads((tmp_path / "a" / "metrics.json").read_text())} == {"one+two"}
    report = here("report", tmp_path / "a")
    assert report.returncode == 0, report.stderr
    assert "face / one+two / logreg" in (tmp_path / "a" / "report" / "report.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("join", ["a", "a,", ",a", ""])
def test_a_join_names_two_caches_or_more(join, here, tmp_path) -> None:
    done = here("fit-heads", "--concat", join, *QUICK, "--out", tmp_path / "a")
    assert done.returncode == 2
    assert f"--concat '{join}': expected two or more caches with commas between them" in done.stderr


def test_a_join_is_refused_to_a_head_that_pools_by_itself(here, takes, tmp_path) -> None:
    paths = [write_cache(tmp_path / "caches", takes, name=name) for name in ("one", "two")]
    options = ["--head", "attentive", "--device", "cpu", "--out", tmp_path / "a"]
    done = here("fit-heads", "--concat", ",".join(map(str, paths)), *options)
    assert done.returncode == 2
    assert "head 'attentive' pools the frames of a cache by itself" in done.stderr


# --- views


@pytest.fixture(scope="module")
def viewed(takes, tmp_path_factory) -> Path:
    """A folder with a cache and two views of it under cache/."""
    folder = tmp_path_factory.mktemp("viewed")
    clean = build_cache(folder / "clean", takes)
    for name in ("gain", "noise"):
        view = build_cache(folder / name, takes, recipe=StoreRecipe(dtype="float32", view=View(name, 1).name))
        view.rename(clean.parent / view.name)
    return folder / "clean"


def named(folder: Path, view: str) -> Path:
    (path,) = (folder / "cache" / "ravdess").glob(f"audio-toy-{view}-1-seed1-*")
    return path


def test_views_that_train_are_named_wherever_their_numbers_stand(here, viewed, tmp_path) -> None:
    views = [named(viewed, "gain"), named(viewed, "noise")]
    (clean,) = set((viewed / "cache" / "ravdess").glob("*/")) - set(views)
    options = ["--train-views", views[0], "--train-views", views[1], "--out", tmp_path / "a"]
    done = here("fit-heads", "--cache", clean, *QUICK, *options)
    assert done.returncode == 0, done.stderr
    said = "audio toy: trained on clean + gain-1:seed1 + noise-1:seed1, tested on clean"
    assert said in done.stdout.splitlines()
    recipe = json.loads((tmp_path / "a" / "recipe.json").read_text())
    assert recipe["caches"][0]["trained_on"] == "clean + gain-1:seed1 + noise-1:seed1"
    assert [Path(view["path"]) for view in recipe["caches"][0]["views"]] == views
    assert here("report", tmp_path / "a").returncode == 0
    page = (tmp_path / "a" / "report" / "report.md").read_text(encoding="utf-8")
    assert "select val · trained on clean + gain-1:seed1 + noise-1:seed1 · 1 seed" in page
    assert "also trained on augmented views of the training clips" in page


def test_means_over_views_and_parts_are_named_wherever_their_numbers_stand(here, viewed, tmp_path) -> None:
    views = [named(viewed, "gain"), named(viewed, "noise")]
    (clean,) = set((viewed / "cache" / "ravdess").glob("*/")) - set(views)
    options = ["--train-views", views[0], "--average-views", "--pool", "whole+active", "--out", tmp_path / "a"]
    done = here("fit-heads", "--cache", clean, "--head", "logreg", "--layers", "1", *options)
    assert done.returncode == 0, done.stderr
    lines, names = done.stdout.splitlines(), "clean + gain-1:seed1"
    assert f"audio toy@mean-scores: trained on {names}, tested on the mean scores of {names}" in lines
    assert "audio toy@mean-scores logreg: pools whole clips and their speech-active part" in lines
    run = tmp_path / "a"
    recipe, metrics = (json.loads((run / name).read_text()) for name in ("recipe.json", "metrics.json"))
    assert (recipe["plan"]["average_views"], recipe["plan"]["settings"]["parts"]) == ("scores", ["whole", "active"])
    assert recipe["chosen"][0]["settings"]["parts"] == ["whole", "active"]
    assert {record["features"] for record in metrics} == {"toy@mean-scores"}
    assert here("report", run).returncode == 0
    page = (run / "report" / "report.md").read_text(encoding="utf-8")
    assert f"trained on {names}, tested on the mean scores of {names}" in page
    assert "a validation or test clip is the mean over itself and the same views of it, and of no other clip" in page


def test_parts_and_means_that_nobody_can_use_end_with_2(here, viewed, tmp_path) -> None:
    (clean,) = (path for path in (viewed / "cache" / "ravdess").glob("*/") if "-1-seed1-" not in path.name)
    out = ["--cache", clean, "--out", tmp_path / "a"]
    alone = here("fit-heads", "--average-views", *out)
    assert (alone.returncode, "averages over the views of --train-views, got none" in alone.stderr) == (2, True)
    frames = here("fit-heads", "--pool", "active", "--head", "attentive", *out)
    assert (frames.returncode, "none of the heads attentive has --pool" in frames.stderr) == (2, True)


def test_a_leaky_control_may_have_views_and_says_leaky_beside_them(here, viewed, tmp_path) -> None:
    options = ["--protocol", "clip6", "--allow-leak", "--train-views", named(viewed, "gain"), "--out", tmp_path / "a"]
    done = here("fit-heads", *QUICK, *options, cwd=viewed)
    assert done.returncode == 0, done.stderr
    assert "audio toy: trained on clean + gain-1:seed1, tested on clean  LEAKY" in done.stdout.splitlines()
    assert "passed over cache/ravdess/audio-toy-noise-1-seed1-" in done.stderr  # and of the one that was given nothing
    assert done.stderr.count("passed over") == 1


@pytest.mark.parametrize("name", ["fit-heads", "compare-splits"])
def test_caches_of_views_are_passed_over_where_caches_are_looked_for(name, here, viewed, tmp_path) -> None:
    done = here(name, *QUICK, "--out", tmp_path / "a", cwd=viewed)
    assert done.returncode == 0, done.stderr
    assert re.search(
        r"passed over cache/ravdess/audio-toy-gain-1-seed1-\w+: the view 'gain-1:seed1' is for 'rav", done.stderr
    )
    assert done.stderr.count("passed over") == 2
    assert "tested on clean" not in done.stdout


def test_where_there_are_only_views_it_says_what_is_missing(here, takes, tmp_path) -> None:
    build_cache(tmp_path, takes, recipe=StoreRecipe(dtype="float32", view=View("gain").name))
    done = here("fit-heads", cwd=tmp_path)
    assert done.returncode == 1
    assert "passed over cache/ravdess/audio-toy-gain-1-seed0-" in done.stderr
    assert "no cache under cache/ but views" in done.stderr


def test_a_view_alone_ends_with_2_and_what_to_do(here, viewed, tmp_path) -> None:
    done = here("fit-heads", "--cache", named(viewed, "gain"), *QUICK, "--out", tmp_path / "a")
    assert done.returncode == 2
    assert "give it with --train-views, beside the --cache of the same encoder" in done.stderr
    assert not (tmp_path / "a").exists()


def test_memory_precision_and_averages_are_options_and_memory_is_no_part_of_the_plan(here, home, tmp_path) -> None:
    common = ["fit-heads", "--cache", str(home), "--head", "attentive", "--epochs", "2", "--frame-average", "1"]
    common += ["--precision", "bfloat16"]
    done = here(*common, "--memory", "600MB", "--protocol", "group3", "--out", str(tmp_path / "a"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    plan = json.loads((tmp_path / "a" / "recipe.json").read_text())["plan"]
    assert plan["settings"] == {"epochs": 2, "frame_average": 1, "precision": "bfloat16"}
    assert "memory" not in plan
    done = here(*common, "--memory", "a lot", "--out", str(tmp_path / "b"), cwd=tmp_path)
    assert done.returncode == 2
    assert "'a lot' is no amount of memory" in done.stderr
