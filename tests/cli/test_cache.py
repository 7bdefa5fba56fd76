"""``ravfeat cache``."""

import shutil

from ravfeat.cache import open_cache


def test_info_says_what_the_cache_is_of_and_how_complete(here, cache_copy) -> None:
    done = here("cache", "info", cache_copy)
    assert done.returncode == 0, done.stderr
    lines = dict(line.strip().split(maxsplit=1) for line in done.stdout.splitlines())
    assert lines["corpus"] == "synth (synthetic)"
    assert lines["encoder"] == "logmel"
    assert lines["fingerprint"] == open_cache(cache_copy).fingerprint
    assert lines["clips"].startswith("22 of 22")
    assert "layers       0-2 (3)" in done.stdout
    assert lines["layer_convention"] == "static, delta, delta-delta/1"


def test_info_says_where_the_encoder_came_from(here, whole_face_cache) -> None:
    source = open_cache(whole_face_cache).source
    assert source["kind"] == "onnx"
    assert source["settings"]["colour"] == "rgb"
    assert source["faces"] == {"cropped": True, "margin": 1.0}
    ((net, digest),) = source["files"].items()
    lines = here("cache", "info", whole_face_cache).stdout.splitlines()
    assert "kind         onnx" in lines
    assert f"files        {net} {digest[:12]}…" in lines


def test_a_folder_above_stands_for_the_one_cache_in_it_and_cache_is_the_default(here, cache_copy) -> None:
    for place in ([], ["."], ["cache"]):
        done = here("cache", "info", *place, cwd=cache_copy.parents[2])
        assert done.returncode == 0, done.stderr


def test_ls_lists_caches_above_and_clips_within(here, cache_copy) -> None:
    shutil.copytree(cache_copy, cache_copy.parent / "audio-copy-000000000000")
    above = here("cache", "ls", cache_copy.parent)
    assert [line.split("  ")[1] for line in above.stdout.splitlines()] == ["22 clips, 3 layers, dim 64"] * 2
    within = here("cache", "ls", cache_copy).stdout.splitlines()
    assert [line.split("\t")[0] for line in within] == list(open_cache(cache_copy).clip_ids)
    assert within[0].split("\t")[1:3] == ["synth:01", "neutral"]


def test_two_caches_are_listed_where_one_was_meant(here, cache_copy) -> None:
    other = shutil.copytree(cache_copy, cache_copy.parent / "audio-copy-000000000000")
    done = here("cache", "rebuild-index", cache_copy.parent)
    assert done.returncode == 1
    assert all(str(path) in done.stderr for path in (cache_copy, other))


def test_info_and_verify_go_through_all_caches_below(here, cache_copy) -> None:
    other = shutil.copytree(cache_copy, cache_copy.parent / "audio-zcopy-000000000000")
    done = here("cache", "info", cache_copy.parents[1])
    assert [line.split()[1] for line in done.stdout.splitlines() if line.startswith("cache ")] == [
        str(cache_copy),
        str(other),
    ]
    (cache_copy / "shard-00002.h5").unlink()
    done = here("cache", "verify", cache_copy.parents[1])
    assert done.returncode == 1
    assert f"{cache_copy}: " in done.stderr
    assert done.stdout == f"{other}: whole\n"


def test_a_sample_is_told_with_its_seed_and_what_was_not_read(here, cache_copy) -> None:
    done = here("cache", "verify", "--sample", "2", "--seed", "7", cache_copy)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"{cache_copy}: whole, as far as 2 of 6 shards tell",
        "4 shards were not read but for their size; 2 were (drawn with --seed 7)",
    ]
    done = here("cache", "verify", "--since", "2999-01-01", cache_copy)
    assert done.stdout.splitlines()[0] == f"{cache_copy}: whole, as far as 0 of 6 shards tell"
    assert "6 shards were not read but for their size; 0 were (written since 2999-01-01" in done.stdout
    (cache_copy / "shard-00002.h5").unlink()
    done = here("cache", "verify", "--sample", "1%", cache_copy)
    assert done.returncode == 1
    assert "shard-00002.h5: is in the index and missing from the folder" in done.stderr
    assert here("cache", "verify", "--sample", "half", cache_copy).returncode == 2
    assert here("cache", "verify", "--seed", "1", cache_copy).returncode == 2


def test_verify_is_silent_about_nothing(here, cache_copy) -> None:
    assert here("cache", "verify", cache_copy).stdout == f"{cache_copy}: whole\n"
    shard = sorted(cache_copy.glob("shard-*.h5"))[2]
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 4
    shard.write_bytes(data)
    done = here("cache", "verify", cache_copy)
    assert done.returncode == 1
    assert shard.name in done.stderr
    assert "problems" in done.stderr


def test_rebuild_index_makes_a_lost_index_again(here, cache_copy) -> None:
    before = {path.name: path.read_bytes() for path in cache_copy.glob("*.parquet")}
    (cache_copy / "index.parquet").unlink()
    assert here("cache", "info", cache_copy).returncode == 1
    done = here("cache", "rebuild-index", cache_copy)
    assert done.returncode == 0, done.stderr
    assert "index of 6 shards made from the shards" in done.stdout
    assert {path.name: path.read_bytes() for path in cache_copy.glob("*.parquet")} == before
    assert here("cache", "verify", cache_copy).returncode == 0


def test_where_there_is_no_cache_it_says_how_to_make_one(here, tmp_path) -> None:
    for name in ("info", "ls", "verify", "rebuild-index"):
        done = here("cache", name, tmp_path)
        assert done.returncode == 1
        assert f"no cache at or below {tmp_path}" in done.stderr
        assert "Traceback" not in done.stderr


def test_convert_derives_a_smaller_cache(here, cache_copy, tmp_path) -> None:
    done = here("cache", "convert", cache_copy, "--out", tmp_path / "small", "--frame-stride", 4, "--layers", "1-2")
    assert done.returncode == 0, done.stderr
    folder = next((tmp_path / "small" / "synth").iterdir())
    assert done.stdout.startswith(f"{folder}: 22 clips, ")
    assert "1 shards written, 0 kept" in done.stdout
    derived = open_cache(folder)
    assert (derived.layers, derived.frame_stride) == ((1, 2), 4)
    assert here("cache", "verify", tmp_path / "small").returncode == 0
    again = here("cache", "convert", cache_copy, "--out", tmp_path / "small", "--frame-stride", 4, "--layers", "1-2")
    assert "0 shards written, 1 kept" in again.stdout


def test_convert_refuses_what_cannot_be_done(here, cache_copy, tmp_path) -> None:
    done = here("cache", "convert", cache_copy, "--out", tmp_path, "--store", "pooled", "--frame-stride", 4)
    assert done.returncode == 2
    assert "--frame-stride goes with --store frames" in done.stderr
    done = here("cache", "convert", cache_copy, "--out", tmp_path)
    assert done.returncode == 2
    assert "name what is to be different" in done.stderr
