"""What an audit does with heads that are a user's own code: nothing, unless the user names that code again."""

from collections.abc import Mapping
from typing import Any

from ravfeat.heads.base import Head
from ravfeat.heads.own_code import OwnCode
from ravfeat.runs.recipe import Recipe

__all__ = ["NOT_RUN", "is_absent", "recorded_versions"]

NOT_RUN = (
    "the head is a user's own code, which an audit runs only where it is named, and only while it is what the run was"
    " made with: --head path.py:NAME"
)


def is_absent(head: Head) -> bool:
    """Whether a head is a user's own code that was not loaded."""
    return isinstance(head, OwnCode) and head.is_absent()


def recorded_versions(recipe: Recipe, name: str) -> Mapping[str, Any]:
    """Give the versions of packages that a head's own code imported when the run was made."""
    # Checked against its schema when the plan was read.
    return dict((recipe.plan or {}).get("brought", {}).get(name, {}).get("versions", {}))
