r"""Escape texts from outside (names of labels, actors, encoders, files) for a terminal and for Markdown.

A terminal obeys control characters, and a name may hold them: to clear the screen, to write over the line before, to
turn the direction of what follows. Markdown obeys its marks: a name may hold a link or HTML.
"""

import re

__all__ = ["code_span", "is_printable", "markdown_text", "printable"]

# C0, DEL and C1 controls; separators of lines and paragraphs; marks that turn the direction of text; halves of
# surrogate pairs, which no stream can write.
_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_MARKS = re.compile(r"[\\|*_`<~$]|&(?=[#\w])")
_BLOCK = re.compile(r"[#>]|[-+](\s|$)|-+$|=+$")  # makes headings, quotes and lists where it begins a line
_BACKTICKS = re.compile("`+")


def is_printable(text: str) -> bool:
    """Whether a name holds nothing that `printable` would escape, on one line."""
    return _CONTROLS.search(text) is None


def printable(text: str, *, lines: bool = False) -> str:
    r"""Write control characters as escapes, such as ``\x1b``.

    Parameters
    ----------
    text : str
    lines : bool
        Leave ends of lines and tabs as they are.

    Examples
    --------
    >>> print(printable("red \x1b[31m\nhappy"))
    red \x1b[31m\nhappy
    """
    return _CONTROLS.sub(lambda match: match[0] if lines and match[0] in "\n\t" else _escaped(match[0]), text)


def _escaped(character: str) -> str:
    return ascii(character)[1:-1]


def markdown_text(text: str) -> str:
    r"""Write a text so that Markdown shows it as it is, on one line: no markup, no links, no HTML.

    Examples
    --------
    >>> print(markdown_text("a_b | <b> [x](http://y)"))
    a\_b \| \<b> [x]\(http:\//y)
    """
    text = _MARKS.sub(r"\\\g<0>", printable(text.replace("\n", " ")))
    # Links, their definitions, and addresses that become links by themselves; intervals keep their brackets.
    text = re.sub(r"\](?=[(\[:])", r"]\\", text)
    text = text.replace("://", r":\//").replace("www.", r"www\.")
    return rf"\{text}" if _BLOCK.match(text) else text


def code_span(text: str) -> str:
    """Write a text as code in Markdown, on one line.

    Examples
    --------
    >>> print(code_span("wavlm"), code_span("a`b"))
    `wavlm` `` a`b ``
    """
    text = printable(text.replace("\n", " ")).replace("|", r"\|")
    longest = max(map(len, _BACKTICKS.findall(text)), default=0)
    return f"`{text}`" if not longest else f"{'`' * (longest + 1)} {text} {'`' * (longest + 1)}"
