import os

import pytest
import videos
from PIL import Image
from skimage import data

from lrl_keras.media.discovery import find


@pytest.fixture
def folder(tmp_path):
    picture = Image.fromarray(data.astronaut()[:32, :32])
    for name in ("b.png", "a.jpg", "z/d.webp", "c/e.bmp", "c/.hidden/f.png", ".g.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        picture.save(tmp_path / name)
    picture.save(tmp_path / "picture", format="PNG")
    videos.write_video(tmp_path / "c" / "film.mp4", videos.gray_frames(2))
    (tmp_path / "notes.txt").write_text("text")
    (tmp_path / "broken.jpg").write_bytes(b"")
    return tmp_path


def test_a_folder_gives_its_media_in_order_and_names_the_broken(folder, caplog):
    caplog.set_level("INFO", "lrl_keras")
    found = list(find([folder]))
    assert [(file.name, file.kind) for file in found] == [
        ("a.jpg", "image"),
        ("b.png", "image"),
        ("broken.jpg", None),
        ("picture", "image"),
        (os.path.join("c", "e.bmp"), "image"),
        (os.path.join("c", "film.mp4"), "video"),
        (os.path.join("z", "d.webp"), "image"),
    ]
    assert [file.error for file in found if file.error] == [
        f"{folder / 'broken.jpg'}: empty file; copy it again"
    ]
    (line,) = caplog.messages
    assert line == f"{folder}: skipped 1 that are neither image nor video: notes.txt"


def test_a_folder_behind_a_url_gives_what_the_local_one_does(folder):
    local = {(file.name, file.kind) for file in find([folder])}
    remote = list(find([f"file://{folder}", f"file://{folder}/a.jpg", "foo://x"]))
    assert {(file.name, file.kind) for file in remote[:-2]} == local
    assert (remote[-2].name, remote[-2].kind) == ("a.jpg", "image")
    assert "foo:// is not known" in remote[-1].error


def test_a_folder_without_media_is_an_error(tmp_path):
    (tmp_path / "notes.txt").write_text("text")
    (found,) = find([tmp_path])
    assert "no image or video in this folder" in found.error


def test_a_folder_that_is_written_to_is_left_out(folder):
    names = {file.name for file in find([folder], leave_out=folder / "c")}
    assert os.path.join("c", "e.bmp") not in names
    assert "a.jpg" in names


def test_links_to_folders_are_not_followed_in_circles(folder):
    os.symlink(folder, folder / "c" / "again")
    os.symlink(folder / "a.jpg", folder / "c" / "link.jpg")
    names = [file.name for file in find([folder])]
    assert len(names) == 8
    assert os.path.join("c", "link.jpg") in names


@pytest.mark.parametrize("ending", [".mp4", ".png", ""])
def test_a_file_is_told_by_its_content(tmp_path, ending):
    path = tmp_path / f"a{ending}"
    Image.fromarray(data.astronaut()[:32, :32]).save(path, format="TIFF")
    assert [file.kind for file in find([path])] == ["image"]
    videos.write_video(tmp_path / "v.avi", videos.gray_frames(2), codec="mpeg4")
    path.write_bytes((tmp_path / "v.avi").read_bytes())
    assert [file.kind for file in find([path])] == ["video"]
    path.write_text("ffconcat version 1.0\nfile v.avi\n")
    (found,) = find([path])
    assert "neither an image" in found.error


def test_what_is_named_but_no_file_is_an_error(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    named = [tmp_path / "missing", tmp_path / "pipe.mp4", "/dev/zero", "a\0b", tmp_path / "a\nb"]
    errors = [file.error for file in find(named)]
    assert all(errors)
    assert not any("\n" in error for error in errors)
