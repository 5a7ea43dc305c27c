"""Fixtures for tests of `pid-train`."""

import pytest
import torch


@pytest.fixture(scope="module")
def one_thread():
    """Sums of one thread are the same to the bit in every run."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
