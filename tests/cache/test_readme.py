"""``cache/README.md`` is the specification: what it says is what lies on the disk."""

import hashlib
import json
import re
import subprocess
import sys
from dataclasses import astuple
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest

from ravfeat.cache import open_cache
from ravfeat.cache.serialise import serialise_shard

README = Path(__file__).parents[2] / "cache" / "README.md"


def canonical(value: Any) -> bytes:
    """As the page defines it; written again here, so that the page and not the code is tested."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@pytest.fixture
def page() -> str:
    return README.read_text(encoding="utf-8")


def test_the_pages_script_reads_a_clip_with_h5py_alone(page: str, whole_cache: Path, tmp_path: Path) -> None:
    (script,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    alone = 'import sys\nsys.modules["ravfeat"] = sys.modules["pyarrow"] = None\n'  # neither may be imported
    (tmp_path / "read.py").write_text(f"{alone}{script}\nimport numpy\nnumpy.save('out.npy', features)\n")
    cache = open_cache(whole_cache)
    clip_id = cache.clip_ids[6]
    done = subprocess.run(
        [sys.executable, "read.py", str(whole_cache / "shard-00001.h5"), clip_id],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), cache[clip_id])
    record = cache.records()[clip_id]
    assert done.stdout.split()[:3] == [clip_id, record.actor, record.label]
    assert "float16 [0, 1, 2] 0.0125" in done.stdout


@pytest.fixture
def shard(whole_cache: Path) -> Any:
    with h5py.File(whole_cache / "shard-00001.h5") as file:
        yield file


def columns(group: Any) -> list[dict[str, Any]]:
    values = {
        name: (d.asstr()[...] if h5py.check_string_dtype(d.dtype) else d[...]).tolist()
        for name, d in group.items()
        if name not in {"layers_sha256", "further"}
    }
    return [dict(zip(values, row, strict=True)) for row in zip(*values.values(), strict=True)]


def test_the_page_names_everything_a_shard_holds(page: str, shard: Any) -> None:
    names: list[str] = [*shard.attrs, *shard["features"].attrs]
    shard.visit(names.append)
    for name in names:
        assert f"`{name.rpartition('/')[2]}`" in page or f"`{name}`" in page or f"`{name}/*`" in page, name
    for name in (*json.loads(shard.attrs["identity"]), *json.loads(shard.attrs["about"])):
        assert f"`{name}`" in page, name


def test_the_page_names_every_file_and_column(page: str, whole_cache: Path) -> None:
    for path in whole_cache.iterdir():
        assert path.name in page or re.fullmatch(r"shard-\d{5}\.h5", path.name)
    for table in ("manifest.parquet", "index.parquet"):
        schema = pq.read_schema(whole_cache / table)
        for name in (*schema.names, *(key.decode() for key in schema.metadata)):
            assert f"`{name}`" in page, name


def test_digests_are_what_the_page_says(shard: Any) -> None:
    clips, failed, digests = columns(shard["clips"]), columns(shard["failed"]), []
    for clip in clips:
        block = shard["features"][:, clip["frame_start"] : clip["frame_start"] + clip["n_frames"]]
        assert clip["features_sha256"] == hashlib.sha256(block.astype("<f2").tobytes()).hexdigest()
        digests.append([hashlib.sha256(layer.astype("<f2").tobytes()).hexdigest() for layer in block])
    assert shard["clips/layers_sha256"].asstr()[...].tolist() == digests
    value = {
        "number": int(shard.attrs["shard"]),
        **{name: json.loads(shard.attrs[name]) for name in ("about", "identity", "provenance")},
        "clips": clips,
        "failed": failed,
        "time_s": hashlib.sha256(shard["frames/time_s"][...].astype("<f8").tobytes()).hexdigest(),
        "layers_sha256": digests,
        "further": {name: values[...].tolist() for name, values in shard["clips/further"].items()},
    }
    assert set(value["further"]) == {"active1_start", "active1_end"}
    assert shard.attrs["metadata_sha256"] == hashlib.sha256(canonical(value)).hexdigest()
    assert shard.attrs["fingerprint"] == hashlib.sha256(canonical(value["identity"])).hexdigest()[:12]


def test_digests_of_what_is_known_of_every_frame_are_what_the_page_says(
    tmp_path: Path, page: str, with_columns: Any
) -> None:
    (tmp_path / "s.h5").write_bytes(serialise_shard(with_columns).data)
    with h5py.File(tmp_path / "s.h5") as shard:
        value = {
            "number": int(shard.attrs["shard"]),
            **{name: json.loads(shard.attrs[name]) for name in ("about", "identity", "provenance")},
            "clips": columns(shard["clips"]),
            "failed": columns(shard["failed"]),
            "time_s": hashlib.sha256(shard["frames/time_s"][...].astype("<f8").tobytes()).hexdigest(),
            "frames": {
                name: hashlib.sha256(shard["frames"][name][...].astype("<f4").tobytes()).hexdigest()
                for name in ("box", "found")
            },
        }
        assert shard.attrs["metadata_sha256"] == hashlib.sha256(canonical(value)).hexdigest()
        assert all(f"`{name}`" in page for name in shard["frames"] if name != "time_s")


def test_input_digests_are_what_the_page_says(shard: Any, corpus: Any) -> None:
    import soundfile

    (clip, *_) = columns(shard["clips"])
    samples, rate = soundfile.read(corpus.root / corpus.manifest.by_id()[clip["clip_id"]].path, dtype="float32")
    digest = hashlib.sha256(rate.to_bytes(8, "little") + samples.astype("<f4").tobytes()).hexdigest()
    assert (clip["input_sha256"], clip["n_samples"], clip["rate_hz"]) == (digest, len(samples), rate)


def test_the_manifests_digest_is_what_the_page_says(whole_cache: Path, corpus: Any) -> None:
    table = pq.read_table(whole_cache / "manifest.parquet")
    meta = {key: json.loads(value) for key, value in table.schema.metadata.items()}
    about = meta[b"ravfeat.manifest"]
    rows = [list(row.values()) for row in table.drop_columns(["shard"]).to_pylist()]
    assert rows[0] == list(astuple(corpus.manifest.clips[0])[:7])
    value = {name: about[name] for name in ("corpus", "classes", "synthetic")}
    value |= {"clips": rows, "shard": table["shard"].to_pylist()}
    assert meta[b"ravfeat.plan"]["sha256"] == hashlib.sha256(canonical(value)).hexdigest()
