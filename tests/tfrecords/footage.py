"""Short encoded videos, of which the tests of the sources build their trees."""

import shutil

import numpy as np
from videos import (
    cut_off,
    face_frames,
    faceless_frames,
    forged,
    turn_clockwise,
    two_faces,
    write_video,
)

import lrl_keras.data
from lrl_keras.data import manifest as manifests
from tfrecords.build import prepare

COUNT = 8
TIMES = [0, 30, 50, 120, 130, 200, 260, 330]  # milliseconds
ARGUMENTS = {"frames_per_video": 2, "image_size": 48, "workers": 1, "progress": False}


def write_footage(folder):
    """Encode every kind of video once; returns `folder`."""
    face, fake = face_frames(COUNT), forged(face_frames(COUNT))
    for name, frames in {
        "face": face,
        "fake": fake,
        "short fake": fake[: COUNT // 2],
        "later fake": forged(face_frames(COUNT + 30))[30:],
        "nobody": faceless_frames(COUNT),
        "two": two_faces(face, face),
        "two, smaller fake": two_faces(face, fake),
    }.items():
        write_video(folder / f"{name}.mp4", frames)
    write_video(folder / "irregular.mp4", face, times=TIMES)
    lying = [np.ascontiguousarray(np.rot90(frame)) for frame in face]
    turn_clockwise(write_video(folder / "portrait.mp4", lying), 1)
    whole = write_video(folder / "cut fake.mp4", fake, options={"g": "2"}, flags="faststart")
    cut_off(whole, 0.75)
    (folder / "empty.mp4").write_bytes(b"")
    return folder


def place(footage, root, videos):
    """Copy videos of `footage` to where they belong below `root`; `videos`: path to kind."""
    for path, kind in videos.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(footage / f"{kind}.mp4", root / path)
    return root


def touch(root, *paths):
    """Empty files, for tests that only list."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(b"")
    return root


class Records:
    """Records of a tree, read back.

    Attributes:
        manifest: their manifest.
        clips: its reports by (method, video).
        examples: dict of arrays by (split, method, video).
    """

    def __init__(self, source, root, out, **options):
        prepare(source, root, out, **ARGUMENTS, **options)
        self.manifest = manifests.read(out)
        self.clips = {(clip["method"], clip["video"]): clip for clip in self.manifest["clips"]}
        self.examples = {}
        for split in {shard["split"] for shard in self.manifest["shards"] if shard["examples"]}:
            for batch in lrl_keras.data.examples(out, split, batch_size=1).as_numpy_iterator():
                example = {name: value[0] for name, value in batch.items()}
                key = split, example["method"].decode(), example["video"].decode()
                self.examples.setdefault(key, []).append(example)

    def of(self, *key):
        """Examples of (split, method, video); as many as frames were asked for."""
        examples = self.examples[key]
        assert len(examples) == ARGUMENTS["frames_per_video"]
        return examples

    def assert_real(self, *key):
        """All examples of (split, method, video) are real, and their mask is known to be empty."""
        for example in self.of(*key):
            assert (example["label"], example["has_mask"]) == (0, True)
            assert not example["mask"].any()

    def assert_paired(self, *key):
        """All examples of (split, method, video) are forged and have a mask."""
        for example in self.of(*key):
            assert (example["label"], example["has_mask"]) == (1, True)
            assert 0.03 < example["mask"].mean() < 0.4
        assert self.clips[key[1:]]["unpaired"] is None

    def assert_unpaired(self, why, *key):
        """All examples of (split, method, video) are forged and their mask is not known."""
        for example in self.of(*key):
            assert (example["label"], example["has_mask"]) == (1, False)
        assert why in self.clips[key[1:]]["unpaired"]

    def assert_unusable(self, why, *key):
        """The clip (split, method, video) has no example."""
        assert key not in self.examples
        assert why in self.clips[key[1:]]["unusable"]

    def counts(self, split, kind, method):
        """(listed, missing, unusable, unpaired, examples) of the manifest."""
        counts = self.manifest["counts"][split][kind][method]
        videos = [
            counts[f"{what}_videos"] for what in ("listed", "missing", "unusable", "unpaired")
        ]
        return (*videos, counts["examples"])
