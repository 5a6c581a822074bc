"""Reader of single examples of a shard by position, for inspection."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence

import tensorflow as tf

from lrl_keras.data import schema
from lrl_keras.errors import InputError
from lrl_keras.media import images

_AGAIN = "run the same `lrl-keras prepare` again to restore it"


def read(
    path: str | os.PathLike[str], positions: Sequence[int], image_size: int
) -> list[schema.Example]:
    """Read the examples at some positions of a shard.

    Args:
        path: the shard, a path or URL.
        positions: ascending indices of the examples in the shard, from 0.
        image_size: side that their images must have, in pixels.

    Returns:
        list of `schema.Example`, in the order of `positions`.

    Raises:
        InputError: naming the shard, where one of them is missing or damaged.
    """
    found = []
    try:
        for serialized in _records(str(path), positions):
            found.append(_example(serialized, image_size))
    except (tf.errors.OpError, ValueError) as error:
        reason = " ".join(str(getattr(error, "message", error)).split())
        raise InputError(
            f"{path}: example {positions[len(found)]} cannot be read ({reason}); {_AGAIN}"
        ) from None
    if len(found) < len(positions):
        raise InputError(f"{path}: has no example {positions[len(found)]}; {_AGAIN}")
    return found


def _records(path, positions):
    # A filter in the graph would take longer to trace than a shard takes to read.
    stored = enumerate(tf.data.TFRecordDataset(path, buffer_size=1 << 20))
    wanted = set(positions)
    for number, serialized in itertools.islice(stored, positions[-1] + 1):
        if number in wanted:
            yield serialized


def _example(serialized, image_size):
    decoded = schema.decode(serialized, blend=True)
    features = {name: value.numpy() for name, value in decoded.items()}
    texts = ("dataset", "method", "compression", "video")
    mask = _decoded(features["mask"], 1, image_size)[..., 0] // 128 if features["mask"] else None
    blend = _decoded(features["blend"], 1, image_size)[..., 0] if features["blend"] else None
    return schema.Example(
        image=_decoded(features["image"], 3, image_size),
        mask=mask,
        has_mask=bool(features["has_mask"]),
        label=int(features["label"]),
        **{name: features[name].decode() for name in texts},
        frame=int(features["frame"]),
        box=tuple(features["box"].tolist()),
        blend=blend,
    )


def _decoded(contents, channels, side):
    # The header is checked before anything is decoded, so that no image can fill the memory.
    height, width = images.png_size(contents).numpy().tolist()
    if (height, width) != (side, side):
        raise ValueError(f"no PNG of {side} x {side} pixels but of {height} x {width}")
    return tf.io.decode_png(contents, channels=channels).numpy()
