"""``ravfeat extract``."""

import json
import re
import shutil
from pathlib import Path

import pytest
import soundfile

import ravfeat as package
from ravfeat.cli.extract import command
from ravfeat.corpora.synth import generate
from tests.distributed import crema_d, emobox


@pytest.fixture
def clips(generated, tmp_path) -> Path:
    """A dozen clips, and what else lies in such folders."""
    folder = tmp_path / "clips"
    folder.mkdir()
    for path in sorted(generated.rglob("03-*.wav"))[::5]:
        shutil.copy(path, folder)
    shutil.copy(next(folder.glob("*.wav")), folder / "03-02-01-01-01-01-01.wav")  # a song
    shutil.copy(next(folder.glob("*.wav")), folder / "notes.wav")
    return folder


def test_bare_it_means_ravdess_through_wavlm_large_into_cache() -> None:
    defaults = {parameter.name: parameter.default for parameter in command.params}
    assert (defaults["corpus"], list(defaults["encoders"]), defaults["out"]) == (
        "ravdess",
        ["wavlm-large"],
        Path("cache"),
    )
    assert (defaults["device"], defaults["store"]) == ("auto", "frames")


def test_bare_it_looks_for_data_ravdess_before_it_fetches_an_encoder(here, tmp_path) -> None:
    done = here("extract", "--device", "cuda", cwd=tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert "data/ravdess is not a folder" in line


def test_a_gpu_that_is_not_there_is_one_line(here, clips, tmp_path) -> None:
    done = here("extract", "--device", "cuda:31", "--data", clips, cwd=tmp_path)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("ravfeat: device 'cuda:31' is not there: torch ")
    assert "use --device cpu" in line
    assert not (tmp_path / "cache").exists()


def test_it_says_what_it_took_and_left_and_wrote(here, clips, tmp_path) -> None:
    done = here("extract", "--data", clips, "--encoder", "logmel", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    first, classes, last, speed = done.stdout.splitlines()
    assert first == "ravdess: 12 clips of 2 actors; not taken: 1 song files, 1 unknown names"
    assert classes.startswith("classes: neutral ")
    assert sum(int(count) for count in re.findall(r" (\d+)", classes)) == 12
    assert last.startswith("cache/ravdess/audio-logmel-")
    assert ": 1 shards written (12 clips), 0 were there, in " in last
    assert re.fullmatch(r"\d+\.\d clips/s; the encoder was busy \d+ % of the time", speed)
    assert len(package.open_cache(tmp_path / "cache")) == 12
    again = here("extract", "--data", clips, "--encoder", "logmel", cwd=tmp_path)
    assert ": 0 shards written (0 clips), 1 were there, in " in again.stdout
    assert "clips/s" not in again.stdout


def test_tf32_is_a_choice_of_gpus(here, clips, tmp_path) -> None:
    done = here("extract", "--data", clips, "--encoder", "logmel", "--tf32", cwd=tmp_path)
    assert done.returncode == 2
    assert "--tf32 goes with --device cuda and an encoder that torch computes, not with 'logmel' on cpu" in done.stderr
    assert not (tmp_path / "cache").exists()


def test_a_bad_clip_costs_only_itself_and_the_exit_code_says_so(here, clips, tmp_path) -> None:
    bad = sorted(clips.glob("03-01*.wav"))[3]
    good = bad.read_bytes()
    bad.write_bytes(b"RIFF")
    done = here("extract", "--data", clips, "--encoder", "logmel", cwd=tmp_path)
    assert done.returncode == 3
    assert "1 clips could not be stored:" in done.stderr
    assert f"  {bad.stem}: " in done.stderr
    assert len(package.open_cache(tmp_path / "cache")) == 11
    bad.write_bytes(good)
    assert here("extract", "--data", clips, "--encoder", "logmel", cwd=tmp_path).returncode == 0
    assert len(package.open_cache(tmp_path / "cache")) == 12


def test_a_table_describes_any_corpus(here, clips, tmp_path) -> None:
    rows = [f"{path.name},{number % 3},{'ab'[number % 2]}" for number, path in enumerate(sorted(clips.glob("*.wav")))]
    (clips / "clips.csv").write_text("\n".join(["path,actor,label", *rows]), encoding="utf-8")
    options = ["--corpus", "folder", "--data", clips / "clips.csv", "--name", "mine", "--encoder", "logmel"]
    done = here("extract", *options, "--layers", "0,2", "--store", "pooled", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("mine: 14 clips of 3 actors\nclasses: a 7, b 7\n")
    cache = package.open_cache(tmp_path / "out" / "mine")
    assert (cache.layers, cache.statistics, cache.classes) == ((0, 2), ("mean", "std"), ("a", "b"))


def test_a_synthetic_corpus_is_called_synthetic(here, generated, tmp_path, monkeypatch) -> None:
    # The folder has two actors only; what is there with other parameters is never overwritten.
    monkeypatch.setitem(generate.__kwdefaults__, "actors", 2)
    folder = shutil.copytree(generated, tmp_path / "synth")
    done = here(
        "extract", "--corpus", "synth", "--data", folder, "--encoder", "logmel", "--num-shards", 2, cwd=tmp_path
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("synth (synthetic): 60 clips of 2 actors\n")


def test_a_clip_that_left_the_table_is_left_out_of_every_training_which_says_so(here, clips, tmp_path) -> None:
    rows = [
        f"{path.name},{number % 3},{'ab'[number % 2]}" for number, path in enumerate(sorted(clips.glob("03-01-*.wav")))
    ]
    options = ["--corpus", "folder", "--data", clips / "clips.csv", "--encoder", "logmel", "--out", tmp_path / "out"]
    (clips / "clips.csv").write_text("\n".join(["path,actor,label,note", *(f"{row},x" for row in rows)]))
    done = here("extract", *options)
    assert done.returncode == 0, done.stderr
    assert "further columns: note\n" in done.stdout
    (clips / "clips.csv").write_text("\n".join(["path,actor,label", *rows[1:]]))
    assert here("extract", *options).returncode == 0
    train = ["fit-heads", "--cache", tmp_path / "out", "--protocol", "group3", "--head", "logreg", "--force"]
    train += ["--out", tmp_path / "run"]
    done = here(*train)
    assert done.returncode == 0, done.stderr
    clip_id = rows[0].partition(".wav")[0]
    assert f": 1 clips are not in the table that was last extracted, and are left out: {clip_id};" in done.stderr
    assert f"Clips used: {len(rows) - 1}: " in done.stdout
    assert "left out: 1 by the table extracted last." in done.stdout
    recipe = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert (recipe["plan"]["absent"], recipe["caches"][0]["clips"]) == ([clip_id], len(rows) - 1)
    assert here("cache", "verify", tmp_path / "out").returncode == 0
    (clips / "clips.csv").write_text("\n".join(["path,actor,label", *rows]))
    assert here("extract", *options).returncode == 0
    assert "table that was last extracted" not in here(*train).stderr


def test_one_person_in_two_spellings_is_refused_before_anything_is_written(here, clips, tmp_path) -> None:
    names = ["3", "03", "2"]
    rows = [f"{path.name},{names[at % 3]},{'ab'[at % 2]}" for at, path in enumerate(sorted(clips.glob("03-01-*.wav")))]
    (clips / "clips.csv").write_text("\n".join(["path,person,label", *rows]), encoding="utf-8")
    options = ["--corpus", "folder", "--data", clips / "clips.csv", "--columns", "actor=person", "--encoder", "logmel"]
    done = here("extract", *options, "--out", tmp_path / "out")
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert "has one actor in several spellings: '03' (4 clips) and '3' (4 clips)" in line
    assert not (tmp_path / "out").exists()
    done = here("extract", *options, "--out", tmp_path / "out", "--as-written", "3")
    assert done.returncode == 0, done.stderr
    train = [
        "fit-heads",
        "--cache",
        tmp_path / "out",
        "--protocol",
        "group3",
        "--head",
        "logreg",
        "--out",
        tmp_path / "a",
    ]
    done = here(*train)
    assert done.returncode == 1
    assert "has one actor in several spellings" in done.stderr
    done = here(*train, "--as-written", "3")
    assert done.returncode == 0, done.stderr
    assert "classes: a 6, b 6\n" in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--layers", "3"], "layers '3': there are 0-2, not 3"),
        (["--layers", "a"], "layers 'a': expected"),
        (["--store", "pooled", "--frame-stride", "2"], "--frame-stride goes with --store frames"),
        (["--shard-index", "2", "--num-shards", "2"], "the index counts from 0 to 1"),
        (["--corpus", "nocorpus"], "no corpus 'nocorpus'; choose from ravdess, crema-d,"),
        (["--name", "mine"], "--name goes with --corpus folder"),
        (["--encoder", "logmel", "--device", "mps"], "device 'mps': Apple's GPUs are not supported"),
        (["--encoder", "hubert-base", "--device", "gpu"], "no device 'gpu'; choose from auto, cpu, cuda, cuda:N"),
        (["--dtype", "bfloat16"], "is not one of 'float16', 'float32'"),
        (["--view", "reverb"], "no view 'reverb'; choose from gain, noise, mask, crop, published"),
        (["--view", "speed:0.9", "--view", "clean", "--view", "speed:.90"], "the view 'speed-1:0.9' is named twice"),
        (["--view", "speed"], "view 'speed': expected a factor from 0.5 to 2"),
        (["--view", "speed:1"], "expected a factor from 0.5 to 2, but not 1 (that is clean)"),
        (["--view-seed", "1"], "--view-seed goes with a --view that draws: gain, noise, mask, crop or published"),
        (["--view", "speed:0.9", "--view-seed", "1"], "--view-seed goes with a --view that draws: gain, noise"),
        (["--view", "gain", "--view-seed", "-1"], "is not in the range x>=0"),
        (["--view", "gain", "--encoder", "landmarks"], "--view gain is a view of sound and landmarks looks at faces"),
    ],
)
def test_options_that_cannot_be_end_with_2(options, message, here, clips, tmp_path) -> None:
    done = here("extract", "--data", clips, "--encoder", "logmel", *options, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_encoder_lists_the_known(here, clips, tmp_path) -> None:
    done = here("extract", "--data", clips, "--encoder", "wavlm", cwd=tmp_path)
    assert done.returncode == 1
    assert "no encoder 'wavlm'; choose from compare, compare-lld, egemaps" in done.stderr


def test_an_out_that_is_a_file_is_one_line(here, clips, tmp_path) -> None:
    (tmp_path / "cache").write_text("x", encoding="utf-8")
    done = here("extract", "--data", clips, "--encoder", "logmel", cwd=tmp_path)
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_view_is_a_cache_of_its_own_that_says_which(here, clips, tmp_path) -> None:
    call = ["extract", "--data", clips, "--encoder", "logmel"]
    views = ["--view", "clean", "--view", "speed:0.9", "--view", "published"]
    for options in (views, ["--view", "speed:0.9", "--view", "published", "--view-seed", 2]):
        done = here(*call, *options, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    written = [line.partition(": ")[2] for line in done.stdout.splitlines() if "shards written" in line]
    assert [line.partition(", ")[0] for line in written] == [
        "0 shards written (0 clips)",
        "1 shards written (12 clips)",
    ]
    assert "cache/ravdess/audio-logmel-published-1-seed2-" in done.stdout
    (second,) = (tmp_path / "cache" / "ravdess").glob("audio-logmel-published-1-seed2-*")
    caches = [package.open_cache(path) for path in (tmp_path / "cache" / "ravdess").iterdir()]
    views = {"clean", "speed-1:0.9", "published-1:seed0", "published-1:seed2"}
    assert {cache.identity["view"] for cache in caches} == views
    assert {cache.about["encoder"] for cache in caches} == {"logmel"}
    info = here("cache", "info", second).stdout.splitlines()
    assert "view         published-1:seed2" in info
    assert any(
        line.startswith("speech       active part stored of 12 of 12 clips; median ") and "% of a clip" in line
        for line in info
    )
    assert here("cache", "verify", second).returncode == 0


def test_stereo_and_other_rates_are_read_like_any_file(here, clips, tmp_path) -> None:
    path = next(clips.glob("03-01*.wav"))
    samples, rate = soundfile.read(path)
    soundfile.write(path, [[value, value] for value in samples], rate * 3)
    assert here("extract", "--data", clips, "--encoder", "logmel", cwd=tmp_path).returncode == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--workers", 2), "--workers goes with --engine"),
        (("--engine", "local", "--dry-run"), "--dry-run goes without --engine"),
        (("--engine", "local", "--num-shards", 2), "--num-shards goes without --engine"),
        (("--engine", "slurm", "--slurm", "gpu"), "--slurm gpu: expected KEY=VALUE"),
        (("--engine", "local", "--address", "auto"), "--address goes with --engine ray"),
        (("--out", "s3://bucket/features", "--dry-run"), "--dry-run goes with a folder"),
    ],
)
def test_options_of_engines_that_do_not_fit_are_a_wrong_call(here, corpus, tmp_path, options, message) -> None:
    table = tmp_path / "clips.csv"
    clip = corpus.root / corpus.manifest.clips[0].path
    table.write_text(f"path,actor,label\n{clip},1,sad\n")
    command = ("extract", "--corpus", "folder", "--data", table, "--encoder", "logmel", "--device", "cpu", *options)
    done = here(*command, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr


def test_a_corpus_known_by_name_is_read_as_it_is_distributed(here, tmp_path) -> None:
    options = ("--data", crema_d(tmp_path / "CREMA-D"), "--encoder", "logmel", "--out", tmp_path / "c")
    done = here("extract", "--corpus", "crema-d", *options)
    assert done.returncode == 0
    assert "crema-d: 4 clips of 3 actors; not taken: 1 recording known to be without sound" in done.stdout
    assert "labels are what actors were asked to show" in done.stderr
    (cache,) = (tmp_path / "c/crema-d").iterdir()
    record = package.open_cache(cache).records()["1001_IEO_HAP_HI"]
    assert (record.actor, record.label, record.further["intensity"]) == ("crema-d:1001", "happy", "high")


def test_folds_of_emobox_are_kept_in_the_cache(here, tmp_path) -> None:
    root = emobox(tmp_path)
    options = ("--data", root / "data/emodb", "--audio", root / "audio", "--encoder", "logmel", "--out", tmp_path / "c")
    done = here("extract", "--corpus", "emobox", *options)
    assert done.returncode == 0
    assert "emobox-emodb: 16 clips of 4 actors" in done.stdout
    (cache,) = (tmp_path / "c/emobox-emodb").iterdir()
    record = package.open_cache(cache).records()["emodb-03a01Fa"]
    assert (record.actor, record.further["fold_1"]) == ("emobox-emodb:03", "test")
    refused = here("extract", "--corpus", "emobox", *options, "--speaker-pattern", "x")
    assert (refused.returncode, "has no group" in refused.stderr) == (2, True)
