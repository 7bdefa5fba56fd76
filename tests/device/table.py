"""Table of the largest differences between results of a device and of the CPU."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ravfeat.cache import find_caches, open_cache
from ravfeat.predictions import Predictions

__all__ = ["Table", "difference", "features_of", "logits_of"]


@dataclass
class Table:
    """Rows of encoder family, head and option, each with the largest relative difference."""

    rows: dict[tuple[str, str, str], float] = field(default_factory=dict)

    def add(self, encoder: str, head: str, option: str, value: float) -> None:
        self.rows[encoder, head, option] = max(value, self.rows.get((encoder, head, option), 0.0))

    def __str__(self) -> str:
        lines = ["| encoder | head | option | difference |", "|---|---|---|---|"]
        for (encoder, head, option), value in sorted(self.rows.items()):
            lines.append(f"| {encoder} | {head} | {option} | {f'{value:.1e}' if value else '0'} |")
        return "\n".join(lines)


def features_of(folder: Path) -> dict[str, dict[str, NDArray[np.floating]]]:
    """Features of all caches in a folder: encoder → clip → (T, L, D)."""
    caches = [open_cache(path) for path in find_caches(folder)]
    return {str(cache.path.name): {clip_id: cache[clip_id] for clip_id in cache.clip_ids} for cache in caches}


def logits_of(predictions: Predictions) -> NDArray[np.floating]:
    """All logits of a run, (N, K), sorted by system, seed, fold and clip."""
    keys = ("stream", "features", "head", "seed", "fold", "split", "clip_id")
    rows = sorted(predictions.table.to_pylist(), key=lambda row: tuple(row[key] for key in keys))
    return np.array([row["logits"] for row in rows])


def difference(given: NDArray[np.floating], expected: NDArray[np.floating]) -> float:
    """Norm of the difference over that of what is expected; shapes must agree, and numbers be finite."""
    assert given.shape == expected.shape
    assert np.isfinite(given).all()
    exact = expected.astype(np.float64)
    return float(np.linalg.norm(given.astype(np.float64) - exact) / max(np.linalg.norm(exact), 1e-12))
