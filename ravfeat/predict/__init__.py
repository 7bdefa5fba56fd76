"""Predict emotions of recordings with a published head: decode, encode, score, window by window."""

from ravfeat.predict.result import (
    Attention,
    Envelope,
    FaceTrace,
    FilePrediction,
    SystemPrediction,
    WindowPrediction,
)

__all__ = [
    "Attention",
    "Envelope",
    "FaceTrace",
    "FilePrediction",
    "SystemPrediction",
    "WindowPrediction",
]
