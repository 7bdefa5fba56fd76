"""Threads beside the encoder start none of their own."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import torch

from ravfeat.encoders.threads import set_team_size, single_threaded_readers, team_size


def in_a_new_thread(settle=lambda: None) -> int:
    with ThreadPoolExecutor(1, initializer=settle) as pool:
        return pool.submit(torch.get_num_threads).result()


def test_threads_beside_the_encoder_compute_alone_and_the_encoder_keeps_its_number() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with single_threaded_readers() as settle:
            assert in_a_new_thread(settle) == 1
            assert torch.get_num_threads() == 2
        assert (torch.get_num_threads(), in_a_new_thread()) == (2, 2)
    finally:
        torch.set_num_threads(before)


def test_where_torch_was_never_loaded_it_is_not_loaded_for_this() -> None:
    code = (
        "from ravfeat.encoders.threads import set_team_size, single_threaded_readers, team_size\nimport sys\n"
        "with single_threaded_readers() as settle:\n    settle()\nprint('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_a_process_can_compute_with_the_number_of_threads_of_another() -> None:
    before = torch.get_num_threads()
    try:
        set_team_size(3)
        assert (torch.get_num_threads(), team_size()) == (3, 3)
        set_team_size(None)
        assert team_size() == 3
    finally:
        torch.set_num_threads(before)
