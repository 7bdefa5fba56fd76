"""Work described by names: planned without the nets, and loaded elsewhere as the same."""

import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from ravfeat.cache.format import StoreRecipe
from ravfeat.encoders.registry import load_encoder
from ravfeat.errors import CorpusError, EncoderError
from ravfeat.extract.named_work import NamedWork
from ravfeat.extract.run import finish, run_extraction, run_shards
from ravfeat.extract.work_plan import plan_work
from ravfeat.faces.source import FaceOptions
from tests.tinyfaces import write_net

pytestmark = pytest.mark.usefixtures("small_shards")


def test_work_by_names_fills_the_cache_that_loaded_encoders_fill(corpus: Any, tmp_path: Path, contents: Any) -> None:
    whole = run_extraction(corpus.extraction(encoder=load_encoder("logmel", "cpu")), tmp_path / "whole").path
    work = NamedWork(corpus.root, ("logmel",), corpus.manifest, device="cpu")
    plan = plan_work(work, tmp_path / "out")
    sent = pickle.dumps((work.to_send(), plan.to_send()))
    assert len(sent) < 6000
    there, there_plan = pickle.loads(sent)
    (result,) = finish(plan, [run_shards(there, ((0, 1, 2, 3, 4, 5),), there_plan)])
    assert contents(result.path) == contents(whole)
    with pytest.raises(CorpusError, match="no manifest any more"):
        plan_work(there, tmp_path)


def test_the_views_of_work_by_names_are_loaded_in_the_order_of_the_plan(
    corpus: Any, tmp_path: Path, contents: Any
) -> None:
    views = ("clean", "speed-1:0.9")
    work = NamedWork(corpus.root, ("logmel",), corpus.manifest, device="cpu", views=views)
    plan = plan_work(work, tmp_path / "out")
    assert [cache.identity["view"] for cache in plan.caches] == list(views)
    there, there_plan = pickle.loads(pickle.dumps((work.to_send(), plan.to_send())))
    numbers = ((0, 1, 2, 3, 4, 5), (0, 1, 2, 3, 4, 5))
    results = finish(plan, [run_shards(there, numbers, there_plan)])
    for view, result in zip(views, results, strict=True):
        what = corpus.extraction(encoder=load_encoder("logmel", "cpu"), recipe=StoreRecipe(view=view))
        assert contents(run_extraction(what, tmp_path / "alone").path) == contents(result.path)


def test_another_model_under_the_same_name_is_refused_where_it_is_loaded(corpus: Any, tmp_path: Path) -> None:
    net = write_net(tmp_path / "tiny.onnx")
    work = NamedWork(corpus.root, (str(net),), corpus.manifest, device="cpu", faces=FaceOptions(cropped=True))
    plan = plan_work(work, tmp_path / "out").to_send()
    net.with_suffix(".toml").write_text(net.with_suffix(".toml").read_text().replace("0.25", "0.5"))
    with pytest.raises(EncoderError, match=r"fingerprint [0-9a-f]{12} here, and [0-9a-f]{12} where the work was plan"):
        work.to_send().load(plan)


def test_a_worker_computes_with_the_threads_of_the_driver(corpus: Any, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        work = NamedWork(corpus.root, ("logmel",), corpus.manifest, device="cpu").as_here()
        plan = plan_work(work, tmp_path)
        torch.set_num_threads(1)
        work.to_send().load(plan)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
