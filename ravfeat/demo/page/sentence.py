"""The answer in words: one sentence, and notes on what else matters for it."""

import math
from collections.abc import Sequence

from ravfeat.demo.page.answers import Answer, Verdict, answers_of, main_answer, percent, sure_from
from ravfeat.escape import printable
from ravfeat.predict.result import FilePrediction

__all__ = ["notes", "sentence"]

_UNLIKE = "is unlike what this head has learned from"
_VERBS = {"is", "has", "was", "cannot", "holds", "ends", "lasts", "gives", "contains"}
_FEW_FACES = 0.9
_SOME_SEVERAL = 0.05


def sentence(prediction: FilePrediction) -> str:
    """Say in one sentence what voice and face say, and what they say together; no emotion is named without need.

    Returns
    -------
    str
        Plain text: whoever puts it into a page escapes it.
    """
    answers = answers_of(prediction.summary)
    main = main_answer(answers)
    if main is None:
        return _no_answer(answers)
    verdict = main.verdict(prediction.classes)
    if verdict.why == "unlike":
        return f"No emotion is named: this recording {_UNLIKE}."
    singles = [answer for answer in answers if answer.kind != "together" and answer.probs is not None]
    least = percent(sure_from(len(prediction.classes)))
    if main.kind != "together":
        alone = len(singles) == 1
        return _only(main, verdict, least) if alone else f"{_capital(_each(singles, prediction.classes))}."
    return f"{_capital(_each(singles, prediction.classes))}; {_together(verdict, least)}."


def _no_answer(answers: Sequence[Answer]) -> str:
    """Give the reasons of single systems, those of a mixture only where there is no other."""
    singles = [answer for answer in answers if answer.kind != "together"] or answers
    reasons = {answer.name: _reason(answer) for answer in singles if answer.reason}
    if len(set(reasons.values())) == 1:
        return f"No answer: {next(iter(reasons.values()))}."
    told = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
    return f"No answer. {_capital(told)}." if told else "No answer: nothing could be read."


def _only(answer: Answer, verdict: Verdict, least: str) -> str:
    if verdict.why == "unsure":
        return f"Unsure: the {answer.name} gives no emotion {least} or more."
    return f"The {answer.name} says {printable(verdict.label)}, {percent(verdict.prob)}."


def _together(verdict: Verdict, least: str) -> str:
    if verdict.why == "unsure":
        return f"together they are unsure: no emotion has {least} or more"
    return f"together {printable(verdict.label)}, {percent(verdict.prob)}"


def _each(answers: Sequence[Answer], classes: Sequence[str]) -> str:
    """Say what single systems say: ``the voice says happy, the face surprised``."""
    verdicts = [answer.verdict(classes) for answer in answers]
    labels = {verdict.label for verdict in verdicts}
    both = " and ".join(answer.name for answer in answers)
    if len(answers) == 2 and len(labels) == 1 and "" not in labels:
        return f"{both} both say {printable(labels.pop())}"
    if len(answers) > 2 and len(labels) == 1 and "" not in labels:
        return f"all {len(answers)} say {printable(labels.pop())}"
    if len(answers) == 2 and {verdict.why for verdict in verdicts} == {"unsure"}:
        return f"{both} are both unsure"
    words, says = [], " says"
    for answer, verdict in zip(answers, verdicts, strict=True):
        if verdict.why == "sure":
            words.append(f"the {answer.name}{says} {printable(verdict.label)}")
            says = ""
        else:
            words.append(f"the {answer.name} {'is unsure' if verdict.why == 'unsure' else _UNLIKE}")
            says = " says"
    return ", ".join(words)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def notes(prediction: FilePrediction) -> list[str]:
    """Say what else bears on the answer: a known recording, a stream without one, unlike parts, faces, changes."""
    answers = answers_of(prediction.summary)
    lines = []
    if prediction.trained_on:
        lines.append("This recording taught the head: its answer is no test of it.")
    if main_answer(answers) is not None:
        failed = [answer for answer in answers if answer.probs is None]
        # What a mixture lacks is the answer of a single system.
        told = [answer for answer in failed if answer.kind != "together"] or failed
        lines += [f"No answer {_from(answer)}: {_reason(answer)}." for answer in told]
    lines += _unlike(answers)
    lines += _faces(prediction)
    if change := _change(prediction):
        lines.append(change)
    return lines


def _reason(answer: Answer) -> str:
    """Give the reason; one that began with the name of the file, as errors do, gets another subject."""
    reason = printable(answer.reason)
    return f"the recording {reason}" if reason.partition(" ")[0] in _VERBS else reason


def _from(answer: Answer) -> str:
    return "together" if answer.kind == "together" else f"from the {answer.name}"


def _unlike(answers: Sequence[Answer]) -> list[str]:
    unlike = [answer for answer in answers if answer.unlike and answer.probs is not None]
    names = " and ".join(f"the {answer.name}" for answer in unlike if answer.kind != "together")
    if not names:
        return []
    return [f"{_capital(names)} {'are' if ' and ' in names else 'is'} {_UNLIKE.removeprefix('is ')}: another room,"
            " language, age or way of speaking, noise, or no speech. The grey bars are what it would say."]  # fmt: skip


def _faces(prediction: FilePrediction) -> list[str]:
    found, several = prediction.summary.face_found, prediction.summary.faces_several
    if prediction.faces is None:
        return []
    lines = []
    if not math.isnan(found) and 0 < found < _FEW_FACES:
        lines.append(f"A face was found in {percent(found)} of the pictures.")
    if several > _SOME_SEVERAL:
        lines.append(f"Several faces in {percent(several)} of the pictures: the largest is followed.")
    return lines


def _change(prediction: FilePrediction) -> str:
    """Say how the answer changes from window to window, where it does."""
    labels: list[str] = []
    for window in prediction.windows:
        main = main_answer(answers_of(window))
        if main is not None and (label := main.verdict(prediction.classes).label) and labels[-1:] != [label]:
            labels.append(label)
    return f"It changes: {printable(', then '.join(labels))}." if len(labels) > 1 else ""
