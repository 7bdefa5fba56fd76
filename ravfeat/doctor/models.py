"""Models: is the Hugging Face hub reachable, and which encoders and face models are on this machine."""

from pathlib import Path
from typing import Any

from ravfeat.doctor.finding import Finding

__all__ = ["check_face_models", "check_hub", "check_weights"]

_TIMEOUT_S = 5.0


def check_hub(hub: Any, *, offline: bool) -> list[Finding]:
    """Report whether the hub answers; nothing is fetched.

    Parameters
    ----------
    hub : module or None
        ``huggingface_hub``; None where it cannot be imported.
    offline : bool
        Do not ask.
    """
    if hub is None:
        return []
    from huggingface_hub import constants

    address = str(constants.ENDPOINT)
    values = {"address": address, "offline": bool(constants.HF_HUB_OFFLINE), "reachable": None}
    if constants.HF_HUB_OFFLINE:
        text = "not asked: HF_HUB_OFFLINE is set, so only models that are here can be used"
        return [Finding("models", "hub", "missing", text, values=values)]
    if offline:
        return [Finding("models", "hub", "missing", f"{address} was not asked (--offline)", values=values)]
    reason = _ask(address)
    if not reason:
        return [Finding("models", "hub", "ok", f"{address} answers", values=values | {"reachable": True})]
    remedy = "check the network, HF_ENDPOINT and HTTPS_PROXY; or fetch models elsewhere and give --encoder FOLDER"
    text = f"{address} does not answer ({reason})"
    return [Finding("models", "hub", "problem", text, remedy, values=values | {"reachable": False})]


def _ask(address: str) -> str:
    """Ask for the headers of the hub's first page with the hub's own client; return why that failed."""
    from huggingface_hub import get_session

    try:
        # Its own client, so that proxies and certificates are those of a download.
        answer = get_session().head(address, timeout=_TIMEOUT_S)
    except Exception as error:  # noqa: BLE001 (whatever the network raises is a line of the report)
        return (str(error).strip().splitlines() or [type(error).__name__])[0]
    return "" if answer.status_code < 500 else f"status {answer.status_code}"


def check_weights(hub: Any) -> list[Finding]:
    """Report which of the encoders with a name are in the hub's folder on this machine."""
    if hub is None:
        return []
    from huggingface_hub import constants

    from ravfeat.encoders.registry import ENCODERS, Pretrained

    folder = Path(constants.HF_HUB_CACHE)
    there = []
    for name, entry in ENCODERS.items():
        if isinstance(entry, Pretrained):
            snapshots = folder / f"models--{entry.repository.replace('/', '--')}" / "snapshots"
            if any(snapshots.glob(f"{entry.revision or '*'}/config.json")):
                there.append(name)
    values = {"folder": str(folder), "encoders": there}
    if there:
        return [Finding("models", "encoders", "ok", f"in {folder}: {', '.join(there)}", values=values)]
    text = f"none in {folder}; they are fetched when they are first used"
    return [Finding("models", "encoders", "missing", text, values=values)]


def check_face_models() -> list[Finding]:
    """Report which of MediaPipe's face models are on this machine."""
    from ravfeat.faces.models import BLAZE_FACE, FACE_LANDMARKER, models_folder

    folder = models_folder()
    there = [model.name for model in (BLAZE_FACE, FACE_LANDMARKER) if (folder / model.name).is_file()]
    values = {"folder": str(folder), "models": there}
    if there:
        return [Finding("models", "faces", "ok", f"in {folder}: {', '.join(there)}", values=values)]
    text = f"none in {folder}; they are fetched when they are first used, or given with --detector-model"
    return [Finding("models", "faces", "missing", text, values=values)]
