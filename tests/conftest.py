import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
if "PYTEST_XDIST_WORKER" in os.environ:
    # There are as many workers as cores.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
if os.environ.get("KERAS_BACKEND") == "jax":
    # Most of the time of these tests is compilation.
    os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")

# Before Keras, which imports TensorFlow.
from lrl_keras.system import process

process.configure()

import keras  # noqa: E402
import pytest  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
POLICIES = ("float32", "mixed_float16", "mixed_bfloat16")


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "tensorflow: needs the TensorFlow backend, skipped under any other"
    )


def pytest_runtest_setup(item):
    backend = keras.backend.backend()
    if item.get_closest_marker("tensorflow") and backend != "tensorflow":
        pytest.skip(f"needs the TensorFlow backend, this is {backend}")


@pytest.fixture(params=POLICIES)
def policy(request):
    """Name of the global dtype policy of this test; every test runs under all of them."""
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_global_policy(request.param)
    yield request.param
    keras.mixed_precision.set_global_policy(before)


@pytest.fixture(scope="session")
def shared_data():
    """Folder of real videos and portraits that are not part of the project."""
    folder = Path(os.environ.get("LRL_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real videos in {folder}; set LRL_SHARED_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def photograph_records(tmp_path_factory):
    """Records of four photographs: per photograph 12 real examples and 30 forged ones."""
    import photographs

    folder = tmp_path_factory.mktemp("data") / "records"
    return photographs.write_records(folder, photographs.shards_of_photographs())
