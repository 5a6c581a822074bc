"""TFRecord features: `Example` in Python, `encode` to bytes, `decode` in the graph."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import tensorflow as tf
from PIL import Image

SCHEMA_VERSION = 2

_FEATURES = {
    "image": tf.io.FixedLenFeature([], tf.string),
    "mask": tf.io.FixedLenFeature([], tf.string),
    "has_mask": tf.io.FixedLenFeature([], tf.int64),
    "label": tf.io.FixedLenFeature([], tf.int64),
    "dataset": tf.io.FixedLenFeature([], tf.string),
    "method": tf.io.FixedLenFeature([], tf.string),
    "compression": tf.io.FixedLenFeature([], tf.string),
    "video": tf.io.FixedLenFeature([], tf.string),
    "frame": tf.io.FixedLenFeature([], tf.int64),
    "box": tf.io.FixedLenFeature([4], tf.int64),
}
# Of faces that were forged by blending, where those who read them want it.
_BLEND = {"blend": tf.io.FixedLenFeature([], tf.string, "")}
# Features that only faces have that training forges itself.
_OF_FACES = {
    "landmarks": tf.io.FixedLenFeature([10], tf.float32),
    "face_box": tf.io.FixedLenFeature([4], tf.float32),
}


@dataclasses.dataclass(frozen=True)
class Example:
    """One face crop and its annotations.

    Attributes:
        image: uint8 array (S, S, 3), RGB.
        mask: uint8 array (S, S) of 0 (real) and 1 (forged), or `None` for 'all real'. Ignored by
            training where `has_mask` is false.
        has_mask: whether the manipulated region is known; false for a forgery without source.
        label: 0 real, 1 forged.
        dataset, method, compression: e.g. `"faceforensics"`, `"Deepfakes"` (`"real"` for a real
            face), `"c23"`.
        video: the clip's name, unique within (dataset, method).
        frame: index of the frame in the clip, from 0.
        box: (x0, y0, x1, y1) of the crop in the frame, in pixels, x1 and y1 exclusive.
        landmarks: five points (x, y) in pixels of `image` of a face that training forges itself,
            whose image is wider than a crop; otherwise `None`.
        face_box: likewise, (x0, y0, x1, y1) of the crop of the face in pixels of `image`.
        blend: uint8 array (S, S) of a face that was forged by blending, 255 times the weight of
            what was blended in; otherwise `None`.
    """

    image: np.ndarray
    mask: np.ndarray | None
    has_mask: bool
    label: int
    dataset: str
    method: str
    compression: str
    video: str
    frame: int
    box: tuple[int, int, int, int]
    landmarks: np.ndarray | None = None
    face_box: tuple[float, float, float, float] | None = None
    blend: np.ndarray | None = None


def encode_png(array: np.ndarray) -> bytes:
    """Encode a uint8 array (H, W) or (H, W, 3) as PNG bytes."""
    buffer = io.BytesIO()
    # Level 1 takes a sixth of the default level's time, for a seventh more bytes.
    Image.fromarray(array).save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()


def encode(example: Example) -> bytes:
    """Serialize an example as `tf.train.Example`; equal examples give equal bytes.

    Args:
        example: an `Example`.

    Returns:
        bytes. `mask` is a PNG of 0 and 255, empty where `example.mask` is `None`; `blend` a PNG,
        left out where it is `None`.
    """
    mask = b"" if example.mask is None else encode_png(example.mask * np.uint8(255))
    values = {
        "image": encode_png(example.image),
        "mask": mask,
        "has_mask": int(example.has_mask),
        "label": int(example.label),
        "dataset": example.dataset,
        "method": example.method,
        "compression": example.compression,
        "video": example.video,
        "frame": int(example.frame),
        "box": [int(side) for side in example.box],
    }
    if example.landmarks is not None and example.face_box is not None:
        values["landmarks"] = np.ravel(example.landmarks).astype(float).tolist()
        values["face_box"] = [float(side) for side in example.face_box]
    if example.blend is not None:
        values["blend"] = encode_png(example.blend)
    features = tf.train.Features(feature={name: _feature(value) for name, value in values.items()})
    return tf.train.Example(features=features).SerializeToString(deterministic=True)


def decode(serialized: tf.Tensor, blend: bool = False) -> dict[str, tf.Tensor]:
    """Read the features of one serialized example in the graph; images stay PNG bytes.

    Args:
        serialized: scalar string tensor.
        blend: whether to read `blend` too, which is empty where there is none.

    Returns:
        dict of scalar tensors named as in `Example` (`box`: int64 (4,)).
    """
    return tf.io.parse_single_example(serialized, {**_FEATURES, **(_BLEND if blend else {})})


def decode_face(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
    """Read the features of one face that training forges itself, as `decode` does.

    Returns:
        dict of scalar tensors, `landmarks` float32 (10,) and `face_box` float32 (4,).
    """
    return tf.io.parse_single_example(serialized, {**_FEATURES, **_OF_FACES})


def decode_places(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Read names and landmarks of many faces, without their images.

    Args:
        serialized: string tensor (N,).

    Returns:
        `video`, string (N,), and `landmarks`, float32 (N, 10).
    """
    features = {"video": _FEATURES["video"], "landmarks": _OF_FACES["landmarks"]}
    found = tf.io.parse_example(serialized, features)
    return found["video"], found["landmarks"]


def _feature(value):
    if isinstance(value, str):
        value = value.encode()
    if isinstance(value, bytes):
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
    values = value if isinstance(value, list) else [value]
    if isinstance(values[0], float):
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))
