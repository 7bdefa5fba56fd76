"""The feature cache: written once, checksummed, read without torch."""

from ravfeat.cache.convert import Conversion, Converted, convert_cache
from ravfeat.cache.discovery import find_caches, require_caches, resolve_cache
from ravfeat.cache.reader import Cache, open_cache
from ravfeat.cache.rebuild import rebuild_index
from ravfeat.cache.verify import Problem, verify_cache

__all__ = [
    "Cache",
    "Conversion",
    "Converted",
    "Problem",
    "convert_cache",
    "find_caches",
    "open_cache",
    "rebuild_index",
    "require_caches",
    "resolve_cache",
    "verify_cache",
]
