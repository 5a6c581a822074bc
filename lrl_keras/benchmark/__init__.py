"""Speed of the data, the network and its parts on this machine."""

from lrl_keras.benchmark.data import benchmark_data
from lrl_keras.benchmark.inference import benchmark_inference, write
from lrl_keras.benchmark.parts import parts_of

__all__ = ["benchmark_data", "benchmark_inference", "parts_of", "write"]
