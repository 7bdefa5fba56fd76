"""The folder that gets the caches: room, permission, locks, and the caches that are there."""

import os
import shutil
from pathlib import Path

from ravfeat.doctor.finding import Finding
from ravfeat.errors import CacheError

__all__ = ["check_caches", "check_storage"]

_LITTLE = 2_000_000_000
"""Free bytes below which even a small encoder over RAVDESS may not fit; WavLM-large's cache is 13.6 GB."""


def check_storage(out: Path) -> list[Finding]:
    """Report on the folder of ``--out``, or where it would be made on the nearest folder above it."""
    folder = next((path for path in (out.absolute(), *out.absolute().parents) if path.exists()), Path("/"))
    if not folder.is_dir():
        text = f"{folder} is a file, where the folder of caches would be"
        return [Finding("storage", "out", "problem", text, "choose another --out", needed=True)]
    usage = shutil.disk_usage(folder)
    # As the system counts for this user: part of a disk may be kept for the administrator.
    values = {"folder": str(folder), "exists": out.exists(), "total_bytes": usage.total, "free_bytes": usage.free}
    if not os.access(folder, os.W_OK | os.X_OK):
        text = f"nothing can be written in {folder}"
        return [Finding("storage", "out", "problem", text, "choose another --out", needed=True, values=values)]
    room = f"{folder}: {usage.free / 1e9:.1f} of {usage.total / 1e9:.1f} GB free"
    try:
        from ravfeat.cache.locks import check_locks

        check_locks(folder)
    except CacheError as error:
        return [Finding("storage", "out", "problem", str(error), "choose another --out", needed=True, values=values)]
    except OSError as error:
        text = f"{room}; no file can be made there ({error.strerror})"
        return [Finding("storage", "out", "problem", text, "make room", needed=True, values=values)]
    if usage.free < _LITTLE:
        remedy = "make room, or choose another --out"
        return [Finding("storage", "out", "problem", f"{room}, which is little", remedy, values=values)]
    return [Finding("storage", "out", "ok", f"{room}; files can be locked", values=values)]


def check_caches(out: Path) -> list[Finding]:
    """Report on the caches at or below ``--out``."""
    from ravfeat.cache.discovery import find_caches

    caches = find_caches(out)
    values = {"caches": [str(path) for path in caches]}
    if not caches:
        return [Finding("storage", "caches", "missing", f"none below {out}", "ravfeat extract", values=values)]
    return [
        Finding("storage", "caches", "ok", f"{len(caches)} below {out}; 'ravfeat cache ls' lists them", values=values)
    ]
