import dataclasses
from pathlib import Path

import numpy as np

from tfrecords.clips import Clip
from tfrecords.examples.group_parts import GroupSettings
from tfrecords.writing.plan import plan_shards, size_of_clips

METHODS = ("Deepfakes", "Face2Face", "FaceSwap", "NeuralTextures")


def clips_of(root, groups, split="train"):
    clips = []
    for number in range(groups):
        name = f"{split}{number:03d}"
        common = {"split": split, "dataset": "d", "compression": "c23", "group": name}
        (root / f"{name}.mp4").write_bytes(b"0" * (1 + number))
        clips.append(Clip(label=0, method="real", video=name, path=f"{name}.mp4", **common))
        for method in METHODS:
            path = f"{name}_{method}.mp4"
            (root / path).write_bytes(b"00")
            clips.append(
                Clip(label=1, method=method, video=name, path=path, real=f"{name}.mp4", **common)
            )
    return clips


def plan(root, clips, frames=50, size=299, about=("a",)):
    return plan_shards(clips, Path(root), GroupSettings(frames, size, 1.3), list(about))


def test_the_whole_of_faceforensics_makes_shards_of_100_to_200_megabytes(tmp_path):
    clips = [
        clip
        for split, groups in (("train", 720), ("val", 140), ("test", 140))
        for clip in clips_of(tmp_path, groups, split)
    ]
    shards = plan(tmp_path, clips)
    measured = 105_000  # bytes of a record at 299 px, from the sample videos
    sizes = np.array([len(shard.clips) for shard in shards]) * 50 * measured
    assert sizes.min() > 75e6
    assert sizes.max() < 200e6
    assert sum(len(shard.clips) for shard in shards) == 5000


def test_names_order_and_groups(tmp_path):
    clips = clips_of(tmp_path, 40) + clips_of(tmp_path, 3, "test")
    shards = plan(tmp_path, clips)
    train = [shard for shard in shards if shard.split == "train"]
    assert [shard.name for shard in train] == [
        f"train-{i:05d}-of-{len(train):05d}.tfrecord" for i in range(len(train))
    ]
    assert [clip for shard in shards for clip in shard.clips] == clips
    where = {}
    for shard in shards:
        assert {clip.split for clip in shard.clips} == {shard.split}
        for clip in shard.clips:
            assert where.setdefault(clip.group, shard.name) == shard.name


def test_a_small_set_still_makes_work_for_several_workers(tmp_path):
    assert len(plan(tmp_path, clips_of(tmp_path, 4))) == 4
    assert 12 <= len(plan(tmp_path, clips_of(tmp_path, 100))) <= 20


def test_the_fingerprint_follows_all_that_the_bytes_depend_on(tmp_path):
    clips = clips_of(tmp_path, 2)
    before = [shard.fingerprint for shard in plan(tmp_path, clips)]
    assert before == [shard.fingerprint for shard in plan(tmp_path, clips)]
    assert len(set(before)) == 2
    assert not set(before) & {shard.fingerprint for shard in plan(tmp_path, clips, about=("b",))}
    (tmp_path / "train001_FaceSwap.mp4").write_bytes(b"longer")
    after = [shard.fingerprint for shard in plan(tmp_path, clips)]
    assert after[0] == before[0]
    assert after[1] != before[1]


def test_sizes_count_each_video_once(tmp_path):
    (shard,) = plan(tmp_path, clips_of(tmp_path, 1))
    assert size_of_clips(shard, tmp_path) == 1 + 4 * 2


def test_pictures_count_as_the_one_frame_they_are(tmp_path):
    (tmp_path / "a.png").write_bytes(b"0")
    clips = [
        Clip("train", 0, "d", "real", "c", f"{n}", "a.png", f"{n // 32}", frames=1)
        for n in range(64_000)
    ]
    videos = [dataclasses.replace(clip, frames=None) for clip in clips[:6400]]
    assert 40 < len(plan(tmp_path, clips)) < 60
    assert len(plan(tmp_path, videos)) == 200


def test_a_file_that_is_gone_is_left_to_its_reader(tmp_path):
    (tmp_path / "a.png").symlink_to(tmp_path / "nowhere.png")
    clip = Clip("train", 0, "d", "real", "c", "a", "a.png", "a")
    (shard,) = plan(tmp_path, [clip])
    assert size_of_clips(shard, tmp_path) == -1
