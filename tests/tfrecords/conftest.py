import shutil

import pytest
from ffpp_tree import ARGUMENTS, write_tree
from footage import write_footage

from tfrecords.build import prepare


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    """Root of a small FaceForensics++; not to be changed."""
    return write_tree(tmp_path_factory.mktemp("ffpp"))


@pytest.fixture(scope="session")
def finished_records(tree, tmp_path_factory):
    """Records of `tree`, made by two workers; not to be changed."""
    out = tmp_path_factory.mktemp("records")
    prepare("faceforensics", tree, out, workers=2, **ARGUMENTS)
    return out


@pytest.fixture
def records(finished_records, tmp_path):
    """A copy of `finished_records`."""
    return shutil.copytree(finished_records, tmp_path / "records")


@pytest.fixture(scope="session")
def footage(tmp_path_factory):
    """Folder of short videos of every kind; not to be changed."""
    return write_footage(tmp_path_factory.mktemp("footage"))
