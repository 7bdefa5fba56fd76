"""Test the winner of a sweep once: it is trained again, scored on test clips, and the look is written down."""

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ravfeat.errors import PredictionsError, UsageError
from ravfeat.experiment.fit import train
from ravfeat.runs.read import read_run
from ravfeat.runs.recipe import SweepOrigin
from ravfeat.runs.result import Fitted
from ravfeat.runs.tries import Tried
from ravfeat.runs.write import write_run
from ravfeat.sweep.folder import Look, TrialRecord, read_looks, write_looks
from ravfeat.sweep.run import SweepResult

__all__ = ["Revealed", "reveal"]


@dataclass(frozen=True)
class Revealed:
    """A winner that was tested.

    Attributes
    ----------
    look : Look
    folder : Path
        Its run.
    fitted : Fitted or None
        What it gave; None where it had been revealed before, and nothing was scored now.
    records : list of dict
        Of the run's ``metrics.json``; empty where nothing was scored now.
    """

    look: Look
    folder: Path
    fitted: Fitted | None
    records: list[dict[str, Any]]


def reveal(result: SweepResult, out: Path, command: str | None = None, *, ledger: bool = True) -> list[Revealed]:
    """Test the winner of every protocol, unless that was done.

    Parameters
    ----------
    result : SweepResult
    out : Path
        Of the sweep.
    command : str or None
        The command line, for the recipes.
    ledger : bool
        Whether it is entered into the ledger of tries.

    Raises
    ------
    UsageError
        Where not all plans are trained: a winner among some is none.
    PredictionsError
        Where ``reveals.json`` is damaged.
    """
    if result.n_waiting:
        raise UsageError(
            f"{result.n_waiting} of {len(result.sweep.trials)} plans are not trained yet; run the other shards first:"
            " the winner is chosen among all"
        )
    groups = result.groups.items()
    return [_reveal(result, protocol, ranking, out, command, ledger=ledger) for protocol, ranking in groups]


def _reveal(
    result: SweepResult, protocol: str, ranking: list[TrialRecord], out: Path, command: str | None, *, ledger: bool
) -> Revealed:
    winner = ranking[0]
    looks = read_looks(out)
    look = next((look for look in looks if (look.protocol, look.digest) == (protocol, winner.digest)), None)
    if look is None:
        look = _next_look(result, protocol, winner, looks)
        # Written before anything is tested: whoever stops the command after that has looked.
        write_looks(out, (*looks, look))
    folder = out / look.folder
    if _is_there(folder, winner):
        return Revealed(look, folder, None, [])
    trial = next(trial for trial in result.sweep.trials if trial.digest == winner.digest)
    fitted = train(trial.prepared)
    plan = trial.prepared.plan
    recipe = {"command": command, "heads": list(plan.heads), "settings": dict(plan.settings)}
    origin = asdict(_origin(look, winner))
    tried = Tried("sweep reveal", f"{out.resolve().name}/{folder.name}", keep=ledger)
    return Revealed(look, folder, fitted, write_run(folder, fitted, {**recipe, "sweep": origin}, tried=tried))


def _next_look(result: SweepResult, protocol: str, winner: TrialRecord, looks: tuple[Look, ...]) -> Look:
    number = 1 + sum(look.protocol == protocol for look in looks)
    folder = "winner" if len(result.groups) == 1 else f"winner-{re.sub(r'[^A-Za-z0-9_.-]+', '-', protocol)}"
    if any(look.folder == folder for look in looks):
        folder += f"-look-{len(looks) + 1}"  # the run of an earlier winner stays
    name = next(trial.name for trial in result.sweep.trials if trial.digest == winner.digest)
    ranking = result.groups[protocol]
    return Look(
        number, protocol, name, winner.digest, folder, result.sweep.sha256, len(ranking), result.sweep.plan.choose_by
    )


def _origin(look: Look, winner: TrialRecord) -> SweepOrigin:
    scores = winner.validation
    return SweepOrigin(
        look.sha256, look.digest, look.among, look.choose_by, scores.uar, scores.nll, scores.n, look.look
    )


def _is_there(folder: Path, winner: TrialRecord) -> bool:
    try:
        run = read_run(folder)
    except PredictionsError as error:
        if folder.exists():
            raise UsageError(f"{error}. Take {folder} away to train the winner again") from error
        return False
    origin: SweepOrigin | None = run.recipe.sweep
    if origin is None or origin.digest != winner.digest:
        raise UsageError(f"{folder} holds another run than the winner's; take it away")
    return True
