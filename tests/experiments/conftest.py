import pytest
import tensorflow as tf


@pytest.fixture(autouse=True, scope="module")
def _eagerly():
    """Without graphs: so few steps take less time than tracing them, which other tests do."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
