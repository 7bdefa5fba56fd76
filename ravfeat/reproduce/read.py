"""From finished steps to the lines of the table."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ravfeat.report.study.lines import Score, StudyLine
from ravfeat.reproduce.answers import Entry, Figure
from ravfeat.reproduce.plan import Study
from ravfeat.reproduce.work import run_folders
from ravfeat.runs.read import SPLITS_FILE

__all__ = ["ablation_scores", "lines_of"]

_SYSTEM = ("stream", "features", "head")


def lines_of(study: Study, folders: Mapping[str, Path], failed: Mapping[str, str]) -> list[StudyLine]:
    """Give a line for every entry.

    Parameters
    ----------
    study : Study
    folders : mapping of str to Path
        Finished steps by name.
    failed : mapping of str to str
        Steps that could not be done, with the reason.
    """
    return [_line(entry, folders, failed) for entry in study.entries]


def ablation_scores(study: Study, folders: Mapping[str, Path]) -> list[Score]:
    """Give the scores of the ablations whose steps are finished."""
    return [_score(figure, folders[figure.step.name]) for figure in study.ablations if figure.step.name in folders]


def _line(entry: Entry, folders: Mapping[str, Path], failed: Mapping[str, str]) -> StudyLine:
    row = entry.row
    here = [figure for figure in entry.figures if figure.step.name in folders]
    reasons = [failed[figure.step.name] for figure in entry.figures if figure.step.name in failed]
    scores, said = [], []
    for figure in here:
        folder = folders[figure.step.name]
        if figure.kind == "score":
            scores.append(_score(figure, folder))
        elif figure.kind == "gap":
            scores += _both(figure, folder)
            said.append(_gap(folder))
        else:
            said.append(_SAYINGS[figure.kind](figure, folder))
    return StudyLine(
        key=row.key,
        system=row.system,
        published=row.published,
        setup=row.setup,
        published_value=row.value,
        published_metric=row.metric,
        encoder=entry.encoder,
        differs=entry.differs,
        missing="; ".join(dict.fromkeys([entry.missing, *reasons])).strip("; "),
        stand_in=entry.stand_in,
        scores=tuple(scores),
        said=tuple(said),
    )


def _score(figure: Figure, folder: Path, *, leaky: bool = False) -> Score:
    run = run_folders(figure.step, folder)[1 if leaky else 0]
    records = _json(run / "metrics.json")
    own = [one for one in records if one["stream"] == figure.stream and figure.head in ("", one["head"])]
    by_metric = {(one["metric"], one["averaging"]): one for one in own}
    first = own[0]
    return Score(
        label=figure.label,
        wa=_numbers(by_metric["wa", "fold_mean"]),
        wa_sd=by_metric["wa", "fold_mean"]["sd"],
        uar=_numbers(by_metric["uar", "pooled"]),
        protocol=first["protocol"],
        select=first["select"],
        seeds=_seeds(_json(run / "recipe.json"), first),
        n=first["n"],
        leaky=first["leaky"],
    )


def _seeds(recipe: Mapping[str, Any], record: Mapping[str, Any]) -> int:
    """Count the seeds of a system; of a fusion, those of its members that have some."""
    own = {one["seed"] for one in recipe["chosen"] if all(one[key] == record[key] for key in _SYSTEM)}
    return len(own) or int(recipe["seeds"])


def _both(figure: Figure, folder: Path) -> list[Score]:
    leaky, honest = _score(figure, folder, leaky=True), _score(figure, folder)
    return [replace(leaky, label="clip split"), replace(honest, label="actor split")]


def _gap(folder: Path) -> str:
    (system,) = _json(folder / SPLITS_FILE)["systems"]
    gap, probe = system["gap"], system["identity"]
    known = "" if probe is None else f"; a linear probe names the actor of {probe['value']:.3f} of the clips"
    return f"gap in pooled UAR {gap['value']:+.3f} (95 %: {gap['ci_low']:+.3f} to {gap['ci_high']:+.3f}){known}"


def _numbers(record: Mapping[str, Any]) -> tuple[float, float, float]:
    return record["value"], record["ci_low"], record["ci_high"]


def _folds(figure: Figure, folder: Path) -> str:
    recipe = _json(run_folders(figure.step, folder)[0] / "recipe.json")
    sides = recipe["caches"][0]["folds"]
    parts = []
    for split in ("train", "val", "test"):
        own = [one for one in sides if one["split"] == split]
        parts.append(f"{split} {_range([len(one['actors']) for one in own])}")
    n_folds = len({one["fold"] for one in sides})
    return f"holds: {n_folds} folds, actors per fold {', '.join(parts)}; checked from the shards"


def _range(counts: Sequence[int]) -> str:
    return str(counts[0]) if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}"


def _layers(figure: Figure, folder: Path) -> str:
    own = [one for one in _json(folder / "layer_weights.json") if one["head"] == figure.head]
    layers = own[0]["layers"]
    mean = [sum(one["weights"][at] for one in own) / len(own) for at in range(len(layers))]
    best = max(range(len(layers)), key=mean.__getitem__)
    listing = ", ".join(f"{layer}: {weight:.3f}" for layer, weight in zip(layers, mean, strict=True))
    return f"heaviest: layer {layers[best]} of {layers[0]} to {layers[-1]}; mean weights over folds and seeds {listing}"


def _report(figure: Figure, folder: Path) -> str:
    return "in the report below"


_SAYINGS = {"folds": _folds, "layers": _layers, "report": _report}


def _json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
