"""Parts that cards of caches and of heads share: front matter, terms, what it was made from, how to cite."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from huggingface_hub import CardData

from ravfeat.cache.origin_file import PublishedOrigin, public_origin
from ravfeat.corpora.terms import Terms
from ravfeat.escape import code_span, markdown_text, printable

__all__ = [
    "HERE", "citation", "front_matter", "hub_datasets", "made_from", "tags", "terms_lines",
]  # fmt: skip

# Whoever gave ORIGIN.json wrote it, and the hub refuses a card that names what cannot be a repository.
_ON_HUB = re.compile(r"hf://datasets/([A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*)(?=[/@]|$)", re.ASCII)

HERE = "FOLDER"
"""What an example calls a folder that has no address: paths of a machine are nobody's business."""


def front_matter(facts: Mapping[str, Any]) -> str:
    """Write metadata as YAML between two lines of hyphens; texts in it may hold anything. Empty values are left out."""
    # One line for each text: a line of hyphens within one would end the front matter.
    data = CardData(**_plain({name: value for name, value in facts.items() if value not in (None, "", [], {})}))
    return f"---\n{data.to_yaml(line_break=chr(10))}\n---\n"


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return {_plain(key): _plain(item) for key, item in value.items()} if isinstance(value, dict) else value


def tags(*further: str, leaky: bool = False, unchecked: bool = False, synthetic: bool = False) -> list[str]:
    """List the tags of a repository."""
    marks = [name for name, is_so in (("leaky", leaky), ("unchecked", unchecked), ("synthetic", synthetic)) if is_so]
    return ["ravfeat", "speech-emotion-recognition", "emotion-recognition", *marks, *dict.fromkeys(further)]


def terms_lines(terms: Terms) -> list[str]:
    """Say under which licence something is, whom to name, and what was changed."""
    if terms.synthetic:
        return [f"Under {code_span(terms.licence)}. Made from a generated corpus: no recordings of people."]
    corpus = terms.corpus
    if corpus is None:
        return [
            f"Under {code_span(terms.licence)}, as its publisher says: ravfeat does not know the terms of the corpus."
            f" Changes: {markdown_text(terms.changes)}."
        ]
    return [
        f"Under {code_span(terms.licence)}: {markdown_text(corpus.title)} is under"
        f" {markdown_text(corpus.licence_title)}, see <{corpus.source}>, and what is made of it is passed on under the"
        f" same. Changes: {markdown_text(terms.changes)}."
    ]


def made_from(origins: Iterable[PublishedOrigin]) -> list[str]:
    """List what was published before and this was made from; empty where nothing was."""
    lines = []
    for origin in map(public_origin, origins):
        licence = f", under {code_span(origin['licence'])}" if "licence" in origin else ""
        lines.append(f"- {code_span(origin['address'])} at {code_span(origin['commit'])}{licence}")
    return ["## Made from", "", *lines] if lines else []


def hub_datasets(origins: Iterable[PublishedOrigin]) -> list[str]:
    """Name the repositories of the hub among the origins, as the hub's metadata calls them."""
    matches = (_ON_HUB.match(origin["address"]) for origin in origins)
    return sorted({match[1] for match in matches if match})


def citation(terms: Terms, encoders: Sequence[str]) -> list[str]:
    """Say what to cite."""
    corpus = [f"- {terms.corpus.citation}"] if terms.corpus is not None else []
    named = ", ".join(map(code_span, encoders))
    return [
        "## How to cite",
        "",
        *corpus,
        f"- The papers of the encoders: {named}.",
        "- ravfeat, and the address of this page with its commit.",
    ]
