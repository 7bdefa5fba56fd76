"""Read a data folder of Kaldi or ESPnet: ``wav.scp``, ``segments``, ``utt2spk`` and ``utt2emo``; commands never run.

A line is a key and what belongs to it. Of labels there is no usual name: ``utt2emo``, ``utt2emotion``, ``utt2label``,
``emotion`` and ``label`` are understood, and a ``text`` in which every line is one word.
"""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from ravfeat.errors import CorpusError
from ravfeat.files import read_limited

__all__ = ["read_kaldi"]

_MAX_BYTES = 256 << 20
_LABELS = ("utt2emo", "utt2emotion", "utt2label", "utt2class", "emotion", "label")
_NO_COLUMNS = frozenset({"utt2spk", "utt2dur", "utt2num_frames", "utt2num_samples", "utt2uniq"})


def read_kaldi(folder: Path) -> pa.Table:
    """Read the utterances of a folder, with path, actor, label, and start and end where there are ``segments``.

    Raises
    ------
    CorpusError
        Where a file lacks or speaks of what is not there, and where a recording is a command or lies in an archive.
    """
    recordings = {name: _recording(folder, name, rest) for name, rest in _pairs(folder / "wav.scp").items()}
    utterances = _segments(folder, recordings)
    columns: dict[str, dict[str, str]] = {"actor": _of_all(folder, "utt2spk", utterances)}
    labels = next((name for name in _LABELS if (folder / name).is_file()), "")
    columns["label"] = _of_all(folder, labels, utterances) if labels else _one_word(folder, utterances)
    if (folder / "spk2gender").is_file():
        genders = _pairs(folder / "spk2gender")
        columns["gender"] = {utterance: genders.get(actor, "") for utterance, actor in columns["actor"].items()}
    for path in sorted(folder.glob("utt2*")):
        if path.name not in (*_NO_COLUMNS, labels):
            columns[path.name.removeprefix("utt2")] = _pairs(path)
    if (folder / "text").is_file():
        columns.setdefault("text", _pairs(folder / "text"))
    table = {"clip_id": list(utterances)}
    for place, name in enumerate(("path", "start", "end")):
        table[name] = [utterance[place] for utterance in utterances.values()]
    for name, values in columns.items():
        table.setdefault(name, [values.get(utterance, "") for utterance in utterances])
    return pa.table({name: pa.array(cells, pa.string()) for name, cells in table.items()})


def _pairs(path: Path) -> dict[str, str]:
    data = read_limited(path, _MAX_BYTES, CorpusError, "expected a data folder of Kaldi")
    try:
        lines = data.decode().splitlines()
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path} is no UTF-8 text ({error.reason}); expected a data folder of Kaldi") from error
    pairs: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        key, _, rest = line.strip().partition(" ") if "\t" not in line else line.strip().partition("\t")
        if key in pairs:
            raise CorpusError(f"{path}, line {number}: '{key}' is there twice")
        if key:
            pairs[key] = rest.strip()
    return pairs


def _recording(folder: Path, name: str, written: str) -> str:
    if written.startswith("|") or written.endswith("|") or written in {"", "-"}:
        raise CorpusError(
            f"{folder / 'wav.scp'}: '{name}' is the output of a command ({written[:60]}), and commands of a data folder"
            " are never run; write the recordings as files, for example with Kaldi's wav-copy, and name these"
        )
    if ".ark:" in written:
        raise CorpusError(f"{folder / 'wav.scp'}: '{name}' lies in an archive ({written[:60]}); write it as a file")
    # Kaldi reads paths from where its recipes run, not from the data folder.
    beside, here = folder / written, Path(written)
    return written if beside.exists() or not here.exists() else str(here.absolute())


def _segments(folder: Path, recordings: Mapping[str, str]) -> dict[str, tuple[str, str, str]]:
    """Give path, start and end of every utterance; without ``segments`` every recording is one."""
    if not (path := folder / "segments").is_file():
        return {name: (recording, "", "") for name, recording in recordings.items()}
    utterances = {}
    for utterance, rest in _pairs(path).items():
        fields = rest.split()
        if len(fields) not in {3, 4} or fields[0] not in recordings:
            raise CorpusError(
                f"{path}: '{utterance}' is '{rest[:80]}'; expected a recording of wav.scp, its start and its end"
            )
        if len(fields) == 4:
            raise CorpusError(f"{path}: '{utterance}' names channel {fields[3]}; write each channel as a file")
        utterances[utterance] = (recordings[fields[0]], fields[1], "" if fields[2] == "-1" else fields[2])
    return utterances


def _of_all(folder: Path, name: str, utterances: Mapping[str, object]) -> dict[str, str]:
    pairs = _pairs(folder / name)
    if lacking := [utterance for utterance in utterances if not pairs.get(utterance)]:
        raise CorpusError(f"{folder / name} says nothing of {len(lacking)} utterances, such as '{lacking[0]}'")
    return pairs


def _one_word(folder: Path, utterances: Mapping[str, object]) -> dict[str, str]:
    """Take ``text`` for labels where it can be nothing else."""
    if (folder / "text").is_file():
        words = _of_all(folder, "text", utterances)
        if all(len(words[utterance].split()) == 1 for utterance in utterances):
            return words
    raise CorpusError(
        f"{folder} does not say which emotion an utterance is; write it into a file utt2emo: the utterance, a space,"
        f" the label (also understood: {', '.join(_LABELS[1:])}, and a text of single words)"
    )
