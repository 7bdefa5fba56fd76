"""Summary of scores that commands print after training or fusing."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ravfeat.cli.show_corpus import show_classes
from ravfeat.cli.terminal import aligned, echo
from ravfeat.schema import is_unchecked, transductive_suffix

if TYPE_CHECKING:
    from ravfeat.fusion import Fusion
    from ravfeat.runs.recipe import LedgerNote, Recipe
    from ravfeat.runs.result import Fitted

__all__ = ["show_run"]

System = tuple[str, str, str]
Records = Sequence[Mapping[str, Any]]


def show_run(run: Path, records: Records, fitted: "Fitted") -> None:
    """Print a line per system of a written run, what differences it can show, the gain of fusing, and its faults."""
    from ravfeat.calibrate import calibration_record
    from ravfeat.runs.recipe import read_recipe
    from ravfeat.stats import detectable_difference

    recipe, leaky = read_recipe(run), "  LEAKY" if fitted.predictions.leaky else ""
    _show_scores(records, synthetic=fitted.predictions.synthetic)
    echo(f"{detectable_difference(fitted.predictions).said}{leaky}")
    _show_task(recipe, fitted, leaky=leaky)
    _show_views(fitted)
    _show_parts(fitted)
    if fitted.fusion is not None:
        _show_fusion(run, fitted.fusion, leaky=leaky)
    _show_bounds(calibration_record(fitted.predictions))
    _show_chosen(fitted.about)
    _show_missing(fitted)
    if recipe.ledger is not None:
        _show_tries(recipe.ledger, leaky=leaky)


def _show_tries(note: "LedgerNote", *, leaky: str) -> None:
    """Print where the run stands among the tries on its clips, or why nobody counts them."""
    if note.said:
        echo(f"{note.said}{leaky}")
    if note.why:
        echo(f"tries not counted: {note.why}", err=bool(note.said))


def _show_scores(records: Records, *, synthetic: bool) -> None:
    """Print one line per system: UAR with its interval, the folds' mean and spread, plain accuracy."""
    by_system: dict[System, dict[tuple[str, str], Mapping[str, Any]]] = {}
    for record in records:
        system = (record["stream"], record["features"], record["head"])
        by_system.setdefault(system, {})[record["metric"], record["averaging"]] = record
    first = records[0]
    leaky = " LEAKY (tested on actors it was trained on)" if first["leaky"] else ""
    if is_unchecked(first["protocol"]):
        leaky += " (of some clips nobody says who speaks: it may have been tested on people it was trained on)"
    about = " on a synthetic corpus (says nothing about people)" if synthetic else ""
    counts = {system: scores["uar", "pooled"]["n"] for system, scores in by_system.items()}
    same_clips = len(set(counts.values())) == 1
    n = f", n={first['n']}" if same_clips else ""
    echo(f"{first['protocol']}{leaky}, select {first['select']}{n}{about}")
    rows = [("system", "UAR pooled, 95 % over actors", "UAR of folds", "WA (plain accuracy)")]
    rows += [(" ".join(system), *_cells(scores)) for system, scores in by_system.items()]
    for row, line in zip(rows, aligned(rows), strict=True):
        leaky = "  LEAKY" if first["leaky"] and row is not rows[0] else ""
        echo(f"{line}{leaky}{'  TRANSDUCTIVE' if transductive_suffix(row[0]) else ''}")
    if not same_clips:
        listing = ", ".join(f"{' '.join(system)} n={n}" for system, n in counts.items())
        echo(f"the rows rest on different clips ({listing}): their differences are not those of the systems alone")


def _show_task(recipe: "Recipe", fitted: "Fitted", *, leaky: str) -> None:
    """Print classes, chance, test clips, who made the features, what was changed, and the test clips of every class."""
    from ravfeat.runs.task import chance_said, changes, clips_said
    from ravfeat.runs.trust import trust_of

    predictions = fitted.predictions
    rows = predictions.select_system(predictions.systems()[0]).table.select(["split", "clip_id", "label"]).to_pylist()
    labels = {row["clip_id"]: row["label"] for row in rows if row["split"] == "test"}
    facts = (chance_said(len(predictions.classes)), clips_said(recipe, len(labels)), trust_of(recipe).said)
    echo(f"{'; '.join(facts)}{leaky}")
    if changed := changes(recipe):
        echo(f"not the corpus's own task: {'; '.join(changed)}{leaky}")
    show_classes(Counter(labels.values()), predictions.classes)


def _cells(scores: Mapping[tuple[str, str], Mapping[str, Any]]) -> tuple[str, str, str]:
    uar, folds, wa = scores["uar", "pooled"], scores["uar", "fold_mean"], scores["wa", "pooled"]
    spread = "" if folds["sd"] is None else f" ± {folds['sd']:.3f}"
    return (
        f"{uar['value']:.3f} [{uar['ci_low']:.3f}, {uar['ci_high']:.3f}]",
        f"{folds['value']:.3f}{spread}",
        f"{wa['value']:.3f}",
    )


def _show_views(fitted: "Fitted") -> None:
    """Print what every system was trained on, where that is more than the clean clips."""
    fused = [cache for run in fitted.about.get("runs", ()) for cache in run["recipe"].get("caches", ())]
    caches = [*fitted.about["caches"], *fused]
    leaky = "  LEAKY" if fitted.predictions.leaky else ""
    if any(cache.get("views") for cache in caches):
        for line in dict.fromkeys(map(_training_data, caches)):
            echo(f"{line}{leaky}")


def _show_parts(fitted: "Fitted") -> None:
    """Print what of a clip every system pools, where something else than the whole was asked for."""
    plan = fitted.about.get("plan", {})
    if "parts" not in plan.get("settings", {}):
        return
    pools = {(model.stream, model.features, model.head): model.model.recipe["settings"] for model in fitted.models}
    for system, settings in pools.items():
        parts = "pools whole clips" if "statistics" in settings else "reads all frames"
        if "parts" in settings:
            words = {"whole": "whole clips", "active": "their speech-active part"}
            parts = f"pools {' and '.join(words[part] for part in settings['parts'])}"
        echo(f"{' '.join(system)}: {parts}")


def _training_data(cache: Mapping[str, Any]) -> str:
    trained_on, views = cache.get("trained_on", "clean"), cache.get("views", ())
    gaps = [f"{view['view']} lacks {len(view['lacking'])} clips" for view in views if view["lacking"]]
    suffix = f" ({', '.join(gaps)})" if gaps else ""
    tested_on = cache.get("tested_on", "clean")
    return f"{cache['stream']} {cache['features']}: trained on {trained_on}{suffix}, tested on {tested_on}"


def _show_fusion(run: Path, fusion: "Fusion", *, leaky: str) -> None:
    from ravfeat.fusion import name_of
    from ravfeat.runs.records import read_differences

    chosen = Counter(fold.chosen for fold in fusion.folds)
    choices = ", ".join(f"{choice} in {count}" for choice, count in chosen.most_common())
    echo(f"fused: {len(fusion.systems)} systems, rule {fusion.rule}: {choices} of {len(fusion.folds)} folds{leaky}")
    fused = name_of(fusion.systems, "fused")._asdict()
    records: Sequence[Mapping[str, Any]] = read_differences(run)
    pooled = [record for record in records if (record["metric"], record["averaging"]) == ("uar", "pooled")]
    for system in fusion.systems:
        pair = (fused, system._asdict())
        record = next(entry for entry in pooled if entry["a"] in pair and entry["b"] in pair)
        sign = 1 if record["a"] == fused else -1
        value, *ends = (sign * record[name] + 0.0 for name in ("value", "ci_low", "ci_high"))  # + 0.0: no -0.000
        echo(
            f"  UAR over {' '.join(system)}: {value:+.3f} [{min(ends):+.3f}, {max(ends):+.3f}], "
            f"p = {record['p_holm']:.4f} (Holm, {record['family']}){leaky}"
        )


def _show_bounds(entries: Sequence[Mapping[str, Any]]) -> None:
    reasons = {
        "lower": "the right class is the most probable one there, so nothing says how sure to be",
        "upper": "the scores say nothing about the labels there, or the wrong thing",
    }
    folds_at: dict[tuple[System, str], list[int]] = {}
    for entry in entries:
        if entry["at_bound"]:
            system = (entry["stream"], entry["features"], entry["head"])
            folds_at.setdefault((system, entry["at_bound"]), []).append(entry["fold"])
    for (system, bound), folds in folds_at.items():
        listing = ", ".join(map(str, folds))
        echo(f"{' '.join(system)}: temperature at its {bound} bound in fold {listing}: {reasons[bound]}", err=True)


def _show_chosen(about: Mapping[str, Any]) -> None:
    """Print who gave the folds, how large their sides are where not all is tested, and which clips are used."""
    from ravfeat.corpora.labels import narrowed_said, split_said

    split: Mapping[str, Any] = about.get("split", {})
    if split:
        echo(split_said(split))
    for first in about["caches"][:1] if split else ():
        rows = [(row["split"], row["clips"]) for row in first["folds"]]
        tested = sum(n for side, n in rows if side == "test")
        if tested < first["clips"]:
            means = {side: sum(n for of, n in rows if of == side) / len(split["folds"]) for side, _ in rows}
            listing = ", ".join(f"{side} {mean:.0f}" for side, mean in means.items())
            echo(f"clips of a fold: {listing}; {tested} of {first['clips']} are tested")
    if narrowed := about.get("narrowed"):
        echo(narrowed_said(narrowed))


def _show_missing(fitted: "Fitted") -> None:
    elsewhere = "" if fitted.fusion is None else " here or in a cache it is fused with"
    for cache in fitted.about["caches"]:
        if cache["missing"] or cache["left_out"]:
            unlabelled = "are in no class" if "train_corpus" in cache else "have no label"
            echo(
                f"{cache['stream']} {cache['features']}: without {len(cache['missing'])} clips that are not"
                f" stored{elsewhere} and {cache['left_out']} that {unlabelled}"
            )
