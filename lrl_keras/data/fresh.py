"""Fresh forgeries: made by the training itself, anew in every epoch, from faces in records."""

import numpy as np
import tensorflow as tf

from lrl_keras.data import blending, sampling, schema
from lrl_keras.data.blending.region import pose_distance
from lrl_keras.data.readers import Stored, checked_png

# Number of faces in a group, within which a face gets its donor.
_COMPANY = 16


def examples(source, key, shuffle, shuffle_buffer, blend=False):
    """Make the real and forged examples of one epoch.

    Each face is used `source.fresh.forgeries` times, each time in another view, which yields a real
    and then a forged example.

    Args:
        source: a `lrl_keras.data.split.Split` of faces.
        key: int64 tensor (2,): seed and epoch, which all chance follows from.
        shuffle: whether shards and faces are shuffled.
        shuffle_buffer: number of faces that are shuffled together.
        blend: whether 255 times the weight of the blending is a second channel of the mask.

    Returns:
        `tf.data.Dataset` of image, uint8 (S, S, 3), mask, uint8 (S, S, 1) of 0 and 1 or with
        `blend` (S, S, 2), and int64 label and has_mask.
    """
    reader = Stored(source)

    def one_pass(number):
        own = sampling.change_seed(key, number)
        faces = sampling.entries(reader, own, shuffle, False, shuffle_buffer)
        pairs = faces.batch(_COMPANY).map(_with_donors).unbatch()
        return pairs.enumerate().map(
            lambda position, pair: _forged(
                source, pair, sampling.change_seed(own, position), 2 if blend else 1
            ),
            tf.data.AUTOTUNE,
            deterministic=True,
        )

    return tf.data.Dataset.range(source.fresh.forgeries).flat_map(one_pass).unbatch()


def _with_donors(entries):
    """Pair each face with one of another identity, or with itself where there is no other.

    Every second face gets the donor whose pose is nearest, the others get any: forgers do not
    always have a choice.
    """
    videos, landmarks = schema.decode_places(entries)
    donors = tf.numpy_function(_donors, [videos, landmarks], tf.int64, False)
    return entries, tf.gather(entries, tf.ensure_shape(donors, (None,)))


def _donors(videos, landmarks):
    identities = [video.partition(b"/")[0] for video in videos]
    points = landmarks.reshape(-1, 5, 2)
    donors = []
    for place, identity in enumerate(identities):
        others = [at for at, other in enumerate(identities) if other != identity] or [place]
        # Faces are shuffled, so that their positions are random.
        alike = place % 2 == 0
        donors.append(
            min(others, key=lambda other: pose_distance(points[place], points[other]))
            if alike
            else others[place % len(others)]
        )
    return np.array(donors, np.int64)


def _forged(source, pair, seed, channels):
    (entry, donor), fresh = pair, source.fresh

    def make(*arguments):
        *arrays, is_alone, seed = arguments
        rng = np.random.default_rng(seed.view(np.uint64))
        face, donor = (
            blending.Face(arrays[at], arrays[at + 1].reshape(5, 2).astype(float), arrays[at + 2])
            for at in (0, 3)
        )
        method = fresh.methods[rng.integers(len(fresh.methods))]
        # A group of one identity offers no donor.
        method = blending.SELF_BLENDED if is_alone else method
        images, masks, labels = _pair(face, donor, method, fresh.image_size, rng)
        return images, masks[..., :channels], labels

    arguments = [tensor for of in (entry, donor) for tensor in _face(source, of)]
    images, masks, labels = tf.numpy_function(
        make, [*arguments, entry == donor, seed], (tf.uint8, tf.uint8, tf.int64), False
    )
    side = fresh.image_size
    images = tf.ensure_shape(images, (2, side, side, 3))
    masks = tf.ensure_shape(masks, (2, side, side, channels))
    return images, masks, tf.ensure_shape(labels, (2,)), tf.ones(2, tf.int64)


def _pair(face, donor, method, size, rng):
    """Make the real and the forged example of a view; masks have `blend` as second channel."""
    target = blending.target(blending.random_view(face, size, rng), rng)
    other = blending.random_view(donor, size, rng) if method == blending.SWAP else None
    forgery, *masks = blending.forge(method, target, other, rng)
    mask = np.stack(masks, axis=-1)
    images, masks = np.stack([target.image, forgery]), np.stack([np.zeros_like(mask), mask])
    # Both are real where nothing could be forged.
    return images, masks, np.array([0, mask.any()], np.int64)


def _face(source, entry):
    features = schema.decode_face(entry)
    return checked_png(features, "image", 3, source), features["landmarks"], features["face_box"]
