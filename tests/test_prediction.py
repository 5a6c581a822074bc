import json

import keras
import numpy as np
import photographs
import pytest
import videos
from PIL import Image
from skimage import data

import lrl_keras
from lrl_keras.data import examples
from lrl_keras.data.schema import Example
from lrl_keras.errors import InputError
from lrl_keras.media import images
from lrl_keras.media.faces import FaceDetector
from lrl_keras.media.video import Video
from lrl_keras.prediction.predictor import predict

pytestmark = pytest.mark.tensorflow

CROP = 80


@pytest.fixture(scope="module")
def model():
    """A network whose random scores differ clearly from picture to picture."""
    keras.utils.set_random_seed(7)
    model = lrl_keras.LRL(backbone="tiny", image_size=64, patches=4, crop_size=CROP)
    pictures = np.stack([box[0] for box in photographs.crops(data.coffee(), 32)])
    pictures = np.stack([images.resize(picture, 64) for picture in pictures]).astype(np.float32)
    dense = model.get_layer("label")
    score = model.predict_on_batch(pictures)["label"]
    logits = np.log(score / (1 - score))
    dense.kernel.assign(dense.kernel / logits.std())
    dense.bias.assign(dense.bias - logits.mean() / logits.std())
    return model


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    """Pictures and videos with a face, with two, and with none."""
    folder = tmp_path_factory.mktemp("media")
    face = data.astronaut()
    Image.fromarray(face).save(folder / "face.png")
    Image.fromarray(np.hstack([face[:256, 80:336], face[:256, 80:336][:, ::-1]])).save(
        folder / "two.png"
    )
    Image.fromarray(data.brick()).save(folder / "none.png")
    videos.write_video(folder / "face.mp4", videos.face_frames(12))
    half = videos.face_frames(8) + videos.faceless_frames(8)
    videos.write_video(folder / "half.mp4", half)
    return folder


def only(results):
    (result,) = results
    return result


def record_scores(model, folder, crops):
    """Scores of crops that went through records, as `evaluate` sees them."""
    shard = [
        Example(pixels, None, True, 0, "test", "real", "raw", "clip", frame, box)
        for frame, (pixels, box) in crops.items()
    ]
    records = photographs.write_records(folder, [("test", shard)], pixels_side(crops))
    batch = next(iter(examples(records, "test", image_size=model.image_size, batch_size=99)))
    scores = model.predict_on_batch(batch["image"])["label"][:, 0]
    return records, dict(zip(crops, scores.tolist(), strict=True))


def pixels_side(crops):
    return len(next(iter(crops.values()))[0])


def cut(image, box):
    x0, y0, x1, y1 = box
    return images.resize(image[y0:y1, x0:x1], CROP).numpy()


def test_an_image_is_scored_as_its_record_is(model, media, tmp_path):
    result = only(predict(model, media / "face.png"))
    assert result["kind"] == "image"
    face = only(result["faces"])
    assert result["score"] == face["score"]
    x0, y0, x1, y1 = face["box"]
    assert x0 < 225 < x1  # the astronaut's nose
    assert y0 < 125 < y1
    left, top, right, bottom = face["crop"]
    assert right - left == bottom - top == round(1.3 * max(x1 - x0, y1 - y0))
    crops = {0: (cut(data.astronaut(), face["crop"]), face["crop"])}
    _, scores = record_scores(model, tmp_path, crops)
    assert face["score"] == pytest.approx(scores[0], abs=1e-5)


def test_the_highest_face_decides(model, media):
    result = only(predict(model, [media / "two.png"]))
    assert len(result["faces"]) == 2
    scores = [face["score"] for face in result["faces"]]
    assert abs(scores[0] - scores[1]) > 1e-3
    assert result["score"] == max(scores)


def test_a_video_has_the_mean_of_its_frames(model, media):
    result = only(predict(model, [media / "face.mp4"], frames_per_video=6))
    assert result["kind"] == "video"
    assert [frame["frame"] for frame in result["frames"]] == [1, 3, 5, 7, 9, 11]
    assert (result["frames_expected"], result["frames_decoded"]) == (6, 6)
    assert result["frames_without_face"] == []
    scores = [frame["score"] for frame in result["frames"]]
    assert len(set(scores)) > 3
    assert result["score"] == pytest.approx(np.mean(scores), abs=2e-6)
    for frame in result["frames"]:
        assert frame["score"] == only(frame["faces"])["score"]
    assert "warning" not in result


def test_frames_without_a_face_are_named_and_do_not_count(model, media):
    result = only(predict(model, [media / "half.mp4"]))
    assert result["frames_expected"] == 16
    assert set(result["frames_without_face"]) == set(range(8, 16))
    scores = [frame["score"] for frame in result["frames"][:8]]
    assert result["score"] == pytest.approx(np.mean(scores), abs=2e-6)
    assert all(frame["score"] is None for frame in result["frames"][8:])


def test_no_face_at_all_is_no_error_but_said(model, media, tmp_path):
    path = videos.write_video(tmp_path / "none.mp4", videos.faceless_frames(4))
    for result in predict(model, [media / "none.png", path]):
        assert result["score"] is None
        assert "no face found" in result["warning"]
        assert "error" not in result


@pytest.mark.parametrize("name", ["face.webp", "face.png", "face.tiff"])
def test_further_images_of_a_file_are_told(model, tmp_path, name):
    first, other = (
        Image.fromarray(image[:400, :400]) for image in (data.astronaut(), data.coffee())
    )
    first.save(tmp_path / name, save_all=True, append_images=[other])
    first.save(tmp_path / "alone.png")
    several, alone = predict(model, [tmp_path / name, tmp_path / "alone.png"])
    assert "holds 2 images, of which the first one is scored" in several["warning"]
    assert "warning" not in alone
    assert len(several["faces"]) == len(alone["faces"])


def test_the_whole_picture_is_the_face_without_cropping(model, media, tmp_path):
    picture = np.asarray(Image.open(media / "two.png"))
    result = only(predict(model, media / "two.png", crop="none", detector=FaceDetector()))
    whole = [0, 0, 512, 256]
    face = {"score": result["score"], "box": whole, "confidence": 1.0, "crop": whole}
    assert result["faces"] == [face]
    _, scores = record_scores(model, tmp_path, {0: (cut(picture, whole), whole)})
    assert result["score"] == pytest.approx(scores[0], abs=1e-5)


def test_results_come_in_order_and_do_not_depend_on_the_company(model, media, tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    names = ["face.png", "half.mp4", "two.png", "none.png", "face.mp4", "face.png"]
    paths = [media / name for name in names]
    paths.insert(2, tmp_path / "text.png")
    together = list(predict(model, paths, batch_size=3, frames_per_video=4))
    assert [result["input"] for result in together] == [str(path) for path in paths]
    assert [index for index, result in enumerate(together) if "error" in result] == [2]
    for path, result in zip(paths, together, strict=True):
        alone = only(predict(model, path, frames_per_video=4))
        assert alone.keys() == result.keys()
        if result.get("score") is not None:
            assert result["score"] == pytest.approx(alone["score"], abs=1e-5)
    assert json.loads(json.dumps(together, allow_nan=False)) == together


def test_many_images_are_scored_as_they_come(model, media):
    seen = []

    def named():
        for _ in range(50):
            seen.append(1)
            yield media / "face.png"

    results = predict(model, named(), crop="none", batch_size=5)
    next(results)
    assert len(seen) <= 6
    assert len(list(results)) == 49


def test_stored_boxes_give_the_scores_of_the_records(model, media, tmp_path):
    path = media / "face.mp4"
    boxes = {frame: (60 + frame, 10, 220 + frame, 170) for frame in (2, 5, 9)}
    crops = {
        frame: (cut(picture, boxes[frame]), boxes[frame])
        for frame, picture in Video(path).frames(boxes)
    }
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(path.read_bytes())
    records, scores = record_scores(model, tmp_path / "records", crops)
    result = only(predict(model, clip, boxes=records, frames_per_video=1))
    assert {f["frame"]: tuple(only(f["faces"])["crop"]) for f in result["frames"]} == boxes
    assert all(only(f["faces"])["box"] is None for f in result["frames"])
    assert {f["frame"]: f["score"] for f in result["frames"]} == pytest.approx(scores, abs=1e-5)
    assert result["score"] == pytest.approx(np.mean(list(scores.values())), abs=1e-5)


def test_stored_boxes_are_found_by_name_and_method(model, media, tmp_path):
    shards = [
        ("test", list(photographs.clip(data.rocket(), "a_b", method, 1 + index)))
        for index, method in enumerate(["Deepfakes", "FaceSwap"])
    ]
    records = photographs.write_records(tmp_path / "records", shards)
    content = videos.write_video(
        tmp_path / "FaceSwap" / "c23" / "a_b.mp4", [data.rocket()[:426]] * 4
    ).read_bytes()
    for folder in ("FaceSwap/c23", "elsewhere"):
        for name in ("a_b.mp4", "b_a.mp4"):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / name).write_bytes(content)
    found = tmp_path / "FaceSwap" / "c23" / "a_b.mp4"
    small = tmp_path / "small" / "FaceSwap" / "a_b.mp4"
    videos.write_video(small, [np.zeros((40, 40, 3), np.uint8)] * 4)
    paths = [found, found.with_name("b_a.mp4"), tmp_path / "elsewhere" / "a_b.mp4", small]
    good, unknown, ambiguous, other = predict(model, paths, boxes=records)
    assert [frame["frame"] for frame in good["frames"]] == [0, 3]
    assert "holds no video of this name" in unknown["error"]
    assert "Deepfakes, FaceSwap" in ambiguous["error"]
    assert "40 x 40" in other["error"]


def test_a_cut_off_video_is_scored_with_a_warning(model, tmp_path):
    path = tmp_path / "a.mp4"
    frames = videos.face_frames(40)
    videos.write_video(path, frames, options={"g": "4"}, flags="faststart")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    result = only(predict(model, path, frames_per_video=5))
    assert 0 < result["score"] < 1
    assert "cut off" in result["warning"]
    assert "of 40 frames" in result["warning"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"crop": "ears"}, "face, none"),
        ({"batch_size": 0}, "batch_size"),
        ({"frames_per_video": 0}, "frames_per_video"),
        ({"boxes": "nowhere"}, "no folder of finished records"),
    ],
)
def test_wrong_arguments_are_refused_at_once(model, media, arguments, words):
    with pytest.raises(InputError, match=words):
        predict(model, media / "face.png", **arguments)


def test_a_broken_model_is_said(media):
    broken = lrl_keras.LRL(backbone="tiny", image_size=64, patches=4)
    broken.get_layer("label").bias.assign([np.nan])
    with pytest.raises(InputError, match="not finite"):
        list(predict(broken, media / "face.png", crop="none"))
