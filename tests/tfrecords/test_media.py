import os

import pytest
import videos
from PIL import Image
from test_archives import png, write

from lrl_keras.errors import InputError
from lrl_keras.media.clip import open_clip
from lrl_keras.system import files


def make(folder):
    """One clip of each kind, named by what it is."""
    folder.mkdir(exist_ok=True)
    (folder / "image.png").write_bytes(png(7))
    videos.write_video(folder / "video.mp4", videos.gray_frames(5))
    write(folder / "archive.tar", [(f"{i}.png", png(20 * i)) for i in range(3)])
    (folder / "sequence.tar").mkdir()  # an archive that was unpacked
    for index in range(4):
        (folder / "sequence.tar" / f"{index}.png").write_bytes(png(index))
    return {path.name: path for path in folder.iterdir()}


@pytest.fixture(params=["local", "url"])
def clips(request, tmp_path):
    found = make(tmp_path / "clips é")
    if request.param == "url":
        return {name: f"file://{path}" for name, path in found.items()}
    return found


COUNTS = {"image.png": 1, "video.mp4": 5, "archive.tar": 3, "sequence.tar": 4}


def test_every_kind_of_clip_is_told_apart(clips):
    assert {name: open_clip(path).count for name, path in clips.items()} == COUNTS


@pytest.mark.parametrize("indices", [[0], [0, 2], [], [7]])
def test_the_wanted_frames_of_every_kind(clips, indices):
    for name, path in clips.items():
        found = list(open_clip(path).frames(indices))
        assert [index for index, _ in found] == [i for i in indices if i < COUNTS[name]]
        assert all(image.shape[2] == 3 for _, image in found)
    archive = dict(open_clip(clips["archive.tar"]).frames([2]))
    assert indices == [] or archive[2].max() == 40


def test_kinds_are_told_by_content_but_for_archives(tmp_path):
    made = make(tmp_path / "clips")
    (tmp_path / "a.mp4").write_bytes(made["image.png"].read_bytes())
    (tmp_path / "a.png").write_bytes(made["video.mp4"].read_bytes())
    assert open_clip(tmp_path / "a.mp4").count == 1
    assert open_clip(tmp_path / "a.png").count == 5
    (tmp_path / "a.tar").write_bytes(made["image.png"].read_bytes())
    with pytest.raises(InputError, match="no tar archive"):
        open_clip(tmp_path / "a.tar")


@pytest.mark.parametrize("name", ["a.png", "a.mp4", "a.tar", "a b é.jpg"])
def test_an_empty_file_is_named(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"")
    with pytest.raises(InputError) as error:
        open_clip(path)
    assert str(error.value).startswith(str(path))
    assert "empty file" in str(error.value)


@pytest.mark.parametrize("kind", ["missing", "pipe", "text", "circle", "dangling"])
@pytest.mark.parametrize("name", ["a.png", "a.mp4", "a.tar.gz", "a"])
def test_what_is_no_clip_is_named_in_one_line(tmp_path, kind, name):
    path = tmp_path / name
    if kind == "pipe":
        os.mkfifo(path)
    if kind == "text":
        path.write_text("text\n" * 300)
    if kind in ("circle", "dangling"):
        path.symlink_to(path if kind == "circle" else tmp_path / "none")
    with pytest.raises(InputError) as error:
        open_clip(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_a_cut_off_image_is_named_when_it_is_read(tmp_path):
    path = tmp_path / "a.jpg"
    Image.effect_noise((64, 64), 50).save(path)
    path.write_bytes(path.read_bytes()[:900])
    assert open_clip(path).count == 1
    with pytest.raises(InputError, match="damaged or cut off") as error:
        list(open_clip(path).frames([0]))
    assert str(error.value).startswith(files.join(tmp_path, "a.jpg"))
