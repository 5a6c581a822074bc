"""What every source promises."""

import inspect
import json

import pytest
import tensorflow as tf
from footage import touch

from lrl_keras.system.options import Option
from tfrecords.sources import SOURCES


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_says_what_it_reads_and_offers(name):
    module = SOURCES[name]
    assert name == module.NAME
    assert "\n" not in module.SUMMARY
    assert module.SUMMARY.endswith(".")
    root, *arguments = inspect.signature(module.find).parameters.values()
    assert root.name == "root"
    assert {argument.name for argument in arguments} == set(module.OPTIONS)
    for argument in arguments:
        option = module.OPTIONS[argument.name]
        assert isinstance(option, Option)
        assert argument.kind == argument.KEYWORD_ONLY
        assert argument.default == option.default
        assert option.check(argument.name, option.default) == option.default


TREES = {
    "dfd": {
        "original_sequences/actors/c23/videos/01__kitchen_pan.mp4": "",
        "manipulated_sequences/DeepFakeDetection/c23/videos/01_02__kitchen_pan__ABCDEFGH.mp4": "",
    },
    "celeb-df": {
        "Celeb-real/videos/id0_0000.mp4": "",
        "Celeb-synthesis/videos/id0_id1_0000.mp4": "",
        "YouTube-real/00000.mp4": "",
        "List_of_testing_videos.txt": "1 YouTube-real/00000.mp4\n",
    },
    "dfdc-preview": {
        "original_videos/1/1_A_001.mp4": "",
        "method_A/1/1_A/2_1_A_001.mp4": "",
        "dataset.json": json.dumps(
            {
                "original_videos/1/1_A_001.mp4": {"label": "real", "set": "train"},
                "method_A/1/1_A/2_1_A_001.mp4": {"label": "fake", "set": "train"},
            }
        ),
    },
    "dfdc": {
        "train/dfdc_train_part_0/a.mp4": "",
        "train/dfdc_train_part_1/b.mp4": "",
        "train/dfdc_train_part_0/metadata.json": '{"a.mp4": {"label": "REAL"}}',
        "train/dfdc_train_part_1/metadata.json": json.dumps(
            {"b.mp4": {"label": "FAKE", "original": "a.mp4"}}
        ),
        "test/c.mp4": "",
        "test/labels.csv": "filename,label\nc.mp4,1\n",
    },
}


def write_tree(root, tree):
    for path, text in tree:
        touch(root, path)
        (root / path).write_text(text, encoding="utf-8")
    return root


@pytest.mark.parametrize("name", TREES)
def test_behind_a_url_there_are_the_same_clips(name, tmp_path):
    url = f"ram://{tmp_path.name}/{name}"
    for path, text in TREES[name].items():
        tf.io.gfile.makedirs(f"{url}/{path}".rpartition("/")[0])
        with tf.io.gfile.GFile(f"{url}/{path}", "w") as file:
            file.write(text)
    root = write_tree(tmp_path, TREES[name].items())
    find = SOURCES[name].find
    assert find(root) == find(str(root)) == find(url)
    assert any(clip.real for clip in find(url).clips)


@pytest.mark.parametrize("name", TREES)
def test_the_order_on_disk_does_not_matter(name, tmp_path):
    tree = list(TREES[name].items())
    find = SOURCES[name].find
    one, other = write_tree(tmp_path / "one", tree), write_tree(tmp_path / "other", tree[::-1])
    assert find(one) == find(other)
