"""Joint multimodal head, a control for modality competition: one network on all streams at once.

Every stream is pooled as in the head `attentive`, and one classifier reads what all of them give, trained by one
loss. Such a network follows the stream that is learned fastest and leaves the others unused: Wang, Tran & Feiszli
2020, "What makes training multi-modal classification networks hard?" (arXiv:1905.12681); Huang et al. 2022, "Modality
competition" (arXiv:2203.12221). Late fusion of heads that were trained apart is what it is held against. So that it
loses, or wins, on its merits, its learning rate and whether whole streams are dropped in training, the usual remedy
(Neverova et al. 2016, "ModDrop", arXiv:1501.00102), are chosen on validation rows, as its epoch is.

Conventions
-----------
Axes: H heads, B clips, W width of what a stream's pooling gives, K classes. Parameters and constants of stream s are
named ``s.NAME``.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ravfeat.documents import NotEmpty, Positive, Share
from ravfeat.errors import HeadError
from ravfeat.features.clips import ClipFeatures
from ravfeat.heads.attention import pooled_layers, pooling_constants, pooling_params
from ravfeat.heads.base import Job, Model, Sweep
from ravfeat.heads.checks import likeliest
from ravfeat.heads.network import Dropout, Network, first_weights
from ravfeat.heads.neural import EpochChoice, NeuralHead
from ravfeat.heads.stacks.base import Start
from ravfeat.heads.stacks.pooled import PooledSettings, PooledStack
from ravfeat.heads.windows import Batch, Windows

__all__ = ["JointHead", "JointNet"]


@dataclass(frozen=True)
class JointNet(Network):
    """Joint heads, batched.

    Parameters
    ----------
    std : bool
        Pool to mean and standard deviation, or to the mean alone.
    hidden : int
        Width of the classifier's hidden layer, which all streams share.
    feature_dropout, dropout : float
        Share of pooled features, and of hidden units, dropped in training.
    stream_dropout : float
        Share of clips of which a stream is dropped as a whole, in training.
    """

    std: bool
    hidden: int
    feature_dropout: float
    dropout: float
    stream_dropout: float

    def constants(self, windows: Windows, rows: Sequence[NDArray[np.int64]]) -> dict[str, Tensor]:
        """Scales of every stream over the training rows."""
        return _named([pooling_constants(stream, rows, std=self.std) for stream in windows.streams])

    def init(self, windows: Windows, n_classes: int, generator: torch.Generator) -> dict[str, Tensor]:
        """First parameters: uniform attention, equal layers, a random classifier on all streams."""
        device = windows.device
        width = sum(len(stream.layers) * stream.dim for stream in windows.streams) * (2 if self.std else 1)
        return _named([pooling_params(stream) for stream in windows.streams]) | {
            "hidden_weight": first_weights(generator, width, self.hidden),
            "hidden_bias": torch.zeros(self.hidden, device=device),
            "class_weight": first_weights(generator, self.hidden, n_classes),
            "class_bias": torch.zeros(n_classes, device=device),
        }

    def forward(
        self, params: dict[str, Tensor], constants: dict[str, Tensor], batch: Batch, dropout: Dropout
    ) -> Tensor:
        """Logits of shape (H, B, K)."""
        streams = [
            pooled_layers(_of_stream(params, s), _of_stream(constants, s), stream_batch, std=self.std)
            for s, stream_batch in enumerate((batch, *batch.also))
        ]
        z = torch.cat([self._dropped(stream, dropout) for stream in streams], dim=-1)
        z = functional.gelu(z @ params["hidden_weight"] + params["hidden_bias"][:, None])
        z = dropout(z, self.dropout)
        return z @ params["class_weight"] + params["class_bias"][:, None]

    def stack(self, start: Start) -> PooledStack:
        """Put heads into training."""
        settings = PooledSettings(self.std, self.feature_dropout, self.dropout, self.stream_dropout)
        prefixes = [f"{s}." for s in range(len(start.windows.streams))]
        return PooledStack(settings, start, prefixes)

    def step_bytes(self, windows: Windows, n_clips: int) -> tuple[int, int]:
        """Estimate the memory of a step; see `Network.step_bytes`."""
        return PooledStack.step_bytes(windows, n_clips, self.hidden)

    def _dropped(self, z: Tensor, dropout: Dropout) -> Tensor:
        # Dropping from ones gives a factor for each clip: 0, or what scales the others up.
        keeps_stream = dropout(torch.ones_like(z[..., :1]), self.stream_dropout)  # (H, B, 1)
        return dropout(z, self.feature_dropout) * keeps_stream


def _named(streams: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    return {f"{s}.{name}": value for s, values in enumerate(streams) for name, value in values.items()}


def _of_stream(values: Mapping[str, Tensor], stream: int) -> dict[str, Tensor]:
    prefix = f"{stream}."
    return {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}


class _Choice(EpochChoice):
    lr: Positive
    stream_dropout: Share


@dataclass(frozen=True, kw_only=True)
class JointHead(NeuralHead):
    """One network over the streams of `ClipFeatures.also`; see `NeuralHead` for the settings all networks have.

    Parameters
    ----------
    feature_dropout : float
        Share of pooled features dropped in training.
    lrs : tuple of float
        Peaks of the learning rate to choose among; ``lr`` is that of a model.
    stream_dropouts : tuple of float
        Shares of clips that lose a stream in training, to choose among; ``stream_dropout`` is that of a model.
    """

    name: ClassVar[str] = "joint"
    several_streams: ClassVar[bool] = True
    stream: ClassVar[str] = "joint"
    choice: ClassVar[type] = _Choice

    feature_dropout: Share = 0.3
    stream_dropout: Share = 0.0
    lrs: Annotated[tuple[Positive, ...], NotEmpty] = (5e-4, 2e-3)
    stream_dropouts: Annotated[tuple[Share, ...], NotEmpty] = (0.0, 0.3)

    def net(self) -> JointNet:
        """Build the network these settings describe."""
        return JointNet(
            std=self.std,
            hidden=self.hidden,
            feature_dropout=self.feature_dropout,
            dropout=self.dropout,
            stream_dropout=self.stream_dropout,
        )

    def sweep(self, features: ClipFeatures, y: NDArray[np.int64], n_classes: int, jobs: Sequence[Job]) -> list[Sweep]:
        """Train every job once per learning rate and stream dropout; score its validation rows after every epoch.

        Raises
        ------
        HeadError
            If a job has no validation rows, or cannot be trained.
        """
        by_setting = [
            (setting, head.epochs_of(features, y, n_classes, jobs)) for setting, head in self._settings_to_try()
        ]
        sweeps = []
        for number in range(len(jobs)):
            of_job = [(setting, epochs[number]) for setting, epochs in by_setting]
            candidates = tuple({**setting, **epoch} for setting, sweep in of_job for epoch in sweep.candidates)
            sweeps.append(Sweep(candidates, np.concatenate([sweep.logits for _, sweep in of_job])))
        return sweeps

    def epochs_of(
        self, features: ClipFeatures, y: NDArray[np.int64], n_classes: int, jobs: Sequence[Job]
    ) -> list[Sweep]:
        """Sweep the epochs of these very settings."""
        return super().sweep(features, y, n_classes, jobs)

    def _settings_to_try(self) -> Iterator[tuple[dict[str, float], "JointHead"]]:
        for lr, stream_dropout in product(self.lrs, self.stream_dropouts):
            setting = {"lr": lr, "stream_dropout": stream_dropout}
            yield setting, replace(self, lr=lr, stream_dropout=stream_dropout)

    def choose(self, sweeps: Sequence[Sweep], y_val: Sequence[NDArray[np.int64]]) -> int:
        """Give the setting and epoch with the lowest NLL on all validation rows together, ties by UAR."""
        return likeliest(sweeps, y_val)

    def fit(
        self,
        features: ClipFeatures,
        y: NDArray[np.int64],
        n_classes: int,
        jobs: Sequence[Job],
        chosen: Sequence[Mapping[str, Any]],
    ) -> list[Model]:
        """Train every job on ``job.train`` with its chosen setting, up to its chosen epoch.

        Raises
        ------
        HeadError
            If a job cannot be trained, or a choice names no setting.
        """
        models: dict[int, Model] = {}
        # The base class trains one setting at a time: jobs of one setting go together, each setting once.
        for setting in dict.fromkeys(map(_setting, chosen)):
            members = [index for index, choice in enumerate(chosen) if _setting(choice) == setting]
            head = replace(self, lr=setting[0], stream_dropout=setting[1])
            arguments = ([jobs[index] for index in members], [chosen[index] for index in members])
            models |= zip(members, super(JointHead, head).fit(features, y, n_classes, *arguments), strict=True)
        return [models[index] for index in range(len(jobs))]

    def fit_chosen(
        self, features: ClipFeatures, y: NDArray[np.int64], n_classes: int, jobs: Sequence[Job]
    ) -> list[Model]:
        """Sweep, choose on the validation rows of every job, and train what was chosen."""
        sweeps = self.sweep(features, y, n_classes, jobs)
        picks = [self.choose([sweep], [y[job.val]]) for sweep, job in zip(sweeps, jobs, strict=True)]
        return self.fit(
            features, y, n_classes, jobs, [s.candidates[pick] for s, pick in zip(sweeps, picks, strict=True)]
        )


def _setting(choice: Mapping[str, Any]) -> tuple[float, float]:
    if missing := {"lr", "stream_dropout", "epochs"} - choice.keys():
        raise HeadError(f"a choice of the head 'joint' names {', '.join(sorted(missing))} too, got {dict(choice)}")
    return float(choice["lr"]), float(choice["stream_dropout"])
