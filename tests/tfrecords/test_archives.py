"""The archives are made with `tarfile` here; what is read is compared with the pictures' levels."""

import gzip
import io
import os
import tarfile
import tracemalloc

import damage
import pytest
from PIL import Image

from lrl_keras.errors import InputError
from lrl_keras.media import archives
from lrl_keras.media.archives import Archive


def png(level, size=(8, 6)):
    buffer = io.BytesIO()
    Image.new("L", size, level).save(buffer, "PNG")
    return buffer.getvalue()


def add(archive, name, content=b"", **header):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for field, value in header.items():
        setattr(member, field, value)
    archive.addfile(member, io.BytesIO(content))


def write(path, files, mode="w", **options):
    """A tar archive of (name, content); `mode` `"w:gz"` for a compressed one."""
    with tarfile.open(path, mode, **options) as archive:
        for name, content in files:
            add(archive, name, content)
    return path


def frames(count):
    return [(f"./7/fake/131/{index + 5}.png", png(10 * index + 10)) for index in range(count)]


def levels(path, indices):
    return {index: int(image.max()) for index, image in Archive(path).frames(indices)}


def fails_with(path, *words):
    with pytest.raises(InputError) as error:
        Archive(path)
    message = str(error.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    assert all(word in message for word in words), message


def test_what_counts_as_an_archive_and_its_stem():
    assert all(map(archives.is_archive, ("a.tar", "b/7.tar.gz", "7.TGZ")))
    assert not any(map(archives.is_archive, ("a.zip", "tar", "a.tar.png")))
    assert [archives.stem(name) for name in ("7.tar.gz", "7.tar", "a.b.tgz", "7")] == [
        "7", "7", "a.b", "7",
    ]  # fmt: skip


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("layout", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT])
def test_frames_in_natural_order_whatever_the_order_in_the_archive(tmp_path, mode, layout):
    content = frames(12)
    shuffled = [content[i] for i in (11, 3, 0, 7, 1, 2, 10, 4, 9, 5, 8, 6)]
    path = write(tmp_path / "7.tar.gz", shuffled, mode, format=layout)
    assert Archive(path).names == [name for name, _ in content]
    assert levels(path, [0, 1, 5, 11]) == {0: 10, 1: 20, 5: 60, 11: 120}
    assert [index for index, _ in Archive(path).frames([5, 0])] == [0, 5]


def test_long_and_foreign_names(tmp_path):
    names = [f"{'a' * 120}/{'b' * 120}/1.png", "mit Leerzeichen/é 中/2.png"]
    for layout in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        path = write(tmp_path / "a.tar", [(name, png(9)) for name in names], format=layout)
        assert Archive(path).names == names


def test_hostile_members_are_never_unpacked(tmp_path, monkeypatch):
    inside = tmp_path / "inside"
    inside.mkdir()
    path = inside / "a.tar"
    with tarfile.open(path, "w") as archive:
        add(archive, "../above.png", png(10))
        add(archive, "/tmp/absolute.png", png(20))
        add(archive, "x/link.png", type=tarfile.SYMTYPE, linkname="/etc/passwd")
        add(archive, "x/hard.png", type=tarfile.LNKTYPE, linkname="../above.png")
        add(archive, "x/device.png", type=tarfile.CHRTYPE, devmajor=1, devminor=5)
        add(archive, "x/pipe.png", type=tarfile.FIFOTYPE)
        add(archive, "x/folder.png", type=tarfile.DIRTYPE)
        add(archive, "x/._1.png", png(30))
        add(archive, "x/line\nbreak.png", png(40))
    monkeypatch.chdir(inside)
    before = sorted(tmp_path.rglob("*"))
    assert Archive(path).names == ["../above.png", "/tmp/absolute.png", "x/line\nbreak.png"]
    assert levels(path, range(9)) == {0: 10, 1: 20, 2: 40}
    assert sorted(tmp_path.rglob("*")) == before
    assert not os.path.exists("/tmp/absolute.png")


def test_the_second_file_of_a_name_counts(tmp_path):
    path = write(tmp_path / "a.tar", [("1.png", png(10)), ("2.png", png(20)), ("1.png", png(30))])
    assert levels(path, range(5)) == {0: 30, 1: 20}


def test_sparse_files_are_passed_over(tmp_path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        map_of_sparse = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(1 << 40)}
        add(archive, "huge.png", b"x", pax_headers=map_of_sparse)
        add(archive, "1.png", png(10))
    assert Archive(path).names == ["1.png"]


@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_damaged_members_are_left_out_and_shift_no_other(tmp_path, mode):
    content = frames(4)
    content[1] = (content[1][0], content[1][1][:40])
    content[2] = (content[2][0], b"")
    path = write(tmp_path / "a.tar.gz", content, mode)
    assert levels(path, range(4)) == {0: 10, 3: 40}


def test_a_bomb_among_the_pictures_is_left_out(tmp_path):
    bomb = damage.png_of_zeros(19000, 19000)
    path = write(tmp_path / "a.tar", [("1.png", bomb), ("2.png", png(20))])
    assert levels(path, range(2)) == {1: 20}


@pytest.mark.parametrize("mode", ["w", "w:gz"])
@pytest.mark.parametrize("part", [0.02, 0.3, 0.5, 0.8, 0.97])
def test_a_cut_off_archive_is_never_taken_for_a_short_one(tmp_path, mode, part):
    pictures = [(f"{i}.png", png(i, (64, 64)) + os.urandom(700)) for i in range(20)]
    path = write(tmp_path / "a.tar.gz", pictures, mode)
    content = path.read_bytes()
    # Python ends an archive with as many zeros as make it a multiple of 10240 bytes.
    end = len(content.rstrip(b"\0")) if mode == "w" else len(content)
    path.write_bytes(content[: int(end * part)])
    fails_with(path, "cut off", "copy it again")


def test_cut_off_between_two_files(tmp_path):
    path = write(tmp_path / "a.tar", [("1.png", png(10)), ("2.png", png(20))])
    with tarfile.open(path) as archive:
        second = archive.getmembers()[1].offset
    path.write_bytes(path.read_bytes()[:second])
    fails_with(path, "does not end as a tar archive does")


def test_a_damaged_header_is_never_taken_for_the_end(tmp_path):
    path = write(tmp_path / "a.tar", [("1.png", png(10)), ("2.png", png(20))])
    with tarfile.open(path) as archive:
        second = archive.getmembers()[1].offset
    content = bytearray(path.read_bytes())
    content[second + 5] ^= 0xFF
    path.write_bytes(content)
    fails_with(path, "does not end as a tar archive does")


def test_flipped_bits_of_a_gzip_file_show(tmp_path):
    noise = [(f"{i}.bin", os.urandom(3000)) for i in range(20)]
    path = write(tmp_path / "a.tar.gz", [("1.png", png(10)), *noise], "w:gz")
    content = bytearray(path.read_bytes())
    for place in (len(content) // 2, len(content) - 8):
        flipped = bytearray(content)
        flipped[place] ^= 4
        path.write_bytes(flipped)
        fails_with(path, "copy it again")


@pytest.mark.parametrize(
    "content", [b"", b"x" * 5000, b"\x1f\x8b", gzip.compress(b"no tar", mtime=0)]
)
def test_what_is_no_archive_is_named(tmp_path, content):
    path = tmp_path / "a.tar.gz"
    path.write_bytes(content)
    fails_with(path, "no tar archive")


def test_what_is_no_file_is_named(tmp_path):
    fails_with(tmp_path / "none.tar", "No such file")
    (tmp_path / "folder.tar").mkdir()
    fails_with(tmp_path / "folder.tar", "a folder, pipe")
    os.mkfifo(tmp_path / "pipe.tar")
    fails_with(tmp_path / "pipe.tar", "a folder, pipe")


def test_an_archive_without_images_says_what_is_expected(tmp_path):
    fails_with(write(tmp_path / "a.tar", [("a.txt", b"x")]), "holds no image; expected PNG")
    fails_with(write(tmp_path / "b.tar", []), "holds no image; expected PNG")


def gzipped(path, blocks):
    """Blocks of bytes, many times each, as a small gzip file."""
    with gzip.open(path, "wb", compresslevel=1) as file:
        for content, times in blocks:
            for _ in range(times):
                file.write(content)
    return path


def header(name, size, kind=tarfile.REGTYPE):
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    return member.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.XGLTYPE])
def test_a_header_of_hundreds_of_megabytes_is_not_read(tmp_path, kind):
    megabyte = bytes(1 << 20)
    path = gzipped(tmp_path / "a.tar.gz", [(header("x", 200 << 20, kind), 1), (megabyte, 200)])
    tracemalloc.start()
    fails_with(path, "a header of more than")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6


def test_headers_in_headers_without_end_are_not_followed(tmp_path):
    nested = header("x", 1, tarfile.GNUTYPE_LONGNAME) + bytes(512)
    fails_with(gzipped(tmp_path / "a.tar.gz", [(nested, 5000)]), "a header of more than")


def test_a_huge_file_in_an_archive_takes_no_memory(tmp_path):
    megabyte = bytes(1 << 20)
    path = gzipped(tmp_path / "a.tar.gz", [(header("huge.png", 3 << 30), 1), (megabyte, 200)])
    tracemalloc.start()
    fails_with(path, "cut off")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6


def test_sizes_that_no_archive_has_are_refused(tmp_path):
    for size in (1 << 62, -512, -(1 << 40)):
        path = tmp_path / f"{size}.tar"
        path.write_bytes(header("1.png", size) + bytes(2048))
        fails_with(path, "copy it again")


def test_more_than_fits_into_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "_MAX_HELD_BYTES", 1000)
    path = write(tmp_path / "a.tar", [(f"{i}.png", png(10) + bytes(400)) for i in range(4)])
    assert levels(path, [0]) == {0: 10}
    with pytest.raises(InputError, match="choose fewer frames"):
        levels(path, range(4))
