"""Read the scores of finished steps into the lines of the study's table."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ravfeat.report.study.lines import StudyLine, StudyScore
from ravfeat.reproduce.answers import Entry, StudyFigure
from ravfeat.reproduce.plan import Study
from ravfeat.reproduce.work import run_folders
from ravfeat.runs.recipe import Recipe, read_recipe
from ravfeat.runs.records import MetricRecord, read_layer_weights, read_metrics, read_splits

__all__ = ["ablation_scores", "lines_of"]


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


def ablation_scores(study: Study, folders: Mapping[str, Path]) -> list[StudyScore]:
    """Give the scores of the ablations whose steps are finished."""
    return [_score(figure, folders[figure.step.name]) for figure in study.ablations if figure.step.name in folders]


def _line(entry: Entry, folders: Mapping[str, Path], failed: Mapping[str, str]) -> StudyLine:
    row = entry.row
    figures = [figure for figure in entry.figures if figure.step.name in folders]
    reasons = [failed[figure.step.name] for figure in entry.figures if figure.step.name in failed]
    scores, findings = [], []
    for figure in figures:
        folder = folders[figure.step.name]
        if figure.kind == "score":
            scores.append(_score(figure, folder))
        elif figure.kind == "gap":
            scores += _both(figure, folder)
            findings.append(_gap(folder))
        else:
            findings.append(_SAYINGS[figure.kind](figure, folder))
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
        said=tuple(findings),
    )


def _score(figure: StudyFigure, folder: Path, *, leaky: bool = False) -> StudyScore:
    run = run_folders(figure.step, folder)[1 if leaky else 0]
    records = [
        record
        for record in read_metrics(run)
        if record["stream"] == figure.stream and figure.head in ("", record["head"])
    ]
    by_metric = {(record["metric"], record["averaging"]): record for record in records}
    first = records[0]
    return StudyScore(
        label=figure.label,
        wa=_numbers(by_metric["wa", "fold_mean"]),
        wa_sd=by_metric["wa", "fold_mean"]["sd"],
        uar=_numbers(by_metric["uar", "pooled"]),
        protocol=first["protocol"],
        select=first["select"],
        seeds=_seeds(read_recipe(run), first),
        n=first["n"],
        leaky=first["leaky"],
    )


def _seeds(recipe: Recipe, record: MetricRecord) -> int:
    """Count the seeds of a system; of a fusion, those of its members that have some."""
    system = (record["stream"], record["features"], record["head"])
    return len({entry.seed for entry in recipe.chosen if entry.system == system}) or recipe.seeds


def _both(figure: StudyFigure, folder: Path) -> list[StudyScore]:
    leaky, honest = _score(figure, folder, leaky=True), _score(figure, folder)
    return [replace(leaky, label="clip split"), replace(honest, label="actor split")]


def _gap(folder: Path) -> str:
    (system,) = read_splits(folder)["systems"]
    gap, probe = system["gap"], system["identity"]
    identity = "" if probe is None else f"; a linear probe names the actor of {probe['value']:.3f} of the clips"
    return f"gap in pooled UAR {gap['value']:+.3f} (95 %: {gap['ci_low']:+.3f} to {gap['ci_high']:+.3f}){identity}"


def _numbers(record: MetricRecord) -> tuple[float, float, float]:
    low, high = record["ci_low"], record["ci_high"]
    return record["value"], math.nan if low is None else low, math.nan if high is None else high


def _folds(figure: StudyFigure, folder: Path) -> str:
    sides = read_recipe(run_folders(figure.step, folder)[0]).caches[0].folds
    parts = []
    for split in ("train", "val", "test"):
        sizes = [side for side in sides if side["split"] == split]
        parts.append(f"{split} {_range([len(side['actors']) for side in sizes])}")
    n_folds = len({side["fold"] for side in sides})
    return f"holds: {n_folds} folds, actors per fold {', '.join(parts)}; checked from the shards"


def _range(counts: Sequence[int]) -> str:
    return str(counts[0]) if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)}"


def _layers(figure: StudyFigure, folder: Path) -> str:
    entries = [entry for entry in read_layer_weights(folder) if entry["head"] == figure.head]
    layers = entries[0]["layers"]
    mean = [sum(entry["weights"][at] for entry in entries) / len(entries) for at in range(len(layers))]
    best = max(range(len(layers)), key=mean.__getitem__)
    listing = ", ".join(f"{layer}: {weight:.3f}" for layer, weight in zip(layers, mean, strict=True))
    return f"heaviest: layer {layers[best]} of {layers[0]} to {layers[-1]}; mean weights over folds and seeds {listing}"


def _report(figure: StudyFigure, folder: Path) -> str:
    return "in the report below"


_SAYINGS = {"folds": _folds, "layers": _layers, "report": _report}
