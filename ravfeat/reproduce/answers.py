"""Assign steps to every row of the study: the runs whose scores answer it, or why none does.

A row whose encoder is not here says so, and is there a second time with an encoder that stands in for it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ravfeat.experiment.plan import FitPlan
from ravfeat.reproduce.best import PROTOCOLS, best_systems
from ravfeat.reproduce.caches import PUBLISHED, Material, Materials, Role
from ravfeat.reproduce.options import StudyOptions
from ravfeat.reproduce.rows import ROWS, StudyRow
from ravfeat.reproduce.steps import Fit, Splits, Step, Tune

__all__ = ["Entry", "StudyFigure", "ablations_of", "entries_of"]

Kind = Literal["score", "gap", "folds", "layers", "report"]


@dataclass(frozen=True)
class StudyFigure:
    """One number, or finding, of a step.

    Attributes
    ----------
    step : Step
    stream, head : str
        Of the system; an empty head stands for the only one of that stream.
    label : str
        What to call it where a row has several; else empty.
    kind : {"score", "gap", "folds", "layers", "report"}
    """

    step: Step
    stream: str = "audio"
    head: str = ""
    label: str = ""
    kind: Kind = "score"


@dataclass(frozen=True)
class Entry:
    """What answers a row.

    Attributes
    ----------
    row : StudyRow
    figures : tuple of StudyFigure
        Empty where nothing does.
    encoder : str
        Whose features.
    differs : tuple of str
        From the published set-up.
    missing : str
        Why there is no number.
    stand_in : bool
        Whether another encoder stands in for the published one.
    """

    row: StudyRow
    figures: tuple[StudyFigure, ...] = ()
    encoder: str = ""
    differs: tuple[str, ...] = ()
    missing: str = ""
    stand_in: bool = False


Answer = Callable[[StudyRow, Material], Entry]

_HEADS = ("attentive-sum", "attentive", "logreg", "kernel")
"""Heads on the frozen voice, the trained networks first: these are trained on views too."""


def entries_of(materials: Materials, options: StudyOptions) -> list[Entry]:
    """Give the entries of all rows, in the order of the study."""
    study = _Study(materials, options)
    return [entry for key in ROWS for entry in study.entries(key)]


class _Study:
    def __init__(self, materials: Materials, options: StudyOptions) -> None:
        self.materials, self.options = materials, options

    def entries(self, key: str) -> list[Entry]:
        row = ROWS[key]
        voices: dict[str, tuple[Role, Answer]] = {
            "1": ("hubert", self._voice_splits),
            "3a": ("hubert", self._emobox),
            "5": ("wavlm", self._frozen),
            "6": ("wavlm", self._layers),
            "R1": ("wavlm", self._loso),
            "R2": ("wavlm", self._nested_emobox),
        }
        pairs: dict[str, Answer] = {"9": self._joint, "10": self._late, "R3": self._luna}
        tuned: dict[str, tuple[Role, int]] = {"3b": ("hubert", 3), "4": ("wavlm", 6)}
        faces: dict[str, Role] = {"7": "imagenet", "8": "expression"}
        best = {"B1": "audio", "B2": "face", "B3": "fused"}
        if key in voices:
            return self._with_stand_in(row, *voices[key])
        if key in pairs:
            return self._paired(row, pairs[key])
        if key in tuned:
            return self._tuned(row, *tuned[key])
        if key in faces:
            return self._face_splits(row, faces[key])
        return [self._best(row, best[key]) if key in best else self._other(row)]

    def _plan(self, *materials: Material, heads: Sequence[str], **options: object) -> FitPlan:
        plan = FitPlan(tuple(material.path for material in materials), heads=tuple(heads), seeds=self.options.seeds)
        defaults = {"device": self.options.device, "rule": None}
        return replace(plan, **(defaults | options))  # type: ignore[arg-type]  # fields of the plan

    # --- rows about the voice

    def _with_stand_in(self, row: StudyRow, role: Role, answer: Answer) -> list[Entry]:
        if (exact := self.materials.exact(role)) is not None:
            return [answer(row, exact)]
        entries = [Entry(row, missing=self.materials.missing[role])]
        if (other := self.materials.voice(role)) is not None:
            entry = answer(row, other)
            instead = f"{other.encoder} in place of {PUBLISHED[role]}"
            entries.append(replace(entry, stand_in=True, differs=(instead, *entry.differs)))
        return entries

    def _voice_splits(self, row: StudyRow, voice: Material) -> Entry:
        # A clip split must train on as many clips: chosen on validation rows, both train on two thirds.
        plan = self._plan(voice, heads=("attentive-sum",), seeds=1)
        step = Splits(f"splits-{voice.encoder}", f"{voice.encoder} on a clip split and on actors", plan, (voice,))
        figures = (StudyFigure(step, head="attentive-sum", kind="gap"),)
        return Entry(row, figures, voice.encoder, ("frozen encoder under attentive-sum, not fine-tuned",))

    def _emobox(self, row: StudyRow, voice: Material) -> Entry:
        figure = StudyFigure(self._emobox_step(voice), head="attentive", label="attentive")
        return Entry(row, (figure,), voice.encoder, ("head attentive, nested selection",))

    def _emobox_step(self, voice: Material) -> Step:
        plan = self._plan(voice, heads=("attentive", "logreg"), protocol="emobox6", select="nested")
        return Fit(f"emobox6-{voice.encoder}", f"{voice.encoder} on EmoBox's folds, nested", plan, (voice,))

    def _frozen_step(self, voice: Material) -> Step:
        title = f"all heads on frozen {voice.encoder}"
        return Fit(f"frozen-{voice.encoder}", title, self._plan(voice, heads=_HEADS), (voice,))

    def _frozen(self, row: StudyRow, voice: Material) -> Entry:
        step = self._frozen_step(voice)
        figures = tuple(StudyFigure(step, head=head, label=head) for head in _HEADS)
        if not voice.views:
            return Entry(row, figures, voice.encoder, ("trained on clean clips only",))
        plan = self._plan(voice, heads=_HEADS[:2], train_views=voice.views)
        title = (
            f"{voice.encoder}, trained on {len(voice.views)} augmented view{'s' if len(voice.views) > 1 else ''} too"
        )
        augmented = Fit(f"views-{voice.encoder}", title, plan, (voice,))
        more = tuple(StudyFigure(augmented, head=head, label=f"{head}, augmented views too") for head in _HEADS[:2])
        return Entry(row, (*figures, *more), voice.encoder, ("trained on clean clips where no views are named",))

    def _layers(self, row: StudyRow, voice: Material) -> Entry:
        figure = StudyFigure(self._frozen_step(voice), head="attentive-sum", kind="layers")
        return Entry(row, (figure,), voice.encoder)

    def _loso(self, row: StudyRow, voice: Material) -> Entry:
        plan = self._plan(voice, heads=("logreg",), protocol="loso24", select="nested")
        step = Fit(f"loso24-{voice.encoder}", f"{voice.encoder}, one actor left out at a time", plan, (voice,))
        return Entry(row, (StudyFigure(step, head="logreg"),), voice.encoder, ("mean and standard deviation pooled",))

    def _nested_emobox(self, row: StudyRow, voice: Material) -> Entry:
        figure = StudyFigure(self._emobox_step(voice), head="logreg")
        return Entry(row, (figure,), voice.encoder, ("mean and standard deviation pooled",))

    # --- rows about faces

    def _face_splits(self, row: StudyRow, role: Role) -> list[Entry]:
        face = self.materials.found.get(role)
        entries = [] if face is not None and face.exact else [Entry(row, missing=self.materials.missing[role])]
        if face is None:
            return entries
        plan = self._plan(face, heads=("logreg",), seeds=1)
        step = Splits(f"splits-{face.encoder}", f"{face.encoder} on a clip split and on actors", plan, (face,))
        instead = () if face.exact else (f"{face.encoder} in place of {PUBLISHED[role]}",)
        entry = Entry(row, (StudyFigure(step, "face", "logreg", kind="gap"),), face.encoder, (*instead, "head logreg"))
        return [*entries, replace(entry, stand_in=not face.exact)]

    # --- rows about both

    def _paired(self, row: StudyRow, answer: Answer) -> list[Entry]:
        voice, face = self.materials.exact("wavlm"), self.materials.exact("expression")
        if voice is not None and face is not None:
            return [answer(row, voice)]
        missing = [self.materials.missing[role] for role in ("wavlm", "expression") if role in self.materials.missing]
        entries = [Entry(row, missing="; ".join(missing))]
        other = voice or self.materials.voice("wavlm")
        if other is not None and self.materials.faces():
            entry = answer(row, other)
            used = [*dict.fromkeys(entry.encoder.split(" + "))]
            published = f"{' and '.join(used)} in place of {PUBLISHED['wavlm']} and {PUBLISHED['expression']}"
            entries.append(replace(entry, stand_in=True, differs=(published, *entry.differs)))
        return entries

    def _pair_step(self, voice: Material) -> tuple[Step, Material]:
        face = self.materials.found.get("expression") or self.materials.faces()[0]
        plan = self._plan(voice, face, heads=("attentive", "joint"), rule="auto")
        title = f"{voice.encoder} and {face.encoder}: one network, and late fusion of the same"
        return Fit(f"pair-{voice.encoder}-{face.encoder}", title, plan, (voice, face)), face

    def _joint(self, row: StudyRow, voice: Material) -> Entry:
        step, face = self._pair_step(voice)
        figures = (
            StudyFigure(step, "joint", "joint", label="joint"),
            StudyFigure(step, "fused", label="late fusion of the same two, same pooling"),
            StudyFigure(step, "audio", "attentive", label="the voice alone"),
        )
        return Entry(row, figures, f"{voice.encoder} + {face.encoder}", ("on frozen features, remedies chosen on val",))

    def _late(self, row: StudyRow, voice: Material) -> Entry:
        pair, face = self._pair_step(voice)
        best = self._all_faces_step(voice, "best", "ravdess6")
        figures = (
            StudyFigure(pair, "fused", label=f"with {face.encoder}, attentive"),
            StudyFigure(best, "fused", label="with all faces, kernel, nested"),
        )
        return Entry(row, figures, self._all_encoders(voice), ("rule auto (linear or log-linear)",))

    def _all_faces_step(self, voice: Material, name: str, protocol: str) -> Step:
        faces = self.materials.faces()
        joined = tuple(face.path for face in faces)
        inputs = {"joins": (joined,)} if len(faces) > 1 else {"caches": (voice.path, *joined)}
        heads = ("audio:attentive", "face:kernel")
        plan = self._plan(voice, heads=heads, protocol=protocol, select="nested", rule="auto", **inputs)
        title = (
            f"{voice.encoder} by attentive, {' + '.join(face.encoder for face in faces)} by kernel, {protocol}, nested"
        )
        return Fit(f"{name}-{voice.encoder}", title, plan, (voice, *faces))

    def _luna(self, row: StudyRow, voice: Material) -> Entry:
        step = self._all_faces_step(voice, "luna5", "luna5")
        differs = ("nested selection, nothing chosen on test",)
        return Entry(row, (StudyFigure(step, "fused"),), self._all_encoders(voice), differs)

    def _all_encoders(self, voice: Material) -> str:
        return " + ".join([voice.encoder, *(face.encoder for face in self.materials.faces())])

    def _best(self, row: StudyRow, stream: str) -> Entry:
        systems = best_systems(self.materials)
        if missing := systems.missing(stream):
            return Entry(row, missing=missing)
        steps = [systems.step(protocol, self.options) for protocol in PROTOCOLS]
        if stream == "fused":
            figures = [StudyFigure(steps[0], "av", "joint-kernel", label="one kernel over both")]
            figures += [StudyFigure(step, "fused", label="all three fused") for step in steps]
        else:
            figures = [StudyFigure(step, stream, "block-kernel") for step in steps]
        differs = (row.setup, *systems.differs(stream))
        return Entry(row, tuple(figures), systems.encoders(stream), differs)

    # --- the rest

    def _tuned(self, row: StudyRow, role: Role, top: int) -> list[Entry]:
        reason = self._no_tuning()
        if reason:
            return [Entry(row, missing=reason)]
        entries = [self._tune(row, PUBLISHED[role], top)]
        if self.options.encoder not in (None, PUBLISHED[role]):
            instead = f"{self.options.encoder} in place of {PUBLISHED[role]}, its top layer"
            entries.append(replace(self._tune(row, self.options.encoder, 1), stand_in=True, differs=(instead,)))
        return entries

    def _no_tuning(self) -> str:
        if self.options.data is None:
            return "no media here: fine-tuning reads waveforms (--data)"
        if not self.options.fine_tune:
            return "left out: fine-tuning takes hours without a GPU; --fine-tune asks for it"
        return ""

    def _tune(self, row: StudyRow, encoder: str, top: int) -> Entry:
        data = self.options.data
        if data is None:
            return Entry(row, missing=self._no_tuning())
        name = encoder.rstrip("/").rpartition("/")[2]
        step = Tune(
            f"fine-tuned-{name}-top{top}", f"{name}, top {top} fine-tuned", encoder, top, data, self.options.device
        )
        return Entry(row, (StudyFigure(step),), name)

    def _other(self, row: StudyRow) -> Entry:
        voices: tuple[Role, ...] = ("wavlm", "hubert", "voice")
        steps = [step for step in map(self._any_step, voices) if step is not None]
        if row.key == "12" or not steps:
            missing = "no page in this version" if row.key == "12" else "no cache of a voice here"
            return Entry(row, missing=missing)
        kind: Kind = "folds" if row.key == "2" else "report"
        return Entry(row, (StudyFigure(steps[0], kind=kind),))

    def ablations(self, voice: Material) -> Iterator[StudyFigure]:
        yield StudyFigure(self._frozen_step(voice), head="attentive", label="all layers, mean and std, a weight each")
        yield StudyFigure(self._frozen_step(voice), head="attentive-sum", label="layers summed before pooling")
        yield self._ablation(voice, "mean without std", std=False)
        yield self._ablation(voice, f"the last layer ({voice.layers[-1]}) only", layers="last")
        for layer in voice.layers[:-1]:
            yield self._ablation(voice, f"layer {layer} only", layers=str(layer))

    def _ablation(self, voice: Material, label: str, **options: object) -> StudyFigure:
        plan = self._plan(voice, heads=("attentive",), **options)
        name = "-".join(f"{key}-{value}" for key, value in options.items()).lower()
        return StudyFigure(Fit(f"ablation-{name}-{voice.encoder}", f"ablation: {label}", plan, (voice,)), label=label)

    def _any_step(self, role: Role) -> Step | None:
        voice = self.materials.found.get(role)
        return None if voice is None else self._frozen_step(voice)


def ablations_of(materials: Materials, options: StudyOptions) -> list[StudyFigure]:
    """Give the ablations of `attentive` on the voice: its parts taken away one by one, and every layer alone."""
    voice = materials.found.get("wavlm") or materials.found.get("hubert") or materials.found.get("voice")
    return [] if voice is None else list(_Study(materials, options).ablations(voice))
