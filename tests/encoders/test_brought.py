"""Code of a user's own through an extraction: its cache, going on, other processes, new recordings."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ravfeat.cache import open_cache
from ravfeat.cache.format import StoreRecipe
from ravfeat.encoders.registry import load_encoder
from ravfeat.errors import EncoderError
from ravfeat.extract.named_work import NamedWork
from ravfeat.extract.request import ExtractResult
from ravfeat.extract.streams import extract_stream
from ravfeat.extract.work_plan import plan_work
from ravfeat.faces.source import FaceOptions
from ravfeat.published.models import ModelFinder
from ravfeat.published.parts import Need

SOURCE = """\
import numpy as np

class Level:
    identity = "level 1"
    feature_names = ("level", "peak")

    def __call__(self, waveform, sample_rate_hz):
        frames = waveform[: len(waveform) // 400 * 400].reshape(-1, 400)
        return np.stack([frames.std(1), abs(frames).max(1)], 1)
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sounds.py"
    path.write_text(SOURCE)
    return path


@pytest.fixture
def few(corpus):
    return corpus.manifest.with_clips(corpus.manifest.clips[:3])


def extract(corpus, few, file: Path, out: Path, **options) -> ExtractResult:
    options = {"recipe": StoreRecipe(), "faces": FaceOptions()} | options
    (result,) = extract_stream(few, corpus.root, [load_encoder(f"{file}:Level", "cpu")], out, **options)
    return result


def test_the_cache_holds_what_the_code_gave_its_names_and_no_path(corpus, few, file, tmp_path: Path) -> None:
    result = extract(corpus, few, file, tmp_path / "out")
    cache = open_cache(result.path)
    clip_id = few.clips[0].clip_id
    assert (result.encoded, result.failed, cache.dtype) == (3, {}, np.float32)
    assert cache.feature_names == ("level", "peak")
    assert cache.source == {
        "kind": "code", "name": "Level", "reference": "sounds.py:Level",
        "files": {"sounds.py": cache.identity["weights"]},
    }  # fmt: skip
    assert cache[clip_id].shape == (len(cache.times(clip_id)), 1, 2)
    assert str(tmp_path).encode() not in b"".join(path.read_bytes() for path in result.path.iterdir())
    assert extract(corpus, few, file, tmp_path / "out").written == 0
    pooled = open_cache(extract(corpus, few, file, tmp_path / "out", recipe=StoreRecipe(store="pooled")).path)
    assert pooled.feature_names == ("mean of level", "mean of peak", "std of level", "std of peak")
    np.testing.assert_allclose(pooled[clip_id][0, 0, :2], cache[clip_id][:, 0].mean(0), rtol=1e-6)


def test_another_source_makes_another_cache_and_views_are_heard_too(corpus, few, file, tmp_path: Path) -> None:
    first = extract(corpus, few, file, tmp_path / "out")
    view = extract(corpus, few, file, tmp_path / "out", views=("gain-1:seed0",))
    assert open_cache(view.path).identity["view"] == "gain-1:seed0"
    file.write_text(f"{SOURCE}# a word more\n")
    assert len({first.path, view.path, extract(corpus, few, file, tmp_path / "out").path}) == 3


def test_a_clip_that_the_code_cannot_encode_is_recorded_with_file_and_line(corpus, few, file, tmp_path: Path) -> None:
    file.write_text(SOURCE.replace("frames =", "assert len(waveform) % 16000 == 0, 'too odd'\n        frames ="))
    failed = extract(corpus, few, file, tmp_path / "out").failed
    assert failed.keys() <= {clip.clip_id for clip in few}
    assert failed
    for reason in failed.values():
        assert "'sounds.py:Level' failed while encoding this clip: AssertionError: too odd (" in reason
        assert "sounds.py, line 8)" in reason


def test_other_processes_load_it_by_its_name_and_refuse_another_source(corpus, few, file, tmp_path: Path) -> None:
    work = NamedWork(corpus.root, (f"{file}:Level",), few, device="cpu")
    plan = plan_work(work, tmp_path / "out")
    (loaded,) = work.to_send().load(plan)
    assert loaded.encoder.spec.identity() == work.describe()[0].encoder.spec.identity()
    assert loaded.recipe.dtype == "float32"
    file.write_text(f"{SOURCE}# edited meanwhile\n")
    with pytest.raises(EncoderError, match=r"has the fingerprint .* here, and .* where the work was planned"):
        work.to_send().load(plan)


def test_recordings_are_encoded_by_it_only_where_it_is_named_again(corpus, few, file, tmp_path: Path) -> None:
    cache = open_cache(extract(corpus, few, file, tmp_path / "out").path)
    ran = tmp_path / "ran"
    file.write_text(SOURCE.replace("import numpy", f"open({str(ran)!r}, 'a').close()\nimport numpy"))
    need = Need("Level", cache.fingerprint, cache.identity, "0" * 64, None, cache.source)
    with pytest.raises(
        EncoderError, match=r"made by code, sounds.py:Level, which runs only where .*--model Level=FILE.py"
    ):
        ModelFinder().load(need)
    reference = replace(need, model=cache.source | {"reference": f"{file}:Level"})
    with pytest.raises(EncoderError, match="runs only where you name it"):
        ModelFinder().load(reference)
    assert not ran.exists()
    with pytest.raises(
        EncoderError, match=r"holds a model with the digest .*, expected .*; name the one that was used"
    ):
        ModelFinder(models={"Level": f"{file}:Level"}).load(need)
    file.write_text(SOURCE)
    assert ModelFinder(models={"Level": f"{file}:Level"}).load(need).spec.weights == cache.identity["weights"]
