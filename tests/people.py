"""Pictures of faces, each of another person as far as a file's name can tell."""

import numpy as np
from PIL import Image
from skimage import data, transform


def person(number):
    """A photograph of a face, each number another size, tilt and colour of the only one."""
    rng = np.random.default_rng(number)
    image = data.astronaut()[:300, 60:380]
    image = image[:, ::-1] if number % 2 else image
    image = transform.rotate(image, rng.uniform(-9, 9), mode="edge")
    image = transform.rescale(image, rng.uniform(0.7, 1), channel_axis=2, anti_aliasing=True)
    return (255 * np.clip(image * rng.uniform(0.8, 1.1, 3), 0, 1)).astype(np.uint8)


def save(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return path
