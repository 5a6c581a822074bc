import io
import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from ffpp_tree import ARGUMENTS, UNICODE, video_path, write_splits
from PIL import Image
from videos import face_frames, faceless_frames, write_video

from lrl_keras.data import manifest as manifests
from lrl_keras.data.schema import decode
from lrl_keras.errors import InputError
from tfrecords.build import prepare
from tfrecords.writing.shards import PARTS


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def read_all(folder):
    for shard in manifests.read(folder)["shards"]:
        for record in tf.data.TFRecordDataset(str(folder / shard["name"])):
            example = {name: value.numpy() for name, value in decode(record).items()}
            yield {
                name: value.decode() if name in ("method", "video", "compression") else value
                for name, value in example.items()
            }


def picture(png):
    return np.asarray(Image.open(io.BytesIO(png)))


def test_the_records_hold_what_the_manifest_says(finished_records):
    manifest = manifests.read(finished_records)
    manifests.verify(finished_records, manifest)
    examples = list(read_all(finished_records))
    assert len(examples) == sum(shard["examples"] for shard in manifest["shards"])
    for clip in manifest["clips"]:
        key = (clip["method"], clip["video"])
        mine = [example for example in examples if (example["method"], example["video"]) == key]
        assert [example["frame"] for example in mine] == clip["kept"]
        assert {example["label"] for example in mine} <= {clip["label"]}
        paired = clip["unpaired"] is None
        assert {bool(example["has_mask"]) for example in mine} <= {paired}
        for example in mine:
            image = picture(example["image"])
            assert image.shape == (64, 64, 3)
            x0, y0, x1, y1 = example["box"]
            assert x1 - x0 == y1 - y0
            assert bool(example["mask"]) == (paired and clip["label"] == 1)
            if example["mask"]:
                assert set(np.unique(picture(example["mask"]))) == {0, 255}


def test_everything_is_counted_and_named(finished_records, tree):
    manifest = manifests.read(finished_records)
    counts = manifest["counts"]
    assert counts["train"]["real"]["real"] == {
        "listed_videos": 4,
        "missing_videos": 2,
        "unusable_videos": 0,
        "unpaired_videos": 0,
        "examples": 8,
        "dropped_frames": 0,
    }
    assert counts["train"]["fake"]["Deepfakes"] == {
        "listed_videos": 4,
        "missing_videos": 2,
        "unusable_videos": 0,
        "unpaired_videos": 1,
        "examples": 8,
        "dropped_frames": 0,
    }
    assert counts["val"]["real"]["real"]["dropped_frames"] == 4
    assert counts["val"]["real"]["real"]["unusable_videos"] == 1
    assert counts["val"]["fake"]["FaceSwap"]["unusable_videos"] == 1
    assert counts["test"]["fake"]["NeuralTextures"]["examples"] == 4
    clips = {(clip["method"], clip["video"]): clip for clip in manifest["clips"]}
    assert len(clips) == 14
    assert clips["real", "870"]["dropped"] == {"no face": [1, 4, 7, 10]}
    assert clips["real", UNICODE]["kept"] == [1, 4, 7, 10]
    assert str(tree) not in (finished_records / "manifest.json").read_text()


def test_the_manifest_says_how_it_was_made(finished_records):
    manifest = manifests.read(finished_records)
    assert manifest["source"] == "faceforensics"
    assert manifest["arguments"]["image_size"] == 64
    assert manifest["arguments"]["margin"] == 1.3
    assert manifest["arguments"]["detector"]["name"] == "mtcnn"
    assert manifest["versions"]["tensorflow"] == tf.__version__
    assert set(manifest["versions"]) == {
        "lrl_keras",
        "tensorflow",
        "keras",
        "av",
        "mtcnn",
        "pillow",
        "numpy",
        "scikit-image",
        "scipy",
    }


@pytest.mark.slow
def test_one_worker_gives_the_same_bytes_as_two(tree, finished_records, tmp_path):
    prepare("faceforensics", tree, tmp_path, workers=1, **ARGUMENTS)
    assert contents(tmp_path) == contents(finished_records)


@pytest.mark.long
def test_killed_after_its_first_shard_it_ends_with_the_same_bytes(tree, finished_records, tmp_path):
    code = (
        "import sys; from tfrecords.build import prepare\n"
        f"prepare('faceforensics', {str(tree)!r}, sys.argv[1], workers=2, **{ARGUMENTS!r})"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], env=environment, stderr=subprocess.DEVNULL
    )
    while not any((tmp_path / PARTS).glob("*.tfrecord.json")) and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (tmp_path / manifests.MANIFEST).exists()
    assert prepare("faceforensics", tree, tmp_path, workers=2, **ARGUMENTS)
    assert contents(tmp_path) == contents(finished_records)


def test_nothing_usable_is_an_error_and_leaves_nothing(tmp_path):
    root, out = tmp_path / "root", tmp_path / "out"
    write_splits(root)
    write_video(video_path(root, "real", "000"), faceless_frames(3))
    video_path(root, "Deepfakes", "000_003").parent.mkdir(parents=True)
    video_path(root, "Deepfakes", "000_003").write_bytes(b"")
    with pytest.raises(InputError, match=r"no usable frame in 2 clips.*000\.mp4: no face"):
        prepare("faceforensics", root, out, workers=1, **ARGUMENTS)
    assert list(out.iterdir()) == []


def test_what_is_missing_is_a_warning_and_progress_is_shown(tmp_path, capsys, caplog):
    root, out = tmp_path / "root", tmp_path / "out"
    write_splits(root)
    write_video(video_path(root, "real", "000"), face_frames(3))
    arguments = {**ARGUMENTS, "progress": True}
    prepare("faceforensics", root, out, workers=1, **arguments)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "the split 'val' has no examples" in caplog.text
    assert "the split 'test' has no examples" in caplog.text
    assert "the split 'train' has no forged examples" in caplog.text
    assert "none of the 8 listed videos of 'Deepfakes' is there" in caplog.text
    assert "of 'real'" not in caplog.text
    assert "unusable" not in captured.err
    assert re.search(r"1/1 .*\dclip/s", captured.err)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"source": "celeb"}, "source must be one of celeb-df, dfd"),
        ({"compression": "c24"}, "compression must be one of raw, c23, c40"),
        ({"methods": ("FaceSwap", "Other")}, "methods must be one of Deepfakes"),
        ({"methods": ()}, "methods must be one or more"),
        ({"mask_from": "worst"}, "mask_from must be one of best, same"),
        ({"frames_per_video": 0}, "frames_per_video must be a whole number from 1"),
        ({"image_size": 299.5}, "image_size must be a whole number from 16"),
        ({"margin": 0.5}, "margin must be a number from 1 to 3"),
        ({"workers": 0}, "workers must be a whole number from 1"),
    ],
)
def test_wrong_arguments_are_refused(tree, tmp_path, options, words):
    arguments = {"source": "faceforensics", "root": tree, "out": tmp_path / "out", **options}
    with pytest.raises(InputError, match=words):
        prepare(**arguments)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_the_real_sample(shared_data, tmp_path):
    prepare("faceforensics", shared_data / "ffpp", tmp_path, frames_per_video=20, progress=False)
    manifest = manifests.read(tmp_path)
    kept = {(clip["method"], clip["video"]): len(clip["kept"]) for clip in manifest["clips"]}
    assert kept == {
        ("real", "519"): 20,
        ("Deepfakes", "519_515"): 20,
        ("Face2Face", "750_743"): 20,
        ("real", "004"): 20,
        ("NeuralTextures", "004_982"): 20,
        ("real", "634"): 20,
        ("FaceSwap", "634_660"): 20,
    }
    examples = list(read_all(tmp_path))
    unpaired = {example["video"] for example in examples if not example["has_mask"]}
    assert unpaired == {"750_743"}
    areas = {"519_515": [], "004_982": [], "634_660": []}
    for example in examples:
        assert picture(example["image"]).shape == (299, 299, 3)
        if example["mask"]:
            areas[example["video"]].append(picture(example["mask"]).mean() / 255)
    assert 0.03 < np.mean(areas["519_515"]) < 0.3
    assert 0.01 < np.mean(areas["634_660"]) < 0.3
    assert 0 < np.mean(areas["004_982"]) < np.mean(areas["519_515"])
    assert json.loads((tmp_path / "manifest.json").read_text())["counts"]["train"]
