"""Five hundred random corruptions of a set of records, and what is made of each."""

import json
import os
import shutil
import zlib

import numpy as np
import pytest
import tensorflow as tf

import lrl_keras
from lrl_keras import LRL
from lrl_keras.cli import main
from lrl_keras.data import boxes, examples, load, manifest
from lrl_keras.errors import InputError
from tfrecords.build import prepare
from tfrecords.sources import photographs as source

ROUNDS = 20


def records_of(shard):
    return [record.numpy() for record in tf.data.TFRecordDataset(str(shard))]


def rewrite(shard, records):
    """Write a shard anew, so that the TFRecord format's own checksums hold."""
    with tf.io.TFRecordWriter(str(shard)) as writer:
        for record in records:
            writer.write(record)


def boundaries(shard):
    """Lengths at which the file ends with a whole record."""
    lengths = [len(record) + 16 for record in records_of(shard)]  # 8 length, 2 x 4 checksums
    return np.cumsum([0, *lengths]).tolist()


def flip_bit(path, rng):
    content = bytearray(path.read_bytes())
    content[rng.integers(len(content))] ^= 1 << rng.integers(8)
    path.write_bytes(content)


def change_byte(path, rng):
    content = bytearray(path.read_bytes())
    place = rng.integers(len(content))
    content[place] = (content[place] + rng.integers(1, 256)) % 256
    path.write_bytes(content)


def zero_block(path, rng):
    content = bytearray(path.read_bytes())
    start = rng.integers(len(content) - 512)
    content[start : start + 512] = bytes(512)
    path.write_bytes(content)


def cut(path, rng):
    os.truncate(path, rng.integers(path.stat().st_size))


def cut_at_a_record(path, rng):
    os.truncate(path, rng.choice(boundaries(path)[1:-1]))


def append_bytes(path, rng):
    more = rng.choice([b"\1", b"\n", b" ", rng.bytes(40)])
    path.write_bytes(path.read_bytes() + more)


def append_record(path, rng):
    start, stop = boundaries(path)[:2]
    content = path.read_bytes()
    path.write_bytes(content + content[start:stop])


def swap_records(path, rng):
    stored = records_of(path)
    i, j = rng.choice(len(stored), 2, replace=False)
    stored[i], stored[j] = stored[j], stored[i]
    rewrite(path, stored)


def repeat_record(path, rng):
    stored = records_of(path)
    i, j = rng.choice(len(stored), 2, replace=False)
    stored[i] = stored[j]
    rewrite(path, stored)


def leave_out_record(path, rng):
    stored = records_of(path)
    del stored[rng.integers(len(stored))]
    rewrite(path, stored)


def turn_label(path, rng):
    stored = records_of(path)
    place = rng.integers(len(stored))
    example = tf.train.Example.FromString(stored[place])
    label = example.features.feature["label"].int64_list
    label.value[0] = 1 - label.value[0]
    stored[place] = example.SerializeToString()
    rewrite(path, stored)


def remove(path, rng):
    path.unlink()


def make_empty(path, rng):
    path.write_bytes(b"")


def swap_with_another_shard(path, rng):
    other = rng.choice(sorted(set(path.parent.glob("*.tfrecord")) - {path}))
    content = other.read_bytes()
    other.write_bytes(path.read_bytes())
    path.write_bytes(content)
    return path, other


def take_from_other_records(path, rng):
    shutil.copy(path.parents[1] / "others" / path.name, path)


def change_content(path, change):
    """Change what the manifest says, in the form that it has."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n")


def change_number(path, rng):
    def change(content):
        shard = rng.choice(content["shards"])
        place, field = [
            (shard["labels"], "0"),
            (shard, "examples"),
            (content["arguments"], "margin"),
        ][rng.integers(3)]
        place[field] += 1

    change_content(path, change)


def change_name(path, rng):
    def change(content):
        first, second = rng.choice(content["shards"], 2, replace=False)
        first["name"], second["name"] = second["name"], first["name"]

    change_content(path, change)


def change_version(path, rng):
    """Another schema version, sealed as its own writer would have."""
    content = manifest.read(path.parent)
    content["schema_version"] += int(rng.choice([-2, -1, 1, 100]))
    manifest.write(path.parent, content)


def add_key(path, rng):
    change_content(path, lambda content: content.update({f"key{rng.integers(100)}": None}))


def remove_key(path, rng):
    change_content(path, lambda content: content.pop(str(rng.choice(sorted(content)))))


def take_that_of_other_records(path, rng):
    """Whether it or the shards are the wrong ones cannot be told: an error names both."""
    shutil.copy(path.parents[1] / "others" / path.name, path)
    return tuple(path.parent.glob("*.tfrecord"))


OF_A_SHARD = (
    flip_bit, change_byte, zero_block, cut, cut_at_a_record, append_bytes, append_record,
    swap_records, repeat_record, leave_out_record, turn_label, remove, make_empty,
    swap_with_another_shard, take_from_other_records,
)  # fmt: skip
OF_THE_MANIFEST = (
    flip_bit, change_byte, cut, append_bytes, change_number, change_name, change_version,
    add_key, remove_key, take_that_of_other_records,
)  # fmt: skip
CASES = [("shard", corrupt) for corrupt in OF_A_SHARD]
CASES += [("manifest", corrupt) for corrupt in OF_THE_MANIFEST]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Two sets of records that differ in the size of their pictures, in one folder."""
    folder = tmp_path_factory.mktemp("prepared")
    for name, side in (("records", 32), ("others", 40)):
        options = {"frames_per_video": 3, "image_size": side, "progress": False, "workers": 1}
        prepare(source.NAME, source.ROOT, folder / name, **options)
    return folder


@pytest.fixture
def records(prepared, tmp_path):
    """A copy of the first set; the second is its neighbour."""
    (tmp_path / "others").symlink_to(prepared / "others")
    return shutil.copytree(prepared / "records", tmp_path / "records")


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def refusals(records, split):
    """What the three readers of records say to it, as one line each."""
    for read in (
        lambda: load(records, split, 2),
        lambda: examples(records, split, batch_size=2),
        lambda: boxes(records),
    ):
        with pytest.raises(InputError) as caught:
            read()
        line = str(caught.value)
        assert line.isprintable()
        yield line


def test_there_are_five_hundred():
    assert len(CASES) * ROUNDS == 500


@pytest.mark.parametrize(
    ("what", "corrupt"), CASES, ids=lambda case: getattr(case, "__name__", case)
)
def test_every_corruption_is_refused_naming_the_file(what, corrupt, records):
    whole = contents(records)
    rng = np.random.default_rng(zlib.crc32(f"{what} {corrupt.__name__}".encode()))
    shards = sorted(name for name in whole if name.endswith(".tfrecord"))
    for _ in range(ROUNDS):
        shard = records / str(rng.choice(shards))
        path = shard if what == "shard" else records / manifest.MANIFEST
        damaged = corrupt(path, rng) or (path,)
        assert contents(records) != whole
        for line in refusals(records, shard.name.partition("-")[0]):
            assert line.startswith(tuple(f"{path}: " for path in damaged))
            assert manifest.MANIFEST in line
        for name, content in whole.items():
            (records / name).write_bytes(content)
        assert contents(records) == whole
    assert len(list(examples(records, "test", batch_size=4))) > 0


def test_flipped_bits_all_over_a_manifest_are_refused(records):
    path = records / manifest.MANIFEST
    whole = path.read_bytes()
    rng = np.random.default_rng(7)
    for place in range(int(rng.integers(8)), len(whole), 8):
        changed = bytearray(whole)
        changed[place] ^= 1 << rng.integers(8)
        path.write_bytes(changed)
        with pytest.raises(InputError, match=r"manifest\.json: "):
            manifest.read(records)
    path.write_bytes(whole)
    assert manifest.read(records)["source"] == source.NAME


def test_the_same_content_in_another_form_is_refused(records):
    path = records / manifest.MANIFEST
    text = path.read_text()
    content = json.loads(text)
    for other in (
        json.dumps(content, sort_keys=True),
        json.dumps(content, sort_keys=True, indent=2),
        json.dumps(dict(reversed(content.items())), indent=1) + "\n",
        text.replace("\n", "\r\n"),
        text.replace("1.3", "1.30"),
        text.replace("{", '{"source": "others",', 1),  # JSON takes the last of two
        "\ufeff" + text,
    ):
        assert other != text
        path.write_bytes(other.encode())
        with pytest.raises(InputError, match=r"manifest\.json: "):
            manifest.read(records)


def test_what_is_no_file_is_missing(records):
    shard = sorted(records.glob("val-*.tfrecord"))[1]
    shard.unlink()
    shard.mkdir()
    for line in refusals(records, "val"):
        assert line.startswith(f"{shard}: missing")


def test_a_missing_shard_is_told_before_any_is_read(records):
    first, *_, last = sorted(records.glob("train-*.tfrecord"))
    os.truncate(first, 1 << 43)  # a hole; reading it takes hours
    last.unlink()
    for line in refusals(records, "train"):
        assert line.startswith(f"{last}: missing")


def test_a_damaged_shard_of_another_split_does_not_matter(records):
    for shard in records.glob("test-*.tfrecord"):
        shard.unlink()
    assert load(records, "train", 2).cardinality() > 0
    with pytest.raises(InputError, match="missing"):
        load(records, "test", 2)


def test_training_stops_before_the_first_step(records, tmp_path, capsys):
    shard = sorted(records.glob("train-*.tfrecord"))[1]
    cut_at_a_record(shard, np.random.default_rng(0))
    run = tmp_path / "run"
    small = ["--backbone", "tiny", "--weights", "none", "--image-size", "32", "--patches", "2"]
    assert main(["train", str(records), str(run), *small]) == 1
    check_one_line(capsys.readouterr(), shard)
    assert not any(path.suffix for path in run.rglob("*"))


def test_evaluation_stops_before_the_first_face(records, tmp_path, capsys):
    model = LRL("tiny", image_size=32, patches=2)
    lrl_keras.save(model, tmp_path)
    shard = sorted(records.glob("test-*.tfrecord"))[1]
    cut_at_a_record(shard, np.random.default_rng(0))
    assert main(["evaluate", str(tmp_path), str(records)]) == 1
    check_one_line(capsys.readouterr(), shard)
    assert not (tmp_path / "metrics.json").exists()


def check_one_line(captured, shard):
    assert captured.out == ""
    assert captured.err.startswith(f"lrl-keras: error: {shard}: damaged")
    assert captured.err.count("\n") == 1
