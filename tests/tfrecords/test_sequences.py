import numpy as np
import pytest
from PIL import Image

from lrl_keras.errors import InputError
from lrl_keras.media.sequences import Sequence, is_frame_name, natural_key


def write_gray(path, level):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (8, 6), level).save(path)


def levels(path, indices):
    return {index: int(image.max()) for index, image in Sequence(path).frames(indices)}


def test_numbers_in_names_count_as_numbers():
    ordered = ["2.png", "10.png", "a2b1.png", "a2b12.png", "a 2.png", "a 10.png", "b.png"]
    assert sorted(reversed(ordered), key=natural_key) == ordered
    same_number = ["a01.png", "a1.png"]
    assert sorted(reversed(same_number), key=natural_key) == same_number


def test_a_name_of_many_digits_is_only_text():
    long = "9" * 5000
    assert sorted([f"{long}.png", "1.png", f"{long}1.png"], key=natural_key)[0] == "1.png"


def test_frames_are_those_of_the_folder_and_below_in_natural_order(tmp_path):
    for level, name in enumerate(["1.png", "2.png", "10.png", "b/1.png", "b/é 2.png"], 1):
        write_gray(tmp_path / name, 10 * level)
    assert Sequence(tmp_path).names == ["1.png", "2.png", "10.png", "b/1.png", "b/é 2.png"]
    assert levels(tmp_path, [0, 2, 4]) == {0: 10, 2: 30, 4: 50}
    assert [index for index, _ in Sequence(tmp_path).frames([4, 0, 1])] == [0, 1, 4]


def test_hidden_files_and_other_files_are_no_frames(tmp_path):
    write_gray(tmp_path / "1.png", 9)
    write_gray(tmp_path / "._1.png", 9)
    write_gray(tmp_path / ".thumbnails" / "1.png", 9)
    (tmp_path / "Thumbs.db").write_bytes(b"x")
    (tmp_path / "film.mp4").write_bytes(b"x")
    assert Sequence(tmp_path).names == ["1.png"]
    assert not is_frame_name("._1.png")
    assert not is_frame_name(".png")
    assert is_frame_name("folder.d/1.JPEG")


def test_a_damaged_frame_is_left_out_and_shifts_no_other(tmp_path):
    for index in range(3):
        write_gray(tmp_path / f"{index}.png", 50 * index + 50)
    content = (tmp_path / "1.png").read_bytes()
    (tmp_path / "1.png").write_bytes(content[: len(content) // 2])
    assert levels(tmp_path, range(3)) == {0: 50, 2: 150}


MODES = {
    "png": ["L", "LA", "RGBA", "P", "1", "I;16"],
    "webp": ["L", "RGBA", "P"],
    "bmp": ["L", "RGBA", "P", "1"],
    "tiff": ["L", "LA", "RGBA", "P", "1", "CMYK", "I;16"],
    "jpg": ["L", "CMYK"],
}


@pytest.mark.parametrize(
    ("ending", "mode"), [(ending, mode) for ending, modes in MODES.items() for mode in modes]
)
def test_every_kind_of_picture_becomes_rgb(tmp_path, ending, mode):
    picture = Image.new(mode, (8, 6), 1)
    if mode == "P":
        picture.putpalette([0, 0, 0, 200, 100, 50])  # Pillow writes a broken BMP without one.
    picture.save(tmp_path / f"1.{ending}")
    ((_, image),) = Sequence(tmp_path).frames([0])
    assert image.shape == (6, 8, 3)
    assert image.dtype == np.uint8


def test_a_folder_without_images_says_what_is_expected(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(InputError, match=r"holds no image; expected PNG, JPEG") as error:
        Sequence(tmp_path)
    assert str(error.value).startswith(str(tmp_path))
    with pytest.raises(InputError, match="cannot be read"):
        Sequence(tmp_path / "none")
