"""What heads from a user's own code share: what they were loaded from, and that nothing runs it unasked."""

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from typing_extensions import TypedDict

from ravfeat.documents import Text
from ravfeat.errors import HeadError
from ravfeat.escape import printable
from ravfeat.plugins import Brought

__all__ = ["OwnCode", "OwnRecord"]


class OwnRecord(TypedDict):
    """What a recipe says of a head from a user's own code.

    ``kind`` tells what the code gives, ``seeded`` whether another seed gives another model.
    """

    reference: Text
    source_sha256: Text
    versions: dict[str, str]
    kind: Literal["classifier", "network"]
    seeded: bool


class OwnCode:
    """Base of such heads; each is a class of its own, made by `ravfeat.heads.own_heads`.

    Attributes
    ----------
    brought : Brought
        Its value is None where a recipe names the code and nobody asked to run it.
    kind : {"classifier", "network"}
    """

    brought: ClassVar[Brought]
    kind: ClassVar[Literal["classifier", "network"]]
    name: ClassVar[str]
    seeded: ClassVar[bool]

    @classmethod
    def is_absent(cls) -> bool:
        """Whether only its name is known, and its code was not loaded."""
        return cls.brought.value is None

    @classmethod
    def record(cls) -> OwnRecord:
        """Say what it was loaded from, for recipes."""
        return {
            "reference": cls.brought.reference,
            "source_sha256": cls.brought.source_sha256,
            "versions": dict(cls.brought.versions),
            "kind": cls.kind,
            "seeded": cls.seeded,
        }

    @classmethod
    def check_present(cls) -> None:
        """Refuse to go on where the code was not loaded.

        Raises
        ------
        HeadError
        """
        if cls.is_absent():
            raise HeadError(
                f"the head '{cls.name}' is a user's own code, {printable(cls.brought.reference)}, which is run only"
                f" where it is asked for; give --head {printable(cls.brought.reference)}"
            )

    @classmethod
    def check_same(cls, recipe: Mapping[str, Any], where: str) -> None:
        """Refuse a saved model of other code.

        Raises
        ------
        HeadError
        """
        cls.check_present()
        recorded = recipe.get("brought")
        digest = recorded.get("source_sha256") if isinstance(recorded, Mapping) else None
        if digest != cls.brought.source_sha256:
            raise HeadError(
                f"{where} was trained with another version of {printable(cls.brought.reference)}: its source has"
                f" SHA-256 {printable(str(digest))[:12]}…, the code at hand {cls.brought.source_sha256[:12]}…"
            )
