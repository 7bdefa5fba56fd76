"""The best systems found so far: kernels on a voice, on its face and on both at once, over speed views of the voice.

They were chosen on inner actor-grouped folds of RAVDESS, never on a test row of ``ravdess6``. ``emobox6`` regroups the
same people, so it is no independent test.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from ravfeat.experiment.plan import FitPlan
from ravfeat.reproduce.caches import PUBLISHED, Material, Materials
from ravfeat.reproduce.options import StudyOptions
from ravfeat.reproduce.steps import Fit, Step

__all__ = ["PROTOCOLS", "BestSystems", "best_systems"]

PROTOCOLS = ("ravdess6", "emobox6")
"""What they are graded under: where they were found, and once elsewhere."""


@dataclass(frozen=True)
class BestSystems:
    """What there is for them.

    Attributes
    ----------
    voice : Material or None
        With its speed views alone: other views are no other voice, and a mean over them says nothing new.
    faces : tuple of Material
        The geometry of faces, else their landmarks; and expressions.
    """

    voice: Material | None
    faces: tuple[Material, ...]

    @property
    def materials(self) -> tuple[Material, ...]:
        """All that is read."""
        return (*((self.voice,) if self.voice else ()), *self.faces)

    def encoders(self, stream: str) -> str:
        """Name the encoders that a system rests on; `stream` is ``audio``, ``face`` or ``fused``."""
        read = [one.encoder for one in self.materials if stream in ("fused", one.stream)]
        return " + ".join(read)

    def missing(self, stream: str) -> str:
        """Say what a system lacks; empty where it lacks nothing."""
        lacking = [] if self.voice or stream == "face" else ["no cache of a voice here"]
        if not self.faces and stream != "audio":
            lacking.append("no cache of a face's geometry or expression here")
        return "; ".join(lacking)

    def differs(self, stream: str) -> tuple[str, ...]:
        """Say what is not as it was when these systems were found."""
        return (
            *(self._voice_differs() if stream != "face" else ()),
            *(self._faces_differ() if stream != "audio" else ()),
        )

    def _voice_differs(self) -> Iterator[str]:
        if self.voice is None:
            return
        if not self.voice.views:
            yield "clean clips only, no speed views here"
        if not self.voice.active:
            yield "whole clips, the speech-active part is not stored"

    def _faces_differ(self) -> Iterator[str]:
        roles = {face.role: face for face in self.faces}
        if self.faces and "geometry" not in roles:
            other = roles.get("landmarks")
            yield f"{f'{other.encoder} in place of' if other else 'without'} {PUBLISHED['geometry']}"
        if self.faces and "expression" not in roles:
            yield "without expressions"

    def step(self, protocol: str, options: StudyOptions) -> Step:
        """Train and fuse them under a protocol, nested."""
        voice, joined = self.voice, tuple(face.path for face in self.faces)
        both = voice is not None and joined
        caches = (voice.path,) if voice else ()
        inputs = {"caches": caches, "joins": (joined,)} if len(joined) > 1 else {"caches": (*caches, *joined)}
        plan = FitPlan(
            **inputs,
            heads=("block-kernel", "joint-kernel") if both else ("block-kernel",),
            protocol=protocol,
            select="nested",
            seeds=options.seeds,
            device=options.device,
            settings={"parts": ("whole", "active")} if voice and voice.active else {},
        )
        if voice and voice.views:
            plan = replace(plan, train_views=voice.views, average_views="scores")
        return Fit(f"kernels-{protocol}-{self.materials[0].encoder}", self._title(protocol), plan, self.materials)

    def _title(self, protocol: str) -> str:
        views = f" with {len(self.voice.views)} speed views" if self.voice and self.voice.views else ""
        voice = [f"{self.voice.encoder}{views}"] if self.voice else []
        return f"kernels on {' and '.join([*voice, *(face.encoder for face in self.faces)])}, {protocol}, nested"


def best_systems(materials: Materials) -> BestSystems:
    """Choose what the best systems read from what there is."""
    found = materials.found
    voice = found.get("wavlm") or found.get("hubert") or found.get("voice")
    faces = (found.get("geometry") or found.get("landmarks"), found.get("expression"))
    return BestSystems(
        None if voice is None else voice.with_speeds_only(), tuple(face for face in faces if face is not None)
    )
