"""The feature cache: write once, verify, read without torch.

Offers
------
Cache, open_cache, resolve_cache, find_caches, verify_cache, rebuild_index.
"""

from ravfeat.cache.index import rebuild_index
from ravfeat.cache.reader import Cache, find_caches, open_cache, resolve_cache
from ravfeat.cache.verify import Problem, verify_cache

__all__ = ["Cache", "Problem", "find_caches", "open_cache", "rebuild_index", "resolve_cache", "verify_cache"]
