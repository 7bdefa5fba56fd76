"""Where the caches are."""

from pathlib import Path

from ravfeat.cache.format import IDENTITY_FILE, INDEX_FILE, shard_file
from ravfeat.errors import CacheError

__all__ = ["find_caches", "resolve_cache"]


def find_caches(root: Path) -> list[Path]:
    """Give every cache folder at or below a path, sorted."""
    names = (IDENTITY_FILE, INDEX_FILE, shard_file(0))  # a cache that has lost one of them is one still
    if any((root / name).is_file() for name in names):
        return [root]
    return sorted({path.parent for name in names for path in root.glob(f"**/{name}")})


def resolve_cache(root: Path) -> Path:
    """Give the one cache at or below a path.

    Raises
    ------
    CacheError
        Where there is none, or more than one (which are listed).
    """
    if not root.exists():
        raise CacheError(f"{root} does not exist; 'ravfeat extract --out {root}' makes a cache there")
    found = find_caches(root)
    if not found:
        raise CacheError(f"no cache at or below {root}; 'ravfeat extract --out {root}' makes one")
    if len(found) > 1:
        listing = "\n  ".join(str(path) for path in found)
        raise CacheError(f"{root} holds {len(found)} caches; name one of them:\n  {listing}")
    return found[0]
