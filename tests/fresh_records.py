"""Records whose train split holds faces that training forges."""

import numpy as np
import photographs
from skimage import data, transform

from lrl_keras.data.schema import Example

SIZE, STORED = 64, 83
# The astronaut's eyes, nose and corners of the mouth, marked by eye.
LANDMARKS = np.array([(203, 101), (246, 103), (223, 127), (202, 139), (245, 140)], float)
METHODS = ("self-blended", "swap")
BOX = (9.5, 9.5, 73.5, 73.5)


def face(identity, number, nose=0.0):
    """A face of an identity, each turned and coloured otherwise, its nose moved in the plane.

    Args:
        identity, number: ints.
        nose: how far the nose lies to the right of the middle, in pixels of the photograph.
    """
    rng = np.random.default_rng([identity, number])
    move = transform.SimilarityTransform(translation=(-224, -120))
    turn = transform.SimilarityTransform(
        scale=0.5 * rng.uniform(0.9, 1.1),
        rotation=rng.uniform(-0.1, 0.1),
        translation=STORED / 2 + rng.uniform(-2, 2, 2),
    )
    move = move + turn
    image = transform.warp(data.astronaut(), move.inverse, output_shape=(STORED, STORED))
    image = (255 * np.clip(image * rng.uniform(0.8, 1, 3), 0, 1)).astype(np.uint8)
    points = LANDMARKS + np.array([[0, 0]] * 2 + [[nose, 0]] + [[0, 0]] * 2)
    return Example(
        image, None, True, 0, "self-blended", "real", "unknown", f"{identity}/{number}.png", 0,
        (20, 30, 84, 94), move(points), BOX,
    )  # fmt: skip


def write(folder, shards, methods=METHODS, forgeries=1):
    """Write records: `shards` are lists of faces of train; val and test are photographs."""
    other = [shard for shard in photographs.shards_of_photographs() if shard[0] != "train"]
    held_out = [(split, [_resized(example) for example in examples]) for split, examples in other]
    return photographs.write_records(
        folder,
        [*(("train", shard) for shard in shards), *held_out],
        SIZE,
        fresh=True,
        methods=list(methods),
        forgeries=forgeries,
    )


def people(identities, each=2):
    """Shards of two identities each."""
    return [
        [
            face(one, number)
            for one in range(start, min(start + 2, identities))
            for number in range(each)
        ]
        for start in range(0, identities, 2)
    ]


def _resized(example):
    """An example of photographs in the size of these records, its border repeated."""
    room = SIZE - photographs.SIZE
    arrays = {"image": np.pad(example.image, ((0, room), (0, room), (0, 0)), "edge")}
    if example.mask is not None:
        arrays["mask"] = np.pad(example.mask, (0, room))
    return Example(**{**vars(example), **arrays})
