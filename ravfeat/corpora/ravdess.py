"""Scan a folder of RAVDESS files into a manifest: file names say emotion, actor and performance.

A name is seven two-digit fields: modality, vocal channel, emotion, intensity, statement,
repetition, actor. The voice alone (03-), the voice in the audio-visual file (01-) and the silent
picture (02-) of the same other six fields are one performance, so the performance id is the stem
without its first field.

Source: Livingstone SR, Russo FA (2018), PLoS ONE 13(5): e0196391, doi:10.5281/zenodo.1188976.
"""

import re
from collections import Counter
from pathlib import Path

from ravfeat.corpora.probe import with_durations
from ravfeat.corpora.walk import files_below, same_bytes
from ravfeat.errors import CorpusError
from ravfeat.manifest import Clip, Manifest
from ravfeat.schema import RAVDESS_LABELS, Stream

__all__ = ["MODALITIES", "parse_stem", "scan_performances", "scan_ravdess"]

MODALITIES: dict[Stream, tuple[str, ...]] = {"audio": ("03", "01"), "face": ("02", "01")}
"""Which copies of a performance can feed a stream, the preferred first."""

_STEM = re.compile(r"(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)")
_SONG = "02"


def parse_stem(stem: str, *, corpus: str = "ravdess", path: str = "") -> Clip | None:
    """Read one RAVDESS file name.

    Parameters
    ----------
    stem : str
        The name without folder and ending, e.g. ``03-01-06-01-02-01-12``.
    corpus : str
        What to write in front of the actor.
    path : str
        Stored in the clip as it is.

    Returns
    -------
    Clip or None
        None where the name is not one of the speech corpus (a song file included).
    """
    match = _STEM.fullmatch(stem)
    if match is None:
        return None
    modality, channel, emotion, intensity, statement, repetition, actor = match.groups()
    is_speech = (
        modality in {"01", "02", "03"}
        and channel == "01"
        and 1 <= int(emotion) <= len(RAVDESS_LABELS)
        and intensity in {"01", "02"}
        # Nothing is acted strongly neutral.
        and not (emotion == "01" and intensity == "02")
        and statement in {"01", "02"}
        and repetition in {"01", "02"}
        and 1 <= int(actor) <= 24
    )
    if not is_speech:
        return None
    return Clip(
        clip_id=stem,
        performance_id=stem[3:],
        actor=f"{corpus}:{actor}",
        gender="male" if int(actor) % 2 else "female",
        label=RAVDESS_LABELS[int(emotion) - 1],
        path=path,
    )


def scan_ravdess(root: Path, stream: Stream = "audio", *, corpus: str = "ravdess", synthetic: bool = False) -> Manifest:
    """Find the RAVDESS speech clips below a folder, one per performance.

    Parameters
    ----------
    root : Path
        Any folder; searched recursively for media files with RAVDESS stems.
    stream : {"audio", "face"}
        Decides which copy of a performance is taken: audio 03- before 01-, face 02- before 01-.

    Returns
    -------
    Manifest
        ``skipped`` counts song files, unknown names, copies that are not used (the same file twice
        among them) and performances that have no copy for this stream.

    Raises
    ------
    CorpusError
        Where the folder is missing or cannot be read, holds no such clip, or holds two different
        files for one clip.
    """
    performances, skipped = _find_copies(root, corpus)
    return _one_per_performance(root, stream, corpus, performances, skipped, synthetic=synthetic)


def scan_performances(root: Path, *, corpus: str = "ravdess", synthetic: bool = False) -> Manifest:
    """Find every RAVDESS speech performance below a folder, whatever copies of it lie there.

    Parameters
    ----------
    root : Path
        As for `scan_ravdess`.

    Returns
    -------
    Manifest
        One clip per performance, the voice before the video; lengths are not read. ``skipped`` counts
        song files and unknown names.

    Raises
    ------
    CorpusError
        As `scan_ravdess`.
    """
    performances, skipped = _find_copies(root, corpus)
    if not performances:
        raise CorpusError(
            f"no RAVDESS speech clip below {root}: expected media files with names like 03-01-06-01-02-01-12.wav; saw"
            f" {skipped.total()} other media files"
        )
    # 03, the voice alone, is the largest modality.
    chosen = tuple(copies[max(copies)] for copies in performances.values())
    return Manifest(corpus, RAVDESS_LABELS, chosen, synthetic=synthetic, skipped=dict(sorted(skipped.items())))


def _find_copies(root: Path, corpus: str) -> tuple[dict[str, dict[str, Clip]], Counter[str]]:
    """Give the clips of every performance by modality, and counts of what is no clip."""
    if not root.is_dir():
        raise CorpusError(f"{root} is not a folder; --data must name the folder that holds the {corpus} clips")
    performances: dict[str, dict[str, Clip]] = {}
    skipped: Counter[str] = Counter()
    for file in sorted(files_below(root)):
        path = file.relative_to(root).as_posix()
        clip = parse_stem(file.stem, corpus=corpus, path=path)
        if clip is None:
            match = _STEM.fullmatch(file.stem)
            skipped["song files" if match and match[2] == _SONG else "unknown names"] += 1
            continue
        copies = performances.setdefault(clip.performance_id, {})
        modality = clip.clip_id[:2]
        if modality not in copies:
            copies[modality] = clip
        elif same_bytes(root / copies[modality].path, file):
            skipped["files that are there twice"] += 1  # one popular archive holds a folder and its copy
        else:
            raise CorpusError(
                f"two clips with one id: '{clip.clip_id}' is {copies[modality].path} and {path} below {root}, and they"
                " differ; remove one of them"
            )
    return performances, skipped


def _one_per_performance(
    root: Path,
    stream: Stream,
    corpus: str,
    performances: dict[str, dict[str, Clip]],
    skipped: Counter[str],
    *,
    synthetic: bool,
) -> Manifest:
    wanted = MODALITIES[stream]
    chosen = []
    for copies in performances.values():
        usable = [copies[modality] for modality in wanted if modality in copies]
        chosen += usable[:1]
        if usable:
            skipped["unused copies"] += len(copies) - 1
        else:
            skipped[f"performances without a copy for the {stream} stream"] += 1
    if not chosen:
        names = " or ".join(f"{modality}-" for modality in wanted)
        example, fetch = (
            ("02-01-06-01-02-01-12.mp4", " --video") if stream == "face" else ("03-01-06-01-02-01-12.wav", "")
        )
        raise CorpusError(
            f"no RAVDESS speech clip for the {stream} stream below {root}: expected media files with names like"
            f" {example} that begin with {names}; saw {sum(skipped.values())} other media files."
            f" 'ravfeat download ravdess{fetch}' fetches the corpus"
        )
    counts = {name: count for name, count in sorted(skipped.items()) if count}
    clips = tuple(with_durations(root, chosen, stream))
    return Manifest(corpus, RAVDESS_LABELS, clips, synthetic=synthetic, skipped=counts)
