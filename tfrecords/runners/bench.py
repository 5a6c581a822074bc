"""Measure how fast a dataset becomes records here, and where the time goes.

    python -m tfrecords.runners.bench faceforensics /data/FaceForensics++ --frames-per-video 20

Prepares the dataset into a temporary folder, over and over until `--clips` are done, with each
number of workers; prints records a second, the part of each step, and the memory of a worker.
Starting the workers and loading the detector is not counted.
"""

import argparse
import json
import sys

from lrl_keras.errors import InputError
from lrl_keras.system import options as source_options
from tfrecords.build import OPTIONS
from tfrecords.runners.timing import measure
from tfrecords.sources import SOURCES, photographs


def _print(result):
    first = result["runs"][0]
    print(
        f"{'workers':>8}{'clips':>8}{'records':>9}{'seconds':>9}{'records/s':>11}{'speed-up':>10}"
    )
    for row in result["runs"]:
        speed_up = row["records_per_second"] / first["records_per_second"]
        print(
            f"{row['workers']:8}{row['clips']:8}{row['records']:9}{row['seconds']:9.1f}"
            f"{row['records_per_second']:11.1f}{speed_up:10.2f}"
        )
    print("\nmemory of the largest worker after each tenth of its clips, MB")
    for row in result["runs"]:
        print(f"{row['workers']:8}  " + "".join(f"{value:7.0f}" for value in row["memory_mb"]))
    print("\none worker under a profiler, ms a record")
    total = sum(result["steps"].values())
    for name, value in sorted(result["steps"].items(), key=lambda item: -item[1]):
        print(f"  {name:18}{value:8.2f}{100 * value / total:6.0f} %")


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m tfrecords.runners.bench",
        description="Measure how fast a dataset becomes records here, and where the time goes.",
    )
    sources = parser.add_subparsers(dest="source", required=True, metavar="SOURCE")
    for name, module in SOURCES.items():
        if module is photographs:
            continue
        one = sources.add_parser(
            name, help=module.SUMMARY, description=module.SUMMARY, allow_abbrev=False
        )
        one.add_argument("root", metavar="ROOT", help="folder of the dataset, or its URL")
        source_options.add_to(one, {**module.OPTIONS, **OPTIONS})
        one.add_argument(
            "--workers", type=int, nargs="+", default=[1, 2], metavar="N",
            help="numbers of processes to measure with (default: 1 2)",
        )  # fmt: skip
        one.add_argument(
            "--clips", type=int, default=70, metavar="N",
            help="clips to prepare with each; the dataset is repeated (default: 70)",
        )  # fmt: skip
        one.add_argument("--json", action="store_true", help="print everything as one JSON line")
    return parser


def main(argv=None):
    """Run the command line; returns the exit code."""
    arguments = vars(_parser().parse_args(argv))
    as_json = arguments.pop("json")
    try:
        result = measure(**arguments)
    except InputError as error:
        print(f"tfrecords.runners.bench: error: {error}", file=sys.stderr)
        return 1
    if as_json:
        print(json.dumps(result))
    else:
        _print(result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
