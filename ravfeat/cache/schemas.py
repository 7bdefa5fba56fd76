"""Schemas of the JSON in a cache: about, identity; their values are checked wherever they are read.

That of ``source`` is `ravfeat.model_origin.ModelOrigin`.

Keys that a schema does not know are kept, since the fingerprint of an identity covers all of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from ravfeat.documents import Count, Index, Text, check_value, read_json
from ravfeat.errors import CacheError
from ravfeat.files import check_name
from ravfeat.schema import Store

__all__ = ["check_about", "check_identity", "read_identity"]

CacheStream = Literal["audio", "face", "other"]
"""Streams that a cache may be of; the other ones name predictions."""


@dataclass(frozen=True)
class _About:
    corpus: str
    synthetic: bool
    stream: CacheStream
    encoder: str


@dataclass(frozen=True)
class _Identity:
    stream: CacheStream
    weights: Text
    layer_convention: Text
    preprocessing: list[str]
    layers: list[Index]
    store: Store
    statistics: list[str]
    frame_stride: Count
    dtype: Literal["float16", "float32"]
    view: str = "clean"
    derived: list[str] | None = None


def read_identity(path: Path) -> dict[str, Any]:
    """Read and check ``identity.json``.

    Raises
    ------
    CacheError
        Where it cannot be read, or is no identity.
    """
    remedy = f"'ravfeat cache rebuild-index {path.parent}' makes it anew from the shards"
    identity = read_json(path, dict[str, Any], CacheError, remedy)
    check_identity(identity, str(path), CacheError, remedy)
    return identity


def check_about(about: Mapping[str, Any], where: str, error: type[CacheError], remedy: str) -> None:
    """Check what a shard says of its cache; corpus and encoder become names of folders."""
    checked = check_value(about, _About, where, error, remedy)
    check_name(checked.corpus, f"{where}: corpus", error, remedy)
    check_name(checked.encoder, f"{where}: encoder", error, remedy)


def check_identity(identity: Mapping[str, Any], where: str, error: type[CacheError], remedy: str) -> None:
    """Check the known keys of an identity."""
    checked = check_value(identity, _Identity, where, error, remedy)
    check_name(checked.view, f"{where}: view", error, remedy)
    layers = checked.layers
    if not layers or any(after <= before for before, after in pairwise(layers)):
        raise error(f"{where}: layers are not numbers from 0 on in ascending order, each once; {remedy}")
