"""What the tests of data sets share."""

import pytest

from .small_sets import MADE


@pytest.fixture(scope="session")
def roots(tmp_path_factory):
    """A small set of each kind. Do not change them."""
    folder = tmp_path_factory.mktemp("sets")
    for name, (make, _) in MADE.items():
        make(folder / name)
    return folder
