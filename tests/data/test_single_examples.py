import dataclasses

import numpy as np
import photographs
import pytest
import tensorflow as tf
from damage import png_of_zeros
from skimage import data

from lrl_keras.data import single_examples
from lrl_keras.data.schema import encode, encode_png
from lrl_keras.errors import InputError

SIZE = photographs.SIZE


@pytest.fixture
def written():
    paired = list(photographs.clip(data.astronaut(), "a_b", "Deepfakes", 5))
    unpaired = list(photographs.clip(data.coffee(), "c_d", "Face2Face", 4, paired=False))
    return [*paired, *unpaired, *photographs.clip(data.chelsea(), "chelsea", "real", 3)]


@pytest.fixture
def shard(written, tmp_path):
    path = tmp_path / "val-00000-of-00001.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for example in written:
            writer.write(encode(example))
    return path


@pytest.mark.parametrize("positions", [[0], [11], [2, 3, 7, 10], list(range(12))])
def test_examples_are_those_of_their_places(shard, written, positions):
    found = single_examples.read(shard, positions, SIZE)
    assert len(found) == len(positions)
    for example, position in zip(found, positions, strict=True):
        for field in dataclasses.fields(example):
            expected, value = (getattr(e, field.name) for e in (written[position], example))
            assert np.array_equal(value, expected), field.name


def test_what_is_not_there_is_said(shard):
    with pytest.raises(InputError, match=r"tfrecord: has no example 12; run the same"):
        single_examples.read(shard, [3, 12], SIZE)


def test_damage_is_one_line_that_names_the_place(shard):
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises(InputError, match=r"tfrecord: example \d+ cannot be read .*; run") as caught:
        single_examples.read(shard, list(range(12)), SIZE)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "image",
    [b"", b"GIF89a", encode_png(np.zeros((50, 48, 3), np.uint8)), png_of_zeros(20000, 20000)],
    ids=["empty", "other", "size", "bomb"],
)
def test_pictures_that_lie_are_refused(shard, written, image):
    lie = tf.train.Example.FromString(encode(written[0]))
    lie.features.feature["image"].bytes_list.value[0] = image
    with tf.io.TFRecordWriter(str(shard)) as writer:
        writer.write(encode(written[1]))
        writer.write(lie.SerializeToString())
    assert len(single_examples.read(shard, [0], SIZE)) == 1
    with pytest.raises(InputError, match=r"example 1 cannot be read \(no PNG of 48 x 48 pixels"):
        single_examples.read(shard, [0, 1], SIZE)
