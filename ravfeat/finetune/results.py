"""Predictions, weights and record of a fine-tuning, in the form of every other run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.corpora.groups import group_columns
from ravfeat.errors import HeadError
from ravfeat.features.clips import ClipFeatures
from ravfeat.finetune.fold import FoldResult
from ravfeat.finetune.prepare import PreparedFineTune
from ravfeat.predictions import Predictions
from ravfeat.protocols.folds import Fold, fold_counts
from ravfeat.protocols.given_folds import split_record
from ravfeat.runs.result import Fitted, FittedModel

__all__ = ["FineTunedModel", "TrainedFold", "fitted_of"]


@dataclass(frozen=True)
class TrainedFold:
    """One trained fold.

    Attributes
    ----------
    seed : int
    fold : Fold
    result : FoldResult
    """

    seed: int
    fold: Fold
    result: FoldResult


@dataclass(frozen=True)
class FineTunedModel:
    """What one fold learned, as `ravfeat.heads.checkpoint.save_model` writes it: layers of the encoder and a head."""

    values: Mapping[str, NDArray[Any]]
    recipe: dict[str, Any]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Values as ``params.encoder.…``, ``params.head.…`` and ``constants.…``, without head axis."""
        return dict(self.values)

    def logits(self, features: ClipFeatures, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Refuse: it reads waveforms."""
        raise HeadError(f"'{self.recipe['head']}' reads waveforms, not stored features; its predictions are in the run")

    def attention(self, features: ClipFeatures, rows: NDArray[np.int64]) -> None:
        """None: it reads waveforms."""
        return

    @property
    def layer_weights(self) -> dict[int, float]:
        """Learned weight of every layer; they sum to 1."""
        # Softmax, as in the network, in float64.
        mix = self.values["params.head.layer_mix"].astype(np.float64)
        weights = np.exp(mix - mix.max())
        return dict(enumerate((weights / weights.sum()).tolist()))


def fitted_of(prepared: PreparedFineTune, done: Sequence[TrainedFold]) -> Fitted:
    """Put together predictions, what was kept of the weights, and the record.

    Parameters
    ----------
    prepared : PreparedFineTune
    done : sequence of TrainedFold
        Every fold of every seed.
    """
    models = tuple(_model(prepared, trained) for trained in done if prepared.plan.keep_weights)
    tested = (prepared.clips[row] for trained in done for row in trained.fold.test.tolist())
    return Fitted(_predictions(prepared, done), models, _about(prepared, done), groups=group_columns(tested))


def _predictions(prepared: PreparedFineTune, done: Sequence[TrainedFold]) -> Predictions:
    blocks = [
        block
        for trained in done
        for block in (
            (trained, "val", trained.fold.val, trained.result.val_logits),
            (trained, "test", trained.fold.test, trained.result.test_logits),
        )
    ]
    clips = [prepared.clips[row] for _, _, rows, _ in blocks for row in rows.tolist()]
    columns: dict[str, Any] = {
        "stream": "audio",
        "features": prepared.encoder.spec.name,
        "head": prepared.plan.head_name,
        "fold": [trained.fold.number for trained, _, rows, _ in blocks for _ in rows],
        "seed": [trained.seed for trained, _, rows, _ in blocks for _ in rows],
        "split": [split for _, split, rows, _ in blocks for _ in rows],
        "clip_id": [clip.clip_id for clip in clips],
        "performance_id": [clip.performance_id for clip in clips],
        "actor": [clip.actor for clip in clips],
        "label": [clip.label for clip in clips],
        "logits": np.concatenate([logits for _, _, _, logits in blocks]),
    }
    return Predictions.from_columns(
        columns,
        classes=prepared.classes,
        protocol=prepared.protocol.name,
        leaky=prepared.protocol.leaky,
        select="val",
        synthetic=prepared.plan.manifest.synthetic,
    )


def _split(prepared: PreparedFineTune) -> dict[str, Any]:
    """Say who gave the folds, where that is a column or a file."""
    if not prepared.protocol.given:
        return {}
    return {"split": split_record(prepared.protocol, prepared.folds, prepared.clips)}


def _about(prepared: PreparedFineTune, done: Sequence[TrainedFold]) -> dict[str, Any]:
    plan, recipe = prepared.plan, prepared.recipe()
    return {
        "protocol": prepared.protocol.name,
        "leaky": prepared.protocol.leaky,
        "select": "val",
        "seeds": plan.seeds,
        "classes": list(prepared.classes),
        "caches": [],  # clips were read, no features
        "tested_folds": {"folds": [fold.number for fold in prepared.folds], "of": prepared.n_folds},
        "fine_tuned": {
            "stream": "audio",
            "features": prepared.encoder.spec.name,
            "head": plan.head_name,
            "corpus": plan.manifest.corpus,
            "synthetic": plan.manifest.synthetic,
            "clips": len(prepared.clips),
            "clips_sha256": recipe["clips"],
            "folds": fold_counts(prepared.folds, prepared.clips),
            "epochs": [
                {"seed": trained.seed, "fold": trained.fold.number, "epoch": trained.result.epoch} for trained in done
            ],
            **{name: recipe[name] for name in ("encoder", "settings", "view", "precision", "device")},
        },
        **(
            {"split": split_record(prepared.protocol, prepared.folds, prepared.clips)}
            if prepared.protocol.given
            else {}
        ),
        "versions": recipe["versions"],
    }


def _model(prepared: PreparedFineTune, trained: TrainedFold) -> FittedModel:
    plan, result = prepared.plan, trained.result
    values = {f"params.{name}": value.detach().cpu().numpy() for name, value in result.params.items()}
    values |= {f"constants.{name}": value.cpu().numpy() for name, value in result.constants.items()}
    # A trained head has no head axis; the encoder's layers never had one.
    plain = {name: value if ".encoder." in name else value[0] for name, value in values.items()}
    recipe = {
        "head": plan.head_name,
        "settings": plan.settings(),
        "chosen": {"epochs": result.epoch},
        "seed": trained.seed,
        "n_classes": len(prepared.classes),
        "encoder": prepared.encoder.spec.name,
        "encoder_weights": prepared.encoder.spec.weights,
    }
    system = ("audio", prepared.encoder.spec.name, plan.head_name)
    return FittedModel(*system, trained.seed, trained.fold.number, FineTunedModel(plain, recipe))
