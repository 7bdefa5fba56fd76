"""Grade of trust of a published head, by what its ``head.toml`` says of its caches; see `ravfeat.runs.trust`."""

from collections.abc import Mapping
from typing import Any

from ravfeat.runs.trust import Trust, encoded_source

__all__ = ["document_trust"]


def document_trust(document: Mapping[str, Any]) -> Trust:
    """Grade a head.

    Parameters
    ----------
    document : mapping
        ``head.toml``. It lists the addresses that caches were pulled from, and not which cache is from which: one that
        names any names none of its caches as encoded here.
    """
    origins = document.get("made_from", [])
    published = {"address": ", ".join(origin["address"] for origin in origins)} if origins else {}
    caches = [cache for system in document["systems"] for cache in system["caches"]]
    sources = [
        encoded_source(
            f"{cache['identity'].get('stream', '')} {cache['encoder']}".strip(), cache["identity"], published,
            cache.get("model", {}),
        )
        for cache in caches
    ]  # fmt: skip
    return Trust(tuple(dict.fromkeys(sources)))
