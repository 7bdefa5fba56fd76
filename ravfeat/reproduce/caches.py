"""What a study can be made from: caches, and the role of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from ravfeat.cache import Cache, find_caches, open_cache, resolve_cache
from ravfeat.errors import CacheError, UsageError
from ravfeat.media.augment import CLEAN
from ravfeat.reproduce.options import StudyOptions

__all__ = ["PUBLISHED", "ROLES", "Material", "Materials", "Role", "find_materials"]

Role = Literal["wavlm", "hubert", "voice", "expression", "imagenet", "landmarks"]
ROLES: tuple[str, ...] = get_args(Role)
"""``voice`` stands in for the first two; the last three are faces."""

PUBLISHED: Mapping[str, str] = {
    "wavlm": "wavlm-large",
    "hubert": "hubert-base",
    "expression": "facial-emotions",
    "imagenet": "mobilenet-v2",
    "landmarks": "landmarks",
}
"""The encoder that each role means, as the registry calls it."""

_WORDS: Mapping[str, tuple[str, ...]] = {
    "expression": ("expression", "emotion", "fer"),
    "imagenet": ("imagenet", "mobilenet", "efficientnet"),
    "landmarks": ("landmark",),
}
"""What the name of a face encoder says of its role."""


@dataclass(frozen=True)
class Material:
    """A cache with a role.

    Attributes
    ----------
    path : Path
    encoder, stream : str
    exact : bool
        Whether it is of the encoder that the role means, not of one that stands in.
    content_sha256 : str
    layers : tuple of int
    dim, clips : int
    synthetic : bool
    views : tuple of Path
        Caches of augmented views of the same clips by the same encoder.
    views_sha256 : tuple of str
        What they hold.
    """

    path: Path
    encoder: str
    stream: str
    exact: bool
    content_sha256: str
    layers: tuple[int, ...]
    dim: int
    clips: int
    synthetic: bool
    views: tuple[Path, ...] = ()
    views_sha256: tuple[str, ...] = ()


@dataclass(frozen=True)
class Materials:
    """What there is.

    Attributes
    ----------
    found : mapping of Role to Material
    missing : mapping of str to str
        Why a role has no cache of its own encoder.
    """

    found: Mapping[Role, Material] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)

    def exact(self, role: Role) -> Material | None:
        """Give the cache of the encoder that a role means."""
        material = self.found.get(role)
        return material if material is not None and material.exact else None

    def voice(self, role: Role) -> Material | None:
        """Give what stands in for a published voice encoder that is not there."""
        others: tuple[Role, ...] = ("voice", "wavlm", "hubert")
        return next((self.found[one] for one in others if one != role and one in self.found), None)

    def faces(self) -> list[Material]:
        """Give the caches of faces that describe expressions or their geometry."""
        roles: tuple[Role, ...] = ("landmarks", "expression")
        return [self.found[role] for role in roles if role in self.found]


def find_materials(options: StudyOptions) -> Materials:
    """Look through caches and give each its role.

    A voice has the role of its encoder, or stands in for both published ones; a face that of its encoder's name.
    Views of voices are passed over.

    Raises
    ------
    CacheError
        Where a named cache is not there, or the caches are of several corpora.
    UsageError
        For a role that there is not, or a cache that cannot have it.
    """
    if unknown := sorted(options.roles.keys() - set(ROLES)):
        raise UsageError(f"no role '{unknown[0]}'; choose from {', '.join(ROLES)}")
    paths = [path for home in options.caches if home.exists() for path in find_caches(home)]
    named = {role: resolve_cache(path) for role, path in options.roles.items()}
    caches = {path: open_cache(path) for path in dict.fromkeys([*named.values(), *paths])}
    _check_roles({role: caches[path] for role, path in named.items()})
    clean = {path: cache for path, cache in caches.items() if cache.identity.get("view", CLEAN) == CLEAN}
    _check_one_corpus(list(clean.values()))
    found: dict[Role, Material] = {}
    for role in get_args(Role):
        own = [clean[named[role]]] if role in named else _of_role(role, list(clean.values()))
        if own:
            found[role] = _material(role, own[0], _views_of(own[0], list(caches.values())))
    found = _told_apart(found)
    missing = {role: f"no cache of {name} here" for role, name in PUBLISHED.items() if not _is_exact(found, role)}
    return Materials(found, missing)


def _told_apart(found: Mapping[Role, Material]) -> dict[Role, Material]:
    """Name two caches of one encoder after their fingerprints too: steps are named after them."""
    paths: dict[str, set[Path]] = {}
    for one in found.values():
        paths.setdefault(one.encoder, set()).add(one.path)
    return {
        role: one
        if len(paths[one.encoder]) == 1
        else replace(one, encoder=f"{one.encoder}-{open_cache(one.path).fingerprint}")
        for role, one in found.items()
    }


def _check_roles(named: Mapping[str, Cache]) -> None:
    for role, cache in named.items():
        stream = "audio" if role in ("wavlm", "hubert", "voice") else "face"
        view = cache.identity.get("view", CLEAN)
        if cache.about["stream"] != stream or view != CLEAN:
            is_ = f"a view ({view})" if view != CLEAN else f"of the stream {cache.about['stream']}"
            raise UsageError(f"--role {role}={cache.path}: expected a clean cache of the stream {stream}, it is {is_}")


def _is_exact(found: Mapping[Role, Material], role: str) -> bool:
    return any(name == role and material.exact for name, material in found.items())


def _of_role(role: Role, caches: Sequence[Cache]) -> list[Cache]:
    """Give the caches of a role, those of the encoder that it means first."""
    voices = [cache for cache in caches if cache.about["stream"] == "audio"]
    if role in ("wavlm", "hubert"):
        return [cache for cache in voices if cache.about["encoder"] == PUBLISHED[role]]
    if role == "voice":
        return [cache for cache in voices if cache.about["encoder"] not in (PUBLISHED["wavlm"], PUBLISHED["hubert"])]
    faces = [cache for cache in caches if cache.about["stream"] == "face"]
    exact = [cache for cache in faces if cache.about["encoder"] == PUBLISHED[role]]
    like = [cache for cache in faces if any(word in str(cache.about["encoder"]).lower() for word in _WORDS[role])]
    return [*exact, *like]


def _views_of(cache: Cache, caches: Sequence[Cache]) -> list[Cache]:
    def without_view(one: Cache) -> dict[str, Any]:
        return {**one.identity, "view": CLEAN}

    views = [one for one in caches if one.fingerprint != cache.fingerprint and without_view(one) == cache.identity]
    # A view that lacks clips would be refused as a teacher of all of them.
    return [view for view in views if set(cache.clip_ids) <= set(view.clip_ids)]


def _material(role: Role, cache: Cache, views: Sequence[Cache]) -> Material:
    encoder = str(cache.about["encoder"])
    # A landmark cache that was imported has the name and other points than ours.
    exact = encoder == PUBLISHED.get(role) and not str(cache.identity["layer_convention"]).startswith("as imported")
    return Material(
        cache.path,
        encoder,
        str(cache.about["stream"]),
        exact,
        cache.content_sha256(),
        cache.layers,
        cache.dim,
        len(cache),
        bool(cache.about["synthetic"]),
        tuple(view.path for view in views),
        tuple(view.content_sha256() for view in views),
    )


def _check_one_corpus(caches: Sequence[Cache]) -> None:
    corpora = {str(cache.about["corpus"]): cache.path for cache in caches}
    if len(corpora) > 1:
        listing = "\n  ".join(f"{corpus}: {path}" for corpus, path in corpora.items())
        raise CacheError(
            f"the study is about one corpus, got caches of several:\n  {listing}\nname those of one: --cache"
        )
