"""The cheats, and what the audit has to say of each."""

import json
from dataclasses import dataclass
from pathlib import Path

from tests.cheats import features, plans, recordings, scores
from tests.cheats.material import Cheat, Cheated, Honest, command

_IMPORTED = r"warn: who made the features: imported, made elsewhere"
_COPIES = r"warn: near copies by features: .* far more clips have one clip there as a partner than by chance"
_TRIED = (4,)

CHEATS = (
    Cheat("import: LDA fitted on all clips", features.lda_on_all_clips, _TRIED, _IMPORTED),
    Cheat("import: a code of the label", features.label_code, _TRIED, _IMPORTED),
    Cheat(
        "import: standardised per actor", features.standardised_per_actor, _TRIED,
        r"warn: features prepared per actor: TRANSDUCTIVE features: the actors' means are equal",
    ),
    Cheat(
        "import: own neutral subtracted", features.neutral_subtracted, _TRIED,
        r"warn: features prepared per actor: TRANSDUCTIVE features: the actors' means of neutral clips are equal",
    ),
    Cheat(
        "import: no features of hard clips", features.without_hard_clips, _TRIED, r"warn: no clip left out: \d+ of 720"
    ),
    Cheat(
        "recordings: swapped among actors in cells", recordings.swapped_in_cells, _TRIED,
        r"warn: identity probe: .* tell nothing of who it is",
    ),
    # Generated voices change more with the emotion than with the person: the check says that it cannot tell.
    Cheat(
        "recordings: two ids per person", recordings.two_ids, (0,),
        r"not possible: one person under two ids: cannot be told",
    ),
    Cheat("recordings: noisy copies under a second id", recordings.noisy_copies, _TRIED, _COPIES),
    Cheat("recordings: six much noisier copies, --data", recordings.few_noisy_copies, _TRIED,
          r"warn: near copies by sound: 726 clips by their sound: 6 pairs on two sides .* as alike as copies"),
    Cheat("recordings: test corpus is a noisy copy", recordings.noisy_test_corpus, _TRIED, _COPIES),
    Cheat("scores: logits inflated by hand", scores.inflated_logits, _TRIED,
          r"warn: scores as they came: right in 0\.8\d+ of the test rows and in 0\.6\d+ of the val rows"),
    Cheat("scores: LEAKY lost, actors renamed per fold", scores.renamed_per_fold, _TRIED,
          r"warn: scores as they came: the ids of actors carry the fold"),
    Cheat("scores: every clip its own actor", scores.every_clip_its_actor, _TRIED,
          r"warn: scores as they came: 720 clips of 720 actors"),
    Cheat("scores: easy clips tripled", scores.easy_clips_tripled, _TRIED,
          r"warn: scores as they came: \d+ of \d+ test rows are copies of each other"),
    Cheat("scores: val rows are renamed test rows", scores.val_rows_are_test_rows, _TRIED,
          r"warn: scores as they came: 720 of 720 val rows are copies of test rows"),
    Cheat(
        "plan: labels replaced by predictions", plans.relabelled, _TRIED,
        r"warn: labels are those of the corpus: \d+ of 720 clips have another label",
    ),
    Cheat("plan: eight classes merged to three", plans.merged_classes, (0,),
          r"info: labels are those of the corpus: 720 of 720 .* sad to low"),
    Cheat("plan: hard clips left out", plans.hard_clips_left_out, _TRIED, r"warn: no clip left out: \d+ of 720"),
    Cheat("plan: best of many tries quoted", plans.best_of_many, (0,)),  # no file of a run tells of other runs
    Cheat(
        "files: heads saw test clips, audit --quick", plans.only_quick, _TRIED,
        r"not judged \(--quick\): the training of the heads",
    ),
    Cheat("files: edited predictions", plans.edited_predictions, (1,), r"leak: saved heads give the test rows"),
)  # fmt: skip


@dataclass(frozen=True)
class Found:
    """What the audit said of a cheat.

    Attributes
    ----------
    made : Cheated
    code : int
        Exit code.
    outcome : str
        The last line of the audit.
    lines : tuple of str
        Verdict, check and finding of all lines.
    """

    made: Cheated
    code: int
    outcome: str
    lines: tuple[str, ...]


def answer(cheat: Cheat, honest: Honest, folder: Path) -> Found:
    """Make a cheat and audit it."""
    folder.mkdir()
    made = cheat.make(honest, folder)
    result = command("audit", made.run, *made.audit, codes=(0, 1, 4))
    lines = json.loads((made.run / "audit.json").read_text(encoding="utf-8"))["lines"]
    texts = tuple(f"{line['verdict']}: {line['check']}: {line['finding']}" for line in lines)
    outcome = result.output.strip().splitlines()[-1].partition("audit.json: ")[2]
    return Found(made, result.exit_code, outcome, texts)
