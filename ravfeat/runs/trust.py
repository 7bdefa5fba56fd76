"""Grade of trust of a run: features encoded here from recordings, imported from elsewhere, or scores only.

Whoever makes features elsewhere may have seen labels of test clips while making them, and nothing that is left in the
features need show it. So every run says who made what it reads. ``encoded here`` is what a cache says of itself:
somebody who writes shards by hand can write that, too.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ravfeat.escape import printable
from ravfeat.runs.recipe import Recipe

__all__ = ["Source", "Trust", "encoded_source", "is_imported", "trust_of"]

Grade = Literal["encoded here from recordings", "imported, made elsewhere", "scores only"]

_GRADES: tuple[Grade, ...] = get_args(Grade)
"""From the best to the worst."""

_HERE, _ELSEWHERE, _SCORES = _GRADES
_IMPORTED, _BROUGHT = "as imported", "as brought"  # how conventions of such layers begin, see `EncoderSpec`
_PLAIN = "encoded here, as the cache says of itself"
_DIGITS = 12


@dataclass(frozen=True)
class Source:
    """Who made what one system of a run reads.

    Attributes
    ----------
    name : str
        Stream and features, or the file of scores.
    grade : Grade
    how : str
        In words, such as ``imported``.
    """

    name: str
    grade: Grade
    how: str


@dataclass(frozen=True)
class Trust:
    """What a run rests on.

    Attributes
    ----------
    sources : tuple of Source
        Each once.
    """

    sources: tuple[Source, ...]

    @property
    def grade(self) -> Grade:
        """The worst of its sources."""
        return max((source.grade for source in self.sources), key=_GRADES.index, default=_SCORES)

    @property
    def encoded_here(self) -> bool:
        """Whether everything was encoded here, by what the caches say of themselves."""
        return self.grade == _HERE

    @property
    def details(self) -> str:
        """Who made what, the worst first, as in ``imported: face landmarks; encoded here by …: audio mine``."""
        names: dict[str, list[str]] = {}
        for source in sorted(self.sources, key=lambda source: -_GRADES.index(source.grade)):
            names.setdefault(source.how, []).append(source.name)
        return "; ".join(f"{how}: {', '.join(group)}" for how, group in names.items())

    @property
    def said(self) -> str:
        """The grade in words that stand beside a number, and who made what where that is not plain."""
        if all(source.how == _PLAIN for source in self.sources):
            return f"features {self.grade}, as their caches say"
        return f"{'' if self.grade == _SCORES else 'features '}{self.grade} ({self.details})"


def trust_of(recipe: Recipe) -> Trust:
    """Grade a run by its recipe, those of fused runs included."""
    sources = list(_sources(recipe))
    # What names neither caches nor runs nor a fine-tuned encoder came as scores, whoever wrote the recipe.
    return Trust(tuple(dict.fromkeys(sources)) or (Source("the run", _SCORES, "it names no cache"),))


def is_imported(identity: Mapping[str, Any]) -> bool:
    """Whether the encoder of a cache's identity is another program's, so that nothing here makes its features."""
    return str(identity.get("layer_convention", "")).startswith(_IMPORTED)


def encoded_source(
    name: str, identity: Mapping[str, Any], published: Mapping[str, str], model: Mapping[str, Any]
) -> Source:
    """Say who made the features of a cache, by what it says of itself.

    Parameters
    ----------
    name : str
        What to call it.
    identity : mapping
        Of its encoder; empty where nobody recorded it.
    published : mapping
        Where it was pulled from, with ``address``; empty for one that was made here.
    model : mapping
        `ravfeat.model_origin.ModelOrigin`; empty where nobody recorded it.
    """
    name = printable(name)
    convention = str(identity.get("layer_convention", ""))
    address = f", published at {printable(published.get('address', 'an address'))}" if published else ""
    if is_imported(identity):
        return Source(name, _ELSEWHERE, f"imported{address}")
    if not convention:
        return Source(name, _ELSEWHERE, f"not known, as the recipe does not say it{address}")
    if published:
        return Source(name, _ELSEWHERE, f"made elsewhere by ravfeat{address}")
    if convention.startswith(_BROUGHT):
        code = printable(str(model.get("reference", "not named")))
        digest = printable(str(identity.get("weights", "")))[:_DIGITS]
        return Source(name, _HERE, f"encoded here by code of your own ({code}, SHA-256 {digest})")
    return Source(name, _HERE, _PLAIN)


def _sources(recipe: Recipe) -> Iterator[Source]:
    for entry in recipe.caches:
        for cache in entry.caches:
            name = _plain(str(cache.identity.get("stream", entry.stream)), cache.features)
            yield encoded_source(name, cache.identity, cache.published, cache.source)
        # A view was encoded like its clean cache, which stands beside it; only that it was pulled is news.
        for view in (view for view in entry.views if view.published):
            identity = view.identity or {"layer_convention": "of the clean cache"}
            name = f"{_plain(entry.stream, view.features)} {view.view}"
            yield encoded_source(name, identity, view.published, view.source)
    if recipe.fine_tuned is not None:
        tuned = recipe.fine_tuned
        yield Source(_plain(tuned.stream, tuned.features), _HERE, "trained here on recordings")
    runs = {str(run.path) for run in recipe.runs}
    for scores in recipe.scores:
        if scores.path not in runs:
            yield Source(printable(scores.path.rpartition("/")[2]), _SCORES, "scores of another program")
    for run in recipe.runs:
        yield from trust_of(run.recipe).sources


def _plain(stream: str, features: str) -> str:
    return f"{stream} {features.partition('@')[0]}".strip()
