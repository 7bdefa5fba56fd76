"""The obvious way to train the networks: fold after fold, batch after batch, read from the cache, under autograd.

Same network (its `forward`), same optimiser, batches of the same size. Only the loop is what one would write first:
every batch reads its clips, widens them, averages their frames, pads them to the longest, and goes through one head.
"""

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from ravfeat.cache import Cache
from ravfeat.heads.base import Job
from ravfeat.heads.checks import balanced_weights
from ravfeat.heads.network import Network
from ravfeat.heads.schedule import Schedule, one_cycle
from ravfeat.heads.windows import Batch, Windows

__all__ = ["BatchOf", "from_cache", "plain_step_s"]

_WARM = 2


BatchOf = Callable[[NDArray[np.int64]], Batch]


def from_cache(cache: Cache, clip_ids: Sequence[str], window: int) -> BatchOf:
    """Give what reads a batch of clips, every time anew."""

    def batch_of(rows: NDArray[np.int64]) -> Batch:
        clips = [_averaged(cache[clip_ids[row]].astype(np.float32), window) for row in rows]
        lengths = torch.tensor([len(clip) for clip in clips])
        padded = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(clip) for clip in clips], batch_first=True)
        padding = torch.arange(padded.shape[1]) >= lengths[:, None]
        return Batch(padded.permute(2, 0, 1, 3)[:, None].contiguous(), None, padding[None])  # (B, T, L, D)

    return batch_of


def _averaged(frames: NDArray[np.float32], window: int) -> NDArray[np.float32]:
    if window == 1:
        return frames
    starts = np.arange(0, len(frames), window)
    sizes = np.minimum(window, len(frames) - starts).astype(np.float32)
    return np.asarray(np.add.reduceat(frames, starts, axis=0) / sizes[:, None, None], np.float32)


def plain_step_s(
    net: Network,
    windows: Windows,
    batch_of: BatchOf,
    y: NDArray[np.int64],
    n_classes: int,
    job: Job,
    schedule: Schedule,
    n_steps: int,
) -> float:
    """Train one fold for some steps after a few to warm up, and give seconds per step."""
    steps = _steps(net, windows, batch_of, y, n_classes, job, schedule)
    for _ in range(_WARM):
        next(steps)
    started = time.perf_counter()
    for _ in range(n_steps):
        next(steps)
    return (time.perf_counter() - started) / n_steps


def _steps(
    net: Network,
    windows: Windows,
    batch_of: BatchOf,
    y: NDArray[np.int64],
    n_classes: int,
    job: Job,
    schedule: Schedule,
) -> Iterator[None]:
    generator = torch.Generator().manual_seed(job.seed)
    params = {name: value[None].requires_grad_() for name, value in net.init(windows, n_classes, generator).items()}
    constants = net.constants(windows, [job.train])
    average = {name: value.detach().clone() for name, value in params.items()}
    optimizer = torch.optim.AdamW(params.values(), lr=schedule.lr, weight_decay=schedule.weight_decay)
    weights = torch.from_numpy(balanced_weights(y[job.train], n_classes))
    order, targets = np.random.default_rng(0), torch.from_numpy(y)
    per_epoch = int(np.ceil(len(job.train) / schedule.batch_size))
    step = 0
    while True:
        for rows in np.array_split(order.permutation(job.train), per_epoch):
            logits = net.forward(params, constants, batch_of(rows), _dropout)[0]
            own = targets[torch.from_numpy(rows)]
            losses = functional.cross_entropy(logits, own, reduction="none", label_smoothing=schedule.label_smoothing)
            for group in optimizer.param_groups:
                group["lr"] = one_cycle(step, schedule.epochs * per_epoch, schedule.lr)
            optimizer.zero_grad()
            torch.autograd.backward((losses * weights[own]).sum() / weights[own].sum())
            optimizer.step()
            with torch.no_grad():
                for name, value in params.items():
                    average[name].lerp_(value, 1 - schedule.ema)
            step += 1
            yield


def _dropout(x: Tensor, p: float) -> Tensor:
    return functional.dropout(x, p)
