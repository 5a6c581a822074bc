"""`lrl-keras prepare`"""

from lrl_keras.cli.tables import print_counts, print_json
from lrl_keras.system.options import Argument, Option, add_to
from tfrecords.build import OPTIONS, prepare
from tfrecords.sources import SOURCES, photographs

NOTE = (
    "Reads the dataset below ROOT, writes shards and manifest.json to OUT. The same command goes "
    "on where an interrupted one stopped. `lrl-keras prepare SOURCE --help` shows what each source "
    "reads and its options."
)
KEPT = "; the same command goes on where it was"
# Beside those of the records.
HERE = {
    "workers": Option(None, "processes", type=int, least=1, most=1024, stated="one for each core"),
    "runner": Option(
        None,
        "run on Apache Beam: DirectRunner, FlinkRunner, SparkRunner, DataflowRunner, ...; all "
        "options after OUT that are not listed here go to Beam",
        type=str,
        metavar="RUNNER",
        stated="without Beam",
    ),
    "overwrite": Option(False, "replace records in OUT that were made otherwise", switch=True),
    "json": Option(False, "print the counts as one JSON line", switch=True),
}


def declare(parser, argv):
    """Add a command for each dataset."""
    sources = parser.add_subparsers(dest="source", required=True, metavar="SOURCE")
    for name, module in SOURCES.items():
        if module is photographs:
            continue
        source = sources.add_parser(
            name,
            help=module.SUMMARY,
            description=f"{module.SUMMARY} Writes shards and manifest.json to OUT.",
            allow_abbrev=False,
        )
        add_to(
            source,
            {
                "root": Argument("ROOT", "folder of the dataset, or its URL"),
                "out": Argument("OUT", "folder of the records, or its URL"),
                **module.OPTIONS,
                **OPTIONS,
                **HERE,
            },
        )


def run(arguments):
    """Make the records and print their counts."""
    given = vars(arguments)
    declared = {**OPTIONS, **SOURCES[arguments.source].OPTIONS}
    records = prepare(
        arguments.source,
        arguments.root,
        arguments.out,
        workers=given.get("workers"),
        runner=given.get("runner"),
        beam_options=arguments.others,
        overwrite=given.get("overwrite", False),
        **{name: value for name, value in given.items() if name in declared},
    )
    if given.get("json"):
        print_json({"out": arguments.out, "counts": records.counts})
    else:
        print_counts(arguments.out, records.counts)
    return 0
