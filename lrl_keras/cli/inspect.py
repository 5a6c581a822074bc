"""`lrl-keras inspect`"""

import logging

from lrl_keras.cli.tables import print_inspection, print_json
from lrl_keras.system.options import Argument, Option

_log = logging.getLogger(__name__)
NOTE = (
    "Reads RECORDS, compares every shard with its checksum, and draws a contact sheet: for each "
    "split and method some examples with image, mask and similarity target. Damaged and missing "
    "files are one line each on standard error, and the exit code is 1."
)
OPTIONS = {
    "records": Argument("RECORDS", "folder of records, or its URL"),
    "split": Option(None, "look at this one alone", ("train", "val", "test"), type=str),
    "out": Option("inspect.png", "where to write the contact sheet", metavar="PNG"),
    "per_kind": Option(3, "examples of each split and method on the sheet", least=1, most=1000),
    "patches": Option(5, "k of the similarity target, k² x k²", least=1, most=1000),
    "verify": Option(True, "read the shards whole and compare their checksums"),
    "json": Option(False, "print everything as one JSON line", switch=True),
}


def run(arguments):
    """Print what the records hold and what is wrong with them."""
    from lrl_keras.evaluation import inspection

    result = inspection.inspect(
        arguments.records,
        split=arguments.split,
        out=arguments.out,
        per_kind=arguments.per_kind,
        patches=arguments.patches,
        verify=arguments.verify,
    )
    if arguments.json:
        print_json(result)
    else:
        print_inspection(result)
    faults = [shard["fault"] for shard in result["shards"] if shard["fault"]]
    for fault in faults:
        _log.error("%s", fault)
    return 1 if faults else 0
