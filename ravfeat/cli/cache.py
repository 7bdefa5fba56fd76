"""``ravfeat cache``: info, ls, verify, rebuild-index; the other commands have modules of their own."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ravfeat.cli.cache_convert import command as convert_command
from ravfeat.cli.cache_import import command as import_command
from ravfeat.cli.cache_preview import command as preview_command
from ravfeat.cli.cache_publish import command as publish_command
from ravfeat.cli.cache_pull import command as pull_command
from ravfeat.cli.terminal import echo

if TYPE_CHECKING:
    from ravfeat.cache import Cache
    from ravfeat.cache.sampling import ShardChoice
    from ravfeat.model_origin import ModelOrigin

__all__ = ["command"]

_LOOKED_AT = 64
"""Shards whose format `info` looks at; a cache may have thousands."""

_PATH = click.argument("path", type=click.Path(path_type=Path), default=Path("cache"))


@click.group("cache")
def command() -> None:
    """Inspect caches, verify and repair them, make them smaller, publish and pull them, import features.

    PATH is a cache, or a folder that holds some; by default cache/.

    \b
    ravfeat cache ls
    ravfeat cache info cache/ravdess/audio-wavlm-large-91c2d0aa17fe
    ravfeat cache verify
    """  # noqa: D301


@command.command("info", short_help="Show what a cache holds.")
@_PATH
def info(path: Path) -> None:
    """Show corpus, encoder, layers, size and completeness of every cache at or below PATH.

    \b
    ravfeat cache info cache/ravdess/audio-wavlm-large-91c2d0aa17fe
    """  # noqa: D301
    from ravfeat.cache import open_cache, require_caches

    for number, folder in enumerate(require_caches(path)):
        if number:
            echo()
        _info(open_cache(folder))


def _info(cache: "Cache") -> None:
    from ravfeat.cache.index import present_shards
    from ravfeat.features.layers import spans

    size = sum(shard.stat().st_size for shard in present_shards(cache.path).values())
    total = len(cache) + len(cache.missing)
    lines = {
        "cache": cache.path,
        "corpus": f"{cache.about['corpus']}{' (synthetic)' if cache.about['synthetic'] else ''}",
        "stream": cache.about["stream"],
        "encoder": cache.about["encoder"],
        "view": cache.identity.get("view", "clean"),
        "fingerprint": cache.fingerprint,
        "clips": f"{len(cache)} of {total}{f' ({len(cache.failed)} failed)' if cache.failed else ''}",
        "layers": f"{spans(cache.layers)} ({len(cache.layers)})",
        "dimensions": cache.dim,
        "size": f"{size / 1e6:.1f} MB in {len(cache.shards)} shards",
        "format": _format(cache),
    }
    lines |= _origin(cache.source)
    if faces := _faces(cache):
        lines["faces"] = faces
    if speech := _speech(cache):
        lines["speech"] = speech
    for name, value in lines.items():
        echo(f"{name:12} {value}")
    for name, value in sorted(cache.identity.items()):
        text = "; ".join(map(str, value)) if isinstance(value, list) else str(value)
        echo(f"  {name:18} {text or 'none'}")


def _origin(origin: "ModelOrigin") -> dict[str, str]:
    """Say where the encoder came from, as far as the cache knows."""
    known = ("kind", "repository", "revision", "licence")
    lines = {name: str(value) for name, value in origin.items() if name in known}
    faces = origin.get("faces")
    models = {} if faces is None else {"detector": faces.get("detector"), "landmarker": faces.get("landmarker")}
    digests = {name: {model["name"]: model["sha256"]} for name, model in models.items() if model is not None}
    for name, files in {"files": origin.get("files", {}), **digests}.items():
        if files:
            lines[name] = ", ".join(f"{file} {digest[:12]}…" for file, digest in sorted(files.items()))
    return lines


def _format(cache: "Cache") -> str:
    """Name the version of the shards, and whether some layers can be checked without the others."""
    from ravfeat.numerics.rounding import evenly

    looked_at = [cache.shards[place] for place in evenly(len(cache.shards), _LOOKED_AT)]
    formats = cache.shard_formats(looked_at)
    versions = " and ".join(map(str, sorted({version for version, _ in formats})))
    having = sum(has_digests for _, has_digests in formats)
    digests = "digests of every layer" if having == len(formats) else f"digests of layers in {having} shards"
    some = f", as {len(formats)} of {len(cache.shards)} shards say" if len(formats) < len(cache.shards) else ""
    return f"version {versions}, {digests if having else 'no digests of layers'}{some}"


def _speech(cache: "Cache") -> str:
    """Say of how many clips the speech-active part is stored, and how much of a clip it is; empty for faces."""
    from statistics import median

    from ravfeat.numerics.rounding import evenly
    from ravfeat.schema import ACTIVE_COLUMNS

    if cache.about["stream"] != "audio":
        return ""
    looked_at = [cache.shards[place] for place in evenly(len(cache.shards), _LOOKED_AT)]
    clips = [clip for number in looked_at for clip in cache.header(number).clips]
    places = [[clip.further.get(name) for name in ACTIVE_COLUMNS] for clip in clips]
    shares = [end - start for start, end in places if isinstance(start, float) and isinstance(end, float)]
    if not shares:
        return "no active part is stored, so none can be pooled"
    some = f", as {len(looked_at)} of {len(cache.shards)} shards say" if len(looked_at) < len(cache.shards) else ""
    return f"active part stored of {len(shares)} of {len(clips)} clips{some}; median {median(shares):.0%} of a clip"


def _faces(cache: "Cache") -> str:
    """Describe how often a face was found; empty for voices."""
    from ravfeat.cache.face_coverage import face_coverage

    clips = face_coverage(cache)
    if not clips:
        return ""
    frames = sum(clip.n_frames for clip in clips)
    share = sum(clip.share * clip.n_frames for clip in clips) / frames
    gaps = [clip for clip in clips if clip.share < 1]
    worst = f"; {len(gaps)} clips with gaps, {gaps[0].clip_id} the most ({gaps[0].share:.1%} found)" if gaps else ""
    several = sum(clip.several for clip in clips)
    more = f"; several faces in {several} frames" if several else ""
    return f"found in {share:.2%} of {frames} frames{worst}{more}"


@command.command("ls", short_help="List caches, or the clips of one.")
@_PATH
@click.option("--remote", metavar="ADDRESS", help="Describe the published cache there, by its tables alone.")
def ls(path: Path, remote: str | None) -> None:
    """List the caches at or below PATH; for a single cache its clips with actor (speaker), label and frames.

    \b
    ravfeat cache ls cache
    ravfeat cache ls --remote hf://datasets/me/ravdess-wavlm
    """  # noqa: D301
    from ravfeat.cache import open_cache, require_caches
    from ravfeat.errors import CacheError
    from ravfeat.escape import printable

    if remote is not None:
        _ls_remote(remote)
        return
    for folder in require_caches(path):
        try:
            cache = open_cache(folder)
        except CacheError as error:
            echo(f"{folder}  cannot be opened: {error}", err=True)
            continue
        if folder == path:
            for clip_id, actor, label, n_frames in cache.facts():
                echo("\t".join(map(printable, (clip_id, actor, label, str(n_frames)))))
        else:
            missing = f", {len(cache.missing)} missing" if cache.missing else ""
            echo(f"{folder}  {len(cache)} clips{missing}, {len(cache.layers)} layers, dim {cache.dim}")


def _ls_remote(address: str) -> None:
    from ravfeat.escape import printable
    from ravfeat.features.layers import spans
    from ravfeat.remote.listing import describe_remote
    from ravfeat.remote.store import open_store

    cache = describe_remote(open_store(address))
    failed = f" ({cache.failed} failed)" if cache.failed else ""
    lines = {
        "corpus": cache.corpus,
        "stream": cache.stream,
        "encoder": cache.encoder or "its shards say it",
        "layers": f"{spans(cache.layers)} ({len(cache.layers)}), {cache.store}",
        "clips": f"{cache.clips}{failed}",
        "size": f"{cache.n_bytes / 1e6:.1f} MB in {cache.shards} shards",
        "licence": cache.licence or "not said",
        "commit": cache.version or "none: this place keeps no versions",
    }
    for name, value in lines.items():
        echo(f"{name:12} {printable(value)}")


@command.command("verify", short_help="Check caches against their checksums.")
@_PATH
@click.option("--sample", metavar="SHARE", help="Read only so many shards, drawn at random: 1%, or a number.")
@click.option("--seed", type=click.IntRange(0), help="Of the draw, to repeat it. [default: another every time, told]")
@click.option("--since", metavar="WHEN",
              help="Read only shards whose files were written since then: 2026-03-01, 2026-03-01T12:00, 12h, 7d or 4w."
              " Copying a cache can make its files younger.")  # fmt: skip
def verify(path: Path, sample: str | None, seed: int | None, since: str | None) -> None:
    """Check the caches at or below PATH against their checksums, bit by bit; exit code 1 for any problem.

    Tables, names and sizes of all files are checked in any case; --sample and --since say which shards are read.

    \b
    ravfeat cache verify cache
    ravfeat cache verify --sample 1% cache
    ravfeat cache verify --since 7d cache
    """  # noqa: D301
    from ravfeat.cache import require_caches

    choice = _choice(sample, seed, since)
    whole = [_is_whole(folder, choice) for folder in require_caches(path)]
    if not all(whole):
        sys.exit(1)


def _choice(sample: str | None, seed: int | None, since: str | None) -> "ShardChoice":
    import secrets
    from datetime import datetime

    from ravfeat.cache.sampling import ShardChoice, parse_sample, parse_since

    if seed is not None and sample is None:
        raise click.UsageError("--seed goes with --sample")
    share, count = (None, None) if sample is None else parse_sample(sample)
    begin = None if since is None else parse_since(since, datetime.now().astimezone())
    return ShardChoice(share, count, secrets.randbelow(1_000_000) if seed is None else seed, begin)


def _is_whole(folder: Path, choice: "ShardChoice") -> bool:
    from ravfeat.cache import verify_cache
    from ravfeat.cache.index import present_shards
    from ravfeat.progress import ProgressBar

    present = present_shards(folder)
    chosen, drawn = len(choice.choose(present)), choice.share is not None or choice.count is not None
    with ProgressBar(total=chosen, desc="verifying", unit="shard") as bar:

        def advance(_: Path) -> None:
            bar.update()

        problems = verify_cache(folder, choice=choice, progress=advance)
    for problem in problems:
        echo(str(problem), err=True)
    partly = "" if chosen == len(present) else f", as far as {chosen} of {len(present)} shards tell"
    if problems:
        echo(f"{folder}: {len(problems)} problems{partly}", err=True)
    else:
        echo(f"{folder}: whole{partly}")
    if partly:
        seed = f" (drawn with --seed {choice.seed})" if drawn else ""
        since = f" (written since {choice.since:%Y-%m-%d %H:%M %z})" if choice.since else ""
        echo(f"{len(present) - chosen} shards were not read but for their size; {chosen} were{seed}{since}")
    return not problems


@command.command("rebuild-index", short_help="Rebuild the index from the shards.")
@_PATH
def rebuild(path: Path) -> None:
    """Rebuild index.parquet and SHA256SUMS from the shards, each of which is checked in full.

    \b
    ravfeat cache rebuild-index cache/ravdess/audio-wavlm-large-91c2d0aa17fe
    """  # noqa: D301
    from ravfeat.cache import rebuild_index, resolve_cache
    from ravfeat.cache.format import MANIFEST_FILE

    folder = resolve_cache(path)
    shards = rebuild_index(folder)
    echo(f"{folder}: index of {len(shards)} shards made from the shards")
    if not (folder / MANIFEST_FILE).is_file():
        echo(f"{MANIFEST_FILE} is missing: run the same 'ravfeat extract' again to make it", err=True)
        sys.exit(1)


command.add_command(convert_command)
command.add_command(import_command)
command.add_command(preview_command)
command.add_command(publish_command)
command.add_command(pull_command)
