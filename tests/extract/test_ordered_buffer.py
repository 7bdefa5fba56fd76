"""The buffer between readers and their consumer: order, bound, no deadlock, the end."""

import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ravfeat.extract.ordered_buffer import OrderedBuffer


def fill(buffer: OrderedBuffer[int], writer: int, sizes: list[int]) -> None:
    for size in sizes:
        if not buffer.put(writer, writer, size):
            return
    buffer.end(writer)


def test_items_come_writer_after_writer() -> None:
    buffer = OrderedBuffer[int](100)
    for writer in (2, 0, 1):
        fill(buffer, writer, [1, 1])
    assert [list(buffer.take_all()) for _ in range(3)] == [[0, 0], [1, 1], [2, 2]]
    assert buffer.n_bytes == 0


@pytest.mark.parametrize("limit", [0, 1, 10, 10**9])
def test_no_limit_stops_it_and_none_is_exceeded_by_more_than_an_item(limit: int) -> None:
    draw = random.Random(0)
    # Many tiny writers, some without an item, and huge ones among them.
    sizes = [[draw.choice([0, 1, 5])] * draw.choice([0, 1, 3, 200 if writer % 17 == 3 else 2]) for writer in range(100)]
    buffer, most = OrderedBuffer[int](limit), 0
    with ThreadPoolExecutor(8) as pool:
        for writer, own in enumerate(sizes):
            pool.submit(fill, buffer, writer, own)
        for writer, own in enumerate(sizes):
            items = []
            for item in buffer.take_all():
                most = max(most, buffer.n_bytes)
                items.append(item)
            assert items == [writer] * len(own)
    assert most <= limit + 5
    assert buffer.n_bytes == 0


def test_room_goes_to_the_writer_that_is_needed_first() -> None:
    buffer = OrderedBuffer[int](1)
    fill(buffer, 0, [1])
    threads = {}
    for writer in (3, 1, 2):
        threads[writer] = threading.Thread(target=fill, args=(buffer, writer, [1]))
        threads[writer].start()
        while len(buffer._waiting) != len(threads):
            time.sleep(0.001)
    assert list(buffer.take_all()) == [0]
    threads[1].join(5)
    assert [thread.is_alive() for thread in threads.values()] == [True, False, True]
    assert [list(buffer.take_all()) for _ in range(3)] == [[1], [2], [3]]


def test_closing_lets_everybody_go() -> None:
    buffer = OrderedBuffer[int](1)
    threads = [threading.Thread(target=fill, args=(buffer, writer, [1, 1])) for writer in range(5)]
    for thread in threads:
        thread.start()
    buffer.close()
    for thread in threads:
        thread.join(5)
        assert not thread.is_alive()
    assert not buffer.put(0, 0, 0)
