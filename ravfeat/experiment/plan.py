"""What is to be trained, on what, and how it is graded: the plan of a run, in three parts."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ravfeat.schema import AverageViews, NormaliseActors, Rule, Select
from ravfeat.short_repr import short_repr

__all__ = ["DataPlan", "FitPlan", "GradingPlan", "HeadPlan", "shared_options"]


@short_repr
@dataclass(frozen=True)
class DataPlan:
    """Which features are read, of which clips, under which labels.

    Attributes
    ----------
    caches : tuple of Path
        Of one corpus; every cache is a system of its own with every head.
    joins : tuple of tuple of Path
        Caches of one stream that are concatenated for one head; each is a further system, with heads
        that read pooled statistics only.
    train_views : tuple of Path
        Caches of augmented views of the clips in ``caches``: they add training rows.
    average_views : {"none", "scores", "statistics"}
        What of a clip is averaged over the clip and its own views, in validation and test too: nothing, the scores of
        heads that are trained on all of them, or the pooled statistics, so that a clip remains one row.
    labels : Path or None
        Table of ``clip_id`` and ``label`` that replaces the corpus's labels.
    clips : Path or None
        Table with the column ``clip_id``: only these clips are read, and only the shards that hold them.
    where : str
        Only clips of which this condition holds are used; see `ravfeat.corpora.where`. Empty for all.
    label_map : Path or None
        Table of ``label`` and ``class``: what every label stands for; see `ravfeat.corpora.label_map`.
    absent : tuple of str
        Clips that are left out because the table that was extracted last does not have them.
    allow_missing : bool
        Go on without clips that are not stored.
    normalise : {"none", "actor"}
        Whether each actor is standardised by all their clips of the run, those that are tested too; transductive, see
        `ravfeat.features.normalise`.
    as_written : tuple of str
        Actors, labels and performances that are meant as they are written; see `ravfeat.corpora.spellings`.
    """

    caches: tuple[Path, ...] = ()
    joins: tuple[tuple[Path, ...], ...] = field(default=(), kw_only=True)
    train_views: tuple[Path, ...] = field(default=(), kw_only=True)
    average_views: AverageViews = field(default="none", kw_only=True)
    labels: Path | None = field(default=None, kw_only=True)
    clips: Path | None = field(default=None, kw_only=True)
    where: str = field(default="", kw_only=True)
    label_map: Path | None = field(default=None, kw_only=True)
    absent: tuple[str, ...] = field(default=(), kw_only=True)
    allow_missing: bool = field(default=False, kw_only=True)
    normalise: NormaliseActors = field(default="none", kw_only=True)
    as_written: tuple[str, ...] = field(default=(), kw_only=True)


@short_repr
@dataclass(frozen=True, kw_only=True)
class HeadPlan:
    """Which heads are trained, and with which options.

    Attributes
    ----------
    heads : tuple of str
        Names of heads; ``audio:attentive`` is for caches of that stream only; ``joint`` reads all caches at once.
    layers : str or None
        ``last``, one number, a range ``6-12`` or a list ``1,5,9``; None lets the head choose. Of concatenated
        caches, all these layers of each are used.
    std : bool
        Whether heads pool more than the mean.
    settings : mapping
        Further settings, for those heads that have them.
    device : str
    brought : mapping
        By name, the classes of those of `heads` that are a user's own code, see `ravfeat.experiment.own_heads`; in a
        recipe what `ravfeat.heads.own_code.OwnRecord` holds.
    """

    heads: tuple[str, ...] = ("block-kernel",)
    layers: str | None = None
    std: bool = True
    settings: Mapping[str, Any] = field(default_factory=dict)
    device: str = "cpu"
    brought: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class GradingPlan:
    """Who is tested, whose rows choose, and how systems are fused.

    Attributes
    ----------
    protocol : str
    select : {"val", "nested"}
        Whose rows choose layers, strengths and epochs: the protocol's validation actors, or five
        inner actor-grouped folds over all non-test actors.
    seeds : int
        Heads that depend on a seed are trained with seeds 0 to ``seeds - 1``.
    rule : {"auto", "linear", "loglinear"} or None
        How two or more systems are fused; None leaves each alone.
    allow_leak : bool
        Needed for a LEAKY protocol.
    """

    protocol: str = "ravdess6"
    select: Select = "val"
    seeds: int = 1
    rule: Rule | None = "auto"
    allow_leak: bool = False


# The parts are bases and not fields, so that a plan is written and replaced flat: replace(plan, seeds=3).
@short_repr
@dataclass(frozen=True)
class FitPlan(GradingPlan, HeadPlan, DataPlan):
    """All three parts; each function takes the part that it reads.

    A new option is one field of one part: recipes record and check it by its annotation.
    """


def shared_options(plan: object, kind: type[FitPlan | GradingPlan | HeadPlan | DataPlan]) -> dict[str, Any]:
    """Give the options of a plan that another kind of plan takes as well, by name."""
    return {
        option.name: getattr(plan, option.name) for option in fields(kind) if option.init and hasattr(plan, option.name)
    }
