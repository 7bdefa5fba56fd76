"""``ravfeat.explore``: one page about a corpus before any head is trained; as the command."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typing_extensions import TypedDict

from ravfeat.api.arguments import AnyPath, Many, as_names, as_pairs, as_path, checked
from ravfeat.cache import Cache, find_caches
from ravfeat.corpora import data_root, load_corpus
from ravfeat.documents import Count
from ravfeat.errors import CorpusError, UsageError
from ravfeat.experiment.training_views import pass_over_views
from ravfeat.explore.exploration import Exploration, explore_corpus
from ravfeat.explore.refused import lenient_table
from ravfeat.progress import Progress, shown_progress
from ravfeat.remote.reading import open_cache
from ravfeat.remote.store import is_remote
from ravfeat.report.data.page import write_data_page

__all__ = ["SAMPLE", "Explored", "explore"]

SAMPLE = 3000
"""Clips that are decoded, compared and drawn at most."""


@dataclass(frozen=True)
class Explored:
    """What was found, and the page that shows it.

    Attributes
    ----------
    path : Path
    found : Exploration
    """

    path: Path
    found: Exploration


class _Options(TypedDict):
    corpus: str | None
    name: str | None
    speaker_pattern: str | None
    sample: Count


def explore(
    sources: Many[AnyPath] = (),
    *,
    corpus: str | None = None,
    name: str | None = None,
    columns: Mapping[str, str] | None = None,
    as_written: Many[str] = (),
    audio: AnyPath | None = None,
    speaker_pattern: str | None = None,
    sample: int = SAMPLE,
    out: AnyPath = "explore.html",
    progress: Progress = None,
) -> Explored:
    """Look at a corpus before any head is trained, and write one page that needs no other file.

    What ``ravfeat explore`` does, with its options as keywords.

    Parameters
    ----------
    sources : path, address of a cache, or several
        A table of clips or, with `corpus`, the folder of a corpus; caches of the same corpus; or both.
    corpus, name, columns, as_written, audio, speaker_pattern
        As of `ravfeat.extract`; without `corpus` a file is a table.
    sample : int
        Clips that are decoded, compared and drawn at most, drawn at random.
    out : path
        The page; replaced where it is there.
    progress : callable or bool, optional
        As of `ravfeat.extract`.

    Returns
    -------
    Explored

    Raises
    ------
    RavfeatError
        What the command ends with.

    Examples
    --------
    >>> explored = ravfeat.explore("clips.csv")  # doctest: +SKIP
    >>> [doubt.sentence for doubt in explored.found.doubts if doubt.grave]  # doctest: +SKIP
    """
    options = checked(
        "explore", _Options, corpus=corpus, name=name, speaker_pattern=speaker_pattern, sample=sample
    )  # fmt: skip
    page = as_path("out", out) or Path("explore.html")
    if page.is_dir():
        raise UsageError(f"--out {page} is a folder; give the file that becomes the page: --out {page}/explore.html")
    reading = {
        "name": options["name"], "columns": as_pairs("columns", columns),
        "as_written": as_names("as_written", as_written), "audio": as_path("audio", audio),
        "speaker_pattern": options["speaker_pattern"],
    }  # fmt: skip
    with shown_progress(progress):
        data, caches = _part(_places(sources), corpus)
        if data is None and corpus is None:
            if given := [key for key, value in reading.items() if value]:
                raise UsageError(f"--{given[0].replace('_', '-')} goes with a table or --corpus, not with caches alone")
            found = explore_corpus(None, None, caches, sample=sample)
        else:
            found = _with_clips(corpus, data, caches, reading, sample)
        return Explored(write_data_page(found, page), found)


def _with_clips(
    corpus: str | None, data: Path | None, caches: Sequence[Cache], reading: Mapping[str, Any], sample: int
) -> Exploration:
    kind = corpus or "folder"
    root = data_root(kind, data, reading["audio"])
    try:
        manifest = load_corpus(kind, data, **reading)
    except CorpusError as error:
        if kind != "folder" or data is None:
            raise
        if data.is_dir() and corpus is None:
            raise CorpusError(f"{error}; or name the corpus that lies there: --corpus ravdess …") from error
        lenient = lenient_table(data, name=reading["name"], columns=reading["columns"], why=error)
        return explore_corpus(
            lenient.manifest, root, caches, sample=sample, refused=lenient.doubts, why_refused=str(error)
        )
    return explore_corpus(manifest, root, caches, sample=sample)


def _places(sources: Many[AnyPath]) -> list[str]:
    several = [sources] if isinstance(sources, str) or not isinstance(sources, Iterable) else list(sources)
    # As texts: a path would lose a slash of an address.
    return [str(place) if isinstance(place, str) else str(as_path("sources", place)) for place in several]


def _part(places: list[str], corpus: str | None) -> tuple[Path | None, list[Cache]]:
    """Part what was given into the table or folder of a corpus, and caches; views are passed over."""
    data, folders, caches = [], [], []
    for place in places:
        path = Path(place)
        if is_remote(place):
            caches.append(open_cache(place))
        elif path.is_dir() and (below := find_caches(path)):
            folders += below
        elif path.exists() or corpus is not None:
            data.append(path)
        else:
            raise UsageError(
                f"{place} is not there; expected a table of clips, the folder of a corpus with --corpus NAME"
                " (ravdess …), or caches that 'ravfeat extract' made"
            )
    if len(data) > 1:
        raise UsageError(f"{data[0]} and {data[1]}: expected one table or folder of a corpus, and its caches")
    clean, _ = pass_over_views(list(dict.fromkeys(folders)))
    if not data and not clean and not caches and corpus is None:
        if folders:
            raise UsageError(f"{places[0]} holds caches of views only; give the cache of the clips as they are")
        raise UsageError("nothing to explore: give a table of clips, a corpus (--corpus NAME), or caches")
    return (data[0] if data else None), [*caches, *(open_cache(path) for path in clean)]
