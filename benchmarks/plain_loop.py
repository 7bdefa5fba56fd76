"""The obvious way to train the trained networks: fold after fold, batch after batch, under autograd.

Same network (its `forward`), same batches, same optimiser. Only the loop is what one would write first.
"""

import time
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ravfeat.heads.base import Job
from ravfeat.heads.checks import balanced_weights
from ravfeat.heads.fit import Net, Schedule, one_cycle
from ravfeat.heads.windows import Windows

__all__ = ["plain_step_s"]

_WARM = 2


def plain_step_s(
    net: Net, windows: Windows, y: NDArray[np.int64], n_classes: int, job: Job, schedule: Schedule, n_steps: int
) -> float:
    """Train one fold for some steps after a few to warm up, and give seconds per step."""
    steps = _steps(net, windows, y, n_classes, job, schedule)
    for _ in range(_WARM):
        next(steps)
    started = time.perf_counter()
    for _ in range(n_steps):
        next(steps)
    return (time.perf_counter() - started) / n_steps


def _steps(
    net: Net, windows: Windows, y: NDArray[np.int64], n_classes: int, job: Job, schedule: Schedule
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
            batch = windows.batch(torch.from_numpy(rows)[None])
            logits = net.forward(params, constants, batch, _dropout)[0]
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


def _dropout(x: torch.Tensor, p: float) -> torch.Tensor:
    return functional.dropout(x, p)
