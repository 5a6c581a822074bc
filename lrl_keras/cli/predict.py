"""`lrl-keras predict`"""

import sys

from lrl_keras.cli.tables import RUN, print_json
from lrl_keras.errors import InputError
from lrl_keras.system.options import Argument, Option

NOTE = (
    "Prints one JSON line for each input: the score (0 real, 1 forged), each face with its box, "
    "and for a video the score of each frame. What cannot be read is one line on standard error, "
    "and the exit code is 1."
)
OPTIONS = {
    "inputs": Argument("INPUT", "image, video or folder", "+"),
    "run": Option("default", RUN),
    "crop": Option(
        "face", "find the faces, or take the whole picture as the face", ("face", "none")
    ),
    "frames_per_video": Option(
        50,
        "frames of each video, evenly spaced; with --boxes all of the records",
        least=1,
        most=1_000_000,
    ),
    "overlay": Option(
        None,
        "write pictures and videos with box, score and heat map",
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
    """Print what each input scores."""
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
        for kind in ("warning", "error"):
            if kind in result:
                print(f"lrl-keras: {kind}: {result[kind]}", file=sys.stderr)
        failed = failed or "error" in result
    return 1 if failed else 0
