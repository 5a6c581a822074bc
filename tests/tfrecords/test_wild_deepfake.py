import gzip
import io
import tarfile

import numpy as np
import pytest
import videos
from PIL import Image

from lrl_keras.data import examples
from lrl_keras.errors import InputError
from lrl_keras.media.clip import open_clip
from tfrecords.build import prepare
from tfrecords.sources.wild_deepfake import find

SIZE = 56


def faces(start, count):
    """PNGs of a face, `count` of them, each another."""
    found = []
    for frame in videos.face_frames(start + count)[start:]:
        buffer = io.BytesIO()
        Image.fromarray(frame[20:132, 90:202]).resize((SIZE, SIZE)).save(buffer, "PNG")
        found.append(buffer.getvalue())
    return found


def write_archive(root, place, sequences, mode="w", kind="fake"):
    """An archive as in the dataset: `./7/fake/131/1057.png`, in no order.

    Args:
        root: folder of the dataset.
        place: e.g. `"fake_train/7.tar.gz"`.
        sequences: dict from number to list of contents.
        mode: of `tarfile.open`.
        kind: name of the folder in it.
    """
    path = root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    number = path.name.partition(".")[0]
    with tarfile.open(path, mode) as archive:
        for sequence, contents in sequences.items():
            for frame, content in reversed(list(enumerate(contents, 98))):
                member = tarfile.TarInfo(f"./{number}/{kind}/{sequence}/{frame}.png")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """Plain and compressed archives in the official layout, and everything that is amiss."""
    root = tmp_path_factory.mktemp("wild") / "deepfake_in_the_wild"
    for number in (0, 1, 2, 10):
        write_archive(root, f"real_train/{number}.tar.gz", {"7": faces(0, 4)}, kind="real")
        write_archive(root, f"fake_train/{number}.tar.gz", {"131": faces(9, 3), "4": faces(4, 5)})
    write_archive(root, "real_test/0.tar.gz", {"1": faces(2, 6)}, "w:gz", "real")
    write_archive(root, "fake_test/0.tar", {"1": faces(3, 6)})
    content = (root / "fake_test" / "0.tar").read_bytes()
    (root / "fake_test" / "cut.tar.gz").write_bytes(gzip.compress(content)[: len(content) // 2])
    (root / "fake_test" / "empty.tar.gz").write_bytes(b"")
    (root / "fake_test" / "é no.tar.gz").write_bytes(b"<html>not found</html>" * 99)
    damaged = faces(0, 3)
    damaged[1] = damaged[1][:300]
    write_archive(root, "fake_test/5 a.tar.gz", {"1": damaged})
    (root / "fake_test" / "6.tar.gz.part").write_bytes(b"x")
    (root / "fake_test" / "._0.tar").write_bytes(b"x")
    return root


def test_an_archive_is_a_clip(tree):
    listing = find(tree)
    clips = {clip.video: clip for clip in listing.clips}
    assert [clip.video for clip in listing.clips if clip.split == "test"] == [
        "real_test/0", "fake_test/0", "fake_test/5 a", "fake_test/cut", "fake_test/empty",
        "fake_test/é no",
    ]  # fmt: skip
    assert len(clips) == len(listing.clips) == 14
    for video, clip in clips.items():
        kind, _, part = video.partition("/")[0].partition("_")
        assert clip.label == ("real", "fake").index(clip.method) == ("real", "fake").index(kind)
        assert clip.split == part or (part, clip.split) == ("train", "val")
        assert clip.path.startswith(f"{video}.tar")
        assert (clip.dataset, clip.cropped, clip.real) == ("wild-deepfake", True, None)
    assert listing.listed["test", 1, "fake"] == 5
    assert listing.notes == ()


def test_listing_opens_no_archive(tree, tmp_path):
    for part in ("real_train", "fake_train", "real_test", "fake_test"):
        for path in (tree / part).iterdir():
            (tmp_path / part).mkdir(exist_ok=True)
            (tmp_path / part / path.name).symlink_to("/nowhere")
    assert find(tmp_path) == find(tree)


def test_val_is_drawn_from_train_by_number(tree):
    def held_out(**options):
        clips = find(tree, **options).clips
        return {clip.video for clip in clips if clip.split == "val"}

    assert len(held_out()) == 2
    assert held_out(val_fraction=0) == set()
    assert len(held_out(val_fraction=0.5)) == 4
    seen = set()
    for seed in range(12):
        videos_of_val = held_out(seed=seed)
        numbers = {video.partition("/")[2] for video in videos_of_val}
        assert videos_of_val == {f"{kind}_train/{n}" for kind in ("real", "fake") for n in numbers}
        seen |= numbers
    assert seen == {"0", "1", "2", "10"}


def test_the_root_may_be_the_folder_above(tree):
    outer = find(tree.parent)
    assert [f"deepfake_in_the_wild/{clip.path}" for clip in find(tree).clips] == [
        clip.path for clip in outer.clips
    ]
    assert [clip.video for clip in outer.clips] == [clip.video for clip in find(tree).clips]
    assert find(f"file://{tree.parent}") == outer


def test_folders_of_unpacked_archives_are_taken_as_well(tmp_path):
    write_archive(tmp_path, "fake_test/3.tar.gz", {"1": faces(0, 2)})
    for number in ("3", "4"):
        sequence = tmp_path / "fake_test" / number / number / "fake" / "1"
        sequence.mkdir(parents=True)
        for frame, content in enumerate(faces(0, 2)):
            (sequence / f"{frame}.png").write_bytes(content)
    listing = find(tmp_path)
    assert [clip.path for clip in listing.clips] == ["fake_test/3.tar.gz", "fake_test/4"]
    assert len(listing.notes) == 3
    assert [open_clip(tmp_path / clip.path).count for clip in listing.clips] == [2, 2]


def test_two_archives_of_one_name_are_refused(tmp_path):
    for name in ("3.tar", "3.tar.gz"):
        write_archive(tmp_path, f"real_train/{name}", {"1": faces(0, 1)})
    with pytest.raises(InputError, match=r"3\.tar.*would be the same video; remove one"):
        find(tmp_path)


@pytest.mark.parametrize("folder", ["none", "real", "deepfake_in_the_wild/real"])
def test_another_layout_is_told_what_is_expected_where(tmp_path, folder):
    root = tmp_path / "root"
    if folder != "none":
        (root / folder).mkdir(parents=True)
    with pytest.raises(InputError) as error:
        find(root)
    message = str(error.value)
    assert message.startswith(str(root))
    assert "\n" not in message
    assert folder == "none" or "real_train, fake_train, real_test and fake_test" in message


def test_folders_without_any_archive_are_refused(tmp_path):
    (tmp_path / "real_train").mkdir()
    (tmp_path / "real_train" / "readme.txt").write_text("x")
    with pytest.raises(InputError, match=r"hold no archive; expected files such as real_train/7"):
        find(tmp_path)


def test_archives_become_records(tree, tmp_path):
    records = prepare(
        "wild-deepfake", tree, tmp_path, workers=1, frames_per_video=4, image_size=64,
        progress=False,
    )  # fmt: skip
    reports = {clip.video: clip for clip in records.clips}
    assert reports["fake_train/0"].frames == 8
    assert reports["fake_train/0"].kept == [1, 3, 5, 7]
    assert reports["fake_test/5 a"].dropped == {"not decoded": [1]}
    for name, path in (("cut", "cut"), ("empty", "empty"), ("é no", "é no")):
        reason = reports[f"fake_test/{name}"].unusable
        assert reason.startswith(f"fake_test/{path}.tar.gz: no tar archive, damaged or cut off")
    assert records.counts["test"]["fake"]["fake"]["unusable_videos"] == 3

    (batch,) = examples(tmp_path, "test", batch_size=64)
    batch = {name: values.numpy() for name, values in batch.items()}
    videos_of_test = [video.decode() for video in batch["video"]]
    assert videos_of_test == ["real_test/0"] * 4 + ["fake_test/0"] * 4 + ["fake_test/5 a"] * 2
    assert batch["label"].tolist() == [0] * 4 + [1] * 6
    assert batch["has_mask"].tolist() == [True] * 4 + [False] * 6
    assert (batch["box"] == [0, 0, SIZE, SIZE]).all()
    # The frames come in the order of their numbers, over 9 to 10 and 99 to 100 too.
    wanted = [np.asarray(Image.open(io.BytesIO(png))) for png in faces(2, 6)]
    for image, frame in zip(batch["image"][:4], batch["frame"][:4], strict=True):
        shown = np.asarray(Image.fromarray(wanted[frame]).resize((64, 64), Image.BILINEAR))
        assert np.abs(image - shown).max() <= 1
