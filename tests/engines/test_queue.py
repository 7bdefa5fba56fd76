"""Who gets which shards."""

from pathlib import Path

from ravfeat.engines.queue import ShardQueue
from ravfeat.extract.work_plan import CachePlan, WorkPlan


def plan(*shards: int, failed: tuple[int, ...] = ()) -> WorkPlan:
    return WorkPlan(tuple(
        CachePlan(Path("cache"), {}, {}, tuple(range(n)), tuple(range(n)), {k: {"a": "b"} for k in failed}, (), {},
                  frozenset())
        for n in shards
    ))  # fmt: skip


def drained(queue: ShardQueue, workers: int = 1) -> list[tuple[tuple[int, ...], ...]]:
    orders = []
    while queue:
        orders.append(queue.take(max(1, workers - len(orders))))
    return orders


def test_runs_of_neighbours_get_shorter_and_hold_every_shard_once() -> None:
    orders = drained(ShardQueue(plan(100), 2))
    assert [len(numbers) for (numbers,) in orders][:3] == [25, 19, 14]
    assert [n for (numbers,) in orders for n in numbers] == list(range(100))
    assert len(orders[-1][0]) == 1


def test_divided_at_once_each_worker_gets_an_equal_part() -> None:
    assert drained(ShardQueue(plan(7), 3, at_once=True), 3) == [((0, 1, 2),), ((3, 4),), ((5, 6),)]
    assert drained(ShardQueue(plan(2), 3, at_once=True), 3) == [((0,),), ((1,),)]


def test_caches_of_one_pass_are_divided_side_by_side() -> None:
    orders = drained(ShardQueue(plan(8, 80), 2))
    assert orders[0] == ((0, 1), tuple(range(20)))
    assert [n for numbers, _ in orders for n in numbers] == list(range(8))
    assert [n for _, numbers in orders for n in numbers] == list(range(80))


def test_of_what_a_dead_worker_had_the_first_goes_alone_and_is_given_up_after_three_deaths() -> None:
    queue = ShardQueue(plan(5), 1, at_once=True)
    (order,) = drained(queue)
    queue.died(order, lambda _, shard: shard == 0)  # it has written the first
    assert drained(queue) == [((2, 3, 4),), ((1,),)]
    for _ in range(2):
        assert queue.given_up == []
        queue.died(((1,),), lambda *_: False)
        drained(queue)
    assert queue.given_up == [(0, 1)]
    assert not queue


def test_nothing_comes_back_of_a_worker_that_died_after_its_work() -> None:
    queue = ShardQueue(plan(3), 1, at_once=True)
    queue.died(*drained(queue), lambda *_: True)
    assert not queue
