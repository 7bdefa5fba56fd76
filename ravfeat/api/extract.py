"""``ravfeat.extract``: run frozen encoders once over a corpus and store what they give in caches; as the command."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

from typing_extensions import TypedDict

from ravfeat.api.arguments import AnyPath, Many, as_layers, as_names, as_pairs, as_path, as_paths, as_place, checked
from ravfeat.api.engine import chosen_engine, extract_by_engine
from ravfeat.api.given import remember_given
from ravfeat.api.observer import Observer
from ravfeat.cache.format import StoreRecipe
from ravfeat.corpora import data_root, load_corpus
from ravfeat.documents import Count, Index, Positive
from ravfeat.encoders.base import Encoder
from ravfeat.encoders.registry import load_encoder, stream_of
from ravfeat.engines.run import Engine
from ravfeat.errors import UsageError
from ravfeat.extract import Extraction, ExtractResult, extract_together
from ravfeat.extract.named_work import NamedWork
from ravfeat.extract.open_caches import check_space
from ravfeat.extract.plan import ExtractionPlan, plan_extraction
from ravfeat.extract.streams import stream_requests
from ravfeat.faces.source import FaceOptions
from ravfeat.manifest import Manifest
from ravfeat.media.augment import CLEAN, SPEED, View
from ravfeat.progress import Progress, shown_progress
from ravfeat.schema import Store, Stream
from ravfeat.short_repr import short_repr

__all__ = ["Extracted", "extract"]

_LESS = "make room, choose another --out, or store less: --layers, --store pooled, --frame-stride"


@short_repr
@dataclass(frozen=True)
class Extracted:
    """What an extraction gave.

    Attributes
    ----------
    results : tuple of ExtractResult
        One for each cache that was filled.
    given_up : mapping of str to str
        Shards that every worker of an engine died with, and what became of the last one.
    plan : ExtractionPlan or None
        Of a dry run, which has no results.
    """

    results: tuple[ExtractResult, ...] = ()
    given_up: Mapping[str, str] = field(default_factory=dict)
    plan: ExtractionPlan | None = None

    @property
    def caches(self) -> tuple[Path | str, ...]:
        """Path or address of every cache, as `ravfeat.open_cache` and `ravfeat.fit_heads` take it."""
        return tuple(result.address or result.path for result in self.results)

    @property
    def failed(self) -> dict[str, str]:
        """Clips that could not be stored, with the reason."""
        return {clip_id: reason for result in self.results for clip_id, reason in result.failed.items()}

    @property
    def whole(self) -> bool:
        """Whether every clip of the corpus is stored; if not, the same call tries the others again."""
        return not self.failed and not self.given_up


class _Options(TypedDict):
    corpus: str
    speaker_pattern: str | None
    name: str | None
    device: str
    store: Store
    frame_stride: Count
    dtype: Literal["float16", "float32"] | None
    fps: Positive | None
    crop_margin: Positive | None
    cropped: bool
    view_seed: Index | None
    shard_index: Index
    num_shards: Count
    batch_clips: Count | None
    batch_seconds: Positive | None
    batch_pictures: Count
    tf32: bool
    engine: Engine | None
    workers: Count | None
    gpus_per_worker: Count | None
    address: str | None
    dry_run: bool


def extract(
    corpus: str = "ravdess",
    data: AnyPath | None = None,
    *,
    audio: AnyPath | None = None,
    speaker_pattern: str | None = None,
    name: str | None = None,
    columns: Mapping[str, str] | None = None,
    as_written: Many[str] = (),
    encoders: Many[str] = "wavlm-large",
    device: str = "auto",
    out: AnyPath = "cache",
    layers: str | int | Iterable[int] | None = None,
    store: Store = "frames",
    frame_stride: int = 1,
    dtype: Literal["float16", "float32"] | None = None,
    fps: float | None = None,
    detector_models: Many[AnyPath] = (),
    crop_margin: float | None = None,
    cropped: bool = False,
    views: Many[str] = (),
    view_seed: int | None = None,
    shard_index: int = 0,
    num_shards: int = 1,
    batch_clips: int | None = None,
    batch_seconds: float | None = None,
    batch_pictures: int = 64,
    tf32: bool = False,
    engine: Engine | None = None,
    workers: int | None = None,
    gpus_per_worker: int | None = None,
    address: str | None = None,
    slurm: Mapping[str, str] | None = None,
    dry_run: bool = False,
    progress: Progress = None,
    observer: Observer | None = None,
) -> Extracted:
    """Run frozen encoders once over a corpus and store all hidden layers, frame by frame, in a cache.

    What ``ravfeat extract`` does, with its options as keywords; ``ravfeat extract --help`` says what each is. One that
    the command takes several times takes one value or several: ``encoders="logmel"``. Call it again with the same
    values to go on after an interruption.

    Parameters
    ----------
    corpus : str
    data : path, optional
        Folder of clips, or a table.
    audio : path, optional
        Where the recordings lie that EmoBox lists.
    columns, slurm : mapping of str to str, optional
        ``{"actor": "person"}``, ``{"partition": "gpu"}``.
    layers : int, iterable of int or str, optional
        ``6``, ``[0, 9, 24]``, ``"6-12"``.
    out : path or str
        Folder of all caches, or an address.
    progress : bool or callable, optional
        See `ravfeat.progress.shown_progress`.
    observer : Observer, optional
        Hears what happens, see `ravfeat.api.observer`.

    Returns
    -------
    Extracted
        Caches, counts, and the clips that could not be stored: look at ``whole``.

    Raises
    ------
    RavfeatError
        What the command ends with.

    Examples
    --------
    >>> done = ravfeat.extract("synth", encoders="logmel")  # doctest: +SKIP
    >>> cache = ravfeat.open_cache(done.caches[0])  # doctest: +SKIP
    """
    options = checked(
        "extract", _Options, corpus=corpus, speaker_pattern=speaker_pattern, name=name, device=device, store=store,
        frame_stride=frame_stride, dtype=dtype, fps=fps, crop_margin=crop_margin, cropped=cropped,
        view_seed=view_seed, shard_index=shard_index,
        num_shards=num_shards, batch_clips=batch_clips, batch_seconds=batch_seconds, batch_pictures=batch_pictures,
        tf32=tf32, engine=engine, workers=workers, gpus_per_worker=gpus_per_worker, address=address, dry_run=dry_run,
    )  # fmt: skip
    place = as_place("out", out)
    if store == "pooled" and frame_stride > 1:
        raise UsageError("--frame-stride goes with --store frames: pooled statistics are over all frames")
    if dry_run and not isinstance(place, Path):
        raise UsageError(f"--dry-run goes with a folder, not with --out {place}")
    source = _Corpus(
        corpus,
        as_path("data", data),
        {
            "name": name,
            "columns": as_pairs("columns", columns),
            "as_written": as_names("as_written", as_written),
            "audio": as_path("audio", audio),
            "speaker_pattern": speaker_pattern,
        },
    )
    faces = FaceOptions(
        fps=options["fps"], models=as_paths("detector_models", detector_models), cropped=cropped,
        margin=options["crop_margin"],
    )  # fmt: skip
    job = _Job(source, as_names("encoders", encoders), faces, as_layers(layers), as_names("views", views), options)
    by_engine = chosen_engine(options, as_pairs("slurm", slurm))
    with shown_progress(progress):
        watcher = observer or Observer()
        if by_engine is not None:
            results, given_up = extract_by_engine(by_engine, job.named(watcher), place, watcher)
            return Extracted(tuple(results), given_up)
        return _extract_here(job.requests(watcher), place, watcher, dry_run=dry_run)


@dataclass(frozen=True)
class _Corpus:
    """A corpus as the options name it; `options` are those of `load_corpus`."""

    kind: str
    data: Path | None
    options: Mapping[str, Any]

    def load(self, stream: Stream) -> Manifest:
        return load_corpus(self.kind, self.data, stream=stream, **self.options)

    @property
    def root(self) -> Path:
        return data_root(self.kind, self.data, self.options["audio"])


@dataclass(frozen=True)
class _Job:
    """What is to be extracted, with options that go together."""

    corpus: _Corpus
    encoders: tuple[str, ...]
    faces: FaceOptions
    layers: str | None
    views: tuple[str, ...]
    options: _Options

    def __post_init__(self) -> None:
        if not self.encoders:
            raise UsageError("expected at least one --encoder, got none")
        if "face" not in self.by_stream and self.faces != FaceOptions():
            raise UsageError("--fps, --detector-model, --crop-margin and --cropped go with an encoder of faces")

    @property
    def by_stream(self) -> dict[Stream, list[str]]:
        by_stream: dict[Stream, list[str]] = {}
        for name in self.encoders:
            by_stream.setdefault(stream_of(name), []).append(name)
        return by_stream

    def manifests(self, observer: Observer) -> Iterable[tuple[list[str], Manifest]]:
        # The corpus first: whoever forgot it should not wait for an encoder of a gigabyte.
        for stream, names in self.by_stream.items():
            manifest = self.corpus.load(stream)
            observer.corpus(manifest)
            yield names, manifest

    def how(self) -> dict[str, Any]:
        """Give how every stream is stored, and in which batches."""
        options = self.options
        return {
            "faces": self.faces,
            "recipe": StoreRecipe(store=options["store"], frame_stride=options["frame_stride"]),
            "layers": self.layers,
            "dtype": options["dtype"],
            "views": _view_names(self.views, options["view_seed"], self.by_stream),
            "batch_clips": options["batch_clips"],
            "batch_s": options["batch_seconds"],
            "batch_frames": options["batch_pictures"],
        }

    def named(self, observer: Observer) -> list[NamedWork]:
        how, device, tf32 = self.how(), self.options["device"], self.options["tf32"]
        return [
            NamedWork(self.corpus.root, tuple(names), manifest, device=device, tf32=tf32, **how)
            for names, manifest in self.manifests(observer)
        ]

    def requests(self, observer: Observer) -> list[list[Extraction]]:
        how, options, work = self.how(), self.options, []
        for names, manifest in self.manifests(observer):
            loaded = [load_encoder(name, options["device"], faces=self.faces, tf32=options["tf32"]) for name in names]
            _check_tf32(loaded, asked=options["tf32"])
            work.append(stream_requests(
                manifest, self.corpus.root, loaded, **how, shard_index=options["shard_index"],
                num_shards=options["num_shards"],
            ))  # fmt: skip
        return work


def _extract_here(
    work: Sequence[Sequence[Extraction]], place: Path | str, observer: Observer, *, dry_run: bool
) -> Extracted:
    """Extract in this process, stream by stream; with `dry_run` only plan it."""
    plan = None
    if isinstance(place, Path):
        if dry_run:
            plan = plan_extraction(work, place)
            observer.planned(plan)
        # The disk for all streams, before hours of the first.
        check_space([request for requests in work for request in requests], place, advice=_LESS)
        if dry_run:
            return Extracted(plan=plan)
    done: list[ExtractResult] = []
    for requests in work:
        started = perf_counter()
        results = extract_together(requests, place)
        seconds = perf_counter() - started
        for result, request in zip(results, requests, strict=True):
            remember_given(result, request.manifest, observer, divided=request.num_shards > 1)
            observer.extracted(result, request.encoder.spec.name, seconds)
        done += results
    return Extracted(tuple(done))


def _check_tf32(encoders: Sequence[Encoder[Any]], *, asked: bool) -> None:
    if asked and not any(encoder.provenance().get("tf32") and _on_gpu(encoder) for encoder in encoders):
        where = ", ".join(f"'{encoder.spec.name}' on {encoder.provenance()['device']}" for encoder in encoders)
        raise UsageError(f"--tf32 goes with --device cuda and an encoder that torch computes, not with {where}")


def _on_gpu(encoder: Encoder[Any]) -> bool:
    return str(encoder.provenance()["device"]).startswith("cuda")


def _view_names(views: Sequence[str], seed: int | None, by_stream: Mapping[Stream, Sequence[str]]) -> tuple[str, ...]:
    """Give the names of the views that are to be encoded; without any that of the clean clip."""
    drawn = [view for view in views if view != CLEAN and view.partition(":")[0] != SPEED]
    if seed is not None and not drawn:
        raise UsageError("--view-seed goes with a --view that draws: gain, noise, mask, crop or published")
    if changed := [view for view in views if view != CLEAN and "face" in by_stream]:
        raise UsageError(
            f"--view {changed[0]} is a view of sound and {', '.join(by_stream['face'])} looks at faces: give it a"
            " command of its own, without --view"
        )
    names = (CLEAN if view == CLEAN else View.written(view, (seed or 0) * (view in drawn)).name for view in views)
    return tuple(names) or (CLEAN,)
