"""A small FaceForensics++ in the official layout, from videos made here."""

import json

import numpy as np
from videos import face_frames, faceless_frames, forged, write_video

COUNT = 12
ARGUMENTS = {"frames_per_video": 4, "image_size": 64, "progress": False}  # of `prepare`
UNICODE = "naïve 7 中"
SPLITS = {
    "train": [["000", "003"], ["004", "005"]],
    "val": [["001", "870"]],
    "test": [["002", UNICODE]],
}


def video_path(root, method, name, compression="c23"):
    place = "original_sequences/youtube" if method == "real" else f"manipulated_sequences/{method}"
    return root / place / compression / "videos" / f"{name}.mp4"


def write_splits(root, splits=SPLITS):
    for split, pairs in splits.items():
        path = root / "splits" / f"{split}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(pairs), encoding="utf-8")


def write_tree(root):
    """Everything that happens on users' disks, in one tree.

    train: 000 with a whole and a shorter fake; 003 missing, its fake unpaired; 004 of which a
    fake is of another size. val: 001 with a cut-off, an empty and a good fake; 870 without a
    face. test: a name with a space and letters outside ASCII.
    """
    write_splits(root)
    faces, fakes = face_frames(COUNT), forged(face_frames(COUNT))

    def write(method, name, frames, **options):
        return write_video(video_path(root, method, name), frames, **options)

    write("real", "000", faces)
    write("Deepfakes", "000_003", fakes)
    write("FaceSwap", "000_003", fakes[: COUNT // 2])
    write("Deepfakes", "003_000", fakes)
    write("real", "004", faces)
    write("Face2Face", "004_005", [np.ascontiguousarray(frame[:, :280]) for frame in fakes])

    write("real", "001", faces)
    cut = write("Face2Face", "001_870", fakes, options={"g": "4"}, flags="faststart")
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size * 2 // 3])
    write("FaceSwap", "001_870", fakes).write_bytes(b"")
    write("NeuralTextures", "001_870", fakes)
    write("real", "870", faceless_frames(COUNT))
    write("Deepfakes", "870_001", faceless_frames(COUNT))

    write("real", UNICODE, faces)
    write("NeuralTextures", f"{UNICODE}_002", fakes)

    for name in ("000_003", "003_000"):
        decoy = root / "manipulated_sequences" / "Deepfakes" / "masks" / "videos" / f"{name}.mp4"
        write_video(decoy, fakes[:2])
    return root
