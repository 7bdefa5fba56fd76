"""The generated corpus: its shape, its bytes, and what it does with folders it finds."""

import shutil
import wave
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from ravfeat.corpora.synth import MARKER, generate
from ravfeat.errors import CorpusError


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated") / "synth"
    generate(folder, actors=4)
    return folder


@pytest.fixture
def corpus(original: Path, tmp_path: Path) -> Path:
    """A copy that a test may spoil."""
    return Path(shutil.copytree(original, tmp_path / "synth"))


def wavs(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.wav")}


def test_names_cross_the_factors_as_ravdess_does(original: Path) -> None:
    fields = [tuple(Path(name).stem.split("-")) for name in wavs(original)]
    assert len(set(fields)) == len(fields) == 4 * 30
    assert {field[:2] for field in fields} == {("03", "01")}
    assert Counter(field[2] for field in fields) == {"01": 8} | {f"{emotion:02d}": 16 for emotion in range(2, 9)}
    assert {field[3] for field in fields if field[2] == "01"} == {"01"}  # neutral is never strong
    assert Counter(field[4] for field in fields) == {"01": 60, "02": 60}


def test_every_actor_has_a_folder_of_the_same_clips(original: Path) -> None:
    names = [Path(name) for name in wavs(original)]
    assert all(name.parts[0] == f"Actor_{name.stem[-2:]}" for name in names)
    assert Counter(name.parts[0] for name in names) == dict.fromkeys([f"Actor_0{actor}" for actor in range(1, 5)], 30)


def test_files_are_mono_16_bit_wav_of_about_a_second(original: Path) -> None:
    for path in original.rglob("*.wav"):
        with wave.open(str(path)) as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 16000)
            assert 0.4 < file.getnframes() / 16000 < 1.3
            pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        assert 500 < np.abs(pcm.astype(int)).max() < 32767


def test_no_two_clips_sound_the_same(original: Path) -> None:
    contents = list(wavs(original).values())
    assert len(set(contents)) == len(contents)


def test_the_same_parameters_give_the_same_bytes(original: Path, tmp_path: Path) -> None:
    generate(tmp_path / "again", actors=4)
    assert wavs(tmp_path / "again") == wavs(original)
    assert (tmp_path / "again" / MARKER).read_bytes() == (original / MARKER).read_bytes()


def test_an_actor_sounds_the_same_in_a_larger_or_smaller_corpus(original: Path, tmp_path: Path) -> None:
    generate(tmp_path / "small", actors=1)
    assert wavs(tmp_path / "small").items() <= wavs(original).items()


def test_another_seed_gives_other_people(original: Path, tmp_path: Path) -> None:
    generate(tmp_path / "other", actors=1, seed=1)
    assert not set(wavs(tmp_path / "other").values()) & set(wavs(original).values())


def test_repetitions_multiply_the_clips(tmp_path: Path) -> None:
    summary = generate(tmp_path / "twice", actors=1, repetitions=2)
    assert summary.clips == len(wavs(tmp_path / "twice")) == 60


def test_women_speak_higher_than_men(original: Path) -> None:
    def zero_crossings(actor: int) -> float:
        """Low-passed by a moving mean, so that the voice and not its noise crosses zero."""
        rates = []
        for path in original.glob(f"Actor_{actor:02d}/03-01-01-*.wav"):
            with wave.open(str(path)) as file:
                pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
            smooth = np.convolve(pcm, np.hanning(80), "valid")
            rates.append(np.mean(np.diff(np.signbit(smooth)).astype(float)))
        return float(np.mean(rates))

    assert min(zero_crossings(2), zero_crossings(4)) > max(zero_crossings(1), zero_crossings(3))


def test_the_folder_says_that_nobody_spoke(original: Path) -> None:
    assert "spoken by nobody" in (original / "README.txt").read_text(encoding="utf-8")
    assert '"corpus": "synth"' in (original / MARKER).read_text(encoding="utf-8")


def test_a_finished_folder_is_left_alone(corpus: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in corpus.rglob("*")}
    summary = generate(corpus, actors=4)
    assert not summary.created
    assert summary.clips == 120
    assert {path: path.stat().st_mtime_ns for path in corpus.rglob("*")} == before


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "synth").mkdir()
    assert generate(tmp_path / "synth", actors=1).created
    assert len(wavs(tmp_path / "synth")) == 30


def test_other_parameters_are_refused(corpus: Path) -> None:
    with pytest.raises(CorpusError, match=r"generated with .*'actors': 4.* this run wants .*'actors': 2"):
        generate(corpus, actors=2)


def test_a_foreign_folder_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"not a generated corpus: .*SYNTHETIC is missing; choose another folder"):
        generate(tmp_path, actors=1)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "synth").write_bytes(b"")
    with pytest.raises(CorpusError, match="not a generated corpus"):
        generate(tmp_path / "synth", actors=1)


@pytest.mark.parametrize("spoil", ["lose", "change", "add"])
def test_a_spoilt_folder_is_refused(corpus: Path, spoil: str) -> None:
    victim = next(corpus.rglob("*.wav"))
    if spoil == "lose":
        victim.unlink()
    elif spoil == "change":
        victim.write_bytes(victim.read_bytes()[:-2] + b"\x01\x7f")
    else:
        shutil.copy(victim, corpus / "extra.wav")
    with pytest.raises(CorpusError, match="changed, added or lost"):
        generate(corpus, actors=4)


@pytest.mark.parametrize("wrong", [{"actors": 0}, {"actors": 100}, {"repetitions": 0}, {"seed": -1}])
def test_parameters_out_of_range_are_refused(tmp_path: Path, wrong: dict[str, int]) -> None:
    with pytest.raises(CorpusError, match="expected 1 to 99 actors"):
        generate(tmp_path / "synth", **wrong)


def test_a_failed_run_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CorpusError, match="could not be written"):
        generate(tmp_path / "file" / "synth", actors=1)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_an_interrupted_run_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ravfeat.corpora.synth._readme", interrupt)
    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path / "synth", actors=1)
    assert list(tmp_path.iterdir()) == []


def describe(path: Path) -> np.ndarray:
    """Mean and spread over time of log spectrum and its slope: (160,), made without the package."""
    with wave.open(str(path)) as file:
        pcm = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32768
    frames = np.lib.stride_tricks.sliding_window_view(pcm, 512)[::160] * np.hanning(512)
    power = np.abs(np.fft.rfft(frames))[:, 1:241].reshape(len(frames), 40, 6) ** 2
    spectrum = np.log(power.sum(axis=2) + 1e-6)
    slope = np.gradient(spectrum, axis=0)
    return np.concatenate([spectrum.mean(0), spectrum.std(0), slope.mean(0), slope.std(0)])


def recall(x: np.ndarray, y: np.ndarray, fold: np.ndarray) -> float:
    """Mean recall of ridge regression onto the classes, over held-out folds."""
    hits = np.zeros(len(y), dtype=bool)
    for part in np.unique(fold):
        train, test = fold != part, fold == part
        mean, sd = x[train].mean(0), x[train].std(0)
        inside, outside = (x[train] - mean) / sd, (x[test] - mean) / sd
        targets = np.eye(8)[y[train]] - 1 / 8
        weights = np.linalg.solve(inside.T @ inside + 30 * np.eye(x.shape[1]), inside.T @ targets)
        hits[test] = (outside @ weights).argmax(axis=1) == y[test]
    return float(np.mean([hits[y == label].mean() for label in range(8)]))


def test_emotions_can_be_heard_and_knowing_the_actor_helps(tmp_path: Path) -> None:
    generate(tmp_path / "synth")
    paths = sorted((tmp_path / "synth").rglob("*.wav"))
    x = np.array([describe(path) for path in paths])
    y = np.array([int(path.stem[6:8]) - 1 for path in paths])
    actor = np.array([int(path.stem[-2:]) for path in paths])
    new_actors = recall(x, y, actor % 6)
    random_clips = recall(x, y, np.random.default_rng(0).permutation(len(y)) % 6)
    assert 0.3 < new_actors < 0.7  # chance is 0.125
    assert random_clips > new_actors + 0.15
