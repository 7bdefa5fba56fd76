"""Overlap of actors, performances and recordings between the sides of a fold.

Counted from the clips themselves, without the code that made the folds: a fault there cannot hide itself here.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

__all__ = ["Overlap", "overlaps_of"]

Facts = Mapping[str, Mapping[str, str]]
"""Of one side: kind (actor, performance, recording) to {value: the first clip that has it}."""


@dataclass(frozen=True)
class Overlap:
    """Values of one kind that two sides share.

    Attributes
    ----------
    kind : str
    sides : (str, str)
    values : tuple of str
        Sorted.
    clips : (str, str)
        A clip of the first value on either side.
    """

    kind: str
    sides: tuple[str, str]
    values: tuple[str, ...]
    clips: tuple[str, str]

    def __str__(self) -> str:
        first = self.values[0] if self.kind != "recording" else f"{self.values[0][:12]}…"
        others = f" and {len(self.values) - 1} more" if self.values[1:] else ""
        return (
            f"{self.kind} {first}{others} in {self.sides[0]} (clip {self.clips[0]}) and in {self.sides[1]}"
            f" (clip {self.clips[1]})"
        )

    def record(self) -> dict[str, Any]:
        """Give it as plain values."""
        return {"kind": self.kind, "sides": list(self.sides), "values": list(self.values), "clips": list(self.clips)}


def overlaps_of(sides: Mapping[str, Iterable[tuple[str, Mapping[str, str]]]]) -> Iterator[Overlap]:
    """Give what is on two sides.

    Parameters
    ----------
    sides : mapping
        Of every side's name to its clips: clip id, and kind to value.
    """
    seen: dict[str, dict[str, dict[str, str]]] = {}
    for side, clips in sides.items():
        side_seen = seen.setdefault(side, {})
        for clip_id, facts in clips:
            for kind, value in facts.items():
                # The first clip stays: a message needs an example of every value, not all its clips.
                side_seen.setdefault(kind, {}).setdefault(value, clip_id)
    for a, b in combinations(seen, 2):
        for kind in sorted(seen[a].keys() & seen[b].keys()):  # sets have no order that a second audit repeats
            if shared := sorted(seen[a][kind].keys() & seen[b][kind].keys()):
                first_clips = (seen[a][kind][shared[0]], seen[b][kind][shared[0]])
                yield Overlap(kind, (a, b), tuple(shared), first_clips)
