"""``sweep.md`` and ``factors.svg``: how all plans did on validation rows, and which choices mattered."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from ravfeat.escape import markdown_text
from ravfeat.files import replace_file
from ravfeat.report.drawings.style import render
from ravfeat.runs.recipe import recipe_of
from ravfeat.runs.task import chance_said
from ravfeat.runs.trust import trust_of
from ravfeat.schema import transductive_suffix
from ravfeat.sweep.figure import factor_figure, levels_of
from ravfeat.sweep.folder import TrialRecord
from ravfeat.sweep.plan_file import ChooseBy

__all__ = ["conditions_of", "table_of", "varying", "write_page"]

_WHY = (
    "No test clip was scored for this table. Means and standard deviations are over folds and seeds, of probabilities"
    " as the heads say them. The first of many is at the top with some luck: what it is worth, 'ravfeat sweep PLAN"
    " --reveal' tells, once."
)


def write_page(
    out: Path, groups: Mapping[str, Sequence[TrialRecord]], choose_by: ChooseBy, *, n_waiting: int = 0
) -> None:
    """Write the table of every protocol, and its figure.

    Parameters
    ----------
    out : Path
    groups : mapping of str to sequence of TrialRecord
        By protocol, the best first. Figures of different protocols rest on different rows, so each has a table.
    choose_by : {"uar", "nll"}
    n_waiting : int
        Plans that are not trained yet.
    """
    lines = ["# Sweep: validation only", "", _WHY, ""]
    if n_waiting:
        lines += [f"{n_waiting} plans are not trained yet.", ""]
    for number, (protocol, ranking) in enumerate(groups.items()):
        if not ranking:
            continue
        lines += [f"## {markdown_text(conditions_of(ranking))}, by {choose_by.upper()}", ""]
        header, *rows = table_of(ranking)
        lines += ["| " + " | ".join(map(markdown_text, header)) + " |", "|" + "---|" * len(header)]
        lines += ["| " + " | ".join(map(markdown_text, row)) + " |" for row in rows]
        if levels := levels_of(ranking):
            name = "factors.svg" if len(groups) == 1 else f"factors-{number + 1}.svg"
            replace_file(out / name, render(factor_figure(levels, conditions_of(ranking))).file().encode())
            lines += ["", f"![What mattered under {markdown_text(protocol)}]({name})"]
        lines.append("")
    replace_file(out / "sweep.md", "\n".join(lines).encode())


def varying(ranking: Sequence[TrialRecord]) -> list[str]:
    """Give the factors in which some plans differ, in the order of the plan."""
    names = dict.fromkeys(name for trial in ranking for name in trial.factors)
    return [name for name in names if len({trial.factors.get(name) for trial in ranking}) > 1]


def table_of(ranking: Sequence[TrialRecord]) -> list[tuple[str, ...]]:
    """Give the table as text: a header, then one row per plan."""
    names = varying(ranking) or ["features", "head"]
    rows = [("", *names, "val UAR", "val NLL", "n")]
    for place, trial in enumerate(ranking, start=1):
        scores = trial.validation
        cells = (trial.factors.get(name, "-") for name in names)
        figures = (f"{scores.uar:.3f} ± {scores.uar_sd:.3f}", f"{scores.nll:.3f} ± {scores.nll_sd:.3f}", str(scores.n))
        marks = "  TRANSDUCTIVE" if transductive_suffix(trial.factors["features"]) else ""
        rows.append((str(place), *cells, figures[0], figures[1], figures[2] + marks))
    return rows


def conditions_of(ranking: Sequence[TrialRecord]) -> str:
    """Say what all plans of a protocol share, as in ``ravdess6, select val, 1 seed, 12 plans, validation rows, …``."""
    about = ranking[0].about
    leaky = " LEAKY" if about["leaky"] else ""
    seeds = f"{about['seeds']} seed{'s' if about['seeds'] > 1 else ''}"
    synthetic = ", synthetic corpus" if about["caches"][0]["synthetic"] else ""
    plans = f"{len(ranking)} plan{'s' if len(ranking) > 1 else ''}"
    made = trust_of(recipe_of({"caches": about["caches"]}, Path())).grade
    facts = f"{plans}, validation rows, {chance_said(len(about['classes']))}, {made}"
    return f"{about['protocol']}{leaky}, select {about['select']}, {seeds}, {facts}{synthetic}"
