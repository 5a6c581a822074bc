import av
import keras
import numpy as np
import pytest
import videos
from PIL import Image
from skimage import data

import lrl_keras
from lrl_keras.errors import InputError
from lrl_keras.models.zoo import FaceXray
from lrl_keras.prediction.overlay import Folder
from lrl_keras.prediction.pipeline import Scorer
from lrl_keras.prediction.predictor import predict

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(7)
    return lrl_keras.LRL(backbone="tiny", image_size=64, patches=4)


def test_an_image_is_drawn_with_its_faces(model, tmp_path):
    Image.fromarray(data.astronaut()).save(tmp_path / "a.png")
    (result,) = predict(model, tmp_path / "a.png", overlay=tmp_path / "out")
    assert result["overlay"] == str(tmp_path / "out" / "a.png.png")
    drawn = np.asarray(Image.open(result["overlay"]))
    x0, y0, x1, y1 = result["faces"][0]["crop"]
    outside = np.ones((512, 512), bool)
    outside[y0 - 20 : y1, x0 : x1 + 40] = False  # the label may stand out
    np.testing.assert_array_equal(drawn[outside], data.astronaut()[outside])
    assert (drawn != data.astronaut())[y0:y1, x0:x1].mean() > 0.5


def test_an_xray_is_the_heat():
    keras.utils.set_random_seed(7)
    network = FaceXray("tiny", image_size=64)
    picture = data.astronaut()[:64, 200:264]
    ((face,),) = Scorer(network, 2, None, keep_heat=True)([picture])
    xray = network.predict_on_batch(picture[None].astype(np.float32))["xray"]
    np.testing.assert_allclose(face.heat, 255 * xray[0, ..., 0], atol=0.51)


def test_a_picture_without_face_says_so(model, tmp_path):
    Image.fromarray(data.brick()).save(tmp_path / "a.png")
    (result,) = predict(model, tmp_path / "a.png", overlay=tmp_path / "out")
    drawn = np.asarray(Image.open(result["overlay"]))
    changed = np.argwhere((drawn != data.brick()[..., None]).any(axis=2))
    assert len(changed) > 500
    assert changed[:, 0].min() > 450  # a line at the lower edge


@pytest.mark.parametrize("size", [(240, 320), (241, 319), (8, 10)])
def test_a_video_is_an_mp4_of_its_sampled_frames(model, tmp_path, size):
    height, width = size
    frames = [data.astronaut()[index:, index:][:height, :width] for index in range(10)]
    path = videos.write_video(tmp_path / "a.mkv", frames, codec="ffv1")
    (result,) = predict(model, path, overlay=tmp_path / "out", frames_per_video=5, crop="none")
    assert result["overlay"] == str(tmp_path / "out" / "a.mkv.mp4")
    with av.open(result["overlay"]) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.average_rate == 5
        shapes = {frame.to_ndarray(format="rgb24").shape for frame in container.decode(stream)}
        assert stream.frames == 5
    assert shapes == {(height + height % 2, width + width % 2, 3)}


def test_names_neither_collide_nor_lead_out(model, tmp_path):
    picture = Image.fromarray(data.astronaut()[:64, :64])
    folder = tmp_path / "in"
    long = "y" * 240
    names = ["a.png", "a.jpg", "A.png", "x/a.png", "x/a.jpg", f"{long}.png", "x y/ü.png"]
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        picture.save(folder / name)
    alone = tmp_path / "other" / "a.png"
    alone.parent.mkdir()
    picture.save(alone)
    out = tmp_path / "deep" / "out"
    inputs = [folder, alone, tmp_path / "other" / ".." / "in" / "a.png", folder / "x" / "a.jpg"]
    results = list(predict(model, iter(inputs), overlay=out, crop="none"))
    written = [result["overlay"] for result in results]
    assert len({path.casefold() for path in written}) == len(names) + 3
    everything = {str(path) for path in out.rglob("*") if path.is_file()}
    assert everything == set(written)
    assert str(out / "x" / "a.jpg.png") in everything
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["out"]


def test_overlays_are_not_scored_themselves(model, tmp_path):
    Image.fromarray(data.astronaut()[:64, :64]).save(tmp_path / "a.png")
    for _ in range(2):
        results = list(predict(model, tmp_path, overlay=tmp_path / "out", crop="none"))
        assert [result["input"] for result in results] == [str(tmp_path / "a.png")]
    with pytest.raises(InputError, match="another overlay folder"):
        predict(model, tmp_path, overlay=tmp_path)


def test_where_nothing_can_be_written_it_is_said(model, tmp_path):
    Image.fromarray(data.astronaut()[:64, :64]).save(tmp_path / "a.png")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="choose another folder"):
        predict(model, tmp_path / "a.png", overlay=tmp_path / "file")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png.png").mkdir()
    (result,) = predict(model, tmp_path / "a.png", overlay=tmp_path / "out", crop="none")
    assert "not written" in result["error"]
    assert 0 < result["score"] < 1


def test_an_overlay_without_a_name_is_refused():
    with pytest.raises(InputError, match="overlay: an empty name"):
        Folder("")
