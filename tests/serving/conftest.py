import pytest

import lrl_keras.saving.runtimes


@pytest.fixture(scope="session")
def network_file(tmp_path_factory):
    import served

    return served.write_network(tmp_path_factory.mktemp("served") / "model.onnx")


@pytest.fixture(scope="session")
def runtime(network_file):

    return lrl_keras.saving.runtimes.load(network_file, threads=1)


@pytest.fixture
def start():
    """Starts servers, and stops them at the end."""
    import served

    running = []

    def start(runtime, **options):
        running.append(served.Running(runtime, **options))
        return running[-1]

    yield start
    for server in running:
        server.stop()


@pytest.fixture(scope="module")
def server(runtime):
    """One for tests that leave it as it was."""
    import served

    running = served.Running(runtime)
    yield running
    running.stop()


@pytest.fixture
def gate(runtime):
    import served

    gate = served.Gate(runtime)
    yield gate
    gate.open.set()
