import os

from footage import touch

from tfrecords.sources.folders import Folders


def test_names_are_sorted_and_hidden_ones_left_out(tmp_path):
    touch(tmp_path, "b/2.mp4", "b/1.mp4", "b/._1.mp4", "b/é ü.mp4", "b/notes.txt", "a.mp4")
    folders = Folders(tmp_path)
    assert list(folders.names("")) == ["a.mp4", "b"]
    assert list(folders.names("b")) == ["1.mp4", "2.mp4", "notes.txt", "é ü.mp4"]
    assert folders.videos("b") == ["1.mp4", "2.mp4", "é ü.mp4"]
    assert list(folders.names("none")) == list(folders.names("a.mp4")) == []


def test_what_is_there(tmp_path):
    touch(tmp_path, "a/b/c.mp4")
    folders = Folders(str(tmp_path))
    assert folders.has("a/b/c.mp4")
    assert folders.has("a/b")
    assert folders.has("a")
    assert not folders.has("a/c.mp4")
    assert not folders.has("c.mp4")


def test_a_folder_is_listed_once(tmp_path):
    touch(tmp_path, "a/1.mp4")
    folders = Folders(tmp_path)
    assert folders.has("a/1.mp4")
    touch(tmp_path, "a/2.mp4")
    assert not folders.has("a/2.mp4")


def test_the_walk_goes_from_the_root_down_to_its_depth(tmp_path):
    touch(tmp_path, "1/2/3/4/5/6/x.mp4", "1/x.mp4", "0/x.mp4", ".hidden/x.mp4")
    folders = Folders(tmp_path)
    assert list(folders.walk(2)) == ["", "0", "1", "1/2"]
    assert list(folders.walk())[-1] == "1/2/3/4/5"


def test_the_walk_ends_in_a_circle_of_links(tmp_path):
    touch(tmp_path, "a/1.mp4")
    os.symlink(tmp_path, tmp_path / "a" / "again")
    assert list(Folders(tmp_path).walk(4)) == ["", "a", "a/again", "a/again/a", "a/again/a/again"]


def test_names_that_are_no_text_are_left_out(tmp_path):
    (tmp_path / "good.mp4").write_bytes(b"")
    with open(os.fsencode(tmp_path) + b"/\xff.mp4", "wb"):
        assert Folders(tmp_path).videos("") == ["good.mp4"]
