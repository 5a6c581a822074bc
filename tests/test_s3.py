"""Datasets, records and inputs behind s3://, on a real server process of this machine.

boto3 puts and fetches the objects, so that what was written is not read back by its writer.
"""

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import ffpp_tree
import numpy as np
import pytest
from networks import tiny
from PIL import Image
from skimage import data

import lrl_keras.data
from lrl_keras.cli import main
from lrl_keras.data import manifest as manifests
from lrl_keras.errors import InputError
from lrl_keras.evaluation import evaluator
from lrl_keras.prediction import predictor
from lrl_keras.system import files
from tfrecords.build import prepare
from tfrecords.writing.shards import PARTS

BUCKET = "lrl"
HAS_IO = importlib.util.find_spec("tensorflow_io") is not None
with_io = pytest.mark.skipif(not HAS_IO, reason="tensorflow-io: `make test-tf216` has it")


@pytest.fixture(scope="module")
def bucket():
    """A bucket on a server of its own, as a boto3 resource; this process is told of the server."""
    import boto3

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    account = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**account, "AWS_REGION": "us-east-1", "S3_ENDPOINT": url}.items():
            patch.setenv(name, value)
        try:
            wait_for(lambda: answers(url))
            service = boto3.resource("s3", endpoint_url=url, region_name="us-east-1")
            yield service.create_bucket(Bucket=BUCKET)
        finally:
            server.kill()
            server.wait()


@pytest.fixture(scope="module")
def root(bucket, tmp_path_factory):
    """A small FaceForensics++ on this machine, and the same as s3://lrl/ffpp."""
    folder = ffpp_tree.write_tree(tmp_path_factory.mktemp("ffpp"))
    upload(bucket, folder, "ffpp")
    return folder


@pytest.fixture(scope="module")
def local(root, tmp_path_factory):
    """Records of it, made without s3://; not to be changed."""
    out = tmp_path_factory.mktemp("records")
    prepare("faceforensics", root, out, workers=2, **ffpp_tree.ARGUMENTS)
    return out


@pytest.fixture
def records(bucket, local):
    """A copy of them in the bucket, as a URL."""
    upload(bucket, local, "copy")
    yield f"s3://{BUCKET}/copy"
    bucket.objects.filter(Prefix="copy/").delete()


def answers(url):
    try:
        return urllib.request.urlopen(url).status == 200
    except OSError:
        return False


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def upload(bucket, folder, prefix):
    for path in folder.rglob("*"):
        if path.is_file():
            bucket.upload_file(str(path), f"{prefix}/{path.relative_to(folder).as_posix()}")


def objects(bucket, prefix):
    """The content of every object by the rest of its key."""
    return {
        found.key.removeprefix(f"{prefix}/"): found.get()["Body"].read()
        for found in bucket.objects.filter(Prefix=f"{prefix}/")
    }


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "lrl_keras.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
@with_io
def test_a_dataset_in_a_bucket_becomes_records_in_a_bucket(bucket, root, local):
    prepare(
        "faceforensics", f"s3://{BUCKET}/ffpp", f"s3://{BUCKET}/made", workers=2,
        **ffpp_tree.ARGUMENTS,
    )  # fmt: skip
    assert objects(bucket, "made") == contents(local)


@pytest.mark.slow
@with_io
def test_stopped_after_its_first_shard_it_goes_on(bucket, root, local):
    out = f"s3://{BUCKET}/stopped"
    code = (
        "import sys; from tfrecords.build import prepare\n"
        f"prepare('faceforensics', {str(root)!r}, {out!r}, workers=2, **{ffpp_tree.ARGUMENTS!r})"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stderr=subprocess.DEVNULL,
    )

    def shards():
        reports = bucket.objects.filter(Prefix=f"stopped/{PARTS}/")
        names = [os.path.basename(report.key) for report in reports]
        return [name.removesuffix(".json") for name in names if name.endswith(".tfrecord.json")]

    wait_for(lambda: shards() or process.poll() is not None)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = shards()
    assert finished
    assert "manifest.json" not in objects(bucket, "stopped")

    def written():
        return {name: bucket.Object(f"stopped/{name}").last_modified for name in finished}

    before = written()
    time.sleep(1)  # the resolution of the bucket's clock
    prepare("faceforensics", root, out, workers=2, **ffpp_tree.ARGUMENTS)
    assert objects(bucket, "stopped") == contents(local)
    assert written() == before


@pytest.mark.slow
@with_io
def test_damaged_and_missing_shards_are_made_anew(bucket, root, local, records):
    damage(bucket, "copy/val-00000-of-00002.tfrecord")
    bucket.Object("copy/test-00000-of-00001.tfrecord").delete()
    prepare("faceforensics", root, records, workers=2, **ffpp_tree.ARGUMENTS)
    assert objects(bucket, "copy") == contents(local)


@with_io
@pytest.mark.parametrize("split", manifests.SPLITS)
def test_examples_are_those_of_local_records(local, records, split):
    pairs = zip(
        lrl_keras.data.examples(local, split, batch_size=8),
        lrl_keras.data.examples(records, split, batch_size=8),
        strict=True,
    )
    for expected, found in pairs:
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value)


@with_io
def test_batches_are_those_of_local_records(local, records):
    pairs = zip(
        lrl_keras.data.load(local, "train", batch_size=4, seed=3),
        lrl_keras.data.load(records, "train", batch_size=4, seed=3),
        strict=True,
    )
    for (image, targets, weights), (found, found_targets, found_weights) in pairs:
        np.testing.assert_array_equal(found, image)
        for name in targets:
            np.testing.assert_array_equal(found_targets[name], targets[name])
            np.testing.assert_array_equal(found_weights[name], weights[name])


@with_io
def test_an_evaluation_is_that_of_local_records(bucket, local, records, tmp_path):
    model = tiny(64)
    expected = evaluator.evaluate(model, local, "test", out=tmp_path, progress=False)
    out = f"s3://{BUCKET}/evaluation"
    assert (
        evaluator.evaluate(model, records, "test", out=out, progress=False)["frame"]
        == (expected["frame"])
    )
    written = objects(bucket, "evaluation")
    assert set(written) == {path.name for path in tmp_path.iterdir()}
    assert written["scores.csv"] == (tmp_path / "scores.csv").read_bytes()


@with_io
def test_images_videos_and_folders_in_a_bucket_are_scored(bucket, root, tmp_path):
    Image.fromarray(data.astronaut()).save(tmp_path / "a.png")
    video = ffpp_tree.video_path(root, "real", "000")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "b.mp4").write_bytes(video.read_bytes())
    upload(bucket, tmp_path, "inputs")
    model, url = tiny(64), f"s3://{BUCKET}/inputs"
    expected = list(predictor.predict(model, tmp_path, crop="none", frames_per_video=3))
    assert [result["kind"] for result in expected] == ["image", "video"]

    def nameless(results):
        return [{key: value for key, value in each.items() if key != "input"} for each in results]

    for inputs in (url, [f"{url}/a.png", f"{url}/in/b.mp4"]):
        results = list(predictor.predict(model, inputs, crop="none", frames_per_video=3))
        assert [each["input"] for each in results] == [f"{url}/a.png", f"{url}/in/b.mp4"]
        assert nameless(results) == nameless(expected)
    (missing,) = predictor.predict(model, f"{url}/none.png")
    assert missing["error"].startswith(f"{url}/none.png: ")


@with_io
@pytest.mark.parametrize("how", ["flipped", "cut", "missing"])
def test_a_damaged_shard_is_refused_by_name(bucket, records, how):
    damage(bucket, "copy/train-00000-of-00003.tfrecord", how)
    with pytest.raises(InputError, match=f"^{records}/train-00000-of-00003.tfrecord: ") as error:
        lrl_keras.data.load(records, "train", batch_size=4)
    assert "\n" not in str(error.value)


def damage(bucket, key, how="flipped"):
    content = bytearray(bucket.Object(key).get()["Body"].read())
    if how == "flipped":
        content[len(content) // 2] ^= 1
        bucket.put_object(Key=key, Body=bytes(content))
    elif how == "cut":
        bucket.put_object(Key=key, Body=bytes(content[: len(content) // 2]))
    else:
        bucket.Object(key).delete()


@with_io
def test_a_bucket_that_is_not_there_is_one_line(bucket, root):
    with pytest.raises(InputError, match=r"^s3://nobody/records: cannot be written") as error:
        prepare("faceforensics", root, "s3://nobody/records", workers=1, **ffpp_tree.ARGUMENTS)
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match=r"^s3://nobody/ffpp: no such folder"):
        prepare("faceforensics", "s3://nobody/ffpp", "s3://nobody/records", **ffpp_tree.ARGUMENTS)


@with_io
def test_a_bucket_itself_is_a_folder(bucket):
    files.require(f"s3://{BUCKET}")
    bucket.put_object(Key="top/name", Body=b"text")
    for folder in (f"s3://{BUCKET}", f"s3://{BUCKET}/"):
        assert files.exists(folder)
        assert files.is_folder(folder)
        assert "top" in files.names(folder)
        assert "top/name" in files.walk(folder)
        assert files.read_bytes(files.join(folder, "top", "name")) == b"text"


@with_io
def test_the_command_line_ends_with_its_own_exit_code(records, tmp_path):
    done = command("inspect", records, "--out", tmp_path / "sheet.png", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["shards"]
    assert "terminate" not in done.stderr
    missing = command("inspect", f"s3://{BUCKET}/none")
    assert missing.returncode == 1
    assert missing.stderr.count("\n") == 1
    assert f"s3://{BUCKET}/none" in missing.stderr


@pytest.mark.slow
@with_io
def test_a_run_in_a_bucket_is_trained_and_evaluated(bucket, records):
    run = f"s3://{BUCKET}/run"
    options = ["--backbone", "tiny", "--weights", "none", "--image-size", 64, "--patches", 4]
    trained = command("train", records, run, *options, "--epochs", 1, "--batch-size", 4)
    assert trained.returncode == 0, trained.stderr
    assert trained.stdout == f"{run}\n"
    evaluated = command("evaluate", run, records, "--json")
    assert evaluated.returncode == 0, evaluated.stderr
    written = objects(bucket, "run")
    assert json.loads(written["metrics.json"])["frame"] == json.loads(evaluated.stdout)["frame"]
    assert {"config.json", "best.weights.h5", "history.csv"} < set(written)


@with_io
@pytest.mark.parametrize("code", [0, 3])
def test_a_script_ends_with_its_own_exit_code(records, code):
    script = (
        "import sys; from lrl_keras.data import manifest\n"
        f"print(len(manifest.read({records!r})['shards'])); sys.exit({code})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (code, "6\n"), done.stderr


@pytest.mark.skipif(HAS_IO, reason="tensorflow-io is installed")
def test_without_tensorflow_io_one_line_says_what_to_install(tmp_path, capsys):
    url = "s3://bucket/records"
    for arguments in (["inspect", url], ["prepare", "faceforensics", str(tmp_path), url]):
        assert main(arguments) == 1
        error = capsys.readouterr().err
        assert error == (
            f"lrl-keras: error: {url}: s3:// needs tensorflow-io, but it is not installed; it "
            "works with TensorFlow 2.16: pip install -c constraints/tf216.txt -e '.[io]' in a "
            "clone of the project\n"
        )
    with pytest.raises(InputError, match="needs tensorflow-io"):
        manifests.read(url)
