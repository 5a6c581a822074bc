import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data():
    """Folder of real videos and portraits that are not part of the project."""
    folder = Path(os.environ.get("LRL_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real videos in {folder}; set LRL_SHARED_DATA to their folder")
    return folder
