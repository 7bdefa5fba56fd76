"""Find the caches at or below a path; where there is none, say what is there and what to give."""

from pathlib import Path

from ravfeat.cache.format import IDENTITY_FILE, INDEX_FILE, shard_file
from ravfeat.errors import CacheError

__all__ = ["find_caches", "require_caches", "resolve_cache"]

_CACHE_FILES = (IDENTITY_FILE, INDEX_FILE, shard_file(0))
_RUN_FILES = ("recipe.json", "predictions.parquet")
_LISTED = 5


def find_caches(root: Path) -> list[Path]:
    """Return every cache folder at or below a path, sorted; empty where there is none."""
    # Any of the files will do: a cache that has lost one must be found, so that it can be verified and rebuilt.
    if any((root / name).is_file() for name in _CACHE_FILES):
        return [root]
    return sorted({path.parent for name in _CACHE_FILES for path in root.glob(f"**/{name}")})


def require_caches(root: Path) -> list[Path]:
    """Return every cache folder at or below a path, at least one.

    Raises
    ------
    CacheError
        Where there is none; the message says what is there and what to give.
    """
    caches = find_caches(root)
    if not caches:
        raise CacheError(_explain_missing(root))
    return caches


def resolve_cache(root: Path) -> Path:
    """Return the only cache at or below a path.

    Raises
    ------
    CacheError
        Where there is none (see `require_caches`), or more than one (which are listed).
    """
    caches = require_caches(root)
    if len(caches) > 1:
        listing = "\n  ".join(str(path) for path in caches)
        raise CacheError(f"{root} holds {len(caches)} caches; name one of them:\n  {listing}")
    return caches[0]


def _explain_missing(root: Path) -> str:
    """Describe a path that holds no cache."""
    expected = "expected the folder of a cache, such as cache/ravdess/audio-wavlm-large-…, or a folder that holds one"
    if root.is_file():
        if caches := find_caches(root.parent):
            return f"no cache at or below {root}: it is a file; give the folder {caches[0]}"
        return f"no cache at or below {root}: it is a file; {expected}"
    if not root.exists():
        near = next((parent for parent in root.parents if parent.is_dir()), Path())
        # Searching / or the home folder would take minutes; a mistyped path has its caches next to it.
        caches = find_caches(near) if near == root.parent and near.resolve() not in {Path("/"), Path.home()} else []
        if caches:
            return f"{root} does not exist; {near} holds {_listed([str(path) for path in caches])}"
        return f"{root} does not exist; {expected}. 'ravfeat extract' makes one"
    names = sorted(path.name for path in root.iterdir() if not path.name.startswith("."))
    if any(name in _RUN_FILES for name in names):
        return f"no cache at or below {root}: it is the folder of a run; give the cache that the run was trained on"
    if not names:
        return f"no cache at or below {root}: it is empty; {expected}. 'ravfeat extract' makes one"
    return f"no cache at or below {root}: it holds {_listed(names)}; {expected}. 'ravfeat extract' makes one"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{', '.join(names[:_LISTED])}{more}"
