"""Published results of the study and of reference systems: facts only.

Numbers are fold-mean accuracies (WA) in percent over six actor-disjoint folds unless a row says otherwise.

Sources
-------
Rows 1 to 12: the study whose six folds are the protocol ``ravdess6``. EmoBox: Ma et al. 2024, arXiv:2406.07162.
Leave-one-actor-out: the repository hsn07pk/ravdess-speaker-independent-ser. Audio and video: Luna-Jiménez et al. 2021,
Sensors 21(22):7665; 2022 selected its checkpoints on the test fold.
"""

from dataclasses import dataclass

__all__ = ["ROWS", "StudyRow"]


@dataclass(frozen=True)
class StudyRow:
    """One published result.

    Attributes
    ----------
    key : str
        ``1`` to ``12`` as the study counts them; a letter where a row has parts, ``R`` for references, ``B`` for the
        best systems found here.
    system : str
    published : str
        As published, metric and averaging included.
    setup : str
        Encoder and training of the published number.
    value : float or None
        The published number that ours is drawn beside, as a share; a mean of folds.
    metric : {"wa", "uar"}
        What that number is.
    """

    key: str
    system: str
    published: str
    setup: str
    value: float | None = None
    metric: str = "wa"


_BEST = "chosen on inner actor-grouped folds of RAVDESS; emobox6 regroups the same people"
"""How the best systems were found."""

ROWS: dict[str, StudyRow] = {
    row.key: row
    for row in (
        StudyRow("1", "One model, clip split against actor split", "78 -> 64.9", "HuBERT-base, fine-tuned", 0.649),
        StudyRow(
            "2", "Six folds: 16 actors train, 4 validate, 4 test", "-", "2 men and 2 women test, 2 and 2 validate"
        ),
        StudyRow("3a", "HuBERT-base, frozen", "UA 65.43, WA 66.21 (EmoBox)", "frozen HuBERT-base, emobox6", 0.6621),
        StudyRow("3b", "HuBERT-base, fine-tuned", "64.86 ± 2.05", "top 3 of 12 layers fine-tuned", 0.6486),
        StudyRow("4", "WavLM-large, fine-tuned", "67.57 ± 3.34", "top 6 of 24 layers fine-tuned", 0.6757),
        StudyRow(
            "5",
            "WavLM-large, frozen: layer weights, attentive pooling",
            "70.28 ± 6.47 (UAR 70.38)",
            "softmax weights over 25 layers, augmented waveforms",
            0.7028,
        ),
        StudyRow("6", "The learned layer weights", "middle layers win", "WavLM-large"),
        StudyRow(
            "7", "ImageNet face features, clip split against actor split", "89 -> 35", "ImageNet net on faces", 0.35
        ),
        StudyRow(
            "8", "Expression features, clip split against actor split", "90 -> 58", "expression net on faces", 0.58
        ),
        StudyRow("9", "One joint network on both streams", "43-47", "WavLM-large and expression net", 0.45),
        StudyRow(
            "10",
            "Calibrated late fusion",
            "78.82 ± 4.49 (UAR 79.30)",
            "a temperature per stream and a mixing weight, from validation rows",
            0.7882,
        ),
        StudyRow("11", "Plots per fold, emotion, layer and weight", "-", "-"),
        StudyRow("12", "A page that predicts from a recording", "voice only", "-"),
        StudyRow(
            "R1",
            "Nested logistic regression per layer, leave one actor out",
            "UAR 81.3 [77.1, 85.2]",
            "frozen WavLM-large, mean-pooled",
            0.813,
            "uar",
        ),
        StudyRow(
            "R2",
            "Logistic regression on the last layer (not nested), EmoBox's folds",
            "UAR 75.3; EmoBox: WavLM-large 72.0 UA, Whisper-large-v3 75.3 UA",
            "frozen WavLM-large",
            0.753,
            "uar",
        ),
        StudyRow(
            "R3", "Voice and video, five folds", "80.08 (2021); 86.70 (2022)", "luna5; 2022 chose on test", 0.8008
        ),
        StudyRow("B1", "The best voice: a kernel on blocks of statistics, mean over speed views", "-", _BEST),
        StudyRow("B2", "The best face: a kernel on how distances in the face move, and expressions", "-", _BEST),
        StudyRow("B3", "The best of voice and face: both kernels and one over both, fused", "-", _BEST),
    )
}
