"""Markdown as the hub renders it: what a reader sees, and what a text from outside must not become."""

import re

from markdown_it import MarkdownIt

__all__ = ["render", "table_rows"]


def render(card: str) -> str:
    """HTML of a card without its front matter; addresses become links and HTML is passed on, as on the hub."""
    body = re.sub(r"\A---\n.*?\n---\n", "", card, count=1, flags=re.DOTALL)
    return MarkdownIt("commonmark", {"html": True}).enable("table").render(body)


def table_rows(html: str) -> list[list[str]]:
    """Texts of the cells of all rows of all tables."""
    rows = re.findall(r"<tr>(.*?)</tr>", html, re.DOTALL)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
