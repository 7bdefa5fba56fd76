"""Several encoders in one run, and clips that come in pieces."""

from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ravfeat.cache import open_cache, verify_cache
from ravfeat.cache.format import StoreRecipe
from ravfeat.encoders.base import Batching, EncoderInput, EncoderSpec
from ravfeat.encoders.logmel import LogMelEncoder
from ravfeat.errors import ClipError, MediaError, UsageError
from ravfeat.extract import Extraction, ExtractResult, extract_together, run_extraction
from ravfeat.manifest import Clip
from ravfeat.media.sound import Waveform, read_waveform
from ravfeat.media.source import Recording
from ravfeat.media.waveform_source import WaveformSource

pytestmark = pytest.mark.usefixtures("small_shards")

STEP = 1600


@dataclass(frozen=True)
class Counting(WaveformSource):
    """Counts how often a clip is read."""

    reads: Counter[str] = field(default_factory=Counter)

    def read(self, clip: Clip, root: Path) -> Generator[Waveform, None, Recording]:
        self.reads[clip.clip_id] += 1
        return (yield from super().read(clip, root))


Chunk = tuple[int, NDArray[np.float32]]


@dataclass(frozen=True)
class Chunks:
    """Voices cut into pieces of some steps each."""

    steps: int = 3
    broken: str = ""
    readers: int = 2

    def read(self, clip: Clip, root: Path) -> Generator[Chunk, None, Recording]:
        waveform = read_waveform(root / clip.path)
        n = len(waveform.samples) // STEP
        for start in range(0, n, self.steps):
            if clip.clip_id == self.broken and start:
                raise MediaError(f"{root / clip.path} is broken")
            stop = min(n, start + self.steps)
            yield start, waveform.samples[start * STEP : stop * STEP].reshape(-1, STEP)
        return Recording(len(waveform.samples), 16_000.0, waveform.sha256)

    def provenance(self) -> dict[str, Any]:
        return {}


@dataclass
class Loudness:
    """A frame's loudness, whatever is encoded with it; as a face encoder it says where it found something."""

    name: str = "loudness"
    floor: float = 0.0
    refuses: str = ""
    batches: list[int] = field(default_factory=list)
    batching: Batching = "pieces"

    @property
    def spec(self) -> EncoderSpec:
        return EncoderSpec(self.name, "face", "none", "toy/1", (f"floor {self.floor}",), 1, 2, 10.0)

    def prepare(self, piece: Chunk) -> EncoderInput:
        start, values = piece
        found = (np.abs(values).max(1) > self.floor).astype(np.float32)
        times_s = (np.arange(len(values)) + start) / 10
        return EncoderInput(values, times_s, {"found": found, "box": np.tile(times_s[:, None], 4).astype(np.float32)})

    def encode(self, batch: Sequence[EncoderInput]) -> list[NDArray[np.float32]]:
        self.batches.append(sum(piece.n_frames for piece in batch))
        if self.refuses and len(batch) > 1:
            raise MemoryError(self.refuses)
        return [np.stack([p.values.mean(1), np.abs(p.values).mean(1)], axis=-1)[:, None] for p in batch]

    def provenance(self) -> dict[str, Any]:
        return {"device": "cpu"}


def faces(corpus: Any, out: Path, *encoders: Loudness, source: Chunks | None = None, **options: Any) -> Any:
    source = source or Chunks()
    work = [Extraction(corpus.manifest, corpus.root, one, source=source, **options) for one in encoders]
    return extract_together(work, out)


def test_how_a_clip_is_cut_and_batched_changes_nothing(corpus: Any, tmp_path: Path, contents: Any) -> None:
    (one,) = faces(corpus, tmp_path / "one", Loudness(), source=Chunks(steps=10**6), batch_frames=1)
    (many,) = faces(corpus, tmp_path / "many", many_ := Loudness(), source=Chunks(steps=3), batch_frames=20)
    assert contents(one.path) == contents(many.path)
    assert verify_cache(one.path) == []
    assert all(20 <= size < 23 for size in many_.batches if size >= 20)
    assert sum(many_.batches) == many.frames == one.frames
    assert len([size for size in many_.batches if size < 20]) <= len(corpus.manifest)  # the rest of a clip


def test_the_number_of_readers_changes_no_byte(corpus: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shards = []
    for readers, most in ((1, 10**9), (8, 10**9), (8, 1000)):
        monkeypatch.setattr("ravfeat.extract.decode._MAX_BYTES", most)
        encoder = Loudness()
        (result,) = faces(
            corpus, tmp_path / f"{readers}-{most}", encoder, source=Chunks(readers=readers), batch_frames=20
        )
        shards.append(([path.read_bytes() for path in sorted(result.path.glob("shard-*.h5"))], encoder.batches))
    assert len(shards[0][0]) > 1
    assert shards[0] == shards[1] == shards[2]


def test_what_is_known_of_every_frame_is_stored_with_it(corpus: Any, tmp_path: Path) -> None:
    (result,) = faces(corpus, tmp_path, Loudness(floor=0.3))
    cache = open_cache(result.path)
    fallback = 0
    for clip_id in cache.clip_ids:
        columns = cache.columns(clip_id)
        assert sorted(columns) == ["box", "found"]
        np.testing.assert_allclose(columns["box"][:, 2], cache.times(clip_id), atol=1e-6)
        assert columns["box"].shape == (len(cache[clip_id]), 4)
        fallback += int((columns["found"] == 0).sum())
    assert 0 < fallback == result.fallback < result.frames


def test_a_voice_has_no_columns(whole_cache: Path) -> None:
    cache = open_cache(whole_cache)
    assert cache.columns(cache.clip_ids[0]) == {}


def test_encoders_go_together_as_if_each_went_alone(corpus: Any, tmp_path: Path, contents: Any) -> None:
    source = Counting()
    alike = Extraction(corpus.manifest, corpus.root, LogMelEncoder(), source=source)
    work = [
        alike,
        replace(alike, recipe=StoreRecipe(layers=(1,))),
        replace(alike, recipe=StoreRecipe(store="pooled", dtype="float32")),
    ]
    together = extract_together(work, tmp_path / "together")
    assert set(source.reads.values()) == {1}
    assert len(source.reads) == len(corpus.manifest)
    for what, result in zip(work, together, strict=True):
        alone = run_extraction(what, tmp_path / "alone")
        assert contents(alone.path) == contents(result.path)
        assert (alone.written, alone.encoded) == (result.written, result.encoded)


def test_only_what_an_encoder_lacks_is_read_and_encoded(corpus: Any, tmp_path: Path, contents: Any) -> None:
    alike = Extraction(corpus.manifest, corpus.root, LogMelEncoder())
    work = [alike, replace(alike, recipe=StoreRecipe(layers=(1,)))]
    whole = [contents(result.path) for result in extract_together(work, tmp_path)]
    first, second = (result.path for result in extract_together(work, tmp_path))
    (first / "shard-00001.h5").unlink()
    (second / "shard-00003.h5").unlink()
    (second / "shard-00004.h5").unlink()
    source = Counting()
    again = extract_together([replace(what, source=source) for what in work], tmp_path)
    assert [(result.written, result.present) for result in again] == [(1, 5), (2, 4)]
    assert sum(source.reads.values()) == 12
    assert set(source.reads.values()) == {1}
    assert [contents(result.path) for result in again] == whole


def test_a_clip_may_fail_for_one_encoder_and_not_for_the_other(corpus: Any, tmp_path: Path) -> None:
    easy, strict = faces(corpus, tmp_path, Loudness(), Loudness("strict", floor=0.5))
    assert not easy.failed
    assert strict.failed
    assert len(strict.failed) < len(corpus.manifest)
    for clip_id, reason in strict.failed.items():
        assert f"{clip_id}.wav: no face was found in any of its " in reason


def test_a_clip_that_breaks_midway_is_not_stored_in_part(corpus: Any, tmp_path: Path, contents: Any) -> None:
    broken = corpus.manifest.clips[5]
    (result,) = faces(corpus, tmp_path / "out", Loudness(), source=Chunks(broken=broken.clip_id), batch_frames=1)
    assert result.failed == {broken.clip_id: f"{broken.path} is broken"}
    assert broken.clip_id not in open_cache(result.path)
    (mended,) = faces(corpus, tmp_path / "out", Loudness(), batch_frames=1)
    assert (mended.written, mended.failed) == (1, {})
    (whole,) = faces(corpus, tmp_path / "whole", Loudness(), batch_frames=1)
    assert contents(mended.path) == contents(whole.path)


def test_a_batch_too_large_for_memory_is_encoded_piece_by_piece(corpus: Any, tmp_path: Path, contents: Any) -> None:
    (whole,) = faces(corpus, tmp_path / "whole", Loudness())
    (small,) = faces(corpus, tmp_path / "small", Loudness(refuses="no memory"))
    assert contents(whole.path) == contents(small.path)


def test_a_piece_that_cannot_be_encoded_alone_fails_its_clip(corpus: Any, tmp_path: Path) -> None:
    wanted = corpus.manifest.clips[3]

    class Picky(Loudness):
        def encode(self, batch: Sequence[EncoderInput]) -> list[NDArray[np.float32]]:
            if any(len(piece.values) < 3 for piece in batch):
                raise ClipError("too small a piece")
            return super().encode(batch)

    (result,) = faces(corpus, tmp_path, Picky(), batch_frames=7)
    assert result.failed
    assert set(result.failed.values()) == {
        f"{clip.path}: too small a piece" for clip in corpus.manifest if clip.clip_id in result.failed
    }
    assert wanted.clip_id in result.failed or wanted.clip_id in open_cache(result.path)


def test_the_same_encoder_twice_is_a_mistake(corpus: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the encoders 'loudness' and 'twin' are the same"):
        faces(corpus, tmp_path, Loudness(), Loudness("twin"))


def test_results_come_in_the_order_of_the_encoders(corpus: Any, tmp_path: Path) -> None:
    results: list[ExtractResult] = faces(corpus, tmp_path, Loudness("b"), Loudness("a", floor=0.01))
    assert [result.path.name.split("-")[1] for result in results] == ["b", "a"]


class Overflowing(Loudness):
    """Gives more than float16 holds in the first piece of a clip."""

    def encode(self, batch: Sequence[EncoderInput]) -> list[NDArray[np.float32]]:
        states = super().encode(batch)
        return [one + 1e6 * (piece.times_s[0] == 0) for one, piece in zip(states, batch, strict=True)]


@pytest.mark.parametrize("n_clips", [1, 4, 5])
def test_a_clip_that_fails_early_is_not_stored_from_there_on(corpus: Any, tmp_path: Path, n_clips: int) -> None:
    few = corpus.manifest.with_clips(corpus.manifest.clips[:n_clips])
    work = Extraction(few, corpus.root, Overflowing(), source=Chunks(steps=1), batch_frames=1)
    (result,) = extract_together([work], tmp_path)
    assert set(result.failed) == {clip.clip_id for clip in few}
    assert all("do not fit into float16" in reason for reason in result.failed.values())
    assert result.encoded == 0
    assert len(open_cache(result.path)) == 0


def test_nothing_more_of_a_failed_clip_is_encoded(corpus: Any, tmp_path: Path) -> None:
    encoder = Overflowing()
    few = corpus.manifest.with_clips(corpus.manifest.clips[:1])
    extract_together([Extraction(few, corpus.root, encoder, source=Chunks(steps=1), batch_frames=1)], tmp_path)
    assert encoder.batches == [1]


def test_failed_clips_are_read_once_for_all_and_faceless_ones_not_encoded(corpus: Any, tmp_path: Path) -> None:
    reads: Counter[str] = Counter()

    @dataclass(frozen=True)
    class Noted(Chunks):
        def read(self, clip: Clip, root: Path) -> Generator[Chunk, None, Recording]:
            reads[clip.clip_id] += 1
            return (yield from super().read(clip, root))

    deaf = [Loudness("one", floor=2.0), Loudness("two", floor=3.0)]
    first = faces(corpus, tmp_path, *deaf, source=Noted())
    assert [len(result.failed) for result in first] == [len(corpus.manifest)] * 2
    reads.clear()
    for encoder in deaf:
        encoder.batches.clear()
    again = faces(corpus, tmp_path, *deaf, source=Noted())
    assert [result.failed for result in again] == [result.failed for result in first]
    assert [result.written for result in again] == [0, 0]
    assert set(reads.values()) == {1}
    assert [encoder.batches for encoder in deaf] == [[], []]


def test_what_shares_a_batch_does_not_depend_on_the_other_encoders(corpus: Any, tmp_path: Path, contents: Any) -> None:
    class Social(Loudness):
        """Says with every frame how large its batch was."""

        def encode(self, batch: Sequence[EncoderInput]) -> list[NDArray[np.float32]]:
            n = sum(piece.n_frames for piece in batch)
            return [one + n for one in super().encode(batch)]

    few = corpus.manifest.with_clips(corpus.manifest.clips[1::2])
    old, new = Loudness("old"), Social("new", floor=-1.0)
    (grown,) = extract_together([Extraction(few, corpus.root, old, source=Chunks(), batch_frames=9)], tmp_path / "a")
    (alone,) = faces(corpus, tmp_path / "alone", new, batch_frames=9)
    assert grown.written
    _, together = faces(corpus, tmp_path / "a", old, new, batch_frames=9)
    assert contents(together.path) == contents(alone.path)
    (tmp_path / "b").mkdir()
    extract_together([Extraction(few, corpus.root, old, source=Chunks(), batch_frames=9)], tmp_path / "b")
    next((tmp_path / "b").rglob("shard-00000.h5")).unlink()
    _, together = faces(corpus, tmp_path / "b", old, new, batch_frames=9)
    assert contents(together.path) == contents(alone.path)
