"""`lrl-keras serve`"""

import logging

from lrl_keras.system.options import Argument, Option

_log = logging.getLogger(__name__)
NOTE = (
    "Loads MODEL, which `lrl-keras export` wrote, and answers POST /v1/models/lrl:predict, GET "
    "/v1/models/lrl, GET /v1/models/lrl/metadata and, for Prometheus, GET /metrics. Stops on "
    "SIGTERM or SIGINT when what it has accepted is answered."
)
OPTIONS = {
    "model": Argument("MODEL", "exported file, or folder of a SavedModel or its versions"),
    "name": Option("lrl", "the model's name in the paths"),
    "host": Option("127.0.0.1", "address to listen on; 0.0.0.0 for all networks"),
    "port": Option(8501, "port to listen on", least=1, most=65535),
    "threads": Option(None, "processor cores to use", type=int, least=1, most=1024, stated="all"),
    "batch_size": Option(8, "faces computed at once", least=1, most=100_000),
    "batch_timeout_ms": Option(
        2.0, "how long a face waits for others to be computed with it", least=0, most=60_000
    ),
    "queue_size": Option(
        64, "faces that wait at most; beyond that the answer is 503", least=1, most=1_000_000
    ),
    "max_body_mb": Option(32, "largest request, in megabytes", least=1, most=100_000),
}


def run(arguments):
    """Answer until it is told to stop."""
    from lrl_keras import serving

    if arguments.host not in ("127.0.0.1", "::1", "localhost"):
        _log.warning(
            "listening on %s: whoever reaches this machine can use it; there is neither a password "
            "nor encryption",
            arguments.host,
        )
    options = vars(arguments)
    serving.serve(options.pop("model"), **options)
    return 0
