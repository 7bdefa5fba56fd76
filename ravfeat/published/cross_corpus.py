"""Heads that were trained on one corpus and tested on another: which are published, and what is said of the corpora.

Conventions
-----------
The published head's corpus is the one that its heads learned from; the clips that it tested are of the other.
"""

from collections.abc import Sequence

from ravfeat.cache import Cache
from ravfeat.errors import HeadError, PredictionsError, UsageError
from ravfeat.predictions import System
from ravfeat.published.documents import TransferEntry
from ravfeat.runs.format import AGAIN, RECIPE_FILE
from ravfeat.runs.read import Run
from ravfeat.runs.recipe import CorpusTransfer, SystemInputs
from ravfeat.schema import transductive_suffix

__all__ = ["check_refit", "published_systems", "training_clips", "transfer_entry"]


def published_systems(systems: Sequence[System], name: str) -> list[System]:
    """Leave out heads on features that were standardised by the whole of a corpus, or by all clips of an actor.

    Parameters
    ----------
    systems : sequence of System
    name : str
        Of the run, for messages.

    Raises
    ------
    HeadError
        Where nothing is left.
    """
    kept = [system for system in systems if not transductive_suffix(system.features)]
    if not kept:
        raise HeadError(
            f"{name}: its heads read features that were standardised by all clips of their corpus or actor at once"
            f" ({transductive_suffix(systems[0].features)}), which a recording that comes alone does not have; make the"
            " run with --normalise none and export that"
        )
    return kept


def check_refit(transfer: CorpusTransfer | None) -> None:
    """Refuse heads of all actors where a run had a corpus to test on.

    Raises
    ------
    UsageError
    """
    if transfer is not None:
        raise UsageError(
            f"--refit trains on all actors of a corpus, and its heads have no test of their own; the heads of this run"
            f" learned from '{transfer.train}', but for the actors that chose, and were tested on all of"
            f" '{transfer.test}': leave --refit out, or export with --refit a run on '{transfer.train}' alone"
        )


def transfer_entry(run: Run, inputs: SystemInputs) -> TransferEntry | None:
    """Say of a run on two corpora which they are, and what the classes stand for in each; None for other runs.

    Parameters
    ----------
    run : Run
    inputs : SystemInputs
        Of one of its systems.

    Raises
    ------
    PredictionsError
        Where the run is of an older version that did not record its label map.
    """
    transfer = run.recipe.cross_corpus
    if transfer is None:
        return None
    labels = transfer.labels
    if not labels and transfer.label_map is None:  # labels of the same name
        same = {name: name for name in run.predictions.classes}
        labels = {"train": same, "test": same}
    if labels.keys() != {"train", "test"}:
        raise PredictionsError(
            f"{RECIPE_FILE} of {run.name} does not say which labels its classes stand for: the run is of an older"
            f" version; {AGAIN}"
        )
    trained = [side for side in inputs.folds if side["split"] in ("train", "val")]
    return {
        "train": inputs.train_corpus,
        "test": inputs.test_corpus,
        "labels": {"train": dict(labels["train"]), "test": dict(labels["test"])},
        "actors": len({actor for side in trained for actor in side["actors"]}),
        "clips": sum(side["clips"] for side in trained),
    }


def training_clips(cache: Cache, inputs: SystemInputs, transfer: TransferEntry) -> dict[str, str]:
    """Give the actor of every clip of the training corpus that has a class, by the clip's id.

    Parameters
    ----------
    cache : Cache
        Of the training corpus.
    inputs : SystemInputs
        Of the system that reads it.
    transfer : TransferEntry
        Of that system.

    Raises
    ------
    PredictionsError
        Where the label map gives other clips than the run was trained on.
    """
    clips = {
        record.clip_id: record.actor
        for record in cache.records().values()
        if record.label in transfer["labels"]["train"] and record.clip_id not in inputs.missing
    }
    if len(clips) != transfer["clips"]:
        raise PredictionsError(
            f"{RECIPE_FILE}: by its label map {len(clips)} clips of '{transfer['train']}' have a class, and"
            f" {transfer['clips']} trained and chose; {AGAIN}"
        )
    return clips
