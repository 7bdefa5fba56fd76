"""Let the Hugging Face hub check a card before anything is published with it."""

from typing import Literal

from huggingface_hub import DatasetCard, ModelCard

from ravfeat.errors import RemoteError

__all__ = ["validate_card"]


def validate_card(text: str, kind: Literal["model", "dataset"]) -> None:
    """Ask the hub whether it accepts the metadata of a card.

    Raises
    ------
    RemoteError
        With the hub's reasons where it does not, and where it cannot be asked.
    """
    card = ModelCard(text) if kind == "model" else DatasetCard(text)
    try:
        card.validate()
    except ValueError as error:
        raise RemoteError(
            f"the hub does not accept the metadata of the card ({str(error)[:500]}); where it is the licence, give one"
            " that the hub knows (https://huggingface.co/docs/hub/repositories-licenses) with --license"
        ) from error
    except Exception as error:
        # The client passes on what its HTTP library raises.
        raise RemoteError(
            f"the hub could not be asked to check the card ({str(error)[:200]}); check the network and HF_ENDPOINT, and"
            " run this again"
        ) from error
