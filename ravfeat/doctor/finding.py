"""One line of the examination, and texts without secrets."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

__all__ = ["Finding", "State", "redact", "redacted"]

State = Literal["ok", "missing", "problem"]
"""``missing``: not there, and nothing is wrong with that; ``problem``: there, and it does not work as it should."""

_SECRET_NAME = re.compile(r"TOKEN|KEY|SECRET|PASSW|CREDENTIAL", re.IGNORECASE)
_USER_OF_URL = re.compile(r"(?<=://)[^/\s@]+@")
_SHORTEST = 6


@dataclass(frozen=True)
class Finding:
    """What was found about one thing.

    Attributes
    ----------
    topic, name : str
        For example ``devices`` and ``cuda:0``.
    state : {"ok", "missing", "problem"}
    text : str
        One sentence.
    remedy : str
        What to do, where something can be done.
    needed : bool
        Whether ravfeat cannot do its work without.
    values : mapping
        The same as plain values, for programs.
    """

    topic: str
    name: str
    state: State
    text: str
    remedy: str = ""
    needed: bool = False
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    def breaks(self) -> bool:
        """Whether something that is needed is missing or broken."""
        return self.needed and self.state != "ok"


def redacted(finding: Finding) -> Finding:
    """Return a finding without secrets and without the name of the home folder; see `redact`."""
    changes = {name: redact(getattr(finding, name)) for name in ("text", "remedy", "values")}
    return replace(finding, **changes)


def redact(value: Any) -> Any:
    """Replace, in all texts of plain values, secrets of the environment by ``***`` and the home folder by ``~``.

    Examples
    --------
    >>> redact({"hub": "https://me:password@example.org"})
    {'hub': 'https://example.org'}
    """
    if isinstance(value, str):
        return _redact_text(value)
    if isinstance(value, Mapping):
        return {key: redact(item) for key, item in value.items()}
    return [redact(item) for item in value] if isinstance(value, list | tuple) else value


def _redact_text(text: str) -> str:
    for name, secret in os.environ.items():
        if _SECRET_NAME.search(name) and len(secret) >= _SHORTEST:
            text = text.replace(secret, "***")
    home = str(Path.home())
    if home != "/":
        text = re.sub(rf"{re.escape(home)}(?=[/\s'\",;:)]|$)", "~", text)
    return _USER_OF_URL.sub("", text)
