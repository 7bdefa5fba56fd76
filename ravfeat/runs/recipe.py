"""The recipe of a run: the command, what was read, what was chosen, and with which versions.

``recipe.json`` is one object. Keys that every recipe of version 1 has: ``format_version``, ``command`` (null where no
command line was), ``protocol``, ``leaky``, ``select``, ``seeds``, ``classes``, ``caches``, ``chosen`` and ``versions``.
Runs of trained heads have ``plan`` too (checked by whoever makes it a `FitPlan` again), runs of two corpora
``cross_corpus``, fine-tuned ones ``fine_tuned`` and ``tested_folds``, runs of other labels than the corpus's
``replaced_labels``, of some clips or other classes ``narrowed``, of folds that a column or a file gave ``split``,
winners of a sweep ``sweep``, fusions of runs and score files ``runs`` and ``scores``. ``ledger`` says where the
run stands among the tries on its clips; runs from before there was a ledger lack it. Recipes without a version are
those of ravfeat before there was one, or were written by hand: they are read as far as they go, and may have
``corpus``, ``missing``, ``missing_clips`` and ``random_weights`` (the encoder was never trained) at their top.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any, NotRequired

from typing_extensions import TypedDict

from ravfeat.documents import Count, Text, check_value, read_json
from ravfeat.errors import PredictionsError
from ravfeat.model_origin import ModelOrigin
from ravfeat.predictions import System
from ravfeat.runs.format import AGAIN, FORMAT_VERSION, RECIPE_FILE, refuse_unrevealed
from ravfeat.schema import AverageViews, Split
from ravfeat.short_repr import short_repr

__all__ = [
    "CacheOrigin",
    "ChosenSettings",
    "CorpusTransfer",
    "FineTuned",
    "FoldSide",
    "GivenSplit",
    "LedgerEntry",
    "LedgerNote",
    "NarrowedClips",
    "Recipe",
    "ReplacedLabels",
    "RunOrigin",
    "ScoreOrigin",
    "SweepOrigin",
    "SystemInputs",
    "TestedFolds",
    "read_recipe",
    "recipe_of",
]

_ALWAYS = ("command", "protocol", "leaky", "select", "seeds", "classes", "caches", "chosen", "versions")
_OBJECTS = (
    "plan", "cross_corpus", "fine_tuned", "tested_folds", "replaced_labels", "narrowed", "split", "step", "sweep",
    "ledger",
)  # fmt: skip
_ALWAYS_OF_INPUTS = ("stream", "features", "corpus", "fingerprint", "missing", "folds")


class FoldSide(TypedDict):
    """What stands on one side of one fold; see `ravfeat.protocols.folds.fold_counts`."""

    fold: int
    split: Split
    clips: int
    actors: list[str]
    labels: dict[str, int]
    genders: NotRequired[dict[str, int]]


@short_repr
@dataclass(frozen=True)
class CacheOrigin:
    """A cache as it was when a run read it.

    Attributes
    ----------
    path : Path
    fingerprint : str
    features : str
        What the run calls its encoder; empty for a view.
    identity : mapping
        Of the encoder; empty for a view, and in runs of older versions.
    content_sha256 : str
        Digest of what it held; empty in runs of older versions.
    source : ModelOrigin
        What it takes to make its encoder again; empty for a view, and where the cache did not say it.
    view : str
        Of a cache of augmented clips, which augmentation; else empty.
    published : mapping of str to str
        Where the cache was published; see `ravfeat.cache.origin_file.PublishedOrigin`. Empty where nobody said it.
    corpus : str
        Filled in by `SystemInputs.caches`.
    """

    path: Path = Path()
    fingerprint: str = ""
    features: str = ""
    identity: Mapping[str, Any] = field(default_factory=dict)
    content_sha256: str = ""
    source: ModelOrigin = field(default_factory=ModelOrigin)
    view: str = ""
    published: Mapping[str, str] = field(default_factory=dict)
    corpus: str = ""


@short_repr
@dataclass(frozen=True)
class SystemInputs:
    """What one system reads; an entry of ``caches``.

    Attributes
    ----------
    stream, features, corpus, fingerprint : str
    missing : tuple of str
        Clips of the corpus that are not in its numbers.
    folds : tuple of FoldSide
        Clips, actors and labels of every side of every fold.
    trained_on : str
        ``clean``, or with the views that trained the heads too; empty in runs of older versions.
    tested_on : str
        ``clean``, or the mean over which views; empty in runs of older versions.
    average_views : {"none", "scores", "statistics"}
        What that is the mean of; see `ravfeat.experiment.plan.DataPlan`.
    clips : int
        Clips that are trained on or tested; 0 where the recipe does not tell.
    left_out : int
        Clips of no class.
    narrowed : mapping of str to int
        Clips that were left out on purpose, by what leaves them out.
    views : tuple of CacheOrigin
    random_weights : bool
        Whether the encoder was never trained.
    joined : tuple of CacheOrigin
        Where several caches feed one head; else the entry itself is the cache.
    train_cache, test_cache : CacheOrigin or None
        Of a test on another corpus.
    train_corpus, test_corpus : str
    path, identity, content_sha256, source, published
        Of the only cache; see `CacheOrigin`.
    """

    stream: str = ""
    features: str = ""
    corpus: str = ""
    fingerprint: str = ""
    missing: tuple[str, ...] = ()
    folds: tuple[FoldSide, ...] = ()
    trained_on: str = ""
    tested_on: str = ""
    average_views: AverageViews = "none"
    clips: int = 0
    left_out: int = 0
    narrowed: Mapping[str, int] = field(default_factory=dict)
    views: tuple[CacheOrigin, ...] = ()
    random_weights: bool = False
    joined: tuple[CacheOrigin, ...] = ()
    train_cache: CacheOrigin | None = None
    test_cache: CacheOrigin | None = None
    train_corpus: str = ""
    test_corpus: str = ""
    path: Path | None = None
    identity: Mapping[str, Any] = field(default_factory=dict)
    content_sha256: str = ""
    source: ModelOrigin = field(default_factory=ModelOrigin)
    published: Mapping[str, str] = field(default_factory=dict)

    @property
    def caches(self) -> tuple[CacheOrigin, ...]:
        """Caches that are read, views aside: the only one, those of a join, or trained on and tested on."""
        if self.joined:
            return tuple(replace(cache, corpus=self.corpus) for cache in self.joined)
        if self.train_cache is not None and self.test_cache is not None:
            sides = ((self.train_cache, self.train_corpus), (self.test_cache, self.test_corpus))
            return tuple(replace(cache, corpus=corpus) for cache, corpus in sides)
        if self.path is None:
            return ()
        held = self.identity, self.content_sha256, self.source
        only = CacheOrigin(self.path, self.fingerprint, self.features, *held, published=self.published)
        return (replace(only, corpus=self.corpus),)

    @property
    def origins(self) -> tuple[CacheOrigin, ...]:
        """Caches that are read, and those of views."""
        return (*self.caches, *(replace(view, corpus=self.corpus) for view in self.views))


@dataclass(frozen=True)
class ChosenSettings:
    """What was chosen for one trained head, on rows that neither trained nor tested it; an entry of ``chosen``."""

    stream: str
    features: str
    head: str
    seed: int
    fold: int
    chosen: Mapping[str, Any] | None = None
    settings: Mapping[str, Any] | None = None

    @property
    def system(self) -> System:
        """The system that the head belongs to."""
        return System(self.stream, self.features, self.head)


@dataclass(frozen=True)
class CorpusTransfer:
    """Training on one corpus and testing on another; ``cross_corpus``.

    Attributes
    ----------
    train, test : str
    label_map : Path or None
        The table that said it; None where labels of the same name are the same class.
    labels : mapping of str to mapping of str to str
        Label to class, of ``train`` and of ``test``; empty in runs of older versions.
    normalise : str
    """

    train: str = ""
    test: str = ""
    label_map: Path | None = None
    labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    normalise: str = ""


@dataclass(frozen=True)
class FineTuned:
    """An encoder that was trained too; ``fine_tuned``. Its folds are as those of `SystemInputs`."""

    stream: str = ""
    features: str = ""
    head: str = ""
    corpus: str = ""
    folds: tuple[FoldSide, ...] = ()


@dataclass(frozen=True)
class TestedFolds:
    """Which folds of how many were tested; ``tested_folds``."""

    folds: tuple[int, ...]
    of: int


@dataclass(frozen=True)
class ReplacedLabels:
    """A table of labels that stood in for the corpus's; ``replaced_labels``."""

    file: str
    sha256: str
    clips: int
    relabelled: int
    left_out: int


@dataclass(frozen=True)
class NarrowedClips:
    """Which clips a run is about, and what left out the others; ``narrowed``, see `ravfeat.experiment.narrow`."""

    clips: int
    labels: Mapping[str, int]
    left_out: Mapping[str, int]
    where: str = ""
    label_map: str = ""
    label_map_sha256: str = ""


@dataclass(frozen=True)
class GivenSplit:
    """Who gave the folds; ``split``, see `ravfeat.protocols.given_folds.split_record`."""

    folds: tuple[str, ...]
    column: str = ""
    file: str = ""
    sha256: str = ""
    by: str = ""
    unused: int = 0


@dataclass(frozen=True)
class SweepOrigin:
    """How a run was chosen among the plans of a sweep, before any of its test clips was scored; ``sweep``.

    Attributes
    ----------
    sha256 : str
        Of the sweep: its plans and how the winner is chosen.
    digest : str
        Of the plan that won.
    among : int
        Plans that it was chosen among.
    choose_by : str
        ``uar`` or ``nll``.
    uar, nll : float
        Its mean over the validation rows of folds and seeds.
    n : int
        Validation rows.
    look : int
        How often a winner of this sweep was tested under this protocol, this one included.
    """

    sha256: str
    digest: str
    among: int
    choose_by: str
    uar: float
    nll: float
    n: int
    look: int = 1

    @property
    def said(self) -> str:
        """What to say beside its number."""
        looks = f"; look {self.look} at the test clips in this sweep" if self.look > 1 else ""
        return (
            f"chosen among {self.among} by validation {self.choose_by.upper()} (UAR {self.uar:.3f}, NLL {self.nll:.3f},"
            f" n = {self.n}){looks}"
        )


@dataclass(frozen=True)
class LedgerEntry:
    """The line of a run in one ledger.

    Attributes
    ----------
    path : Path
    line : int
        Its number.
    sha256 : str
        Its digest, which holds those of all lines before it.
    first : str
        Digest of the ledger's first line: another one is another ledger. Empty where it could not be read.
    """

    path: Path
    line: Count
    sha256: Text
    first: str


@dataclass(frozen=True)
class LedgerNote:
    """Where a run stands in the ledger of tries; ``ledger``, see `ravfeat.runs.tries`.

    Attributes
    ----------
    entries : tuple of LedgerEntry
        One for every folder that holds caches of its test clips; empty where no ledger was kept.
    why : str
        Why there is none, or not in every folder.
    said : str
        Its place among the tries when it was made.
    """

    entries: tuple[LedgerEntry, ...] = ()
    why: str = ""
    said: str = ""

    def plain(self) -> dict[str, Any]:
        """Give it as JSON can hold it."""
        return asdict(self) | {"entries": [asdict(entry) | {"path": str(entry.path)} for entry in self.entries]}


@dataclass(frozen=True)
class RunOrigin:
    """A run that was fused with others, and its recipe without the settings of every head; an entry of ``runs``."""

    recipe: "Recipe"
    path: Path = Path()


@dataclass(frozen=True)
class ScoreOrigin:
    """A system that was fused, and the score file or run that it came from; an entry of ``scores``."""

    path: str = ""
    sha256: str = ""
    kind: str = ""
    system: str = ""


@short_repr
@dataclass(frozen=True)
class Recipe:
    """What a run was made from, how, and with which versions; the module's text lists the keys.

    Attributes
    ----------
    record : mapping
        The whole object as it was read, with keys that are not fields: for people to read, and to write on.
    """

    format_version: int = 0
    command: str | None = None
    protocol: str = ""
    leaky: bool = False
    select: str = ""
    seeds: int = 0
    classes: tuple[str, ...] = ()
    caches: tuple[SystemInputs, ...] = ()
    chosen: tuple[ChosenSettings, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    plan: Mapping[str, Any] | None = None
    cross_corpus: CorpusTransfer | None = None
    fine_tuned: FineTuned | None = None
    tested_folds: TestedFolds | None = None
    replaced_labels: ReplacedLabels | None = None
    narrowed: NarrowedClips | None = None
    split: GivenSplit | None = None
    runs: tuple[RunOrigin, ...] = ()
    scores: tuple[ScoreOrigin, ...] = ()
    step: Mapping[str, Any] | None = None
    sweep: SweepOrigin | None = None
    ledger: LedgerNote | None = None
    corpus: str = ""
    missing: tuple[str, ...] = ()
    missing_clips: tuple[str, ...] = ()
    random_weights: bool = False
    record: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def with_fused(self) -> Iterator["Recipe"]:
        """Give the recipe, and those of all runs that were fused."""
        yield self
        for run in self.runs:
            yield from run.recipe.with_fused()

    def inputs(self) -> list[SystemInputs]:
        """Give what every system reads, those of fused runs too."""
        return [entry for recipe in self.with_fused() for entry in recipe.caches]

    def origins(self) -> list[CacheOrigin]:
        """Give every cache that was read, those of views and of fused runs too."""
        return [origin for entry in self.inputs() for origin in entry.origins]

    def corpora(self) -> list[str]:
        """Give the name of every corpus that is scored, in the order of the recipe."""
        names: list[str] = []
        for recipe in self.with_fused():
            tuned = recipe.fine_tuned
            names += [recipe.corpus, *(entry.corpus for entry in recipe.caches), tuned.corpus if tuned else ""]
        return [name for name in dict.fromkeys(names) if name]

    def missing_clip_ids(self) -> list[str]:
        """Give the clips of the corpus that are not in the numbers, sorted."""
        names = [name for entry in self.inputs() for name in entry.missing]
        for recipe in self.with_fused():
            names += [*recipe.missing, *recipe.missing_clips]
        return sorted(set(names))


def read_recipe(run: Path) -> Recipe:
    """Read ``recipe.json``.

    Raises
    ------
    PredictionsError
        Where it is missing, damaged or of a newer version; see `ravfeat.documents.read_json`.
    """
    refuse_unrevealed(run)
    path = run / RECIPE_FILE
    if not path.is_file():
        raise PredictionsError(f"{run} is not a run: it has no {RECIPE_FILE}; give the folder that --out named")
    return recipe_of(read_json(path, dict[str, Any], PredictionsError, AGAIN), path)


def recipe_of(record: Mapping[str, Any], path: Path) -> Recipe:
    """Make the recipe of a JSON object.

    Parameters
    ----------
    record : mapping
    path : Path
        For messages.

    Raises
    ------
    PredictionsError
        Naming a key that is missing or holds what it cannot; for a newer version.
    """
    version = record.get("format_version", 0)
    if isinstance(version, int) and not 0 <= version <= FORMAT_VERSION:
        raise PredictionsError(
            f"{path} has format version {version}, this ravfeat reads up to {FORMAT_VERSION}; use the version that"
            " wrote it"
        )
    fields = {name: value for name, value in record.items() if name != "record"}
    recipe = check_value(fields, Recipe, str(path), PredictionsError, AGAIN)
    try:
        _check_complete(record, recipe)
    except ValueError as error:
        raise PredictionsError(f"{path}: {error}; {AGAIN}") from error
    return replace(recipe, record=record)


def _check_complete(record: Mapping[str, Any], recipe: Recipe) -> None:
    """Refuse an object that is null, and a recipe of version 1 that lacks what these have."""
    for name in _OBJECTS:
        if name in record and record[name] is None:
            raise ValueError(f"{name} is null, expected an object")
    if not recipe.format_version:
        return
    _check_keys("it", record, _ALWAYS)
    for number, entry in enumerate(recipe.caches):
        where = f"caches[{number}]"
        _check_keys(where, record["caches"][number], _ALWAYS_OF_INPUTS)
        if not entry.caches:
            raise ValueError(f"{where} lacks 'path'")
        for origin, name in product(entry.origins, ("fingerprint", "content_sha256")):
            if not getattr(origin, name):
                raise ValueError(f"{where} lacks '{name}' of {origin.path}")


def _check_keys(where: str, record: Mapping[str, Any], names: Sequence[str]) -> None:
    for name in names:
        if name not in record:
            raise ValueError(f"{where} lacks '{name}'")
