"""Real photographs from scikit-image as records, with squares of themselves pasted in."""

import numpy as np
import tensorflow as tf
from skimage import data

from lrl_keras.data import manifest
from lrl_keras.data.schema import Example, encode
from lrl_keras.system import files

SIZE = 48
METHODS = ("real", "Deepfakes", "FaceSwap", "Face2Face")
PHOTOGRAPHS = {
    "train": (data.astronaut, data.coffee),
    "val": (data.chelsea,),
    "test": (data.rocket,),
}


def crops(photograph, count):
    """`count` different square cuts of a photograph."""
    height, width = photograph.shape[:2]
    rng = np.random.default_rng(5)
    for _ in range(count):
        y, x = rng.integers(height - SIZE), rng.integers(width - SIZE)
        yield photograph[y : y + SIZE, x : x + SIZE], (int(x), int(y), int(x) + SIZE, int(y) + SIZE)


def clip(photograph, video, method, frames, paired=True):
    """Examples of one video; those of a forgery have a square from elsewhere pasted in."""
    forged = method != "real"
    start = 40 * METHODS.index(method)
    for frame, (image, box) in enumerate(crops(photograph, frames)):
        mask = None
        if forged:
            y, x = 4 + frame % 8, 20 - frame % 8
            image = image.copy()
            image[y : y + 20, x : x + 20] = photograph[start : start + 20, :20]
            if paired:
                mask = np.zeros((SIZE, SIZE), np.uint8)
                mask[y : y + 20, x : x + 20] = 1
        yield Example(
            image, mask, paired, int(forged), "photographs", method, "raw", video, 3 * frame, box
        )


def write_records(folder, shards, image_size=SIZE, **arguments):
    """Write `shards`, pairs of (split, examples), and their manifest with more `arguments`."""
    folder.mkdir(parents=True, exist_ok=True)
    entries, clips = [], []
    for index, (split, examples) in enumerate(shards):
        name = f"{split}-{index:05d}-of-{len(shards):05d}.tfrecord"
        with tf.io.TFRecordWriter(str(folder / name)) as writer:
            for example in examples:
                writer.write(encode(example))
        clips += clips_of(name, split, examples)
        labels = [example.label for example in examples]
        entries.append(
            {
                "name": name,
                "split": split,
                "examples": len(examples),
                "labels": {"0": labels.count(0), "1": labels.count(1)},
                "sha256": files.sha256(folder / name),
            }
        )
    content = {
        "source": "photographs",
        "arguments": {"image_size": image_size, "margin": 1.3, **arguments},
        "versions": {},
        "counts": {},
        "clips": clips,
        "shards": entries,
    }
    manifest.write(folder, content)
    return folder


def clips_of(shard, split, examples):
    """What a manifest says of the clips of a shard."""
    kept = {}
    for example in examples:
        key = example.method, example.video, example.label
        kept.setdefault(key, []).append(example.frame)
    none = ("mask_from", "real", "unpaired", "unusable")
    return [
        {
            **dict.fromkeys(none),
            "compression": "raw",
            "dropped": {},
            "frames": 1 + frames[-1],
            "kept": frames,
            "label": label,
            "method": method,
            "path": video,
            "shard": shard,
            "split": split,
            "video": video,
        }
        for (method, video, label), frames in kept.items()
    ]


def shards_of_photographs():
    """Four photographs, each 12 real examples and 30 forged ones of three methods."""
    shards = []
    for split, loaders in PHOTOGRAPHS.items():
        for loader in loaders:
            photograph, name = loader(), loader.__name__
            shards += [
                (split, list(clip(photograph, name, "real", 12))),
                (split, list(clip(photograph, f"{name}_x", "Deepfakes", 12))),
                (split, list(clip(photograph, f"{name}_x", "FaceSwap", 7))),
                (split, list(clip(photograph, f"{name}_y", "Face2Face", 11, paired=False))),
            ]
    return shards
