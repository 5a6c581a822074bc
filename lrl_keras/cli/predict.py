"""`lrl-keras predict`"""

import logging

from lrl_keras.cli.tables import RUN, print_json
from lrl_keras.errors import InputError
from lrl_keras.system.options import Argument, Option

_log = logging.getLogger(__name__)
NOTE = (
    "Prints one JSON line for each input: the score (0 real, 1 forged), each face with its box, "
    "and for a video the score of each frame. What cannot be read is one line on standard error, "
    "and the exit code is 1."
)
OPTIONS = {
    "inputs": Argument("INPUT", "image, video or folder", "+"),
    "run": Option("default", RUN),
    "crop": Option("face", "find the faces, or take the whole image as the face", ("face", "none")),
    "frames_per_video": Option(
        50,
        "frames of each video, evenly spaced; with --boxes all of the records",
        least=1,
        most=1_000_000,
    ),
    "overlay": Option(
        None,
        "write images and videos with box, score and heat map",
        metavar="FOLDER",
        type=str,
    ),
    "boxes": Option(
        None,
        "take frames and face boxes of videos from these records instead of finding them",
        metavar="RECORDS",
        type=str,
    ),
    "batch_size": Option(16, "faces scored at once", least=1, most=100_000),
}


def run(arguments):
    """Print the score of each input."""
    import lrl_keras
    from lrl_keras.prediction import predictor
    from lrl_keras.saving.run import DEFAULT, Run

    first = arguments.inputs[0]
    if first != DEFAULT and Run.exists(first):
        raise InputError(f"{first}: a run, not something to score; give it as --run {first}")
    model = lrl_keras.load(arguments.run)
    failed = False
    for result in predictor.predict(
        model,
        arguments.inputs,
        frames_per_video=arguments.frames_per_video,
        crop=arguments.crop,
        overlay=arguments.overlay,
        batch_size=arguments.batch_size,
        boxes=arguments.boxes,
    ):
        if "score" in result:
            print_json(result)
        for kind, say in (("warning", _log.warning), ("error", _log.error)):
            if kind in result:
                say("%s", result[kind])
        failed = failed or "error" in result
    return 1 if failed else 0
