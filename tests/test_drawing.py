import matplotlib
import numpy as np
import pytest
from PIL import Image
from skimage import data

from lrl_keras.plots import drawing, figures


@pytest.fixture(scope="module")
def photograph():
    return data.astronaut()


def test_no_heat_shows_the_picture_and_heat_stays_in_its_box(photograph):
    np.testing.assert_array_equal(drawing.heat_map(photograph, np.zeros((9, 9))), photograph)
    box = (100, 50, 260, 210)
    heated = drawing.heat_map(photograph, np.ones((64, 64, 1)), box)
    changed = np.argwhere((heated != photograph).any(axis=2))
    assert changed.min(axis=0).tolist() == [50, 100]
    assert changed.max(axis=0).tolist() == [209, 259]
    assert not np.shares_memory(heated, photograph)


def test_the_hottest_place_has_the_hottest_colour(photograph):
    heat = np.zeros((64, 64))
    heat[8:24, 40:56] = 1
    heated = drawing.heat_map(photograph, heat, opacity=1)
    yellow = np.rint(np.array(matplotlib.colormaps["viridis"](1.0)[:3]) * 255)
    np.testing.assert_array_equal(heated[128, 384], yellow)
    np.testing.assert_array_equal(heated[384, 128], photograph[384, 128])


@pytest.mark.parametrize(("score", "colour"), [(0.93, drawing.FORGED), (0.5, drawing.REAL)])
def test_a_face_gets_a_box_and_a_label_in_the_colour_of_its_score(photograph, score, colour):
    drawn = drawing.draw_faces(photograph, [((150, 80, 300, 230), score)])
    for y, x in ((150, 150), (150, 299), (229, 225), (80, 225)):
        np.testing.assert_array_equal(drawn[y, x], colour)
    np.testing.assert_array_equal(drawn[100:200, 170:280], photograph[100:200, 170:280])
    label = drawn[50:79, 150:260]
    assert (label == colour).all(axis=2).mean() > 0.3
    assert (label > 240).all(axis=2).sum() > 50  # white letters


@pytest.mark.parametrize("shape", [(48, 48), (96, 64), (1080, 1920)])
@pytest.mark.parametrize("where", ["top", "bottom"])
def test_labels_stay_in_the_picture(shape, where):
    height, width = shape
    gray = np.full((*shape, 3), 128, np.uint8)
    y = 0 if where == "top" else height - 20
    drawn = drawing.draw_faces(gray, [((width - 20, y, width, y + 20), 0.9)])
    assert drawn.shape == gray.shape
    letters = np.argwhere((drawn > 190).all(axis=2))
    assert len(letters) > 5
    rows, columns = np.ptp(letters, axis=0)
    assert 5 < rows < height / 8 + 8
    assert columns > 2 * rows
    assert letters[:, 1].max() < width - 1


def test_a_face_without_score_is_drawn_without_label(photograph):
    drawn = drawing.draw_faces(photograph, [((150, 80, 300, 230), None)])
    np.testing.assert_array_equal(drawn[:80], photograph[:80])
    assert (drawn[80, 150:300] != photograph[80, 150:300]).any()


def test_a_contact_sheet_holds_every_picture(photograph):
    pictures = [photograph[i * 20 : i * 20 + 60, :80] for i in range(5)]
    sheet = drawing.contact_sheet([*pictures, photograph[:30, :40, 0]], 4)
    windows = np.lib.stride_tricks.sliding_window_view(sheet, (60, 80, 3))[:, :, 0]
    found = [np.argwhere((windows == picture).all(axis=(2, 3, 4))) for picture in pictures]
    assert [len(places) for places in found] == [1] * 5
    assert len({int(places[0, 0]) for places in found[:4]}) == 1
    assert found[4][0, 0] > found[0][0, 0] + 60
    assert (sheet[0] == 255).all()


def test_captions_are_written_below_and_cut_where_too_long(photograph):
    pictures = [photograph[:100, :100]] * 3
    plain = drawing.contact_sheet(pictures, 3)
    captioned = drawing.contact_sheet(pictures, 3, ["real", "w" * 90, ""])
    assert captioned.shape[0] > plain.shape[0]
    dark = (captioned[108:] < 100).all(axis=2).any(axis=0)
    assert dark[8:108].any()
    assert dark[116:216].any()
    assert not dark[217:].any()
    assert not dark[109:115].any()


def test_a_similarity_image_shows_each_entry_as_a_square():
    pattern = np.eye(25)
    picture = drawing.similarity_image(pattern)
    assert picture.shape == (400, 400, 3)
    cells = picture.reshape(25, 16, 25, 16, 3)
    assert (cells == cells[:, :1, :, :1]).all()
    viridis = matplotlib.colormaps["viridis"]
    for entry, colour in ((cells[3, 0, 3, 0], viridis(1.0)), (cells[3, 0, 4, 0], viridis(0.0))):
        np.testing.assert_allclose(entry, np.array(colour[:3]) * 255, atol=1)


@pytest.mark.parametrize("figure", ["roc", "histogram"])
def test_figures_are_whole_pngs_with_their_colours(tmp_path, figure):
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [30, 50])
    scores = np.clip(rng.normal(0.3 + 0.4 * labels, 0.15), 0, 1)
    path = tmp_path / "figure.png"
    if figure == "roc":
        figures.roc_curves({"overall": (labels, scores), "other": (labels, 1 - scores)}, path)
        colours = [(0, 0, 0), drawing.FORGED]
    else:
        figures.score_histogram(labels, scores, path)
        colours = [drawing.REAL, drawing.FORGED]
    with Image.open(path) as opened:
        pixels = np.asarray(opened.convert("RGB")).astype(int)
    assert min(pixels.shape[:2]) > 500
    for colour in colours:
        assert (np.abs(pixels - colour).max(axis=2) < 4).sum() > 200
    assert [file.name for file in tmp_path.iterdir()] == ["figure.png"]


def test_a_failed_write_leaves_nothing_behind(tmp_path, photograph):
    drawing.save_png(photograph, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as opened:
        np.testing.assert_array_equal(np.asarray(opened), photograph)
    with pytest.raises(TypeError):
        drawing.save_png(photograph.astype(np.complex64), tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as opened:
        np.testing.assert_array_equal(np.asarray(opened), photograph)
    assert len(list(tmp_path.iterdir())) == 1
