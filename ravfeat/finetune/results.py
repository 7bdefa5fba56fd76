"""What fine-tuned folds gave, in the shape of every other run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ravfeat.errors import HeadError
from ravfeat.features.clips import ClipFeatures
from ravfeat.finetune.fold import FoldResult
from ravfeat.finetune.prepare import Prepared
from ravfeat.predictions import Predictions
from ravfeat.protocols.folds import Fold, fold_counts
from ravfeat.runs.result import Fitted, FittedModel

__all__ = ["Done", "FineTunedModel", "fitted_of"]


@dataclass(frozen=True)
class Done:
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

    @property
    def layer_weights(self) -> dict[int, float]:
        """Learned weight of every layer; they sum to 1."""
        mix = self.values["params.head.layer_mix"].astype(np.float64)
        weights = np.exp(mix - mix.max())
        return dict(enumerate((weights / weights.sum()).tolist()))


def fitted_of(prepared: Prepared, done: Sequence[Done]) -> Fitted:
    """Put together predictions, what was kept of the weights, and the record.

    Parameters
    ----------
    prepared : Prepared
    done : sequence of Done
        Every fold of every seed.
    """
    models = tuple(_model(prepared, one) for one in done if prepared.plan.keep_weights)
    return Fitted(_predictions(prepared, done), models, _about(prepared, done))


def _predictions(prepared: Prepared, done: Sequence[Done]) -> Predictions:
    blocks = [
        block
        for one in done
        for block in (
            (one, "val", one.fold.val, one.result.val_logits),
            (one, "test", one.fold.test, one.result.test_logits),
        )
    ]
    own = [prepared.clips[row] for _, _, rows, _ in blocks for row in rows.tolist()]
    columns: dict[str, Any] = {
        "stream": "audio",
        "features": prepared.encoder.spec.name,
        "head": prepared.plan.head_name,
        "fold": [one.fold.number for one, _, rows, _ in blocks for _ in rows],
        "seed": [one.seed for one, _, rows, _ in blocks for _ in rows],
        "split": [split for _, split, rows, _ in blocks for _ in rows],
        "clip_id": [clip.clip_id for clip in own],
        "performance_id": [clip.performance_id for clip in own],
        "actor": [clip.actor for clip in own],
        "label": [clip.label for clip in own],
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


def _about(prepared: Prepared, done: Sequence[Done]) -> dict[str, Any]:
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
            "epochs": [{"seed": one.seed, "fold": one.fold.number, "epoch": one.result.epoch} for one in done],
            **{name: recipe[name] for name in ("encoder", "settings", "view", "precision", "device")},
        },
        "versions": recipe["versions"],
    }


def _model(prepared: Prepared, one: Done) -> FittedModel:
    plan, result = prepared.plan, one.result
    values = {f"params.{name}": value.detach().cpu().numpy() for name, value in result.params.items()}
    values |= {f"constants.{name}": value.cpu().numpy() for name, value in result.constants.items()}
    # The heads' axis of a stack of one is nobody's business after training.
    plain = {name: value if ".encoder." in name else value[0] for name, value in values.items()}
    recipe = {
        "head": plan.head_name,
        "settings": plan.settings(),
        "chosen": {"epochs": result.epoch},
        "seed": one.seed,
        "n_classes": len(prepared.classes),
        "encoder": prepared.encoder.spec.name,
        "encoder_weights": prepared.encoder.spec.weights,
    }
    system = ("audio", prepared.encoder.spec.name, plan.head_name)
    return FittedModel(*system, one.seed, one.fold.number, FineTunedModel(plain, recipe))
