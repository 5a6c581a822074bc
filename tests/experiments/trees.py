"""A small FaceForensics++ with all that the experiments read, from videos made here."""

import itertools
import json

import numpy as np
from videos import face_frames, write_video

FRAMES = 5
PAIRS = {"train": ["000", "003"], "val": ["001", "870"], "test": ["002", "071"]}
# The region of a frame that each method changes: rows, columns. The face's crop is about 45 to 182
# by 90 to 227, and at its border a fake has to be as the real video.
REGIONS = {
    "Deepfakes": ((65, 165), (110, 208)),
    "Face2Face": ((115, 165), (120, 198)),
    "FaceSwap": ((65, 115), (115, 203)),
    "NeuralTextures": ((130, 165), (135, 183)),
}
_CRF = {"raw": "0", "c23": "23", "c40": "40"}


def write_ffpp(root, compressions=("c40",)):
    """One pair a split, the two real videos and their fakes by all four methods; returns `root`.

    Args:
        root: folder that becomes the root of the dataset.
        compressions: which of `"raw"`, `"c23"` and `"c40"` to write.
    """
    for split, pair in PAIRS.items():
        lists = root / "splits" / f"{split}.json"
        lists.parent.mkdir(parents=True, exist_ok=True)
        lists.write_text(json.dumps([pair]), encoding="utf-8")
    names = itertools.chain.from_iterable((pair, pair[::-1]) for pair in PAIRS.values())
    for number, (target, source) in enumerate(names):
        real = _frames(number)
        videos = {f"original_sequences/youtube//{target}": real}
        for method, region in REGIONS.items():
            fake = _changed(real, region)
            videos[f"manipulated_sequences/{method}//{target}_{source}"] = fake
        for compression, (name, frames) in itertools.product(compressions, videos.items()):
            place, video = name.split("//")
            path = root / place / compression / "videos" / f"{video}.mp4"
            write_video(path, frames, options={"crf": _CRF[compression]})
    return root


def _frames(number):
    """Frames of a real video; every second one is mirrored, and none is as bright as another."""
    frames = face_frames(FRAMES + number)[number:]
    side = -1 if number % 2 else 1
    return [np.clip(frame[:, ::side] + np.int16(6 * number), 0, 255).astype(np.uint8)
            for frame in frames]  # fmt: skip


def _changed(frames, region):
    rows, columns = (slice(*span) for span in region)
    out = [frame.copy() for frame in frames]
    for frame in out:
        # Upside down and brighter: wrong as a whole and along its border.
        frame[rows, columns] = np.clip(frame[rows, columns][::-1] + np.int16(40), 0, 255)
    return out


def write_celeb_df(root):
    """A real and a forged video of the official test list; returns `root`."""
    names = {"Celeb-real/id0_0001": 1, "Celeb-synthesis/id0_id1_0001": 0}
    _write_pair(root, *names)
    lines = [f"{label} {name}.mp4\n" for name, label in names.items()]
    (root / "List_of_testing_videos.txt").write_text("".join(lines))
    return root


def write_dfdc_preview(root):
    """A real and a forged video of the test set; returns `root`."""
    real, fake = "original_videos/10/10_A_001", "method_A/10/10_A/7_10_A_001"
    _write_pair(root, real, fake)
    common = {"set": "test", "augmentations": [], "target_id": 10}
    entries = {
        f"{real}.mp4": {"label": "real", **common},
        f"{fake}.mp4": {"label": "fake", "swapped_id": 7, "source_video": "10_A", **common},
    }
    (root / "dataset.json").write_text(json.dumps(entries))
    return root


def write_dfd(root):
    """A scene and its forgery in HQ; returns `root`."""
    return _write_pair(
        root,
        "original_sequences/actors/c23/videos/24__scene",
        "manipulated_sequences/DeepFakeDetection/c23/videos/24_23__scene__YR5OVD4S",
    )


def _write_pair(root, real, fake):
    frames = _frames(0)
    write_video(root / f"{real}.mp4", frames)
    write_video(root / f"{fake}.mp4", _changed(frames, REGIONS["Deepfakes"]))
    return root
