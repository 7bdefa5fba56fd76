"""Folders of the shape in which the owners of corpora distribute them, filled with tiny recordings."""

import csv
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import numpy as np
import soundfile

SECONDS = 0.1


class Shape:
    """A folder that is being filled: recordings last 0.1 s, and equal ones have equal names."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)

    def put(self, *names: str) -> "Shape":
        """Put recordings at these places; what has no ending of sound is a text."""
        for name in names:
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix.lower() in {".wav", ".mp4"}:
                noise = np.random.default_rng(crc32(path.name.encode())).uniform(-0.5, 0.5, int(SECONDS * 16_000))
                soundfile.write(path, noise, 16_000, format="WAV")
            else:
                path.write_text("text", encoding="utf-8")
        return self

    def table(self, name: str, *rows: Sequence[object]) -> "Shape":
        """Write a CSV file."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
        return self

    def text(self, name: str, text: str) -> "Shape":
        """Write a text file."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return self


def crema_d(root: Path) -> Path:
    """CREMA-D of two actors, with its file without sound and its odd name."""
    shape = Shape(root).put(
        "AudioWAV/1001_DFA_ANG_XX.wav", "AudioWAV/1001_IEO_HAP_HI.wav", "AudioWAV/1002_IEO_SAD_LO.wav",
        "AudioWAV/1040_ITH_SAD_X.wav", "AudioWAV/1076_MTI_SAD_XX.wav", "AudioWAV/notes.wav",
        "VideoFlash/1001_DFA_ANG_XX.flv",
    )  # fmt: skip
    shape.table(
        "VideoDemographics.csv", ("ActorID", "Age", "Sex", "Race", "Ethnicity"), (1001, 51, "Male", "", ""),
        (1002, 21, "Female", "", ""),
    )  # fmt: skip
    return root


def emodb(root: Path) -> Path:
    """EmoDB of four actors with two emotions each."""
    names = [f"wav/{speaker}a0{n}{emotion}a.wav" for speaker in ("03", "08", "09", "10") for n in (1, 2) for emotion in
             "WF"]  # fmt: skip
    Shape(root).put(*names, "wav/99a01Fa.wav", "lablaut/03a01Fa.lablaut")
    return root


def iemocap(root: Path) -> Path:
    """IEMOCAP of two sessions; the letter behind the session is not who speaks."""
    for session in (1, 2):
        turns = {"F000": "neu", "M000": "exc", "F001": "xxx"}
        dialogue = f"Ses0{session}M_impro01"
        lines = [
            f"[6.29 - 8.23]\t{dialogue}_{turn}\t{label}\t[2.5000, 3.5000, 2.0000]" for turn, label in turns.items()
        ]
        shape = Shape(root).text(
            f"Session{session}/dialog/EmoEvaluation/{dialogue}.txt", "% [START - END] TURN EMOTION [V, A, D]\n"
            + "\nC-E2:\tNeutral;\t()\n".join(lines),
        )  # fmt: skip
        shape.text(
            f"Session{session}/dialog/EmoEvaluation/Categorical/{dialogue}_e2.txt", lines[0].replace("neu", "ang")
        )
        shape.put(*(f"Session{session}/sentences/wav/{dialogue}/{dialogue}_{turn}.wav" for turn in ("F000", "M000")))
        shape.put(f"Session{session}/dialog/wav/{dialogue}.wav")
    shape.put("Session2/sentences/wav/Ses02M_impro01/Ses02M_impro01_F099.wav")
    return root


def meld(root: Path) -> Path:
    """MELD of three splits, with its two faulty clips and a speaker in two spellings."""
    header = ("Sr No.", "Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID", "Season",
              "Episode", "StartTime", "EndTime")  # fmt: skip

    def row(speaker: str, emotion: str, dialogue: int, utterance: int) -> tuple[object, ...]:
        return (1, "So, what?", speaker, emotion, "neutral", dialogue, utterance, 8, 21, "00:16:16", "00:16:21")

    shape = Shape(root)
    shape.table("train/train_sent_emo.csv", header, row("Chandler", "joy", 0, 0), row("The Waiter", "anger", 0, 1),
                row("The waiter", "anger", 0, 2), row("The Waiter", "joy", 0, 4),
                row("Chandler", "neutral", 125, 3))  # fmt: skip
    shape.table("dev_sent_emo.csv", header, row("Monica", "anger", 0, 0), row("Phoebe", "neutral", 110, 7))
    shape.table("test_sent_emo.csv", header, row("Chandler", "joy", 0, 0), row("Ross", "anger", 9, 9))
    shape.put(*(f"train/train_splits/dia{name}.mp4" for name in ("0_utt0", "0_utt1", "0_utt2", "0_utt4", "125_utt3")))
    shape.put("dev_splits_complete/dia0_utt0.mp4", "dev_splits_complete/dia5_utt5.mp4",
              "output_repeated_splits_test/dia0_utt0.mp4",
              "output_repeated_splits_test/final_videos_testdia0_utt0.mp4")  # fmt: skip
    return root


def emobox(root: Path) -> Path:
    """EmoBox's lists of four EmoDB actors: fold 1 keeps actors apart, fold 2 has all of them on both sides."""
    emodb(root / "audio" / "emodb")
    names = sorted(path.stem for path in (root / "audio" / "emodb" / "wav").iterdir() if not path.stem.startswith("99"))
    codes = {"W": "anger", "F": "happy"}

    def lines(chosen: Sequence[str]) -> str:
        return "".join(
            f'{{"key": "emodb-{name}", "dataset": "emodb", "wav": "downloads/emodb/wav/{name}.wav", "type": "raw",'
            f' "sample_rate": 16000, "num_frame": 1600.0, "task": "category", "length": 0.1, "emo":'
            f' "{codes[name[5]]}", "channel": 1}}\n'
            for name in chosen
        )

    shape = Shape(root / "data" / "emodb").text("emodb.jsonl", lines(names))
    shape.text("label_map.json", '{"Anger": "Angry", "happy": "Happy", "sad": "Sad"}')
    tested = {1: [name for name in names if name[:2] in ("03", "08")], 2: [name for name in names if name[4] == "1"]}
    for fold, test in tested.items():
        shape.text(f"fold_{fold}/emodb_test_fold_{fold}.jsonl", lines(test))
        shape.text(f"fold_{fold}/emodb_train_fold_{fold}.jsonl", lines([name for name in names if name not in test]))
    return root
