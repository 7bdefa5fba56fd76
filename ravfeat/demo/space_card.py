"""Card of a Space: under which licence heads may be published, whom to name, and the metadata that the hub reads."""

import json
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from ravfeat.errors import HeadError, UsageError
from ravfeat.escape import code_span, markdown_text
from ravfeat.published.format import CARD_FILE
from ravfeat.published.parts import Need

__all__ = ["licence_of", "readme"]

_KNOWN = {"ravdess": "cc-by-nc-sa-4.0"}
"""Corpora whose terms decide under what their heads may be published."""

_SOURCES = {
    "ravdess": "Trained on RAVDESS: Livingstone SR, Russo FA (2018), The Ryerson Audio-Visual Database of Emotional"
    " Speech and Song, PLoS ONE 13(5): e0196391, https://doi.org/10.5281/zenodo.1188976, CC BY-NC-SA 4.0. Changes:"
    " features of frozen encoders were computed from the recordings and heads trained on these; no recording is here."
}
_LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]{1,60}")
_MAX_SHORT = 60


def licence_of(document: Mapping[str, Any], licence: str | None) -> str:
    """Say under which licence heads may be published.

    Parameters
    ----------
    document : mapping
        ``head.toml``.
    licence : str or None
        What the user says of a corpus that ravfeat does not know.

    Raises
    ------
    HeadError
        Where nobody says it, or the corpus says otherwise.
    UsageError
        For what is no name of a licence.
    """
    corpus = document["corpus"]
    known = "apache-2.0" if document["synthetic"] else _KNOWN.get(corpus)
    if licence is not None and not _LICENCE.fullmatch(licence):
        raise UsageError(f"--licence {licence}: expected a licence as the hub calls it, such as cc-by-4.0")
    if known is not None and licence not in (None, known):
        raise HeadError(
            f"heads of the corpus '{corpus}' are published under {known}, not {licence}; leave --licence out"
        )
    if chosen := known or licence:
        return chosen
    raise HeadError(
        f"ravfeat does not know the terms of the corpus '{corpus}', and its heads may not be published before somebody"
        " has read them; where they allow it, say under which licence: --licence cc-by-4.0"
    )


def readme(document: Mapping[str, Any], needs: Sequence[Need], licence: str) -> str:
    """Write ``README.md``: metadata that the hub reads, what the page is, terms.

    Parameters
    ----------
    document : mapping
        ``head.toml``.
    needs : sequence of Need
    licence : str
        Of the heads; see `licence_of`.
    """
    origins = [need.model or {} for need in needs]
    repositories = sorted({origin["repository"] for origin in origins if "repository" in origin})
    streams = {entry["stream"] for entry in document["systems"]}
    sees = bool({"face", "joint"} & streams)
    says = "voice and face say" if sees and "audio" in streams else "a face says" if sees else "a voice says"
    facts: dict[str, Any] = {
        "title": document["name"], "emoji": "🎙️", "colorFrom": "green", "colorTo": "blue", "sdk": "gradio",
        "sdk_version": version("gradio"), "python_version": "3.11", "app_file": "app.py", "license": licence,
        "short_description": f"What {says} in a few seconds of speech"[:_MAX_SHORT], "pinned": False,
        "tags": ["speech-emotion-recognition", "ravfeat"], **({"models": repositories} if repositories else {}),
    }  # fmt: skip
    # Values as JSON are YAML, whatever a name holds.
    lines = ["---", *(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in facts.items()), "---", ""]
    terms = {need.encoder: (need.model or {}).get("licence") or _terms(need.encoder) for need in needs}
    encoders = "; ".join(f"{code_span(name)} ({markdown_text(text)})" for name, text in terms.items())
    lines += [
        f"# {markdown_text(document['name'])}",
        "",
        f"Record or upload a few seconds of speech: the page shows what {says}, how sure that is, and how often heads"
        " like these are right on people they never met. `python app.py` starts it on a machine of your own.",
        "",
        "An answer does not say what a person feels, and is no ground for a decision about anybody.",
        "",
        "## Terms",
        "",
        markdown_text(document["data_terms"]),
        *(["", _SOURCES[document["corpus"]]] if document["corpus"] in _SOURCES and not document["synthetic"] else []),
        "",
        f"The heads in `head/` are under {code_span(licence)}; their numbers and limits: [card](head/{CARD_FILE}).",
        f"`ravfeat/` is under the Apache License 2.0, see `LICENSE`. Encoders: {encoders}.",
    ]
    return "\n".join(lines) + "\n"


def _terms(encoder: str) -> str:
    return "part of ravfeat" if encoder == "logmel" else "under its own terms"
