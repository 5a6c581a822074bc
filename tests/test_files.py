"""The same calls on local paths and on URLs; what Python's own functions say is the reference."""

import hashlib
import importlib.util
import io
import os
import signal
import subprocess
import sys
import time
import uuid

import numpy as np
import pytest

from lrl_keras.errors import InputError, UnreachableError
from lrl_keras.media import images
from lrl_keras.system import files

CONTENT = np.random.default_rng(1).bytes(3_000_000)
NAMES = ["a.txt", "b c/é.bin", "b c/in/2", "b c/in/10", "z"]


@pytest.fixture(params=["local", "file", "ram"])
def root(request, tmp_path):
    """An empty folder of each kind."""
    if request.param == "local":
        return str(tmp_path / "root é")
    if request.param == "file":
        return f"file://{tmp_path}/root é"
    return f"ram://{uuid.uuid4().hex}/root é"


def put(root, name, content=b"x"):
    path = files.join(root, *name.split("/"))
    files.make_folder(os.path.dirname(path))
    with files.replacing(path) as temporary:
        temporary.write_bytes(content)
    return path


def everything(root):
    return {name: files.read_bytes(files.join(root, name)) for name in files.walk(root)}


def test_what_is_a_url():
    assert files.is_url("s3://bucket/a")
    assert files.is_url("file:///a")
    assert not any(map(files.is_url, ("/a/b", "a:b", "C:/x", "s3:/a", ".")))


def test_paths():
    assert files.join("s3://b/c", "d", "e.txt") == "s3://b/c/d/e.txt"
    assert files.join("s3://b/c/", "d") == "s3://b/c/d"
    assert files.join("a", "b") == os.path.join("a", "b")
    assert [files.name_of(path) for path in ("s3://b/c/d", "/a/b/", "a")] == ["d", "b", "a"]


def test_what_is_there(root):
    path = put(root, "b c/é.bin", CONTENT)
    folder = files.join(root, "b c")
    assert files.exists(path)
    assert files.exists(folder)
    assert not files.exists(path + "x")
    assert [files.is_file(each) for each in (path, folder, path + "x")] == [True, False, False]
    assert [files.is_folder(each) for each in (path, folder, path + "x")] == [False, True, False]
    assert files.is_regular(path)
    assert not files.is_regular(folder)
    assert files.size(path) == len(CONTENT)
    for call in (files.is_regular, files.size, files.read_bytes, files.open, files.sha256):
        with pytest.raises(FileNotFoundError) as error:
            call(path + "x")
        assert error.value.filename == path + "x"
        assert error.value.strerror == "No such file or directory"


def test_a_file_reads_as_pythons_own(root):
    path = put(root, "é.bin", CONTENT)
    wanted = io.BytesIO(CONTENT)
    rng = np.random.default_rng(4)
    with files.open(path) as file:
        assert file.seekable()
        for _ in range(60):
            if rng.random() < 0.5:
                place = int(rng.integers(len(CONTENT) + 10))
                whence = int(rng.integers(3))
                offset = place - (0, wanted.tell(), len(CONTENT))[whence]
                if place <= len(CONTENT):
                    assert file.seek(offset, whence) == wanted.seek(offset, whence)
            count = int(rng.integers(400_000))
            assert file.read(count) == wanted.read(count)
            assert file.tell() == wanted.tell()
        assert file.seek(0, io.SEEK_END) == len(CONTENT)
        assert file.read(5) == b""
        with pytest.raises((OSError, ValueError)):
            file.seek(-1)
    assert file.closed
    assert files.read_bytes(path) == CONTENT


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="needs a file that cannot be read")
def test_a_file_that_fails_in_the_middle_is_not_taken_for_damaged():
    url = "file:///proc/self/mem"  # Its first bytes belong to no memory.
    with pytest.raises(UnreachableError, match=f"^{url}: cannot be read on"):
        files.read_bytes(url)
    with files.open(url) as file, pytest.raises(UnreachableError):
        images.decode_image(file, "a.png")


def test_sha256(root):
    path, blocks = put(root, "a", CONTENT), []
    assert files.sha256(path, blocks.append) == hashlib.sha256(CONTENT).hexdigest()
    assert sum(blocks) == len(CONTENT)
    assert files.sha256(put(root, "b", b"")) == hashlib.sha256().hexdigest()


def test_names_and_walk(root):
    for name in reversed(NAMES):
        put(root, name, name.encode())
    put(root, ".hidden")
    put(root, "b c/.hidden/3")
    assert files.names(root) == [".hidden", "a.txt", "b c", "z"]
    assert files.names(files.join(root, "b c", "in")) == ["10", "2"]
    assert files.walk(root) == sorted(NAMES)
    assert files.walk(root + "/") == sorted(NAMES)
    assert everything(root) == {name: name.encode() for name in NAMES}


def test_links_to_folders_are_followed_each_once(tmp_path):
    root = tmp_path / "root"
    for name in ("a/1", "b/2"):
        put(str(root), name)
    put(str(tmp_path / "other"), "3")
    (root / "a" / "up").symlink_to(root)
    (root / "c").symlink_to(tmp_path / "other")
    (root / "d").symlink_to(tmp_path / "other")
    (root / "e").symlink_to(tmp_path / "nowhere")
    (root / "f").symlink_to(root / "b" / "2")
    assert files.walk(root) == ["a/1", "b/2", "c/3", "e", "f"]


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_a_folder_that_may_not_be_read_is_an_error(tmp_path):
    put(str(tmp_path), "closed/1")
    (tmp_path / "closed").chmod(0)
    with pytest.raises(PermissionError):
        files.walk(tmp_path)
    (tmp_path / "closed").chmod(0o700)


def test_a_missing_folder(tmp_path):
    for call in (files.names, files.walk):
        with pytest.raises(FileNotFoundError):
            call(tmp_path / "none")
    assert files.names(f"file://{tmp_path}/none") == []


def test_remove(root):
    path = put(root, "a/b")
    put(root, "a/c")
    files.remove(path)
    files.remove(path)
    assert files.walk(root) == ["a/c"]
    files.remove_tree(files.join(root, "a"))
    assert not files.exists(files.join(root, "a"))


def test_make_folder(root, tmp_path):
    files.make_folder(files.join(root, "a", "b"))
    files.make_folder(files.join(root, "a", "b"))
    assert files.is_folder(files.join(root, "a", "b"))


@pytest.mark.parametrize("start", ["", "file://"])
def test_a_folder_that_cannot_be_made_is_named(tmp_path, start):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="no folder and cannot be made one") as error:
        files.make_folder(f"{start}{tmp_path}/file/a")
    assert str(error.value).startswith(f"{start}{tmp_path}/file/a: ")


def test_local_is_the_file_itself_or_a_copy(root):
    path = put(root, "a b.h5", CONTENT)
    with files.local(path) as found:
        assert os.path.basename(found) == "a b.h5"
        with open(found, "rb") as file:
            assert file.read() == CONTENT
    assert os.path.exists(found) == (not files.is_url(root))


def test_replacing_puts_the_whole_file_there(root):
    path = put(root, "a.txt", b"old")
    with files.replacing(path) as temporary:
        assert temporary.name.endswith(".a.txt")
        assert files.is_temporary(temporary.name)
        temporary.write_bytes(b"new")
        assert files.read_bytes(path) == b"old"
    assert everything(root) == {"a.txt": b"new"}
    assert files.names(root) == ["a.txt"]
    files.write_text(path, "é")
    assert files.read_bytes(path) == "é".encode()


def replace(path, content, fails=False):
    with files.replacing(path) as temporary:
        if content is not None:
            temporary.write_bytes(content)
        if fails:
            raise RuntimeError


def test_replacing_leaves_the_old_file_where_it_fails(root):
    path = put(root, "a.txt", b"old")
    with pytest.raises(RuntimeError):
        replace(path, b"half", fails=True)
    with pytest.raises(FileNotFoundError):
        replace(path, None)
    assert files.names(root) == ["a.txt"]
    assert files.read_bytes(path) == b"old"


@pytest.mark.parametrize("start", ["", "file://"])
def test_a_place_that_cannot_be_written_is_an_error(tmp_path, start):
    (tmp_path / "file").write_text("old")
    with pytest.raises(OSError, match="file"):
        files.write_text(f"{start}{tmp_path}/file/a", "new")
    with pytest.raises(FileNotFoundError):
        files.write_text(f"{start}{tmp_path}/none/a", "new")
    assert files.walk(tmp_path) == ["file"]


def test_replacing_by_way_of_another_folder(root):
    path = put(root, "a.txt", b"old")
    scratch = files.join(root, "scratch")
    files.make_folder(scratch)
    with files.replacing(path, scratch) as temporary:
        temporary.write_bytes(b"new")
        assert files.names(root) == ["a.txt", "scratch"]
    assert files.read_bytes(path) == b"new"
    assert files.names(scratch) == []


WRITER = """
import sys, time
from lrl_keras.system import files
with files.replacing(sys.argv[1]) as temporary:
    with open(temporary, "wb") as file:
        file.write(b"half")
        file.flush()
        print("written", flush=True)
        time.sleep(60)
"""


def test_a_killed_writer_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    writer = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE)
    assert writer.stdout.readline() == b"written\n"
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    assert path.read_bytes() == b"old"
    (left,) = set(os.listdir(tmp_path)) - {"a.txt"}
    assert files.is_temporary(left)
    assert files.walk(tmp_path) == ["a.txt"]


READER = """
import sys
from lrl_keras.system import files
seen = set()
while len(seen) < 3 or b"last" not in seen:
    seen.add(files.read_bytes(sys.argv[1])[-4:])
    assert len(files.read_bytes(sys.argv[1])) == 300004
print(len(seen))
"""


def test_a_reader_never_sees_half_a_file(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(bytes(300_000) + b"0000")
    reader = subprocess.Popen([sys.executable, "-c", READER, path], stdout=subprocess.PIPE)
    number, end = 0, time.monotonic() + 30
    while reader.poll() is None and time.monotonic() < end:
        number += 1
        with files.replacing(path) as temporary:
            temporary.write_bytes(bytes(300_000) + (b"%04d" % number if number % 9 else b"last"))
    reader.kill()
    output = reader.communicate()[0]
    assert reader.returncode == 0
    assert int(output) >= 3


def test_what_is_temporary():
    assert not any(map(files.is_temporary, ("a.txt", ".hidden", ".part", f"{'0' * 40}.txt")))


def test_local_paths_do_not_import_tensorflow(tmp_path):
    code = (
        "import sys\nfrom lrl_keras.system import files\n"
        f"root = {str(tmp_path)!r}\nfiles.write_text(files.join(root, 'a'), 'x')\n"
        "files.require(root), files.walk(root), files.sha256(files.join(root, 'a'))\n"
        "print('tensorflow' in sys.modules)"
    )
    environment = {**os.environ, "KERAS_BACKEND": "jax"}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment)
    assert found.stdout.split() == [b"False"], found.stderr


def test_require_knows_what_tensorflow_knows(root):
    files.require(root)


def test_require_names_an_unknown_kind_of_url():
    with pytest.raises(InputError, match=r"^nosuch://a/b: nosuch:// is not known; ") as e:
        files.require("nosuch://a/b")
    assert "file://" in str(e.value)
    assert "\n" not in str(e.value)


@pytest.mark.skipif(
    importlib.util.find_spec("tensorflow_io") is not None, reason="tensorflow-io is installed"
)
@pytest.mark.parametrize("scheme", ["s3", "hdfs", "az"])
def test_require_says_what_to_install(scheme):
    with pytest.raises(InputError) as error:
        files.require(f"{scheme}://bucket/records")
    assert str(error.value) == (
        f"{scheme}://bucket/records: {scheme}:// needs tensorflow-io, but it is not installed; it "
        "works with TensorFlow 2.16: pip install -c constraints/tf216.txt -e '.[io]' in a clone of "
        "the project"
    )
