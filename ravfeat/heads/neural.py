"""Base class of heads that are trained networks: settings, sweep over epochs, fit, model.

A subclass names its network (`NeuralHead.net`); it may choose its epoch in another way (`NeuralHead.choose`).

Conventions
-----------
Candidates of a sweep are the epochs 1 to E of one learning-rate schedule of length E: choosing
epoch e means training the same schedule and stopping after e.
"""

import dataclasses
import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from typing_extensions import TypedDict

from ravfeat.documents import Count, Positive, Share, check_value
from ravfeat.errors import HeadError
from ravfeat.features.clips import ClipFeatures, Reading
from ravfeat.features.statistics import check_features, select_clips, source_of
from ravfeat.heads.arrays import ArrayKind
from ravfeat.heads.base import Job, Model, Sweep
from ravfeat.heads.checks import candidate_scores, plain_settings
from ravfeat.heads.network import Dropout, Network, WeighsWindows, network_shapes
from ravfeat.heads.recipe import HeadRecipe, check_recipe
from ravfeat.heads.schedule import Schedule
from ravfeat.heads.stacks.autograd import Forward, forward_each
from ravfeat.heads.stacks.base import Tensors
from ravfeat.heads.training_loop import train
from ravfeat.heads.windows import Batch, Windows
from ravfeat.resources import attempt

__all__ = ["EpochChoice", "NeuralHead", "NeuralModel", "best_epoch", "last_or_clearly_better"]

_CLEARLY = 0.05
"""Lead in validation UAR that makes an earlier epoch than the last one worth choosing."""

_log = logging.getLogger(__name__)


class EpochChoice(TypedDict):
    """What a network chooses."""

    epochs: Count


@dataclass(frozen=True, kw_only=True)
class NeuralHead(ABC):
    """Settings of every trained network, and the way from jobs to models.

    Parameters
    ----------
    layers : tuple of int, optional
        Encoder layers to read; all by default.
    std : bool
        Pool to mean and standard deviation, or to the mean alone.
    frame_average : int
        Frames averaged to one window before anything else; 16 frames are 0.32 s at 50 frames/s.
    hidden : int
        Width of the classifier's hidden layer.
    dropout : float
        Share of hidden units dropped in training.
    epochs : int
        Length of the schedule.
    batch_size : int
    lr, weight_decay, label_smoothing, ema : float
    precision : {"float32", "bfloat16"}
        See `ravfeat.heads.schedule.Schedule`.
    device : str
        Where to train, as torch names it; no part of a saved recipe.
    """

    name: ClassVar[str]
    seeded: ClassVar[bool] = True
    several_streams: ClassVar[bool] = False
    concatenated: ClassVar[bool] = False
    """Whether it reads pooled statistics, and so those of concatenated caches."""
    choice: ClassVar[type] = EpochChoice

    layers: tuple[int, ...] | None = None
    std: bool = True
    frame_average: Count = 16
    hidden: Count = 128
    dropout: Share = 0.5
    epochs: Count = 12
    batch_size: Count = 32
    lr: Positive = 5e-4
    weight_decay: float = 1e-2
    label_smoothing: Share = 0.1
    ema: Share = 0.99
    precision: Literal["float32", "bfloat16"] = "float32"
    device: str = "cpu"

    @property
    def reading(self) -> Reading:
        """Frames, averaged in windows."""
        return Reading(window=self.frame_average)

    @abstractmethod
    def net(self) -> Network:
        """Build the network these settings describe."""

    def net_for(self, n_classes: int) -> Network:
        """Build the network for a number of classes; by default `net`, which learns of them in `Network.init`."""
        return self.net()

    def choose(self, sweeps: Sequence[Sweep], y_val: Sequence[NDArray[np.int64]]) -> int:
        """Stop at the best epoch on the validation rows; median over several sweeps."""
        return best_epoch(sweeps, y_val)

    def sweep(self, features: ClipFeatures, y: NDArray[np.int64], n_classes: int, jobs: Sequence[Job]) -> list[Sweep]:
        """Train every job once; score its validation rows after every epoch.

        Raises
        ------
        HeadError
            If a job has no validation rows, or cannot be trained.
        """
        if any(not len(job.val) for job in jobs):
            raise HeadError("choosing an epoch needs validation rows, got a job without any")
        windows = self._windows(features)
        schedules = [self.schedule()] * len(jobs)
        trained = train(self.net_for(n_classes), windows, y, n_classes, jobs, schedules, score_epochs=True)
        return [_epochs(network.val_logits) for network in trained]

    def fit(
        self,
        features: ClipFeatures,
        y: NDArray[np.int64],
        n_classes: int,
        jobs: Sequence[Job],
        chosen: Sequence[Mapping[str, Any]],
    ) -> list[Model]:
        """Train every job on ``job.train`` up to its chosen epoch.

        Raises
        ------
        HeadError
            If a job cannot be trained.
        """
        windows = self._windows(features)
        schedules = [self.schedule(int(choice["epochs"])) for choice in chosen]
        trained = train(self.net_for(n_classes), windows, y, n_classes, jobs, schedules, score_epochs=False)
        recipe = self._recipe(windows, n_classes, features)
        models: list[Model] = []
        for network, job, choice in zip(trained, jobs, chosen, strict=True):
            recipe_of_job = recipe | {"chosen": dict(choice), "seed": job.seed}
            models.append(
                NeuralModel(self.net_for(n_classes), network.params, network.constants, recipe_of_job, self.device)
            )
        return models

    def fit_chosen(
        self, features: ClipFeatures, y: NDArray[np.int64], n_classes: int, jobs: Sequence[Job]
    ) -> list[Model]:
        """Choose the epoch of every job on its validation rows and give that model, from one training.

        The leading epoch and the last one are kept on the way: what `sweep`, `choose` and `fit` give, without
        training twice.
        """
        windows = self._windows(features)

        def leading(number: int, logits: NDArray[np.float32]) -> int:
            return best_epoch([_epochs(logits)], [y[jobs[number].val]])

        schedules = [self.schedule()] * len(jobs)
        trained = train(
            self.net_for(n_classes), windows, y, n_classes, jobs, schedules, score_epochs=True, lead=leading
        )
        picks = [
            self.choose([_epochs(network.val_logits)], [y[job.val]]) for network, job in zip(trained, jobs, strict=True)
        ]
        recipe = self._recipe(windows, n_classes, features)
        models: dict[int, Model] = {}
        for number, (network, job, pick) in enumerate(zip(trained, jobs, picks, strict=True)):
            if pick in (self.epochs - 1, network.leading):
                params = network.params if pick == self.epochs - 1 else network.leader
                recipe_of_job = recipe | {"chosen": {"epochs": pick + 1}, "seed": job.seed}
                models[number] = NeuralModel(
                    self.net_for(n_classes), params, network.constants, recipe_of_job, self.device
                )
        untrained = [number for number in range(len(jobs)) if number not in models]
        if untrained:  # the head's `choose` picked neither the leading epoch nor the last
            choices = [{"epochs": picks[number] + 1} for number in untrained]
            again = self.fit(features, y, n_classes, [jobs[number] for number in untrained], choices)
            models |= zip(untrained, again, strict=True)
        return [models[number] for number in range(len(jobs))]

    def _recipe(self, windows: Windows, n_classes: int, features: ClipFeatures) -> dict[str, Any]:
        return {
            "head": self.name,
            "settings": plain_settings(self),
            "n_classes": n_classes,
            "layers": list(windows.layers),
            **source_of(features),
        }

    def array_kinds(self, recipe: HeadRecipe) -> dict[str, ArrayKind]:
        """Parameters and constants of the network; see `ravfeat.heads.base.Head`."""
        check_recipe(recipe, concatenated=self.concatenated, several_streams=self.several_streams)
        check_value(recipe["chosen"], self.choice, "chosen", HeadError, f"as a head '{self.name}' chooses")
        layers, dims = [recipe["layers"], *recipe.get("also_layers", [])], [recipe["dim"], *recipe.get("also_dims", [])]
        streams = tuple(zip(map(tuple, layers), dims, strict=True))
        shapes = network_shapes(self.net_for(recipe["n_classes"]), streams, recipe["n_classes"])
        return {
            name: ArrayKind(shape, positive=name.startswith("constants.") and name.endswith("_std"))
            for name, shape in shapes.items()
        }

    def restore(self, arrays: Mapping[str, NDArray[Any]], recipe: Mapping[str, Any]) -> Model:
        """Rebuild a model from what `NeuralModel.arrays` and `NeuralModel.recipe` gave."""
        parts: dict[str, dict[str, Tensor]] = {"params": {}, "constants": {}}
        for name, values in arrays.items():
            part, _, key = name.partition(".")
            # A copy: `from_numpy` would share memory with the caller's array.
            parts[part][key] = torch.from_numpy(np.array(values))
        return NeuralModel(
            self.net_for(recipe["n_classes"]), parts["params"], parts["constants"], dict(recipe), self.device
        )

    def schedule(self, stop: int | None = None) -> Schedule:
        """Give the training schedule, or its beginning up to an epoch."""
        shared = {field.name for field in dataclasses.fields(Schedule)} - {"stop"}
        return Schedule(stop=stop, **{name: getattr(self, name) for name in shared})

    def _windows(self, features: ClipFeatures) -> Windows:
        if features.blocks and not self.concatenated:
            raise HeadError(
                f"head '{self.name}' pools frames by itself, these features were concatenated after pooling"
            )
        if features.also and not self.several_streams:
            raise HeadError(f"head '{self.name}' reads one stream, these features are of {1 + len(features.also)}")
        return Windows.of(features, layers=self.layers, window=self.frame_average, device=self.device)


@dataclass(frozen=True)
class NeuralModel:
    """A trained network; the averaged weights of its last step.

    Attributes
    ----------
    net : Network
    params, constants : dict of Tensor
        In main memory, without head axis: a run keeps all its models, more than a small GPU holds.
    recipe : dict
    device : str
        Where to score clips.
    """

    net: Network
    params: dict[str, Tensor]
    constants: dict[str, Tensor]
    recipe: dict[str, Any]
    device: str = "cpu"

    def logits(self, features: ClipFeatures, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Score clips.

        Returns
        -------
        ndarray of shape (len(rows), K), float32

        Raises
        ------
        HeadError
            If the features are of another kind than those of the training.
        """
        check_features(features, self.recipe)
        if not len(rows):
            return np.zeros((0, self.recipe["n_classes"]), np.float32)
        logits, _ = self._run(self.net.forward, features, rows)
        return logits

    def attention(self, features: ClipFeatures, rows: NDArray[np.int64]) -> list[NDArray[np.float32]] | None:
        """Say where in every clip the network pools from; see `ravfeat.heads.base.Model.attention`.

        Raises
        ------
        HeadError
            If the features are of another kind than those of the training.
        """
        check_features(features, self.recipe)
        net = self.net
        if not isinstance(net, WeighsWindows):
            return None
        if not len(rows):
            return []
        longest = int(np.diff(features.offsets)[rows].max())

        def attend(params: Tensors, constants: Tensors, batch: Batch, dropout: Dropout) -> Tensor:
            weights = net.window_weights(params, constants, batch)
            return functional.pad(weights, (0, longest - weights.shape[-1]))  # batches differ in their longest clip

        padded, lengths = self._run(attend, features, rows)
        return [weights[:length] for weights, length in zip(padded, lengths, strict=True)]

    def _run(
        self, forward: Forward, features: ClipFeatures, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Give what a forward pass gives of every clip, and how many windows each has."""
        window = self.recipe["settings"]["frame_average"]
        if not features.statistics and round(window / features.window) > 1:  # only what is scored is averaged
            features, rows = select_clips(features, rows), np.arange(len(rows))
        result = attempt(lambda: self._run_on(forward, features, rows, window, torch.device(self.device)))
        if isinstance(result, MemoryError):
            _log.info("memory ran out (%s): a head scores on the processor", result)
            result = self._run_on(forward, features, rows, window, torch.device("cpu"))
        return result

    def _run_on(
        self, forward: Forward, features: ClipFeatures, rows: NDArray[np.int64], window: int, device: torch.device
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        # Every clip is read once, so no more than a batch goes to the device.
        layers = tuple(self.recipe["layers"])
        windows = Windows.of(features, layers=layers, window=window, device=device, upload=False)
        params, constants = (
            {name: value[None].to(device) for name, value in part.items()} for part in (self.params, self.constants)
        )
        scores = forward_each(forward, params, constants, windows, torch.from_numpy(rows).to(device)).cpu().numpy()
        return scores, windows.clip_lengths[rows]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Parameters and constants, as ``params.NAME`` and ``constants.NAME``."""
        parts = {"params": self.params, "constants": self.constants}
        return {f"{part}.{name}": value.numpy() for part, named in parts.items() for name, value in named.items()}

    @property
    def layer_weights(self) -> dict[int, float] | None:
        """Learned weight of every layer; they sum to 1. None where there are several streams."""
        if "layer_mix" not in self.params:
            return None
        mix = self.params["layer_mix"].double().softmax(-1).tolist()
        return dict(zip(self.recipe["layers"], mix, strict=True))


def _epochs(logits: NDArray[np.float32]) -> Sweep:
    return Sweep(tuple({"epochs": epoch} for epoch in range(1, len(logits) + 1)), logits)


def best_epoch(sweeps: Sequence[Sweep], y_val: Sequence[NDArray[np.int64]]) -> int:
    """Median over sweeps of the epoch with the highest UAR, ties broken by NLL."""
    best = []
    for sweep, labels in zip(sweeps, y_val, strict=True):
        uar, nll = candidate_scores([sweep], [labels])
        # `lexsort` sorts by its last key first.
        best.append(int(np.lexsort((nll, -uar))[0]))
    # The lower median is an epoch that some sweep chose, never one between two.
    return median_low(best)


def last_or_clearly_better(sweeps: Sequence[Sweep], y_val: Sequence[NDArray[np.int64]]) -> int:
    """Median of the inner folds' best epochs; with a single sweep, the last epoch.

    One fold's few validation actors cannot tell late epochs of an annealed, averaged schedule apart: their best epoch
    is chance. The last one is kept unless another is better by `_CLEARLY`.
    """
    if len(sweeps) > 1:
        return best_epoch(sweeps, y_val)
    uar, _ = candidate_scores(sweeps, y_val)
    best = int(np.argmax(uar))
    return best if uar[best] > uar[-1] + _CLEARLY else len(uar) - 1
