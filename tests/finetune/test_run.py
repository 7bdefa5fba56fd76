"""Fine-tuned runs: what learns and what does not, whose rows are written, and nothing depends on an interruption."""

import errno
import fcntl
import json
import logging
from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers

from ravfeat.errors import HeadError, UsageError
from ravfeat.finetune import clips, fine_tune, frozen, prepare, resume
from ravfeat.finetune.checkpoint import read_tensors
from ravfeat.finetune.fold import FoldTraining
from ravfeat.finetune.network import FineTuneNetwork
from ravfeat.finetune.results import FineTunedModel
from ravfeat.heads.checkpoint import load_model, save_model


def run(plan, work):
    return fine_tune(prepare(plan), work)


def same(one, two) -> bool:
    return one.predictions.table.equals(two.predictions.table)


@pytest.fixture(scope="module")
def whole(plan_of, tmp_path_factory):
    """Uninterrupted runs of both layouts, weights kept."""
    home = tmp_path_factory.mktemp("whole")
    return {layout: run(plan_of(layout, keep_weights=True), home / layout) for layout in ("stable", "group")}


def test_every_fold_gives_the_rows_of_its_validation_and_test_actors(whole) -> None:
    predictions = whole["stable"].predictions
    rows = predictions.table.to_pylist()
    assert {(row["fold"], row["split"]) for row in rows} == {(f, s) for f in (0, 1) for s in ("val", "test")}
    assert len(rows) == 2 * (8 + 8)
    tested = [{row["actor"] for row in rows if (row["fold"], row["split"]) == (fold, "test")} for fold in (0, 1)]
    assert [len(actors) for actors in tested] == [1, 1]
    assert tested[0] != tested[1]
    assert predictions.systems() == [("audio", "stable", "fine-tuned-top2")]
    assert whole["stable"].about["tested_folds"] == {"folds": [0, 1], "of": 4}
    assert all(1 <= one["epoch"] <= 2 for one in whole["stable"].about["fine_tuned"]["epochs"])


def test_what_is_below_the_top_layers_never_changes_and_the_top_does(plan_of, tmp_path) -> None:
    prepared = prepare(plan_of(folds=(0,)))
    before = {name: value.detach().clone() for name, value in prepared.split.parameters().items()}
    fine_tune(prepared, tmp_path / "work")
    changed = {name for name, value in prepared.split.parameters().items() if not torch.equal(value, before[name])}
    assert changed == {f"encoder.{name}" for name in prepared.split.learned}
    assert {name.split(".")[2] for name in changed if ".layers." in name} == {"1", "2"}


class Stop(Exception):
    """What an interruption looks like from inside."""


def stop_after(monkeypatch, steps) -> None:
    step, count = FoldTraining._step, []

    def stopping(self, *args) -> None:
        if len(count) == steps:
            raise Stop
        count.append(1)
        step(self, *args)

    monkeypatch.setattr(FoldTraining, "_step", stopping)


@pytest.mark.parametrize("layout", ["stable", "group"])
@pytest.mark.parametrize("steps", [pytest.param(1, marks=pytest.mark.slow), 3, pytest.param(5, marks=pytest.mark.slow)])
def test_an_interrupted_run_gives_what_an_uninterrupted_one_gives(
    layout, steps, whole, plan_of, tmp_path, monkeypatch
) -> None:
    plan = plan_of(layout, keep_weights=True)
    with monkeypatch.context() as patch:
        stop_after(patch, steps)
        with pytest.raises(Stop):
            run(plan, tmp_path / "work")
    torch.manual_seed(steps)  # nothing depends on where the library's generator stands
    again = run(plan, tmp_path / "work")
    assert same(again, whole[layout])
    for one, two in zip(again.models, whole[layout].models, strict=True):
        assert all(np.array_equal(value, two.model.arrays()[name]) for name, value in one.model.arrays().items())


def test_a_fold_gives_the_same_alone_and_beside_others(whole, plan_of, tmp_path) -> None:
    alone = run(plan_of(folds=(1,)), tmp_path / "work").predictions
    rows = [row for row in whole["stable"].predictions.table.to_pylist() if row["fold"] == 1]
    assert alone.table.to_pylist() == rows


def test_states_that_do_not_fit_into_memory_are_computed_again_and_are_the_same(
    whole, plan_of, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(frozen, "KEPT_BYTES", 100_000)
    assert same(run(plan_of(), tmp_path / "work"), whole["stable"])


@pytest.mark.parametrize("layout", ["stable", "group"])
def test_where_memory_runs_out_layers_are_computed_again_to_the_same_bits(
    layout, whole, plan_of, tmp_path, monkeypatch
) -> None:
    backward, steps = FineTuneNetwork.backward, []

    def run_out_once(self, *arguments) -> None:
        steps.append(self._split.recompute)
        backward(self, *arguments)
        if len(steps) == 2:  # gradients are there already, and must not be added to
            torch.empty(1 << 45)

    monkeypatch.setattr(FineTuneNetwork, "backward", run_out_once)
    assert same(run(plan_of(layout), tmp_path / "work"), whole[layout])
    assert steps[:4] == [False, False, True, True]


def test_memory_that_runs_out_for_good_keeps_what_is_trained(whole, plan_of, tmp_path, monkeypatch) -> None:
    backward, steps = FineTuneNetwork.backward, []

    def run_out(self, *arguments) -> None:
        steps.append(1)
        if len(steps) > 3:
            torch.empty(1 << 45)
        backward(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(FineTuneNetwork, "backward", run_out)
        with pytest.raises(MemoryError, match="can't allocate memory"):
            run(plan_of(), tmp_path / "work")
    assert same(run(plan_of(), tmp_path / "work"), whole["stable"])


def test_clips_that_do_not_fit_together_are_scored_in_parts(whole, plan_of, tmp_path, monkeypatch) -> None:
    batch = FineTuneNetwork._batch

    def at_most_three(self, clips):
        if len(clips) > 3 and not torch.is_grad_enabled():
            torch.empty(1 << 45)
        return batch(self, clips)

    monkeypatch.setattr(FineTuneNetwork, "_batch", at_most_three)
    given = run(plan_of(), tmp_path / "work").predictions
    np.testing.assert_allclose(given.logits(), whole["stable"].predictions.logits(), atol=1e-4)


def test_damaged_checkpoints_are_trained_again(whole, plan_of, tmp_path, monkeypatch, caplog) -> None:
    work = tmp_path / "work"
    with monkeypatch.context() as patch:
        stop_after(patch, 7)
        with pytest.raises(Stop):
            run(plan_of(), work)
    for name in ("fold-0.result.safetensors", "fold-1.progress.safetensors"):
        path = work / "seed-0" / name
        data = path.read_bytes()
        path.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    with caplog.at_level(logging.WARNING, logger="ravfeat.finetune"):
        assert same(run(plan_of(), work), whole["stable"])
    assert len([record for record in caplog.records if "is damaged" in record.getMessage()]) == 2


def test_files_that_a_killed_process_was_writing_are_swept_away(whole, plan_of, tmp_path, monkeypatch) -> None:
    work = tmp_path / "work"
    with monkeypatch.context() as patch:
        stop_after(patch, 3)
        with pytest.raises(Stop):
            run(plan_of(), work)
    left = work / "seed-0" / ".fold-0.progress.safetensors.here-1.tmp"
    left.write_bytes(b"half")
    assert same(run(plan_of(), work), whole["stable"])
    assert not left.exists()


def no_locks(*_: object) -> None:
    raise OSError(errno.ENOLCK, "No locks available")


def test_work_of_another_recipe_another_process_or_nobody_is_left_alone(plan_of, tmp_path, monkeypatch) -> None:
    work = tmp_path / "work"
    run(plan_of(folds=(0,), epochs=1), work)
    with pytest.raises(UsageError, match=r"holds the work of another fine-tuning: settings: lr 0.001 there, 0.01 now"):
        run(plan_of(folds=(0,), epochs=1, lr=0.01), work)
    with pytest.raises(UsageError, match=r"another fine-tuning: precision 'float32' there, 'bfloat16 in the layers"):
        run(plan_of(folds=(0,), epochs=1, precision="bfloat16"), work)
    with pytest.raises(UsageError, match=r"another fine-tuning: .*encoder"):
        run(plan_of("group", folds=(0,), epochs=1), work)
    with (work / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(UsageError, match=r"another process works in .*; wait for it, or choose another --out"):
            run(plan_of(folds=(0,), epochs=1), work)
    with monkeypatch.context() as patch:
        patch.setattr(resume, "fcntl", None)
        with pytest.raises(UsageError, match="this system has no such locks"):
            run(plan_of(folds=(0,), epochs=1), work)
    with monkeypatch.context() as patch:
        patch.setattr(resume.fcntl, "flock", no_locks)
        with pytest.raises(
            UsageError, match=r"work cannot be locked .No locks available.: its file system has no locks"
        ):
            run(plan_of(folds=(0,), epochs=1), work)
    (work / "recipe.json").write_text("{")
    with pytest.raises(UsageError, match=r"recipe.json is not valid JSON"):
        run(plan_of(folds=(0,), epochs=1), work)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="mine exists and is not the work of a fine-tuning"):
        run(plan_of(folds=(0,), epochs=1), tmp_path / "mine")


def test_what_lies_in_the_work_folder_can_be_read_without_pickle(plan_of, tmp_path) -> None:
    work = tmp_path / "work"
    run(plan_of(folds=(0,), epochs=1), work)
    assert sorted(path.name for path in work.rglob("*") if path.is_file()) == [
        "fold-0.result.safetensors", "lock", "recipe.json"
    ]  # fmt: skip
    assert json.loads((work / "recipe.json").read_text())["settings"]["unfreeze_top"] == 2
    tensors, about = read_tensors(work / "seed-0" / "fold-0.result.safetensors", {"fold": 0})
    assert set(tensors) == {"val_logits", "test_logits"}
    assert about["epoch"] == 1


def test_views_are_drawn_anew_each_epoch_and_only_for_training_clips(plan_of, tmp_path, monkeypatch) -> None:
    seen: list[tuple[str, int]] = []
    prepared = prepare(plan_of(folds=(0,), augment="gain"))
    augment = clips.augment

    def watching(samples, rate, **named):
        seen.append((named["key"], named["seed"]))
        return augment(samples, rate, **named)

    monkeypatch.setattr(clips, "augment", watching)
    fine_tune(prepared, tmp_path / "work")
    train = {prepared.clips[row].performance_id for row in prepared.folds[0].train}
    assert {key for key, _ in seen} == train
    assert len({seed for _, seed in seen}) == 2
    assert len(seen) == 2 * len(train)


def test_seeds_and_views_give_other_numbers(whole, plan_of, tmp_path) -> None:
    seeds = run(plan_of(folds=(0,), seeds=2, epochs=1), tmp_path / "seeds").predictions.table.to_pylist()
    by_seed = [[row["logits"] for row in seeds if row["seed"] == seed] for seed in (0, 1)]
    assert by_seed[0] != by_seed[1]
    clean = run(plan_of(folds=(0,), epochs=1, augment="clean"), tmp_path / "clean").predictions.table.to_pylist()
    assert [row["logits"] for row in clean] != by_seed[0]


def test_a_training_that_diverges_says_which_rate_to_lower(plan_of, tmp_path) -> None:
    with pytest.raises(HeadError, match=r"fold 0, seed 0: the loss is nan in epoch [12]; lower --lr \(1e\+30\)"):
        run(plan_of(folds=(0,), lr=1e30, clip_norm=1e30), tmp_path / "work")


def test_kept_weights_can_be_written_and_tell_the_layer_weights(whole, tmp_path) -> None:
    one = whole["stable"].models[0]
    assert isinstance(one.model, FineTunedModel)
    assert sum(one.model.layer_weights.values()) == pytest.approx(1)
    assert list(one.model.layer_weights) == [0, 1, 2, 3]
    save_model(tmp_path / "fold", one.model)
    with pytest.raises(HeadError, match="no head 'fine-tuned-top2'"):
        load_model(tmp_path / "fold")
    with pytest.raises(HeadError, match="'fine-tuned-top2' reads waveforms, not stored features"):
        one.model.logits(None, np.arange(1))


def test_the_published_head_and_one_layer_or_all_can_be_trained(plan_of, tmp_path) -> None:
    for top in (1, 3):
        plan = plan_of("group", folds=(0,), epochs=1, head="attentive-sum", unfreeze_top=top)
        fitted = run(plan, tmp_path / str(top))
        assert fitted.predictions.systems() == [("audio", "group", f"fine-tuned-top{top}-attentive-sum")]


def test_whisper_learns_with_and_without_the_silence_after_a_clip(plan_of, tmp_path) -> None:
    config = transformers.WhisperConfig(
        encoder_layers=2, d_model=16, encoder_attention_heads=2, encoder_ffn_dim=16, decoder_layers=1,
        decoder_attention_heads=2, decoder_ffn_dim=16, vocab_size=60, pad_token_id=0, bos_token_id=1, eos_token_id=2,
        decoder_start_token_id=1,
    )  # fmt: skip
    torch.manual_seed(0)
    transformers.WhisperModel(config).save_pretrained(tmp_path / "whisper")
    transformers.WhisperFeatureExtractor().save_pretrained(tmp_path / "whisper")
    plan = plan_of(encoder=str(tmp_path / "whisper"), unfreeze_top=1, folds=(0,), epochs=1, augment="clean")
    logits = [
        run(replace(plan, context=context), tmp_path / context).predictions.logits() for context in ("encoder", "clip")
    ]
    assert logits[0].shape == logits[1].shape == (16, 4)
    assert not np.array_equal(*logits)


@pytest.mark.parametrize("layout", ["stable", "group"])
def test_layers_in_half_precision_give_nearly_the_same_scores_and_gradients(layout, plan_of) -> None:
    prepared = prepare(plan_of(layout, folds=(0,)))
    head = prepared.plan.network_head()
    reader = clips.ClipReader(prepared.plan.root, prepared.encoder)
    states = frozen.FrozenStates(prepared.split, reader, prepared.clips, window=16, context="encoder")
    (some,) = states.of([np.arange(6)])
    scores, gradients = [], []
    for half in (False, True):
        network = FineTuneNetwork(prepared.split, head.net(), window=16, half=half)
        network.start([some], 4, seed=0)
        logits = network.logits(some)
        torch.autograd.backward(logits.square().sum())
        scores.append(logits.detach())
        gradients.append(torch.cat([value.grad.flatten() for value in network.params.values()]))
        for value in network.params.values():
            value.grad = None
    assert not torch.equal(*scores)
    assert (scores[0] - scores[1]).norm() < 0.05 * scores[0].norm()
    assert torch.cosine_similarity(*gradients, dim=0) > 0.98
