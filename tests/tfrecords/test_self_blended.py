import io
import os
import pickle

import numpy as np
import pytest
import tensorflow as tf
from people import person, save
from PIL import Image
from scipy import ndimage
from videos import face_frames, faceless_frames, write_video

from lrl_keras.data import manifest as manifests
from lrl_keras.data.schema import decode, decode_face
from lrl_keras.errors import InputError
from lrl_keras.media.faces import FaceDetector, crop_box, cut
from lrl_keras.media.images import read_image
from tfrecords.build import prepare
from tfrecords.examples.blended import NO_REGION, BlendedGroup, FaceClip, usable_faces
from tfrecords.examples.crops import NO_FACE, NOT_DECODED, Crop, Found
from tfrecords.examples.group_parts import GroupSettings
from tfrecords.sources.self_blended import find
from tfrecords.writing.plan import plan_shards
from tfrecords.writing.shards import write_shard

SETTINGS = GroupSettings(frames_per_video=3, image_size=64, margin=1.3)
OPTIONS = {"frames_per_video": 3, "image_size": 64, "progress": False}
BOTH = ("self-blended", "swap")


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    """A folder of real faces; not to be changed."""
    root = tmp_path_factory.mktemp("faces")
    for number, name in enumerate(("bea/x.jpg", "bea/deep/er/y.png", "carl.png", "dö ✓/ü.webp")):
        save(root / name, person(number))
    for number in range(4, 9):
        save(root / f"e{number}.png", person(number))
    write_video(root / "anna" / "clip.mp4", face_frames(8))
    save(root / "nobody.png", faceless_frames(1)[0])
    (root / "broken.jpg").write_bytes(b"\xff\xd8\xff no picture")
    (root / "named.mp4").write_text("no video")
    (root / "bea" / "notes.txt").write_text("nothing")
    save(root / ".hidden.png", person(0))
    os.symlink(root, root / "bea" / "circle")
    return root


@pytest.fixture(scope="module")
def records(faces, tmp_path_factory):
    """Records of `faces` by both methods, made by two workers; not to be changed."""
    out = tmp_path_factory.mktemp("blended")
    prepare("self-blended", faces, out, methods=BOTH, splits=(6, 2, 4), workers=2, **OPTIONS)
    return out


def read_all(folder):
    """Examples with their split, pictures decoded."""
    for shard in manifests.read(folder)["shards"]:
        for record in tf.data.TFRecordDataset(str(folder / shard["name"])):
            example = {name: value.numpy() for name, value in decode(record, blend=True).items()}
            for name in ("method", "video", "dataset"):
                example[name] = example[name].decode()
            for name in ("image", "mask", "blend"):
                content = example[name]
                example[name] = np.asarray(Image.open(io.BytesIO(content))) if content else None
            yield {**example, "split": shard["split"]}


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def by_method(folder):
    """Examples by method, then by (path, frame)."""
    found = {}
    for example in read_all(folder):
        path = example["video"].partition("#")[0]
        found.setdefault(example["method"], {})[path, int(example["frame"])] = example
    return found


def test_identities_are_the_first_folders_or_the_files(faces):
    groups = {}
    for clip in find(faces, splits=(12, 0, 0)).clips:
        groups.setdefault(clip.group, set()).add(clip.path)
    assert groups == {
        "anna": {"anna/clip.mp4"},
        "bea": {"bea/x.jpg", "bea/deep/er/y.png"},
        "broken.jpg": {"broken.jpg"},
        "carl.png": {"carl.png"},
        "dö ✓": {"dö ✓/ü.webp"},
        **{f"e{number}.png": {f"e{number}.png"} for number in range(4, 9)},
        "named.mp4": {"named.mp4"},
        "nobody.png": {"nobody.png"},
    }


def test_counts_leave_identities_out(faces):
    listing = find(faces, splits=(1, 2, 0))
    splits = {clip.group: clip.split for clip in listing.clips}
    assert sorted(splits.values()) == ["train", "val", "val"]
    assert "9 of 12 identities are in no split" in listing.notes[-1]


def test_what_is_no_image_or_video_is_counted(faces):
    (note,) = find(faces).notes
    assert note.startswith("1 files")
    assert "bea/notes.txt" in note


@pytest.mark.parametrize("seed", range(4))
def test_no_identity_is_in_two_splits_nor_donor_from_another(faces, seed):
    clips = find(faces, methods=BOTH, splits=(6, 2, 4), forgeries=3, seed=seed).clips
    splits = {}
    for clip in clips:
        splits.setdefault(clip.group, set()).add(clip.split)
    assert all(len(of_one) == 1 for of_one in splits.values())
    owner = {clip.path: clip.group for clip in clips}
    swaps = [clip for clip in clips if clip.method == "swap"]
    assert len(swaps) == 3 * len(owner)
    for clip in swaps:
        assert clip.donors
        assert len(set(clip.donors)) == len(clip.donors)
        assert clip.group not in {owner[donor] for donor in clip.donors}
        assert {clip.split} == set().union(*(splits[owner[donor]] for donor in clip.donors))
        assert set(clip.donors) < set(clip.files)
    assert not any(clip.donors for clip in clips if clip.method != "swap")


def test_another_seed_draws_other_donors_and_splits(faces):
    options = {"methods": BOTH, "splits": (6, 2, 4)}
    assert find(faces, seed=1, **options) == find(faces, seed=1, **options)
    one, other = (find(faces, seed=seed, **options).clips for seed in (1, 2))
    assert {clip.path: clip.split for clip in one} != {clip.path: clip.split for clip in other}


def test_forged_and_real_differ_in_the_mask_alone(records):
    found = by_method(records)
    assert set(found) == {"real", *BOTH}
    reals = found["real"]
    assert len(reals) == 12  # nine pictures and three frames
    assert all(example["label"] == 0 and example["mask"] is None for example in reals.values())
    for method in BOTH:
        assert set(found[method]) == set(reals)
        for key, fake in found[method].items():
            real = reals[key]
            assert (fake["label"], fake["has_mask"], fake["dataset"]) == (1, 1, "self-blended")
            assert fake["split"] == real["split"]
            np.testing.assert_array_equal(fake["box"], real["box"])
            mask = fake["mask"] > 0
            assert set(np.unique(fake["mask"])) == {0, 255}
            assert 0 < mask.mean() < 0.5
            changed = np.abs(fake["image"].astype(int) - real["image"]).max(axis=2)
            assert changed[mask].mean() > 1
            far = ~ndimage.binary_dilation(mask, iterations=9)
            assert far.mean() > 0.2
            assert not changed[far].any()


def test_forgeries_alone_hold_the_weight_of_the_blending(records):
    found = by_method(records)
    assert all(real["blend"] is None for real in found["real"].values())
    for method in BOTH:
        weights = [fake["blend"] for fake in found[method].values()]
        assert np.mean([((weight > 0) & (weight < 255)).any() for weight in weights]) > 0.5
        for key, fake in found[method].items():
            weight = fake["blend"]
            np.testing.assert_array_equal(weight > 127, fake["mask"] > 0)
            changed = np.abs(fake["image"].astype(int) - found["real"][key]["image"])
            assert not changed[weight == 0].any()


def test_real_examples_are_the_crops_themselves_or_retouched(faces, records):
    untouched = 0
    reals = by_method(records)["real"]
    for (path, _), example in reals.items():
        if path.endswith(".mp4"):
            continue
        picture = read_image(faces / path)
        ((face, *_),) = FaceDetector()([picture])
        box = crop_box(face.box, *picture.shape[:2])
        assert tuple(example["box"]) == box
        crop = cut(picture, box, 64)
        difference = np.abs(example["image"].astype(int) - crop)
        assert difference.mean() < 30
        untouched += not difference.any()
    assert 0 < untouched < 9


def test_masks_hold_the_face(records):
    found = by_method(records)
    for method in BOTH:
        for fake in found[method].values():
            y, x = ndimage.center_of_mass(fake["mask"] > 0)
            assert np.hypot(x - 31.5, y - 31.5) < 14


def test_the_manifest_names_donors_and_what_cannot_be_used(faces, records):
    manifest = manifests.read(records)
    reports = {(clip["method"], clip["video"]): clip for clip in manifest["clips"]}
    assert len(reports) == 3 * 13
    assert "neither an image" in reports["real", "named.mp4"]["unusable"]
    assert "no image that can be read" in reports["real", "broken.jpg"]["unusable"]
    assert reports["real", "nobody.png"]["dropped"] == {"no face": [0]}
    assert reports["swap", "nobody.png#1"]["unusable"] == "no usable frame"
    video = reports["swap", "anna/clip.mp4#1"]
    assert (video["frames"], video["kept"]) == (8, [1, 4, 6])
    assert video["mask_from"] == "blending"
    splits = {clip["path"]: clip["split"] for clip in manifest["clips"]}
    for clip in manifest["clips"]:
        assert ("donor" in clip) == (clip["method"] == "swap" and bool(clip["kept"]))
        if "donor" in clip:
            assert splits[clip["donor"]] == clip["split"]
            assert clip["donor"].partition("/")[0] != clip["path"].partition("/")[0]
    assert str(faces) not in (records / "manifest.json").read_text()
    counts = manifest["counts"]
    assert sum(counts[split]["real"]["real"]["unusable_videos"] for split in counts) == 3


@pytest.mark.slow
def test_one_worker_gives_the_same_bytes_and_a_rerun_keeps_them(faces, records, tmp_path):
    arguments = {"methods": BOTH, "splits": (6, 2, 4), **OPTIONS}
    prepare("self-blended", faces, tmp_path, workers=1, **arguments)
    assert contents(tmp_path) == contents(records)
    times = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    prepare("self-blended", faces, tmp_path, workers=1, **arguments)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == times


def pictures(root, count):
    for number in range(count):
        save(root / f"{number}.png", person(number))
    return root


def made(root, clips):
    """(examples, report) of each clip by (method, video)."""
    found = {}
    for name in dict.fromkeys(clip.group for clip in clips):
        group = BlendedGroup([clip for clip in clips if clip.group == name], root, SETTINGS)
        for job in group.jobs:
            found[job.clip.method, job.clip.video] = group.examples(job)
    return found


def test_several_forgeries_differ(tmp_path):
    clips = find(pictures(tmp_path, 4), methods=BOTH, forgeries=3, splits=(4, 0, 0)).clips
    found = made(tmp_path, clips)
    assert len(found) == 4 * 7
    for method in BOTH:
        one, two, three = (found[method, f"0.png#{copy}"][0][0] for copy in (1, 2, 3))
        for first, second in ((one, two), (two, three), (one, three)):
            assert (first.image != second.image).any()
            assert (first.mask != second.mask).any()
            np.testing.assert_array_equal(first.image[:3], second.image[:3])


def test_crops_are_clips_with_forgeries_of_their_own(tmp_path):
    options = {"methods": BOTH, "splits": (4, 0, 0)}
    root = pictures(tmp_path, 4)
    found = made(tmp_path, find(root, crops=3, **options).clips)
    plain = made(tmp_path, find(root, **options).clips)
    assert len(found) == 4 * 3 * 3
    first = plain["real", "0.png"][0][0].box
    boxes = set()
    for view in ("", "@2", "@3"):
        (real,), _ = found["real", f"0.png{view}"]
        boxes.add(real.box)
        assert (real.box == first) == (not view)
        for method in BOTH:
            (fake,), report = found[method, f"0.png{view}#1"]
            assert report.kept == [0]
            assert fake.box == real.box
            assert fake.image.shape == real.image.shape == (64, 64, 3)
            changed = np.abs(fake.image.astype(int) - real.image).max(axis=2)
            assert changed[fake.mask > 0].mean() > 1
            assert not changed[~ndimage.binary_dilation(fake.mask, iterations=16)].any()
    assert len(boxes) == 3
    for number in range(4):
        # Retouched alike; one step of resampling more.
        one, other = (made["real", f"{number}.png"][0][0].image for made in (found, plain))
        assert np.abs(one.astype(float) - other).mean() < 6
        assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.98


def test_a_crop_shows_what_lies_in_its_box(tmp_path):
    # At least half of them are not turned, so that the box says all; half of those, mirrored.
    root = pictures(tmp_path, 8)
    clips = find(root, crops=4, splits=(8, 0, 0)).clips
    alike = []
    for (method, video), (examples, _) in made(root, clips).items():
        if method == "real":
            plain = cut(read_image(root / video.partition("@")[0]), examples[0].box, 64)
            ways = (plain, plain[:, ::-1])
            pairs = [np.corrcoef(examples[0].image.ravel(), way.ravel())[0, 1] for way in ways]
            alike.append(max(pairs))
    assert np.mean(np.array(alike) > 0.97) > 0.5
    assert min(alike) > 0.6


@pytest.fixture(scope="module")
def fresh(faces, tmp_path_factory):
    """Records of `faces` whose train faces are not forged; not to be changed."""
    out = tmp_path_factory.mktemp("fresh")
    options = {"methods": BOTH, "splits": (6, 2, 4), "fresh": True}
    prepare("self-blended", faces, out, workers=1, **options, **OPTIONS)
    return out


def test_fresh_records_hold_the_faces_of_train_alone(faces, fresh, records):
    stored = list(read_all(fresh))
    others = [example for example in read_all(records) if example["split"] != "train"]
    held_out = [example for example in stored if example["split"] != "train"]
    assert len(held_out) == len(others) > 6
    for one, other in zip(held_out, others, strict=True):
        assert one.keys() == other.keys()
        for name, value in one.items():
            np.testing.assert_array_equal(value, other[name])
    plain = {key: box["box"] for key, box in by_method(records)["real"].items()}
    train = [example for example in stored if example["split"] == "train"]
    assert len(train) == len(plain) - sum(example["label"] == 0 for example in held_out)
    for example in train:
        assert (example["label"], example["method"], example["mask"]) == (0, "real", None)
        assert example["image"].shape == (83, 83, 3)  # 1.3 times 64
        np.testing.assert_array_equal(
            example["box"], plain[example["video"], int(example["frame"])]
        )


def test_places_of_fresh_faces_are_the_detectors(faces, fresh):
    checked = 0
    for shard in manifests.read(fresh)["shards"]:
        if shard["split"] != "train":
            continue
        for record in tf.data.TFRecordDataset(str(fresh / shard["name"])):
            face = {name: value.numpy() for name, value in decode_face(record).items()}
            path = faces / face["video"].decode()
            if path.suffix == ".mp4":
                continue
            picture = read_image(path)
            ((detected, *_),) = FaceDetector()([picture])
            x0, y0, x1, y1 = crop_box(detected.box, *picture.shape[:2], 1.3 * 1.3)
            scale = 83 / (x1 - x0)
            np.testing.assert_allclose(
                face["landmarks"].reshape(5, 2),
                scale * (np.array(detected.landmarks) - [x0, y0]),
                atol=1e-3,
            )
            box = np.array(crop_box(detected.box, *picture.shape[:2], 1.3))
            np.testing.assert_allclose(face["face_box"], scale * (box - [x0, y0] * 2), atol=1e-3)
            stored = np.asarray(Image.open(io.BytesIO(face["image"])))
            np.testing.assert_array_equal(stored, cut(picture, (x0, y0, x1, y1), 83))
            checked += 1
    assert checked >= 3


def test_the_manifest_counts_fresh_faces_as_real(fresh, records):
    counts, plain = (manifests.read(folder)["counts"] for folder in (fresh, records))
    assert counts["val"] == plain["val"]
    assert counts["test"] == plain["test"]
    assert list(counts["train"]) == ["real"]
    assert counts["train"]["real"] == plain["train"]["real"]


@pytest.mark.slow
def test_two_workers_give_the_same_fresh_faces(faces, fresh, tmp_path):
    options = {"methods": BOTH, "splits": (6, 2, 4), "fresh": True}
    prepare("self-blended", faces, tmp_path, workers=2, **options, **OPTIONS)
    assert contents(tmp_path) == contents(fresh)


def test_of_two_faces_the_larger_is_forged(tmp_path):
    large = person(0)
    small = np.asarray(Image.fromarray(large).resize([side // 2 for side in large.shape[1::-1]]))
    both = np.zeros((large.shape[0], large.shape[1] + small.shape[1], 3), np.uint8)
    both[:, small.shape[1] :] = large
    both[: small.shape[0], : small.shape[1]] = small
    save(tmp_path / "two.png", both)
    found = made(tmp_path, find(tmp_path, splits=(1, 0, 0)).clips)
    for method, video in (("real", "two.png"), ("self-blended", "two.png#1")):
        (example,) = found[method, video][0]
        assert example.box[0] > small.shape[1] * 0.8


def test_a_video_is_swapped_with_a_face_of_one_donor(tmp_path):
    write_video(tmp_path / "a.mp4", face_frames(6))
    write_video(tmp_path / "b.mkv", [frame[:, ::-1] for frame in face_frames(9)])
    found = made(tmp_path, find(tmp_path, methods=("swap",), splits=(2, 0, 0)).clips)
    examples, report = found["swap", "a.mp4#1"]
    reals, _ = found["real", "a.mp4"]
    assert report.donor == "b.mkv"
    assert report.kept == [example.frame for example in reals] == [1, 3, 5]
    assert [example.box for example in examples] == [example.box for example in reals]


def test_broken_donors_are_passed_over(tmp_path):
    pictures(tmp_path, 2)
    content = (tmp_path / "0.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(content[: len(content) // 3])
    save(tmp_path / "none.png", faceless_frames(1)[0])
    found = made(tmp_path, find(tmp_path, methods=("swap",), splits=(4, 0, 0)).clips)
    assert found["swap", "0.png#1"][1].donor == "1.png"
    assert found["swap", "cut.png#1"][1].unusable.startswith("cut.png: damaged")
    (tmp_path / "1.png").unlink()
    found = made(tmp_path, find(tmp_path, methods=("swap",), splits=(3, 0, 0)).clips)
    examples, report = found["swap", "0.png#1"]
    assert examples == []
    assert "no usable face to swap in" in report.unusable
    assert len(found["real", "0.png"][0]) == 1


def test_faces_from_the_side_are_left_out():
    image = np.zeros((64, 64, 3), np.uint8)
    frontal = ((120, 110), (180, 112), (150, 140), (125, 175), (176, 176))
    side = tuple((150 + (x - 150) / 10, y) for x, y in frontal)
    crops = {
        index: Crop(image, (50, 50, 250, 250), (400, 400), landmarks, (100, 80, 200, 220))
        for index, landmarks in ((0, frontal), (3, side))
    }
    found = Found((crops,), frozenset({0, 3, 5}))
    faces, problems = usable_faces(found, [0, 3, 5, 7], 1.3)
    assert problems == {3: NO_REGION, 5: NO_FACE, 7: NOT_DECODED}
    assert list(faces) == [0]
    np.testing.assert_allclose(faces[0].landmarks[0], (22.4, 19.2))
    # The crop of the face itself, 1.3 times its box, in the wider one and in the frame.
    box = crop_box((100, 80, 200, 220), 400, 400, 1.3)
    np.testing.assert_allclose(faces[0].box, (np.array(box) - 50) * 64 / 200)
    assert faces[0].in_frame(faces[0].box) == box
    assert faces[0].in_frame((0, 0, 64, 64)) == (50, 50, 250, 250)


def test_behind_a_url_there_are_the_same_clips_and_examples(tmp_path):
    url = f"ram://{tmp_path.name}/faces"
    pictures(tmp_path / "faces", 3)
    for path in (tmp_path / "faces").iterdir():
        tf.io.gfile.makedirs(url)
        with tf.io.gfile.GFile(f"{url}/{path.name}", "wb") as file:
            file.write(path.read_bytes())
    options = {"methods": BOTH, "splits": (3, 0, 0)}
    here, there = (find(root, **options).clips for root in (tmp_path / "faces", url))
    assert here == there
    remote = made(url, there)
    for key, (examples, report) in made(tmp_path / "faces", here).items():
        assert remote[key][1] == report
        np.testing.assert_array_equal(remote[key][0][0].image, examples[0].image)


def test_names_that_are_no_text(tmp_path):
    save(tmp_path / "a.png", person(0))
    os.rename(os.fsencode(tmp_path / "a.png"), os.fsencode(tmp_path) + b"/\xff.png")
    clips = find(tmp_path, splits=(1, 0, 0)).clips
    (shard,) = plan_shards(clips, tmp_path, SETTINGS, {})
    (tmp_path / ".parts").mkdir()
    report = write_shard(
        shard, root=tmp_path, out=tmp_path, settings=SETTINGS, group_type=BlendedGroup
    )
    assert report["labels"] == {"0": 1, "1": 1}
    records = tf.data.TFRecordDataset(str(tmp_path / shard.name))
    names = {decode(record)["video"].numpy() for record in records}
    assert names == {b"\\xff.png", b"\\xff.png#1"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"methods": ("swap",), "splits": (1, 1, 0)}, "'train' has a single identity, .*needs two"),
        ({"splits": (3, 0, 0)}, "ask for 3 .*; there are 2; each file or folder"),
        ({"methods": ("swapped",)}, "methods must be one of self-blended, swap"),
        ({"forgeries": 0}, "forgeries must be a whole number from 1"),
        ({"crops": 0}, "crops must be a whole number from 1"),
    ],
)
def test_wrong_options_are_one_line(tmp_path, options, message):
    pictures(tmp_path / "faces", 2)
    with pytest.raises(InputError, match=message) as caught:
        prepare("self-blended", tmp_path / "faces", tmp_path / "out", **options, **OPTIONS)
    assert "\n" not in str(caught.value)


def test_a_folder_without_faces_or_none_at_all(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        find(tmp_path / "nowhere")
    (tmp_path / "text.txt").write_text("nothing")
    with pytest.raises(InputError, match="no image or video"):
        find(tmp_path)


def test_clips_travel_between_processes(tmp_path):
    for clip in find(pictures(tmp_path, 3), methods=BOTH, splits=(3, 0, 0)).clips:
        assert isinstance(clip, FaceClip)
        assert pickle.loads(pickle.dumps(clip)) == clip


@pytest.mark.slow
def test_portraits_cannot_be_told_from_outside_the_mask(shared_data, tmp_path):
    for path in sorted((shared_data / "portraits").glob("*.jpg"))[::12]:
        os.symlink(path, tmp_path / path.name)
    out = tmp_path / "out"
    prepare(
        "self-blended", tmp_path, out, methods=BOTH, image_size=128, splits=(30, 0, 0),
        progress=False,
    )  # fmt: skip
    found = by_method(out)
    assert len(found["real"]) >= 29
    for method in BOTH:
        for key, fake in found[method].items():
            real = found["real"][key]["image"].astype(int)
            far = ~ndimage.binary_dilation(fake["mask"] > 0, iterations=16)
            assert far.mean() > 0.3
            np.testing.assert_array_equal(fake["image"][far], real[far])
    swapped = [fake["image"] for fake in found["swap"].values()]
    assert np.mean([len(faces) > 0 for faces in FaceDetector()(swapped)]) > 0.9
