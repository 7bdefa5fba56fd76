"""The section "What this does not show": sentences that depend on the runs at hand."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict

import numpy as np

from ravfeat.corpora.labels import labels_said, narrowed_said, split_said
from ravfeat.report.fused import FusedRun
from ravfeat.report.graded import Graded
from ravfeat.report.limits.learned import bounds, calibration, crossfit, fusion_floor, selection_nested, selection_val
from ravfeat.schema import ACTOR_NORMALISED, NORMALISED, is_unchecked, transductive_suffix

__all__ = ["limits"]

_Rule = Callable[[Sequence[Graded]], str]


def limits(graded: Sequence[Graded], fused: Sequence[FusedRun]) -> list[str]:
    """Say what the numbers of these systems cannot support, most important first."""
    before: tuple[_Rule, ...] = (
        _random_weights,
        _synthetic,
        _leaky,
        _unchecked,
        _leak_gap,
        _across,
        _transductive,
        _acted,
        _missing,
        _labels,
        _given_folds,
        _views,
        _some_folds,
        _actors,
        _swept,
        selection_val,
        selection_nested,
        crossfit,
    )
    after: tuple[_Rule, ...] = (
        _several_systems,
        _p_values,
        _one_seed,
        calibration,
        bounds,
        _averaging,
        _different_clips,
    )
    sentences = [*(rule(graded) for rule in before), fusion_floor(fused), *(rule(graded) for rule in after)]
    return [sentence for sentence in sentences if sentence]


def _random_weights(graded: Sequence[Graded]) -> str:
    names = _names(entry for entry in graded if entry.role == "single" and _untrained(entry))
    if not names:
        return ""
    return f"The encoder of {names} was never trained: its weights are random. These numbers test code, not an encoder."


def _synthetic(graded: Sequence[Graded]) -> str:
    if not any(entry.synthetic for entry in graded):
        return ""
    return (
        "The corpus is synthetic: its sounds were generated with known emotion and speaker factors. The numbers show "
        "that the pipeline runs and what a leaky split does to it; they say nothing about people or about any "
        "encoder's worth."
    )


def _leaky(graded: Sequence[Graded]) -> str:
    protocols = sorted({entry.protocol for entry in graded if entry.leaky})
    if not protocols:
        return ""
    return (
        f"Rows marked LEAKY ({', '.join(protocols)}) test on actors whose other clips were trained on. They say "
        "nothing about new speakers and stand here only to show how much a careless split would have claimed."
    )


def _unchecked(graded: Sequence[Graded]) -> str:
    protocols = sorted({entry.protocol for entry in graded if is_unchecked(entry.run.predictions.protocol)})
    if not protocols:
        return ""
    return (
        f"Of some clips nobody says who speaks ({', '.join(protocols)}). Whether people were both trained and tested "
        "on could not be checked: these numbers may be too high for new speakers, and their intervals, over actors, "
        "too narrow."
    )


def _leak_gap(graded: Sequence[Graded]) -> str:
    honest = {entry.system for entry in graded if not entry.leaky}
    if not any(entry.leaky and entry.system in honest for entry in graded):
        return ""
    return (
        "The leak gap is the price of the whole split. Under the clip split a head also trains on clips of more "
        "actors, so not all of the gap is recognising who speaks."
    )


def _across(graded: Sequence[Graded]) -> str:
    pairs = dict.fromkeys(entry.across for entry in graded if entry.across)
    if not pairs:
        return ""
    corpora = "; ".join(f"trained and chosen on {train}, tested on {test}" for train, test in pairs)
    return (
        f"Rows of protocol cross-corpus test another corpus than the one trained on: {corpora}. Temperatures and "
        "weights come from the training corpus as well and need not suit the other. There is one fold, so pooled and "
        "fold mean are one number, and its interval draws test actors only: another training corpus would give another "
        "number. That nobody is in both corpora is known from ids and from equal recordings; one person under two ids "
        "would not be noticed."
    )


_BY_CORPUS = (
    f"Features named {NORMALISED} were brought to mean 0 and standard deviation 1 over all clips of their own "
    "corpus, those of the test corpus over its unlabelled clips: TRANSDUCTIVE. Such a number holds where a whole "
    "corpus is at hand before the first clip is scored, with emotions in about the proportions of the training "
    "corpus."
)
_BY_ACTOR = (
    f"Features named {ACTOR_NORMALISED} were brought to mean 0 and standard deviation 1 over all clips of their actor, "
    "those of a test actor over the actor's unlabelled test clips: TRANSDUCTIVE. Such a number holds where many clips "
    "of a person are at hand before the first is scored, and it is known who speaks; every actor here acts every "
    "emotion about equally often, which people do not."
)


def _transductive(graded: Sequence[Graded]) -> str:
    sentences = {ACTOR_NORMALISED: _BY_ACTOR, NORMALISED: _BY_CORPUS}
    return " ".join(
        sentence
        for suffix, sentence in sentences.items()
        if any(transductive_suffix(entry.system.features) == suffix for entry in graded)
    )


def _acted(graded: Sequence[Graded]) -> str:
    real = [entry for entry in graded if not entry.synthetic]
    if not real:
        return ""
    actors = max(entry.n_actors for entry in real)
    if any("ravdess" in corpus.lower() for entry in real for corpus in entry.run.recipe.corpora()):
        return (
            f"RAVDESS is acted speech: {actors} professional actors, two fixed sentences, one studio, North American "
            "English. High recall here is not recall of what people feel, in other languages, sentences, rooms or ages."
        )
    return (
        f"All test clips come from one corpus of {actors} speakers and its recording conditions. Nothing here says how "
        "the heads do on other speakers, languages, rooms or on unscripted speech."
    )


def _missing(graded: Sequence[Graded]) -> str:
    sentences = []
    for run in dict.fromkeys(entry.run.name for entry in graded):
        recipe = next(entry.run.recipe for entry in graded if entry.run.name == run)
        if names := recipe.missing_clip_ids():
            listed = ", ".join([*names[:3], *(["…"] if len(names) > 3 else [])])
            verb = "clip is" if len(names) == 1 else "clips are"
            sentences.append(f"{len(names)} {verb} missing from run {run} ({listed}); its numbers hold without them.")
    return " ".join(sentences)


def _labels(graded: Sequence[Graded]) -> str:
    sentences = []
    for run, whole in {entry.run.name: entry.run.recipe for entry in graded}.items():
        labels = [recipe.replaced_labels for recipe in whole.with_fused()]
        sentences += [f"Run {run}: {labels_said(asdict(replaced))}" for replaced in labels if replaced]
        chosen = [recipe.narrowed for recipe in whole.with_fused()]
        sentences += [f"Run {run}: {narrowed_said(asdict(narrowed))}" for narrowed in chosen if narrowed]
    if not sentences:
        return ""
    fewer = any(recipe.narrowed for entry in graded for recipe in entry.run.recipe.with_fused())
    others = f"the corpus's labels{', or on all its clips' if fewer else ''}"
    return f"{' '.join(dict.fromkeys(sentences))} Its numbers do not compare with those under {others}."


def _given_folds(graded: Sequence[Graded]) -> str:
    sentences = []
    for run, whole in {entry.run.name: entry.run.recipe for entry in graded}.items():
        splits = [recipe.split for recipe in whole.with_fused()]
        sentences += [f"Run {run}: {split_said(asdict(split))}" for split in splits if split]
    return " ".join(dict.fromkeys(sentences))


def _views(graded: Sequence[Graded]) -> str:
    names = _names(entry for entry in graded if entry.role == "single" and entry.trained_on)
    if not names:
        return ""
    averaged = any(", tested on the mean " in entry.trained_on for entry in graded)
    tested = (
        "Where they say that it is tested on a mean, a validation or test clip is the mean over itself and the same "
        "views of it, and of no other clip; elsewhere these clips are clean."
        if averaged
        else "Validation and test clips are clean."
    )
    return (
        f"{names}: also trained on augmented views of the training clips, which its conditions name. {tested} Beside a "
        "head trained on clean clips alone it has seen more sound of the same people, no more people."
    )


def _some_folds(graded: Sequence[Graded]) -> str:
    sentences = []
    for run, whole in {entry.run.name: entry.run.recipe for entry in graded}.items():
        for tested in (recipe.tested_folds for recipe in whole.with_fused()):
            if tested and len(tested.folds) < tested.of:
                listed = ", ".join(map(str, tested.folds))
                sentences.append(
                    f"Run {run} trained and tested {len(tested.folds)} of {tested.of} folds ({listed}): its "
                    "numbers are of their test actors alone and do not compare with those of the whole protocol."
                )
    return " ".join(dict.fromkeys(sentences))  # a fusion says it of every run in it


def _actors(graded: Sequence[Graded]) -> str:
    honest = [entry for entry in graded if not entry.leaky]
    records = [entry.records["uar", "pooled"] for entry in honest or graded]
    width = float(np.median([(record["ci_high"] - record["ci_low"]) / 2 for record in records]))
    actors = min(entry.n_actors for entry in graded)
    return (
        f"With {actors} test actors the 95 % interval of pooled UAR is about ±{width:.3f}; whether two systems differ "
        "is a matter of the paired interval of their difference. Intervals are over actors only: other folds, "
        "seeds, labels and corpora would add to them."
    )


def _swept(graded: Sequence[Graded]) -> str:
    if not any(recipe.sweep for entry in graded for recipe in entry.run.recipe.with_fused()):
        return ""
    return (
        "Where a run was chosen among many by validation, its validation scores owe something to that choice. Its test "
        "scores do not, as long as nobody chose by them: every further look in the same sweep is said."
    )


def _several_systems(graded: Sequence[Graded]) -> str:
    honest = [entry for entry in graded if not entry.leaky]
    if len(honest) < 2:
        return ""
    return (
        f"{len(honest)} systems stand beside each other on test actors. Picking the highest after seeing this table is "
        "selection on the test set, and its number is then too high."
    )


def _p_values(graded: Sequence[Graded]) -> str:
    if len(graded) < 2:
        return ""
    return (
        "Intervals and p-values of differences are about other actors like these, and about nothing else that could "
        "have come out differently: seeds, folds, validation actors. Holm's correction counts the pairs of one "
        "run (or those of different runs), not the pairs of other runs, nor what was tried before this report."
    )


def _one_seed(graded: Sequence[Graded]) -> str:
    names = _names(entry for entry in graded if entry.role == "single" and len(entry.probs.seeds) == 1)
    if not names:
        return ""
    return (
        f"{names}: a single seed. Where training is random, its chance is in these numbers and not in their intervals."
    )


def _averaging(graded: Sequence[Graded]) -> str:
    return (
        "Pooled and fold-mean scores, UAR (mean recall) and WA (plain accuracy) are four different numbers. A "
        "published score compares only with the same one, under the same folds and the same number of training actors."
    )


def _different_clips(graded: Sequence[Graded]) -> str:
    sets = {frozenset(entry.probs.performance_ids.tolist()) for entry in graded}
    if len(sets) == 1:
        return ""
    return f"The rows test {len(sets)} different sets of clips, so not all of them compare directly."


def _untrained(entry: Graded) -> bool:
    """Whether the recipe says so of the system's own caches; of the run, where it does not tell them apart."""
    inputs = [cache for cache in entry.run.recipe.caches if cache.features == entry.system.features]
    if inputs:
        return any(cache.random_weights for cache in inputs)
    whole = entry.run.recipe
    top = any(recipe.random_weights for recipe in whole.with_fused())
    return top or any(cache.random_weights for cache in whole.inputs())


def _names(entries: Iterable[Graded]) -> str:
    names = [f"{entry.system} ({entry.protocol})" for entry in entries]
    return "; ".join(dict.fromkeys(names))
