"""Images and videos that show the result: box, score and heat map on every face."""

import contextlib
import fractions
import io
import os
from pathlib import Path

import av
import numpy as np
from PIL import Image

from lrl_keras.errors import InputError
from lrl_keras.plots import drawing
from lrl_keras.system.files import replacing

FRAMES_PER_SECOND = 5
_LONGEST_NAME = 160
NO_FACE = "no face found"


class Frames:
    """Frames of a video, held in a file until it is known which of their faces persist.

    As JPEG, of a quality whose loss the overlay's own compression hides: a video may have
    thousands.

    Args:
        file: an empty binary file, open for writing and reading.
    """

    def __init__(self, file):
        self._file = file
        self._places = []

    def extend(self, frames):
        """Add (index, uint8 array (H, W, 3)) of each frame."""
        for index, image in frames:
            start = self._file.tell()
            Image.fromarray(image).save(self._file, "JPEG", quality=95, subsampling=0)
            self._places.append((index, start, self._file.tell() - start))

    def __iter__(self):
        for index, start, size in self._places:
            self._file.seek(start)
            with Image.open(io.BytesIO(self._file.read(size))) as image:
                yield index, np.asarray(image)


class Folder:
    """The folder of the overlays of one call.

    A name is made from the input's path within the folder it was found in, so that nothing is
    written outside; where two inputs would get the same name, the later one gets a number.

    Args:
        path: of the folder; it is made where it is missing.
    """

    def __init__(self, path):
        if not os.fspath(path):
            raise InputError("overlay: an empty name; name a folder")
        self.path = Path(path)
        self._taken = set()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"{path}: cannot be made or is no folder ({error.strerror}); "
                "choose another folder for the overlays"
            ) from None

    def write_image(self, name, image, faces):
        """Write the overlay of an image.

        Args:
            name: the image's path within the folder it was found in.
            image: uint8 array (H, W, 3).
            faces: list of `lrl_keras.prediction.pipeline.Scored`.

        Returns:
            path of the PNG.
        """
        with self._new(name, ".png") as path:
            drawing.save_png(_drawn(image, faces), path)
        return str(path)

    def write_video(self, name, frames):
        """Write the overlays of a video's sampled frames as an MP4 (H.264), 5 a second.

        Args:
            name: the video's path within the folder it was found in.
            frames: iterable of `(index, image, faces)`, faces as in `write_image`.

        Returns:
            path of the MP4.
        """
        with self._new(name, ".mp4") as path, replacing(path) as temporary:
            _encode(temporary, frames)
        return str(path)

    @contextlib.contextmanager
    def _new(self, name, ending):
        try:
            yield self._free(name, ending)
        except (OSError, ValueError, av.error.FFmpegError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"{self.path}: overlay of {name!a} not written ({reason})") from None

    def _free(self, name, ending):
        parts = [_short(part) for part in Path(name).parts if part not in ("..", os.sep)]
        *folders, last = parts or ["input"]
        folder = self.path.joinpath(*folders)
        folder.mkdir(parents=True, exist_ok=True)
        path, number = folder / f"{last}{ending}", 1
        # Some file systems take A.png and a.png for one file.
        while str(path).casefold() in self._taken:
            number += 1
            path = folder / f"{last}.{number}{ending}"
        self._taken.add(str(path).casefold())
        return path


def draw(result, write, *arguments):
    """Write an overlay and note its path in a result, or why there is none.

    Args:
        result: dict that gets `overlay` or `error`.
        write: method of `Folder`, called with the arguments.
    """
    try:
        result["overlay"] = write(*arguments)
    except InputError as error:
        result["error"] = str(error)


def _short(part):
    return part.encode(errors="ignore")[:_LONGEST_NAME].decode(errors="ignore") or "_"


def _drawn(image, faces, note=""):
    for face in faces:
        if face.heat is None:
            continue
        image = drawing.heat_map(image, face.heat / np.float32(255), face.crop)
    image = drawing.draw_faces(image, [(face.box or face.crop, face.score) for face in faces])
    if not faces:
        note = f"{note}{NO_FACE}"
    return drawing.write_line(image, note) if note else image


def _encode(path, frames):
    with av.open(str(path), "w", format="mp4") as container:
        stream = None
        for number, (index, image, faces) in enumerate(frames):
            image = _even(_drawn(image, faces, f"frame {index} "))
            if stream is None:
                stream = container.add_stream(
                    "libx264",
                    rate=FRAMES_PER_SECOND,
                    options={"crf": "20", "preset": "veryfast"},
                )
                stream.height, stream.width = image.shape[:2]
                stream.pix_fmt = "yuv420p"
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, fractions.Fraction(1, FRAMES_PER_SECOND)
            container.mux(stream.encode(frame))
        if stream is not None:
            container.mux(stream.encode())


def _even(image):
    """Repeat the last line where a side is odd, as H.264 halves the colour planes."""
    height, width = image.shape[:2]
    return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
