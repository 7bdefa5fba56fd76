"""Code of a user's own as an encoder: what is asked of it, what is checked, and every way in which it can fail."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ravfeat.encoders import brought_encoder
from ravfeat.encoders.registry import describe_encoder, load_encoder, stream_of
from ravfeat.errors import ClipError, EncoderError, PluginError, UsageError
from ravfeat.faces.source import FaceOptions
from ravfeat.media.sound import Waveform

Write = Callable[..., str]

FRAMES = """\
import numpy as np

CALLS = []

class Energy:
    identity = "energy 1"
    def __call__(self, waveform, sample_rate_hz):
        whole = waveform[: len(waveform) // 160 * 160].reshape(-1, 160)
        return {value}
"""


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(source: str, name: str = "Mine") -> str:
        (tmp_path / "mine.py").write_text(source)
        return f"{tmp_path / 'mine.py'}:{name}"

    return write


@pytest.fixture
def energy(write) -> Callable[[str], str]:
    """A class whose call returns an expression of ``whole``, frames of 10 ms."""
    return lambda value: write(FRAMES.format(value=value), "Energy")


def clip(seconds: float, rate: int = 16_000, seed: int = 1) -> Waveform:
    return Waveform(np.random.default_rng(seed).normal(size=round(seconds * rate)).astype("f4") * 0.1, rate)


def states_of(encoder: Any, waveform: Waveform) -> np.ndarray:
    piece = encoder.prepare(waveform)
    (states,) = encoder.encode([piece])
    assert len(states) == len(piece.times_s)
    return states


# --- shapes


@pytest.mark.parametrize(
    ("value", "shape", "rate_hz"),
    [
        ("np.stack([np.stack([whole.std(1), whole.max(1)], 1)] * 3, 1)", (70, 3, 2), 100.0),
        ("np.stack([whole.std(1), whole.max(1)], 1)", (70, 1, 2), 100.0),
        ("whole.std(1)[:5]", (1, 1, 5), 0.0),
        ("[float(whole.std()), 1]", (1, 1, 2), 0.0),
        ("__import__('torch').tensor(whole[:, :4], requires_grad=True)", (70, 1, 4), 100.0),
        ("whole[::2, :1].astype('f8')", (35, 1, 1), 50.0),
    ],
)
def test_arrays_lists_and_tensors_become_frames_layers_and_dimensions(energy, value, shape, rate_hz) -> None:
    encoder = load_encoder(energy(value), "cpu")
    states = states_of(encoder, clip(0.7))
    assert (states.shape, states.dtype) == (shape, np.float32)
    assert (encoder.spec.n_layers, encoder.spec.dim) == shape[1:]
    assert encoder.spec.frame_rate_hz == pytest.approx(rate_hz)
    times = encoder.prepare(clip(0.7)).times_s
    np.testing.assert_allclose(times, (np.arange(len(states)) + 0.5) * 0.7 / len(states))


def test_a_function_with_an_identity_is_the_encoder_and_other_functions_and_classes_make_one(write) -> None:
    source = """\
class Made:
    identity = {"name": "made", "version": 2, "weights": [1, 2.5]}
    feature_names = ("level",)
    def __init__(self, device):
        self.device = device
    def __call__(self, waveform, rate):
        return [abs(waveform).mean()]
def level(waveform, sample_rate_hz):
    return [abs(waveform).mean()]
level.identity = "level 1"
def make(device="cpu"):
    return Made(device)
ready = Made("here")
"""
    made = load_encoder(write(source, "Made"), "cpu").spec
    assert made.preprocessing[-1] == 'code Made: {"name":"made","version":2,"weights":[1,2.5]}'
    assert made.feature_names == ("level",)
    assert load_encoder(write(source, "level"), "cpu").spec.preprocessing[-1] == "code level: level 1"
    assert load_encoder(write(source, "make"), "cpu").provenance()["device"] == "cpu"
    assert load_encoder(write(source, "ready"), "cpu").spec.name == "ready"


def test_it_hears_the_rate_that_it_asks_for_and_may_spoil_what_it_gets(write) -> None:
    reference = write(
        "class Mine:\n identity = 'a 1'\n sample_rate_hz = 8000\n"
        " def __call__(self, waveform, rate):\n"
        "  n = len(waveform)\n  waveform[:] = 0\n  return [n, rate]\n"
    )
    encoder, waveform = load_encoder(reference, "cpu"), clip(0.5, rate=8000)
    before = waveform.samples.copy()
    np.testing.assert_array_equal(states_of(encoder, waveform).ravel(), [4000, 8000])
    np.testing.assert_array_equal(waveform.samples, before)
    np.testing.assert_array_equal(states_of(encoder, clip(0.5, rate=48_000)).ravel(), [4000, 8000])


def test_an_array_that_is_filled_again_for_the_next_clip_does_not_change_the_last(write) -> None:
    encoder = load_encoder(
        write(
            "import numpy as np\nkept = np.zeros(1, np.float32)\n"
            "def mine(waveform, rate):\n kept[0] = len(waveform)\n return kept\nmine.identity = 'a 1'\n",
            "mine",
        ),
        "cpu",
    )
    first, second = encoder.prepare(clip(0.5)), encoder.prepare(clip(1.0))
    assert (float(first.values.item()), float(second.values.item())) == (8000, 16000)


# --- identity


def test_the_source_what_it_says_and_its_name_are_the_identity_and_no_path_is(write, tmp_path: Path) -> None:
    source = "class {}:\n identity = '{}'\n def __call__(self, waveform, rate):\n  return [1.0]\n"
    first = describe_encoder(write(source.format("A", "a 1") + source.format("B", "a 1"), "A")).spec
    other_name = describe_encoder(write(source.format("A", "a 1") + source.format("B", "a 1"), "B")).spec
    other_identity = describe_encoder(write(source.format("A", "a 2"), "A")).spec
    other_source = describe_encoder(write(source.format("A", "a 1") + "\n", "A")).spec
    assert len({str(spec.identity()) for spec in (first, other_name, other_identity, other_source)}) == 4
    (tmp_path / "elsewhere").mkdir()
    moved = tmp_path / "elsewhere" / "theirs.py"
    moved.write_text(source.format("A", "a 1") + source.format("B", "a 1"))
    assert load_encoder(f"{moved}:A", "cpu").spec.identity() == first.identity()
    assert str(tmp_path) not in str(first)
    assert first.source["reference"] == "mine.py:A"


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("", r"'mine.py:Mine' does not say what it is: give it the attribute identity = 'name and version'"),
        ("identity = ''", "does not say what it is"),
        ("identity = 3", "has an identity that is an int; expected a text or a mapping"),
        ("identity = {'weights': object()}", "has an identity that JSON cannot hold"),
        ("identity = {'weights': float('nan')}", "has an identity that JSON cannot hold"),
        ("identity = 'x' * 5000", "has an identity of 5000 characters; expected at most 4000"),
        ("identity = 'a\\x1b[31m'", "expected at most 4000 printable"),
        ("identity = 'a'; stream = 'video'", "has stream = 'video'; expected 'audio' or 'face'"),
        ("identity = 'a'; sample_rate_hz = 44.1", r"has sample_rate_hz = 44.1; expected a whole number from 1000 to"),
        ("identity = 'a'; sample_rate_hz = True", "has sample_rate_hz = True"),
        ("identity = 'a'; frame_rate_hz = 'fast'", "has frame_rate_hz = 'fast'; expected a number from 0"),
        ("identity = 'a'; feature_names = 'level'", "has feature_names = 'level'; expected a list of texts"),
        ("identity = 'a'; feature_names = ['x', 'x']", "it has 2 names of features, expected 1"),
        ("identity = 'a'; dtype = 'int8'", "has dtype = 'int8'; expected 'float16' or 'float32'"),
        ("identity = 'a'; name = '../x'", "has name = '../x', which becomes the name of a folder"),
    ],
)
def test_what_it_says_of_itself_is_checked(write, lines, problem) -> None:
    reference = write(f"class Mine:\n {lines or 'pass'}\n def __call__(self, waveform, rate):\n  return [1.0]\n")
    with pytest.raises(EncoderError, match=problem):
        load_encoder(reference, "cpu")


def test_a_factory_of_something_that_cannot_be_called_is_refused(write) -> None:
    with pytest.raises(EncoderError, match=r"'mine.py:Mine' gave an int, which cannot be called; expected a function"):
        load_encoder(write("def Mine():\n return 3\n"), "cpu")
    with pytest.raises(EncoderError, match=r"makes an encoder with stream = 'face' and is itself of 'audio'"):
        load_encoder(
            write(
                "class Faces:\n identity = 'a'\n stream = 'face'\n def __call__(self, crop):\n  return [1.0]\n"
                "def Mine():\n return Faces()\n"
            ),
            "cpu",
        )


# --- what it gives of the test tones


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("np.random.rand(3)", "gives other features for the same input the second time; set a seed"),
        ("whole[: 90 + (CALLS.append(0) or len(CALLS))]", "gives other features for the same input"),
        ("np.zeros((1500, 4))", r"gave 1500 frames of 2 s and of 3 s alike: cut what is padded, return one vector"),
        ("whole * np.nan", r"gave NaN or infinite numbers of the shape \(200, 160\) of a test tone of 2 s"),
        ("whole[:0]", r"gave numbers of the shape \(0, 160\) of a test tone"),
        ("np.zeros((2, 2, 2, 2))", r"expected finite numbers \(T, L, D\), \(T, D\) or \(D,\)"),
        ("np.float32(3)", r"of the shape \(\) of a test tone"),
        ("whole.std(1)", r"gave numbers of the shape \(200,\) of a test tone of 2 s and numbers of the shape \(300,\)"),
        (
            "whole.astype(str)",
            r"returned <U\d+ of shape \(200, 160\) while encoding a test tone of 2 s; expected numbers",
        ),
        ("None", r"returned object of shape \(\) while encoding a test tone"),
        ("whole > 0", r"returned bool of shape"),
    ],
)
def test_what_is_no_encoder_is_refused_before_anything_is_read(energy, value, problem) -> None:
    with pytest.raises(EncoderError, match=problem):
        load_encoder(energy(value), "cpu")


def test_errors_of_the_code_are_one_line_with_file_and_line(energy, write) -> None:
    with pytest.raises(
        PluginError, match=r"'mine.py:Energy' failed while encoding a test tone of 2 s: NameError: name 'x' .*line 9\)"
    ):
        load_encoder(energy("x"), "cpu")
    with pytest.raises(PluginError, match=r"failed while being made: ValueError: no weights \(.*mine.py, line 2\)"):
        load_encoder(write("def Mine():\n raise ValueError('no weights')\n"), "cpu")
    with pytest.raises(UsageError, match=r"there is no 'Other' in .*which defines Mine"):
        load_encoder(write("class Mine:\n pass\n", "Other"), "cpu")


def test_a_frame_rate_that_is_said_is_held_against_the_test_tones(write) -> None:
    source = (
        "class Mine:\n identity = 'a'\n frame_rate_hz = {}\n"
        " def __call__(self, waveform, rate):\n  return waveform[::{}, None]\n"
    )
    assert load_encoder(write(source.format(50, 320)), "cpu").spec.frame_rate_hz == 50
    with pytest.raises(
        EncoderError, match=r"says frame_rate_hz = 10 and gave 100 frames of a test tone; expected about 20"
    ):
        load_encoder(write(source.format(10, 320)), "cpu")
    assert len(states_of(load_encoder(write(source.format(0, 320)), "cpu"), clip(0.1))) == 5


# --- what it gives of clips


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (
            "whole if len(whole) > 100 else whole[:, :9]",
            r"gave numbers of the shape \(70, 9\), expected the shape \(T, 160\)",
        ),
        (
            "whole if len(whole) > 100 else whole[0]",
            r"gave numbers of the shape \(160,\), expected the shape \(T, 160\)",
        ),
        ("whole if len(whole) > 100 else whole * np.inf", r"'mine.py:Energy' gave NaN or infinite numbers"),
        ("whole if len(whole) > 100 else whole[:9]", r"gave 9 frames of 0.70 s, expected about 70: it pads or cuts"),
        ("whole if len(whole) > 100 else np.tile(whole, (9, 1))", "gave 630 frames of 0.70 s, expected about 70"),
        ("whole if len(whole) > 100 else 1 / 0", r"failed while encoding this clip: ZeroDivisionError: .*line 9\)"),
        ("whole if len(whole) > 100 else 'no'", "returned <U2 of shape"),
    ],
)
def test_a_clip_of_another_kind_fails_by_itself(energy, value, problem) -> None:
    encoder = load_encoder(energy(value), "cpu")
    assert len(states_of(encoder, clip(1.5))) == 150
    with pytest.raises(ClipError, match=problem):
        encoder.prepare(clip(0.7))
    assert len(states_of(encoder, clip(1.5))) == 150


def test_it_runs_in_one_thread_only(write) -> None:
    from concurrent.futures import ThreadPoolExecutor

    reference = write(
        "import threading\nseen = set()\n"
        "def mine(waveform, rate):\n seen.add(threading.get_ident())\n return [len(seen)]\nmine.identity = 'a'\n",
        "mine",
    )
    encoder = load_encoder(reference, "cpu")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(encoder.prepare, [clip(0.2, seed=n) for n in range(8)]))
    assert states_of(encoder, clip(0.2)).item() == 1


# --- faces


FACES = """\
class Mine:
    identity = "colour 1"
    stream = "face"
    size = 16
    margin = 1.5
    def __call__(self, crop):
        assert crop.shape == (16, 16, 3) and crop.dtype == "uint8"
        return {value}
"""


@pytest.mark.parametrize(("value", "shape"), [("crop.mean((0, 1))", (1, 3)), ("crop.mean(0)[:2]", (2, 3))])
def test_code_that_sees_faces_gets_crops(write, value, shape) -> None:
    reference = write(FACES.format(value=value))
    assert stream_of(reference) == "face"
    encoder = load_encoder(reference, "cpu", faces=FaceOptions(cropped=True))
    assert (encoder.spec.n_layers, encoder.spec.dim) == shape
    assert any("square crop, margin 1.5, 16 px" in step for step in encoder.spec.preprocessing)
    crops = np.random.default_rng(0).integers(0, 256, (5, 16, 16, 3), np.uint8)
    batch = [brought_encoder.EncoderInput(part, np.arange(len(part)) / 10) for part in (crops[:2], crops[2:])]
    frames = np.concatenate(encoder.encode(batch))
    np.testing.assert_allclose(
        frames[:, 0, 0], crops.mean((1, 2))[:, 0] if shape[0] == 1 else crops[:, :, 0, 0].mean(1)
    )


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("crop", r"gave numbers of the shape \(16, 16, 3\) of a test picture; expected finite numbers \(L, D\) or"),
        ("[float('nan')]", "gave NaN or infinite numbers"),
        ("[crop.nope]", "failed while encoding a test picture: AttributeError"),
        ("__import__('random').sample(range(99), 3)", "gives other features for the same input"),
    ],
)
def test_code_that_sees_faces_is_tried_first(write, value, problem) -> None:
    with pytest.raises((EncoderError, PluginError), match=problem):
        load_encoder(write(FACES.format(value=value)), "cpu", faces=FaceOptions(cropped=True))


# --- installed packages


def test_an_installed_package_brings_an_encoder_by_name(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "toysound").mkdir()
    (tmp_path / "toysound/__init__.py").write_text(
        "class Level:\n identity = 'level 1'\n def __call__(self, waveform, rate):\n  return [abs(waveform).mean()]\n"
    )
    info = tmp_path / "toysound-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toysound\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[ravfeat.encoders]\nlevel = toysound:Level\nlogmel = toysound:Level\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        encoder = load_encoder("level", "cpu")
        assert (encoder.spec.name, encoder.spec.dim) == ("level", 1)
        assert load_encoder("logmel", "cpu").spec.dim == 64  # no package takes the name of a built-in one
        assert stream_of("toysound:Level") == "audio"
    finally:
        sys.modules.pop("toysound", None)
