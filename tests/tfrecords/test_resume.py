import json
import os
import subprocess
import sys

import pytest
from ffpp_tree import ARGUMENTS, video_path

from lrl_keras.data import manifest as manifests
from lrl_keras.errors import InputError
from tfrecords.build import prepare
from tfrecords.writing.shards import PARTS


def content(folder):
    return {
        path.name: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.iterdir()
        if path.is_file()
    }


def contents(folder):
    return {name: value for name, (value, _) in content(folder).items()}


def again(tree, out, **options):
    return prepare("faceforensics", tree, out, **{**ARGUMENTS, **options})


def refused(tree, out, *words, **options):
    before, files = content(out), sorted(out.rglob("*"))
    with pytest.raises(InputError) as error:
        again(tree, out, **options)
    message = str(error.value)
    assert "\n" not in message
    assert all(word in message for word in (str(out), *words)), message
    assert content(out) == before
    assert sorted(out.rglob("*")) == files


def test_running_again_touches_no_file(tree, records):
    before = content(records)
    found = again(tree, records, workers=1)
    assert content(records) == before
    assert found.fingerprint == manifests.opened(records)[1]
    assert not (records / PARTS).exists()


def test_missing_and_damaged_shards_are_made_anew_and_only_those(tree, records):
    before = content(records)
    missing, cut, flipped, *others = sorted(records.glob("*.tfrecord"))
    assert others
    missing.unlink()
    os.truncate(cut, cut.stat().st_size // 2)
    whole = bytearray(flipped.read_bytes())
    whole[len(whole) // 2] ^= 1
    flipped.write_bytes(whole)
    again(tree, records, workers=2)
    after = content(records)
    for path in (missing, cut, flipped):
        assert after.pop(path.name)[0] == before.pop(path.name)[0]
    assert after == before
    assert not (records / PARTS).exists()


def test_a_run_killed_before_the_manifest_goes_on(tree, records, finished_records):
    """What is on disk when a run is killed just before its end, and one shard earlier."""
    manifest = manifests.read(records)
    (records / manifests.MANIFEST).unlink()
    parts = records / PARTS
    parts.mkdir()
    fields = ("source", "arguments", "versions")
    plan = {
        **{field: manifest[field] for field in fields},
        "fingerprints": {shard["name"]: shard["fingerprint"] for shard in manifest["shards"]},
    }
    (parts / "plan.json").write_text(json.dumps(plan))
    unfinished, *finished = manifest["shards"]
    for shard in finished:
        clips = [clip for clip in manifest["clips"] if clip["shard"] == shard["name"]]
        (parts / f"{shard['name']}.json").write_text(json.dumps({**shard, "clips": clips}))
    (parts / f"{unfinished['name']}.123.tmp").write_bytes(b"half a shard")
    kept = content(records)
    again(tree, records, workers=1)
    assert contents(records) == contents(finished_records)
    for shard in finished:
        assert content(records)[shard["name"]] == kept[shard["name"]]


def test_a_run_killed_while_tidying_up_is_tidied_up(tree, records, finished_records):
    (records / PARTS).mkdir()
    (records / PARTS / "lock").touch()
    again(tree, records)
    assert contents(records) == contents(finished_records)
    assert not (records / PARTS).exists()


def test_records_made_otherwise_are_refused(tree, records):
    refused(tree, records, "frames_per_video 4, not 5", "--overwrite", frames_per_video=5)
    refused(tree, records, "margin 1.3, not 1.5", margin=1.5)
    refused(tree, records, "methods", methods=("FaceSwap",))


def test_records_of_other_videos_are_refused(tree, records):
    path = video_path(tree, "Deepfakes", "000_003")
    whole = path.read_bytes()
    try:
        path.write_bytes(whole + b"\0")
        refused(tree, records, "other video files")
    finally:
        path.write_bytes(whole)


def test_records_of_other_versions_are_refused(tree, records):
    manifest = json.loads((records / manifests.MANIFEST).read_text())
    manifest["versions"]["keras"] = "3.12.0"
    manifests.write(records, manifest)
    refused(tree, records, "keras 3.12.0, not")


def test_an_unfinished_run_with_other_arguments_is_refused(tree, tmp_path):
    (tmp_path / PARTS).mkdir()
    plan = {"source": "faceforensics", "arguments": {"margin": 2.0}, "versions": {}}
    (tmp_path / PARTS / "plan.json").write_text(json.dumps({**plan, "fingerprints": {}}))
    refused(tree, tmp_path, "--overwrite")
    (tmp_path / PARTS / "plan.json").write_text("{")
    refused(tree, tmp_path, "damaged", "--overwrite")


def test_unknown_records_and_damaged_manifests_are_refused(tree, records):
    (records / manifests.MANIFEST).write_text("{")
    refused(tree, records, "manifest.json", "--overwrite")
    (records / manifests.MANIFEST).unlink()
    refused(tree, records, "no manifest.json", "--overwrite")


def test_overwrite_replaces_records_and_leaves_other_files(tree, records, finished_records):
    (records / manifests.MANIFEST).write_text("{")
    (records / "train-00000-of-00099.tfrecord").write_bytes(b"older")
    (records / "notes.txt").write_text("mine")
    again(tree, records, overwrite=True, workers=2)
    assert contents(records) == {**contents(finished_records), "notes.txt": b"mine"}


def test_a_second_run_into_the_same_folder_is_refused(tree, tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from tfrecords.writing.resume import locked\n"
        "with locked(Path(sys.argv[1])):\n    print('locked', flush=True); time.sleep(600)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    first = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        assert first.stdout.readline() == b"locked\n"
        refused(tree, tmp_path, "another run")
    finally:
        first.kill()
        first.wait()
        first.stdout.close()


def test_a_folder_that_cannot_be_made_is_refused(tree, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="choose another"):
        again(tree, tmp_path / "file" / "records")
    with pytest.raises(InputError, match="choose another"):
        again(tree, tmp_path / "file")
