"""Shared vocabulary: streams, splits, labels, and the columns and fields of all files."""

from typing import Literal

Stream = Literal["audio", "face", "other", "joint", "av", "fused", "fused-linear", "fused-loglinear"]
Split = Literal["train", "val", "test"]
Gender = Literal["male", "female", ""]
Store = Literal["frames", "pooled"]
Select = Literal["val", "nested"]
Rule = Literal["auto", "linear", "loglinear"]
Normalise = Literal["none", "corpus", "both"]

NormaliseActors = Literal["none", "actor"]

NORMALISED = "@corpus-normalised"
"""Suffix of the name of features that were standardised with their corpus's own unlabelled clips (transductive)."""

ACTOR_NORMALISED = "@actor-normalised"
"""Suffix of the name of features that were standardised with their actor's own unlabelled clips (transductive)."""

ACTIVE_COLUMNS = ("active1_start", "active1_end")
"""Columns of a stored clip: where its speech begins and ends, as shares of the clip; see `ravfeat.media.active`.
The number is the version of the recipe."""

Part = Literal["whole", "active"]
"""What of a clip is pooled: all frames, or those from the first to the last of its speech."""

AverageViews = Literal["none", "scores", "statistics"]
"""What of a clip is averaged over the clip and its views, in validation and test as well."""

AVERAGED = {"none": "", "scores": "@mean-scores", "statistics": "@mean-statistics"}
"""Suffix of the name of features whose scores, or pooled statistics, are such averages."""

MAX_GROUPS = 10
"""Values of a column by which scores are looked at; one of more is a quantity, or a name."""

FUSED_STREAMS: tuple[str, ...] = ("fused", "fused-linear", "fused-loglinear")
"""Streams of fused predictions: by the chosen rule, and by each of the two rules."""

SEVERAL_STREAMS: tuple[str, ...] = ("joint", "av")
"""Streams of heads that read several streams at once: a control, and a system over a voice and a face."""

CONTROL_STREAMS: tuple[str, ...] = ("joint",)
"""Those among them that are controls, which are never fused with others."""

RAVDESS_LABELS: tuple[str, ...] = (
    "neutral",
    "calm",
    "happy",
    "sad",
    "angry",
    "fearful",
    "disgust",
    "surprised",
)
"""Emotion by the third field of a RAVDESS name, which counts from 01."""

MANIFEST_COLUMNS: tuple[str, ...] = (
    "clip_id",
    "performance_id",
    "actor",
    "gender",
    "label",
    "path",
    "duration_s",
)
"""Columns of ``manifest.parquet``; ``cache/README.md`` describes them."""

OWN_COLUMNS = frozenset(
    {
        *MANIFEST_COLUMNS, *ACTIVE_COLUMNS, "performance", "speaker", "start_s", "end_s", "shard", "n_samples",
        "rate_hz", "input_sha256", "features_sha256", "layers_sha256", "frame_start", "n_frames",
    }
)  # fmt: skip
"""Names that no further column of a corpus's table may have in a manifest or shard."""

PREDICTION_COLUMNS: tuple[str, ...] = (
    "stream",
    "features",
    "head",
    "seed",
    "fold",
    "split",
    "clip_id",
    "performance_id",
    "actor",
    "label",
    "logits",
)
"""Columns of ``predictions.parquet``, one row per system, seed, fold and clip."""

METRIC_FIELDS: tuple[str, ...] = (
    "stream",
    "features",
    "head",
    "protocol",
    "leaky",
    "select",
    "metric",
    "averaging",
    "value",
    "sd",
    "ci_low",
    "ci_high",
    "interval",
    "n",
)
"""Fields of one record of ``metrics.json``."""

INTERVAL = "jackknife-t"
"""How intervals are made, see `ravfeat.stats.jackknife`. Older records do not say: theirs are percentile bootstraps."""

DIFFERENCE_FIELDS: tuple[str, ...] = (
    "a",
    "b",
    "protocol",
    "leaky",
    "select",
    "metric",
    "averaging",
    "value_a",
    "value_b",
    "value",
    "ci_low",
    "ci_high",
    "interval",
    "p",
    "p_holm",
    "family",
    "n",
)
"""Fields of one record of ``differences.json``; ``a`` and ``b`` hold stream, features and head."""

UNCHECKED = "UNCHECKED"
"""Ends the name of a protocol where of some clips nobody says who speaks."""


def is_unchecked(protocol: str) -> bool:
    """Whether a protocol, by its name, could not be checked for people on two sides.

    Examples
    --------
    >>> is_unchecked("column:split UNCHECKED"), is_unchecked("group5")
    (True, False)
    """
    return protocol.endswith(f" {UNCHECKED}")


def transductive_suffix(features: str) -> str:
    """Return the suffix that says how features were standardised with test clips; empty where they were not.

    Examples
    --------
    >>> transductive_suffix("logmel@actor-normalised"), transductive_suffix("logmel")
    ('@actor-normalised', '')
    """
    return next((suffix for suffix in (NORMALISED, ACTOR_NORMALISED) if suffix in features), "")
