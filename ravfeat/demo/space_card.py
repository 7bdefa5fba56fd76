"""Card of a Space: the metadata that the hub reads, what the page is, whom to name."""

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

from ravfeat.corpora.terms import Terms
from ravfeat.escape import code_span, markdown_text
from ravfeat.published.format import CARD_FILE
from ravfeat.published.parts import Need
from ravfeat.schema import SEVERAL_STREAMS

__all__ = ["readme"]

_MAX_SHORT = 60


def readme(document: Mapping[str, Any], needs: Sequence[Need], terms: Terms) -> str:
    """Write ``README.md``: metadata that the hub reads, what the page is, terms.

    Parameters
    ----------
    document : mapping
        ``head.toml``.
    needs : sequence of Need
    terms : Terms
        Of the heads; see `ravfeat.published.card.terms_of`.
    """
    origins = [need.model or {} for need in needs]
    repositories = sorted({origin["repository"] for origin in origins if "repository" in origin})
    streams = {entry["stream"] for entry in document["systems"]}
    sees = bool({"face", *SEVERAL_STREAMS} & streams)
    says = "voice and face say" if sees and "audio" in streams else "a face says" if sees else "a voice says"
    facts: dict[str, Any] = {
        "title": document["name"], "emoji": "🎙️", "colorFrom": "green", "colorTo": "blue", "sdk": "gradio",
        "sdk_version": version("gradio"), "python_version": "3.11", "app_file": "app.py", "license": terms.licence,
        "short_description": f"What {says} in a few seconds of speech"[:_MAX_SHORT], "pinned": False,
        "tags": ["speech-emotion-recognition", "ravfeat"], **({"models": repositories} if repositories else {}),
    }  # fmt: skip
    # Values as JSON are YAML, whatever a name holds.
    lines = ["---", *(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in facts.items()), "---", ""]
    licences = {need.encoder: (need.model or {}).get("licence") or _terms(need.encoder) for need in needs}
    encoders = "; ".join(f"{code_span(name)} ({markdown_text(text)})" for name, text in licences.items())
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
        *_source(terms),
        "",
        f"The heads in `head/` are under {code_span(terms.licence)}; their numbers and limits:"
        f" [card](head/{CARD_FILE}).",
        f"`ravfeat/` is under the Apache License 2.0, see `LICENSE`. Encoders: {encoders}.",
    ]
    return "\n".join(lines) + "\n"


def _source(terms: Terms) -> list[str]:
    if terms.corpus is None:
        return []
    named = f"{terms.corpus.title}: {terms.corpus.licence_title}, {terms.corpus.source}. {terms.corpus.citation}"
    return ["", f"{markdown_text(named)} Changes: {markdown_text(terms.changes)}."]


def _terms(encoder: str) -> str:
    return "part of ravfeat" if encoder == "logmel" else "under its own terms"
