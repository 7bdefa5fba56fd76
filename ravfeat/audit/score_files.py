"""Scores of other programs, and runs fused from them: what honest scores do not have."""

from ravfeat.audit.context import RunContext
from ravfeat.audit.verdicts import Line, pass_
from ravfeat.scorefiles.doubts import named_actors, score_doubts

__all__ = ["check_scores"]

_CHECK = "scores as they came"


def check_scores(context: RunContext) -> list[Line]:
    """Look at the rows of a run that was made from scores; of other runs at the actors in the names of clips alone."""
    if context.predictions is None:
        return []
    from_scores = bool(context.recipe.record.get("scores"))
    doubts = score_doubts(context.predictions) if from_scores else named_actors(context.predictions)
    lines = [Line(_CHECK, doubt.system, doubt.verdict, doubt.sentence, doubt.evidence) for doubt in doubts]
    if from_scores and all(line.verdict == "info" for line in lines):
        finding = (
            "no actor of few clips, no id that carries its fold, no many copied rows, and test rows not far better than"
            " val rows, as far as there are any; more cannot be asked of scores"
        )
        lines.append(pass_(_CHECK, "", finding))
    return lines
