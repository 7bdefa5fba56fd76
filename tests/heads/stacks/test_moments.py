import torch

from ravfeat.heads.stacks.moments import Buffers


def test_a_buffer_is_lent_on_the_device_and_in_the_dtype_that_is_asked_for():
    """Streams of one head may differ in both: one fits a GPU, the other does not."""
    buffers = Buffers(torch.device("cpu"))
    meta = torch.device("meta")
    first = buffers.lend("half", 4, 3, dtype=torch.float16)
    assert buffers.lend("half", 4, 3, dtype=torch.float16, device=meta).device == meta
    assert buffers.lend("half", 4, 3).dtype == torch.float32
    assert buffers.lend("half", 2, 3, dtype=torch.float16).data_ptr() == first.data_ptr()


def test_a_larger_buffer_replaces_the_smaller_one():
    buffers = Buffers(torch.device("cpu"))
    buffers.lend("x", 4)
    assert buffers.lend("x", 5, 2).shape == (5, 2)
    assert buffers.lend("x", 2).untyped_storage().nbytes() == 40
