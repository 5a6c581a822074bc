"""Counters and times of a server, for Prometheus."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Counters and histograms of one server, in a registry of their own.

    Args:
        batch_size: the largest batch.
        waiting: called for the number of images that wait.
    """

    def __init__(self, batch_size, waiting):
        self._registry = CollectorRegistry()
        self._requests = self._make(
            Counter, "requests", "Requests to predict", ["signature", "code"]
        )
        self._request_seconds = self._make(
            Histogram,
            "request_seconds",
            "From a request's headers to its answer",
            ["signature"],
            buckets=_SECONDS,
        )
        self._rejected = self._make(
            Counter, "rejected", "Requests answered with 503: queue, memory or stopping", ["cause"]
        )
        for cause in ("queue", "memory", "stopping"):
            self._rejected.labels(cause)
        self._images = self._make(Counter, "images", "Images that were run")
        self._batch_images = self._make(
            Histogram, "batch_images", "Images a batch", buckets=_sizes(batch_size)
        )
        self._batch_seconds = self._make(
            Histogram, "batch_seconds", "Time that a batch ran", buckets=_SECONDS
        )
        self._make(Gauge, "queue_images", "Images that wait").set_function(waiting)

    def answered(self, signature, code, seconds):
        """Count a request to predict."""
        self._requests.labels(signature, str(code)).inc()
        self._request_seconds.labels(signature).observe(seconds)

    def rejected(self, cause):
        """Count a request that was not taken on."""
        self._rejected.labels(cause).inc()

    def ran(self, images, seconds):
        """Count a batch."""
        self._images.inc(images)
        self._batch_images.observe(images)
        self._batch_seconds.observe(seconds)

    def text(self, accept):
        """Write all metrics in the format that is asked for.

        Args:
            accept: the Accept header of the client, or `""`.

        Returns:
            (bytes, content type).
        """
        encode, kind = choose_encoder(accept)
        return encode(self._registry), kind

    def _make(self, kind, name, text, labels=(), **options):
        return kind(f"lrl_serving_{name}", text, labels, registry=self._registry, **options)


def _sizes(largest):
    """Return the powers of two below the largest batch, and its size."""
    sizes = {1 << power for power in range(largest.bit_length()) if 1 << power < largest}
    return sorted({*sizes, largest})
