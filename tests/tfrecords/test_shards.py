import hashlib
import pickle
import resource

import pytest
import tensorflow as tf

from lrl_keras.data.schema import decode
from lrl_keras.errors import InputError
from tfrecords.examples.group_parts import GroupSettings
from tfrecords.sources.faceforensics import find
from tfrecords.writing.plan import plan_shards
from tfrecords.writing.shards import PARTS, read_report, write_shard

SETTINGS = GroupSettings(frames_per_video=3, image_size=48, margin=1.3)


@pytest.fixture
def shard(tree):
    """000 and its two fakes."""
    shards = plan_shards(find(tree).clips, tree, SETTINGS, "test")
    return next(shard for shard in shards if shard.clips[0].group == "000")


def write(shard, tree, out, **options):
    (out / PARTS).mkdir(parents=True, exist_ok=True)
    return write_shard(shard, root=tree, out=out, settings=SETTINGS, **options)


def test_a_shard_and_its_report(shard, tree, tmp_path):
    notes = []
    report = write(shard, tree, tmp_path, on_clip=lambda *note: notes.append(note))
    path = tmp_path / shard.name
    records = [decode(record) for record in tf.data.TFRecordDataset(str(path))]
    assert report["examples"] == len(records) == 9
    assert report["labels"] == {"0": 3, "1": 6}
    assert report["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [clip["video"] for clip in report["clips"]] == ["000", "000_003", "000_003"]
    assert {clip["shard"] for clip in report["clips"]} == {shard.name}
    assert [int(record["frame"]) for record in records[:3]] == report["clips"][0]["kept"]
    assert notes == [(clip.path, done) for clip in shard.clips for done in (False, True)]
    assert read_report(tmp_path, shard.name) == report
    assert sorted(path.name for path in (tmp_path / PARTS).iterdir()) == [f"{shard.name}.json"]


def test_the_same_bytes_again_and_wherever_it_runs(shard, tree, tmp_path):
    first = write(shard, tree, tmp_path / "a")
    other = pickle.loads(pickle.dumps(shard))
    second = write(other, tree, tmp_path / "b")
    assert first == second
    names = [(tmp_path / folder / shard.name).read_bytes() for folder in "ab"]
    assert names[0] == names[1]


def test_a_folder_that_cannot_be_written_is_one_line(shard, tree, tmp_path):
    (tmp_path / PARTS).write_text("in the way")
    with pytest.raises(InputError, match="cannot be written") as error:
        write_shard(shard, root=tree, out=tmp_path, settings=SETTINGS)
    assert "\n" not in str(error.value)


@pytest.fixture
def no_large_files():
    """A disk on which no file can grow, as a full one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_one_line(shard, tree, tmp_path, no_large_files):
    with pytest.raises(InputError, match=r"cannot be written .*free space") as error:
        write(shard, tree, tmp_path)
    assert shard.name in str(error.value)
    assert list((tmp_path / PARTS).iterdir()) == []
    assert not (tmp_path / shard.name).exists()


def test_damaged_reports_count_as_none(tmp_path):
    (tmp_path / PARTS).mkdir()
    assert read_report(tmp_path, "a.tfrecord") is None
    report = tmp_path / PARTS / "a.tfrecord.json"
    report.write_text('{"x": [1]}')
    assert read_report(tmp_path, "a.tfrecord") == {"x": [1]}
    report.write_text('{"x": [')
    assert read_report(tmp_path, "a.tfrecord") is None
