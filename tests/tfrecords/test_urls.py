"""A whole preparation between URLs; `file://` stands for any kind that TensorFlow knows."""

import numpy as np
import pytest
from ffpp_tree import ARGUMENTS

from lrl_keras.data import Records, examples, load
from lrl_keras.errors import InputError
from tfrecords.build import prepare


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.long
def test_urls_give_the_same_bytes_as_local_folders(tree, finished_records, tmp_path):
    url = f"file://{tmp_path}/re cords é"
    prepare("faceforensics", f"file://{tree}", url, workers=1, **ARGUMENTS)
    made = contents(tmp_path / "re cords é")
    assert made == contents(finished_records)

    (tmp_path / "re cords é" / "val-00000-of-00002.tfrecord").unlink()
    records = prepare("faceforensics", f"file://{tree}", url, workers=1, **ARGUMENTS)
    assert records.fingerprint == Records.open(url).fingerprint
    assert contents(tmp_path / "re cords é") == made

    for local, remote in zip(
        examples(finished_records, "test", batch_size=3),
        examples(url, "test", batch_size=3),
        strict=True,
    ):
        for name, values in local.items():
            np.testing.assert_array_equal(values, remote[name])
    image, _, _ = next(iter(load(url, "train", batch_size=2, image_size=32)))
    assert image.shape == (2, 32, 32, 3)


@pytest.mark.parametrize("place", ["root", "out"])
def test_a_kind_of_url_that_is_not_known_is_named(tree, tmp_path, place):
    root, out = ("nosuch://a", tmp_path) if place == "root" else (tree, "nosuch://a")
    with pytest.raises(InputError, match="nosuch:// is not known"):
        prepare("faceforensics", root, out, **ARGUMENTS)


def test_a_missing_root_behind_a_url_is_named(tmp_path):
    url = f"file://{tmp_path}/none"
    with pytest.raises(InputError, match=f"^{url}: no such folder"):
        prepare("faceforensics", url, tmp_path / "out", **ARGUMENTS)
