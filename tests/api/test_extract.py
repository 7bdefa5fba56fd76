"""`ravfeat.extract`: what the command does, from Python."""

import shutil

import pytest

import ravfeat
from ravfeat.api.observer import Observer
from ravfeat.errors import UsageError

N_CLIPS = 4


@pytest.fixture(scope="module")
def voices(corpus, tmp_path_factory):
    """A few clips in a folder that says nothing of being generated."""
    folder = tmp_path_factory.mktemp("voices")
    for clip in corpus.manifest.clips[:N_CLIPS]:
        shutil.copy(corpus.root / clip.path, folder)
    return folder


@pytest.fixture(scope="module")
def done(voices, tmp_path_factory):
    out = tmp_path_factory.mktemp("extracted")
    return ravfeat.extract("ravdess", voices, encoders="logmel", layers=0, device="cpu", out=out)


def test_a_corpus_becomes_a_cache_that_opens(done) -> None:
    (cache,) = done.caches
    assert len(ravfeat.open_cache(cache).clip_ids) == N_CLIPS
    assert done.whole
    assert not done.failed
    assert done.results[0].encoded == N_CLIPS


def test_nothing_is_printed_and_a_second_call_finds_all_there(done, voices, capfd) -> None:
    heard: list[object] = []
    again = ravfeat.extract(
        "ravdess", str(voices), encoders=["logmel"], layers="0", device="cpu",
        out=str(done.results[0].path.parents[1]),
        progress=lambda *step: heard.append(step),
    )  # fmt: skip
    assert capfd.readouterr() == ("", "")
    assert again.caches == done.caches
    assert again.results[0].encoded == 0


def test_a_dry_run_has_a_plan_and_writes_nothing(voices, tmp_path) -> None:
    planned = ravfeat.extract("ravdess", voices, encoders="logmel", device="cpu", out=tmp_path / "cache", dry_run=True)
    assert planned.plan is not None
    assert not planned.results
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoders": []}, "expected at least one --encoder, got none"),
        ({"encoders": {"logmel": 1}.items()}, "encoders: .* is not a name"),
        ({"corpus": "nowhere"}, "no corpus 'nowhere'"),
        ({"store": "all"}, "store is \"all\", expected 'frames' or 'pooled'"),
        ({"store": "pooled", "frame_stride": 2}, "--frame-stride goes with --store frames"),
        ({"batch_seconds": -1}, "batch_seconds is -1"),
        ({"fps": float("nan")}, "fps is NaN, expected a number"),
        ({"fps": 10}, "go with an encoder of faces"),
        ({"views": "clean", "view_seed": 1}, "--view-seed goes with a --view that draws"),
        ({"columns": "actor=person"}, "columns='actor=person': expected a mapping"),
        ({"workers": 2}, "--workers goes with --engine"),
        ({"engine": "local", "dry_run": True}, "--dry-run goes without --engine"),
        ({"out": "s3://x/y", "dry_run": True}, "--dry-run goes with a folder"),
    ],
)
def test_what_is_wrong_is_refused_by_name(options, message, voices, tmp_path) -> None:
    given = {"corpus": "ravdess", "data": voices, "encoders": "logmel", "device": "cpu", "out": tmp_path} | options
    with pytest.raises(UsageError, match=message):
        ravfeat.extract(**given)
    assert not list(tmp_path.iterdir())


def test_tf32_is_refused_where_nothing_computes_with_it(voices, tmp_path) -> None:
    with pytest.raises(UsageError, match="--tf32 goes with --device cuda and an encoder that torch computes"):
        ravfeat.extract("ravdess", voices, encoders="logmel", device="cpu", tf32=True, out=tmp_path)


def test_columns_that_come_later_are_stored_unless_others_write_the_cache_too(voices, tmp_path) -> None:
    class Hears(Observer):
        def columns(self, cache, names, n_clips):
            heard.append((names, n_clips))

    def extract(header: str, cell: str, **options: object) -> ravfeat.Cache:
        rows = [f"{path},{n % 2},{'ab'[n % 2]}{cell}" for n, path in enumerate(sorted(voices.iterdir()))]
        (tmp_path / "t.csv").write_text("\n".join([f"file,speaker,emotion{header}", *rows]))
        done = ravfeat.extract(
            "folder", tmp_path / "t.csv", encoders="logmel", out=tmp_path / "out", observer=Hears(), **options
        )
        return ravfeat.open_cache(done.caches[0])

    heard: list[object] = []
    extract("", "")
    with pytest.warns(UserWarning, match=r"does not hold what the data say of 4 clips now \(session\): run the same"):
        cache = extract(",Session", ",2", num_shards=2)
    assert {record.further.get("session") for record in cache.records().values()} == {None}
    assert heard == []
    cache = extract(",Session", ",2")
    assert {record.further.get("session") for record in cache.records().values()} == {2.0}
    assert heard == [(("session",), N_CLIPS)]
