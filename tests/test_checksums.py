import hashlib
import os

import numpy as np
import pytest

from lrl_keras.system import checksums


@pytest.fixture
def paths(tmp_path):
    """Twenty files of 0 to 3 MB; the seventh is missing and the ninth a pipe."""
    rng = np.random.default_rng(3)
    paths = [tmp_path / f"{index:02}" for index in range(20)]
    for index, path in enumerate(paths):
        path.write_bytes(rng.bytes(index * 160_000))
    paths[7].unlink()
    paths[9].unlink()
    os.mkfifo(paths[9])
    return paths


def test_digests_and_errors_come_in_the_order_of_the_files(paths):
    found = list(checksums.sha256(paths))
    for index, (path, digest) in enumerate(zip(paths, found, strict=True)):
        if index in (7, 9):
            assert isinstance(digest, FileNotFoundError)
        else:
            assert digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_sizes_are_those_of_the_files_alone(paths):
    found = checksums.sizes([*paths, paths[0].parent])
    assert [size for size in found if isinstance(size, int)] == [
        index * 160_000 for index in range(20) if index not in (7, 9)
    ]
    assert sum(isinstance(size, OSError) for size in found) == 3


def test_the_bar_counts_all_bytes_and_shows_where_it_takes_long(paths, capsys):
    assert len(list(checksums.sha256(paths, delay=0))) == 20
    assert "27.8M/27.8M" in capsys.readouterr().err
    list(checksums.sha256(paths))
    list(checksums.sha256(paths, delay=0, progress=False))
    assert capsys.readouterr().err == ""
