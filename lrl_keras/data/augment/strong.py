"""The strong augmentation: changes that may meet an image on its way to the detector."""

import keras
import tensorflow as tf

_ROTATION = 10 / 360
_ZOOM = 0.1
_KERNEL = 7
_SIGMA = (0.5, 1.4)
_BRIGHTNESS = 0.1
_CONTRAST = 0.1
_SATURATION = (0.8, 1.2)
_HUE = 0.02
_NOISE = (3 / 255, 7 / 255)
_JPEG = (40, 100)
_ERASED = (0.02, 0.1)


class Strong:
    """Rotation, zoom, blur, colour, noise, JPEG and erasing, each for a share of the examples.

    | in this order | share | strength |
    |---|---|---|
    | rotation and zoom, in one bilinear step | 0.5 | up to 10 degrees; 0.9 to 1.1 |
    | Gaussian blur | 0.3 | 7 x 7 pixels, sigma 0.5 to 1.4 |
    | brightness, then contrast | 0.5 | up to 0.1 of the range; 0.9 to 1.1 |
    | saturation, then hue | 0.2 | 0.8 to 1.2; up to 0.02 of the colour circle |
    | Gaussian noise | 0.2 | standard deviation 3 to 7 of 255 |
    | JPEG compression | 0.5 | quality 40 to 99 |
    | erasing | 0.2 | a grey rectangle, each side 0.14 to 0.32 of the image's |

    Rotation, blur, brightness, contrast and JPEG are as strong as in DeepfakeBench, whose share of
    blur is 0.5. Noise is as strong as in the solution that won the Deepfake Detection Challenge,
    zoom half as strong.

    The mask is rotated and zoomed with its image; a pixel of it is forged where at least half of
    it is. Beyond the border, image and mask are mirrored. Nothing else changes the mask: an erased
    part of a forgery stays marked as forged, and the model must infer it from its surroundings.

    References: Yan et al., "DeepfakeBench", NeurIPS 2023; Seferbekov, "DeepFake Detection (DFDC)
    Solution", 2020; Zhong et al., "Random Erasing Data Augmentation", AAAI 2020.
    """

    # Examples are changed one at a time: on a CPU a batch was no faster for the same change, and
    # every example of it would have to go through every change.

    def __init__(self):
        layers = keras.layers
        # The seed is not used, but without one a layer draws it from Python's generator, which the
        # model's weights depend on. The dtype is fixed, as the policy may be mixed_float16.
        common = {"dtype": "float32", "data_format": "channels_last", "seed": 0}
        colours = {"value_range": (0, 1), **common}
        # Keras takes f for a factor of f / (1 - f).
        saturation = tuple(factor / (1 + factor) for factor in _SATURATION)
        self._rotation = _ready(layers.RandomRotation(_ROTATION, fill_mode="reflect", **common))
        self._zoom = _ready(layers.RandomZoom((-_ZOOM, _ZOOM), **common))
        blur = layers.RandomGaussianBlur((1, 1), _KERNEL, _SIGMA, **colours)
        brightness = layers.RandomBrightness(_BRIGHTNESS, **colours)
        contrast = layers.RandomContrast((_CONTRAST, _CONTRAST), **colours)
        saturation = layers.RandomSaturation(saturation, **colours)
        hue = layers.RandomHue(2 * _HUE, **colours)
        erasing = layers.RandomErasing((1, 1), _ERASED, fill_value=0.5, **colours)
        self._changes = (
            (0.3, _with_a_margin(_drawn_by(blur))),
            (0.5, _drawn_by(brightness, contrast)),
            (0.2, _drawn_by(saturation, hue)),
            (0.2, _add_noise),
            (0.5, _compress),
            (0.2, _drawn_by(erasing)),
        )

    def __call__(self, image, mask, seed):
        """Change one example.

        Args:
            image: uint8 tensor (S, S, 3).
            mask: uint8 tensor (S, S, 1) of 0 and 1, perhaps with weights of 0..255 as second
                channel.
            seed: int64 tensor (2,); the changes follow from it alone.

        Returns:
            image and mask in the same form.
        """
        example = tf.cast(image, tf.float32)[None] / 255, mask[None]
        images, masks = _sometimes(0.5, _fold_in(seed, 1), self._move, example)
        for number, (share, change) in enumerate(self._changes, 2):
            images = _sometimes(share, _fold_in(seed, number), change, images)
        return tf.cast(tf.round(tf.clip_by_value(images[0], 0, 1) * 255), tf.uint8), masks[0]

    def _move(self, seeds, example):
        images, masks = example
        # Rotation and zoom are one step: each interpolation removes some of the high frequencies.
        rotation = self._rotation.get_random_transformation(images, True, seeds)
        zoom = self._zoom.get_random_transformation(images, True, seeds)["height_zoom"]
        centre = (tf.cast(tf.shape(images)[1], tf.float32) - 1) / 2
        shift = tf.constant([[0, 0, 1, 0, 0, 1, 0, 0]], tf.float32) * centre
        rotation["rotation_matrix"] = zoom * rotation["rotation_matrix"] + (1 - zoom) * shift
        together = tf.concat([images, tf.cast(masks, tf.float32)], axis=-1)
        together = self._rotation.transform_images(together, rotation)
        moved = tf.cast(together[..., 3:4] >= 0.5, tf.uint8)
        if masks.shape[-1] == 2:
            moved = tf.concat([moved, tf.cast(tf.round(together[..., 4:]), tf.uint8)], axis=-1)
        return together[..., :3], moved


class _Seeds(keras.random.SeedGenerator):
    """Generator in the form that Keras expects, without a state beyond the one seed."""

    def __init__(self, seed):  # The superclass would make a variable.
        self._seed = seed
        self._drawn = 0

    def next(self, ordered=True):
        self._drawn += 1
        return _fold_in(self._seed, self._drawn)


def _ready(layer):
    # In a `tf.data` pipeline, TensorFlow computes under any backend of Keras.
    layer.backend.set_backend("tensorflow")
    return layer


def _sometimes(share, seed, change, example):
    """Return `change(seeds, example)` for `share` of all seeds, otherwise `example`."""
    seeds = _Seeds(seed)
    wanted = tf.random.stateless_uniform((), seeds.next()) < share
    return tf.cond(wanted, lambda: change(seeds, example), lambda: example)


def _drawn_by(*layers):
    for layer in layers:
        _ready(layer)

    def change(seeds, images):
        for layer in layers:
            drawn = layer.get_random_transformation(images, True, seeds)
            images = layer.transform_images(images, drawn)
        return images

    return change


def _with_a_margin(change):
    # Keras blurs as if the image were black beyond its border.
    margin = _KERNEL // 2
    inside = slice(margin, -margin)

    def change_inside(seeds, images):
        paddings = [[0, 0], [margin, margin], [margin, margin], [0, 0]]
        images = tf.pad(images, paddings, "SYMMETRIC")
        return change(seeds, images)[:, inside, inside]

    return change_inside


def _add_noise(seeds, images):
    deviation = tf.random.stateless_uniform((), seeds.next(), *_NOISE)
    noise = tf.random.stateless_normal(tf.shape(images), seeds.next())
    return tf.clip_by_value(images + deviation * noise, 0, 1)


def _compress(seeds, images):
    image = tf.image.stateless_random_jpeg_quality(images[0], *_JPEG, seeds.next())
    return tf.ensure_shape(image, images.shape[1:])[None]


def _fold_in(seed, number):
    return tf.random.experimental.stateless_fold_in(seed, tf.constant(number, tf.int64))
