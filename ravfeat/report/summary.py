"""The first lines of a report."""

from collections.abc import Sequence

from ravfeat.errors import listed
from ravfeat.report.drawings.labels import conditions_of
from ravfeat.report.fused import FusedRun
from ravfeat.report.graded import Graded
from ravfeat.report.leak.findings import LeakGap
from ravfeat.runs.ledger_state import ledger_state
from ravfeat.runs.task import chance_said
from ravfeat.runs.trust import trust_of
from ravfeat.schema import ACTOR_NORMALISED, NORMALISED, UNCHECKED, is_unchecked, transductive_suffix
from ravfeat.stats import Pairing

__all__ = ["summary", "title", "warnings"]

_SEEN = {NORMALISED: "the test corpus", ACTOR_NORMALISED: "a test actor"}
_NAMED = 3  # encoders that the title has room for


def title(graded: Sequence[Graded]) -> str:
    """Name corpus and encoders, as in "Emotion heads on ravdess: whisper-tiny-en-encoder, landmarks68"."""
    return f"Emotion heads on {graded[0].corpus or 'frozen features'}: {listed(_encoders(graded), _NAMED)}"


def summary(graded: Sequence[Graded], gaps: Sequence[LeakGap], fused: Sequence[FusedRun]) -> list[str]:
    """Say what was graded, how well, what fusing gains, and what the split is worth."""
    probs = graded[0].probs
    kind = "a synthetic corpus" if graded[0].synthetic else "recorded speech"
    corpus = f"{graded[0].corpus}, {kind}" if graded[0].corpus else kind
    lines = [
        f"{len(graded)} {'system' if len(graded) == 1 else 'systems'} graded on {corpus}, by features of "
        f"{' and '.join(_encoders(graded))}: {len(probs)} test clips, {graded[0].n_actors} actors, "
        f"{chance_said(len(probs.classes))}."
    ]
    lines += _reached(graded)
    lines += _made_by(graded)
    lines += _changed(graded)
    lines += _chosen(graded)
    lines += _tries(graded)
    lines += [_gain_sentence(fused_run) for fused_run in fused if not fused_run.fused.leaky]
    return lines + [_gap_sentence(gap) for gap in _widest(gaps)]


def _reached(graded: Sequence[Graded]) -> list[str]:
    """Say how well: apart for splits that keep ids of actors on one side, and for those of which nobody knows it."""
    honest = [entry for entry in graded if not entry.leaky]
    lines = []
    for unchecked, split in (
        (False, "No id of an actor stood on two sides: pooled"),
        (True, "Whether people stood on two sides could not be checked: pooled"),
    ):
        entries = [entry for entry in honest if is_unchecked(entry.run.predictions.protocol) == unchecked]
        if entries:
            values = [entry.records["uar", "pooled"]["value"] for entry in entries]
            span = f"{values[0]:.3f}" if len(values) == 1 else f"{min(values):.3f} to {max(values):.3f}"
            lines.append(f"{split} UAR (mean recall) is {span} ({conditions_of(entries)}).")
    return lines


def _made_by(graded: Sequence[Graded]) -> list[str]:
    """Say who made the features, of every run where the runs differ."""
    runs: dict[str, list[str]] = {}
    for name, run in {entry.run.name: entry.run for entry in graded}.items():
        runs.setdefault(trust_of(run.recipe).said, []).append(name)
    several = len(runs) > 1
    endings = {said: f" ({' and '.join(names)})." if several else "." for said, names in runs.items()}
    return [f"{said[0].upper()}{said[1:]}{ending}" for said, ending in endings.items()]


def _changed(graded: Sequence[Graded]) -> list[str]:
    tasks = {entry.run.name: entry.task for entry in graded if entry.task}
    return [f"Run {name} is not on the corpus's own task: {task}." for name, task in tasks.items()]


def _chosen(graded: Sequence[Graded]) -> list[str]:
    """Say of the winners of sweeps among how many they were chosen."""
    runs = {entry.run.name: entry.run.recipe for entry in graded}
    swept = [(name, recipe.sweep) for name, whole in runs.items() for recipe in whole.with_fused() if recipe.sweep]
    return [f"Run {name} was {sweep.said}." for name, sweep in dict.fromkeys(swept)]


def _tries(graded: Sequence[Graded]) -> list[str]:
    """Say of every run where it stands among the tries on its clips, as the ledger has it now."""
    recipes = {entry.run.name: entry.run.recipe for entry in graded}
    said = {name: ledger_state(recipe).said for name, recipe in recipes.items()}
    return [f"{name}: {sentence}." for name, sentence in said.items() if sentence]


def _encoders(graded: Sequence[Graded]) -> list[str]:
    """Give the names of all features that heads were trained on, each once; concatenated ones are several."""
    single = (entry.system.features for entry in graded if entry.role == "single")
    # What was done to the features stands behind their names.
    return list(dict.fromkeys(name.partition("@")[0] for features in single for name in features.split("+")))


def _gain_sentence(fused_run: FusedRun) -> str:
    """Set the fused system against the single one that its own validation rows would have picked."""
    single = fused_run.members[fused_run.best]
    gain = Pairing(fused_run.fused.compared, single.compared).difference("uar", "pooled")
    verdict = "" if gain.ci_low > 0 or gain.ci_high < 0 else " The interval does not tell it from zero."
    return (
        f"Fused, pooled UAR is {gain.value_a:.3f} ({fused_run.fused.conditions}). The best of its members on "
        f"{fused_run.rows}, {single.system}, has {gain.value_b:.3f} alone: a difference of {gain.value:+.3f} "
        f"[{gain.ci_low:+.3f}, {gain.ci_high:+.3f}].{verdict}"
    )


def _widest(gaps: Sequence[LeakGap]) -> list[LeakGap]:
    compared = [gap for gap in gaps if gap.differences]
    return sorted(compared, key=lambda gap: gap.differences[0].value)[-1:]


def _gap_sentence(gap: LeakGap) -> str:
    difference = gap.differences[0]
    verdict = (
        "The higher number is of speakers that were trained on."
        if difference.ci_low > 0
        else "The interval does not tell it from zero."
    )
    settings = "; ".join(dict.fromkeys((gap.honest.setting, gap.leaky.setting)))
    return (
        f"The same system reaches pooled UAR {difference.value_a:.3f} under {gap.leaky.protocol} and "
        f"{difference.value_b:.3f} under {gap.honest.protocol} ({gap.honest.system}; {settings}): a gap of "
        f"{difference.value:.3f} [{difference.ci_low:.3f}, {difference.ci_high:.3f}]. {verdict}"
    )


def warnings(graded: Sequence[Graded]) -> list[tuple[str, str]]:
    """Say what must be read before any number: a word and a sentence each."""
    notes = []
    if any(entry.synthetic for entry in graded):
        which = "" if all(entry.synthetic for entry in graded) else " in the rows that say so"
        notes.append(("Synthetic corpus", f"The sounds were generated{which}. No number from them is about people."))
    if any(entry.leaky for entry in graded):
        sentence = "Rows with this word test on actors that were trained on. They are a control, not a result."
        notes.append(("LEAKY", sentence))
    recipes = {entry.run.name: entry.run.recipe for entry in graded}
    elsewhere = [name for name, recipe in recipes.items() if not trust_of(recipe).encoded_here]
    if elsewhere:
        sentence = (
            f"What {' and '.join(elsewhere)} {'reads' if len(elsewhere) == 1 else 'read'} was not all encoded here from"
            " recordings. Whether labels of test clips took part in making it cannot be seen from here."
        )
        notes.append(("Made elsewhere", sentence))
    if any(is_unchecked(entry.run.predictions.protocol) for entry in graded):
        notes.append((UNCHECKED, "Of some clips nobody says who speaks; their rows may test on people trained on."))
    runs = {entry.run.name: entry.run.audit for entry in graded if entry.run.audit is not None}
    for name, audit in runs.items():
        if audit.stale:
            notes.append(("Stale audit", f"The audit of {name} is of other files than these; audit the run again."))
        elif audit.broken:
            notes.append(("Audit", f"The audit broke the numbers of {name}: read there why before you quote them."))
    if any(entry.transductive for entry in graded):
        suffixes = sorted({transductive_suffix(e.system.features) for e in graded} - {""})
        sentence = (
            f"Rows of features named {' or '.join(suffixes)} saw all unlabelled clips of"
            f" {' and '.join(_SEEN[suffix] for suffix in suffixes)} at once. They do not hold for a clip that comes"
            " alone."
        )
        notes.append(("TRANSDUCTIVE", sentence))
    return notes
