"""Texts from outside, escaped for a terminal and for Markdown."""

import pytest

from ravfeat.escape import code_span, is_printable, markdown_text, printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J\x1b[31mred", r"\x1b[2J\x1b[31mred"),
        ("done\rfailed", r"done\rfailed"),
        ("\x9b31m\x85", r"\x9b31m\x85"),  # C1: the same as ESC [ to some terminals
        ("\x00\x07\x7f", r"\x00\x07\x7f"),
        ("a\u202eb\u2066c\u2069", r"a\u202eb\u2066c\u2069"),
        ("a\u2028b", r"a\u2028b"),
        ("\ud800", r"\ud800"),
        ("größe, 感情, e\u0301", "größe, 感情, e\u0301"),
        ("C:\\data\\n", "C:\\data\\n"),
    ],
)
def test_control_characters_are_shown_and_not_obeyed(text: str, shown: str) -> None:
    assert printable(text) == shown
    assert is_printable(text) == (text == shown)


def test_ends_of_lines_are_left_where_a_text_has_several_lines() -> None:
    assert printable("a\n\tb\rc", lines=True) == "a\n\tb\\rc"
    assert printable("a\nb") == r"a\nb"
    assert not is_printable("a\nb")


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("[happy](https://evil.example)", r"[happy]\(https:\//evil.example)"),
        ("![x](x.png)", r"![x]\(x.png)"),
        ("[x][y]", r"[x]\[y]"),
        ("[x]: http://y", r"[x]\: http:\//y"),
        ("<script>alert(1)</script>", r"\<script>alert(1)\</script>"),
        ("<http://x>", r"\<http:\//x>"),
        ("www.evil.example", r"www\.evil.example"),
        ("a|b*c_d`e~f$g\\h", r"a\|b\*c\_d\`e\~f\$g\\h"),
        ("&lt;b&gt; a & b", r"\&lt;b\&gt; a & b"),
        ("a\n# b", "a # b"),
        ("# big", r"\# big"),
        ("> quoted", r"\> quoted"),
        ("- listed", r"\- listed"),
        ("+0.318 [+0.234, +0.406]", "+0.318 [+0.234, +0.406]"),
        ("a\x1b[31m", r"a\\x1b[31m"),
    ],
)
def test_markdown_shows_a_name_as_it_is(text: str, markdown: str) -> None:
    assert markdown_text(text) == markdown


@pytest.mark.parametrize(
    ("text", "markdown"),
    [("wavlm", "`wavlm`"), ("a` <b> `", "`` a` <b> ` ``"), ("a\nb", "`a b`"), ("a|b", r"`a\|b`")],
)
def test_code_ends_where_its_name_ends(text: str, markdown: str) -> None:
    assert code_span(text) == markdown
