"""Find the caches of a study, and the role of each: which published encoder it stands for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from ravfeat.cache import Cache, find_caches, open_cache, resolve_cache
from ravfeat.errors import CacheError, UsageError
from ravfeat.media.augment import CLEAN, SPEED
from ravfeat.reproduce.options import StudyOptions
from ravfeat.runs.trust import is_imported
from ravfeat.schema import ACTIVE_COLUMNS

__all__ = ["PUBLISHED", "ROLES", "Material", "Materials", "Role", "find_materials"]

Role = Literal["wavlm", "hubert", "voice", "expression", "imagenet", "landmarks", "geometry"]
ROLES: tuple[str, ...] = get_args(Role)
"""``voice`` stands in for the first two; the last four are faces."""

PUBLISHED: Mapping[str, str] = {
    "wavlm": "wavlm-large",
    "hubert": "hubert-base",
    "expression": "facial-emotions",
    "imagenet": "mobilenet-v2",
    "landmarks": "landmarks",
    "geometry": "face-geometry",
}
"""The encoder that each role means, as the registry calls it."""

_WORDS: Mapping[str, tuple[str, ...]] = {
    "expression": ("expression", "emotion", "fer"),
    "imagenet": ("imagenet", "mobilenet", "efficientnet"),
    "landmarks": ("landmark",),
    "geometry": ("geometry",),
}
"""Words in the name of a face encoder that tell its role; the geometry of landmarks is no landmarks."""

_SPEEDS = f"{SPEED}-"
"""With which the names of speed views begin."""


@dataclass(frozen=True)
class Material:
    """A cache with a role.

    Attributes
    ----------
    path : Path
    role : Role
    encoder, stream : str
    exact : bool
        Whether it is of the encoder that the role means, not of one that stands in.
    content_sha256 : str
    layers : tuple of int
    dim, clips : int
    synthetic : bool
    views : tuple of Path
        Caches of augmented views of the same clips by the same encoder.
    views_sha256, view_names : tuple of str
        What they hold, and of which view.
    active : bool
        Whether this cache and its speed views say of all clips where their speech begins and ends, and store frames, so
        that the speech can be pooled apart.
    """

    path: Path
    role: Role
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
    view_names: tuple[str, ...] = ()
    active: bool = False

    def with_speeds_only(self) -> "Material":
        """Leave out views that are no other speed."""
        views = zip(self.views, self.views_sha256, self.view_names, strict=True)
        speeds = [view for view in views if view[2].startswith(_SPEEDS)]
        return replace(
            self,
            views=tuple(path for path, _, _ in speeds),
            views_sha256=tuple(digest for _, digest, _ in speeds),
            view_names=tuple(name for _, _, name in speeds),
        )


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
        return next((self.found[other] for other in others if other != role and other in self.found), None)

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
    materials: dict[Role, Material] = {}
    for role in get_args(Role):
        caches_of_role = [clean[named[role]]] if role in named else _of_role(role, list(clean.values()))
        if caches_of_role:
            materials[role] = _material(role, caches_of_role[0], _views_of(caches_of_role[0], list(caches.values())))
    materials = _told_apart(materials)
    missing = {role: f"no cache of {name} here" for role, name in PUBLISHED.items() if not _is_exact(materials, role)}
    return Materials(materials, missing)


def _told_apart(materials: Mapping[Role, Material]) -> dict[Role, Material]:
    """Name two caches of one encoder after their fingerprints too: steps are named after them."""
    paths: dict[str, set[Path]] = {}
    for material in materials.values():
        paths.setdefault(material.encoder, set()).add(material.path)
    return {
        role: material
        if len(paths[material.encoder]) == 1
        else replace(material, encoder=f"{material.encoder}-{open_cache(material.path).fingerprint}")
        for role, material in materials.items()
    }


def _check_roles(named: Mapping[str, Cache]) -> None:
    for role, cache in named.items():
        stream = "audio" if role in ("wavlm", "hubert", "voice") else "face"
        view = cache.identity.get("view", CLEAN)
        if cache.about["stream"] != stream or view != CLEAN:
            is_ = f"a view ({view})" if view != CLEAN else f"of the stream {cache.about['stream']}"
            raise UsageError(f"--role {role}={cache.path}: expected a clean cache of the stream {stream}, it is {is_}")


def _is_exact(materials: Mapping[Role, Material], role: str) -> bool:
    return any(name == role and material.exact for name, material in materials.items())


def _of_role(role: Role, caches: Sequence[Cache]) -> list[Cache]:
    """Give the caches of a role, those of the encoder that it means first."""
    voices = [cache for cache in caches if cache.about["stream"] == "audio"]
    if role in ("wavlm", "hubert"):
        return [cache for cache in voices if cache.about["encoder"] == PUBLISHED[role]]
    if role == "voice":
        return [cache for cache in voices if cache.about["encoder"] not in (PUBLISHED["wavlm"], PUBLISHED["hubert"])]
    faces = [cache for cache in caches if cache.about["stream"] == "face"]
    exact = [cache for cache in faces if cache.about["encoder"] == PUBLISHED[role]]
    return [*exact, *(cache for cache in faces if _is_named_like(role, str(cache.about["encoder"]).lower()))]


def _is_named_like(role: Role, encoder: str) -> bool:
    others = () if role == "geometry" else _WORDS["geometry"]
    return any(word in encoder for word in _WORDS[role]) and not any(word in encoder for word in others)


def _views_of(cache: Cache, caches: Sequence[Cache]) -> list[Cache]:
    def without_view(other: Cache) -> dict[str, Any]:
        return {**other.identity, "view": CLEAN}

    views = [
        other for other in caches if other.fingerprint != cache.fingerprint and without_view(other) == cache.identity
    ]
    # A view that lacks clips would be refused as training data for all of them.
    return [view for view in views if set(cache.clip_ids) <= set(view.clip_ids)]


def _material(role: Role, cache: Cache, views: Sequence[Cache]) -> Material:
    encoder = str(cache.about["encoder"])
    # A landmark cache that was imported has the name and other points than ours.
    exact = encoder == PUBLISHED.get(role) and not is_imported(cache.identity)
    return Material(
        cache.path,
        role,
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
        tuple(str(view.identity["view"]) for view in views),
        all(_says_where_speech_is(one) for one in (cache, *filter(_is_speed, views))),
    )


def _is_speed(cache: Cache) -> bool:
    return str(cache.identity["view"]).startswith(_SPEEDS)


def _says_where_speech_is(cache: Cache) -> bool:
    stored = (record.further.get(name) for record in cache.records().values() for name in ACTIVE_COLUMNS)
    # What a pooled cache holds is of whole clips.
    return not cache.statistics and all(share is not None for share in stored)


def _check_one_corpus(caches: Sequence[Cache]) -> None:
    corpora = {str(cache.about["corpus"]): cache.path for cache in caches}
    if len(corpora) > 1:
        listing = "\n  ".join(f"{corpus}: {path}" for corpus, path in corpora.items())
        raise CacheError(
            f"the study is about one corpus, got caches of several:\n  {listing}\nname those of one: --cache"
        )
