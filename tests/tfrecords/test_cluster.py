"""What is checked where shards are written on other machines."""

import functools
import shutil
import subprocess
import sys

import jobs
import pytest
from ffpp_tree import ARGUMENTS, video_path

from lrl_keras.errors import InputError
from tfrecords.build import prepare
from tfrecords.examples.group_parts import GroupSettings
from tfrecords.runners.cluster import Cluster
from tfrecords.sources import faceforensics
from tfrecords.writing.plan import plan_shards
from tfrecords.writing.shards import PARTS, read_report, write_shard
from tfrecords.writing.versions import versions

SETTINGS = GroupSettings(frames_per_video=1, image_size=32, margin=1.3)
ABOUT = {"versions": versions()}


@pytest.fixture
def root(tree, tmp_path):
    """A root whose only shard can be made is that of 004."""
    for method, name in (("real", "004"), ("Face2Face", "004_005")):
        path = video_path(tmp_path / "root", method, name)
        path.parent.mkdir(parents=True)
        shutil.copy(video_path(tree, method, name), path)
    shutil.copytree(tree / "splits", tmp_path / "root" / "splits")
    return tmp_path / "root"


@pytest.fixture
def out(tmp_path):
    (tmp_path / "out" / PARTS).mkdir(parents=True)
    return tmp_path / "out"


def plan(root, about=ABOUT):
    listing = faceforensics.find(root)
    return plan_shards(listing.clips, root, SETTINGS, about)


def write(shards, root, out, about=ABOUT, runner=("DirectRunner",), function=write_shard):
    pytest.importorskip("apache_beam", reason="Apache Beam: pip install '.[beam]'")
    done = []
    name, *options = runner
    function = functools.partial(function, root=str(root), out=str(out), settings=SETTINGS)
    cluster = Cluster(name, options, str(root), str(out))
    reports = cluster.write_shards(function, shards, about, done.append)
    assert sorted(shard.name for shard in done) == sorted(reports)
    return reports


def test_reports_are_those_of_the_shards(root, out):
    shards = plan(root)
    reports = write(shards, root, out)
    assert reports == {shard.name: read_report(out, shard.name) for shard in shards}
    assert [report["examples"] for report in reports.values()] == [2]


def test_nothing_to_do_starts_nothing(root, out):
    assert write([], root, out) == {}


def test_a_worker_that_sees_other_files_writes_nothing(root, out):
    shards = plan(root)
    video_path(root, "Face2Face", "004_005").unlink()
    with pytest.raises(
        InputError, match=r"does not see the files of train-00000-of-00001"
    ) as error:
        write(shards, root, out)
    assert str(error.value).startswith(f"{root}: ")
    assert not list(out.glob("*.tfrecord"))


def test_a_worker_with_other_packages_writes_nothing(root, out):
    about = {"versions": {**versions(), "pillow": "1.1.7"}}
    with pytest.raises(InputError, match=r"this worker has pillow .*, the process .* 1\.1\.7"):
        write(plan(root, about), root, out, about)
    assert not list(out.glob("*.tfrecord"))


@pytest.mark.long
def test_a_finished_shard_of_an_earlier_run_does_not_stand_in(root, out):
    shards = plan(root)
    write(shards, root, out)
    with pytest.raises(InputError, match=r"the job is done, but train-00000-of-00001\.tfrecord"):
        write(shards, root, out, function=jobs.nothing)


@pytest.mark.long
def test_a_cluster_is_told_that_folders_must_be_shared(root, out, caplog):
    portable = ("PortableRunner", "--job_endpoint=embed", "--environment_type=LOOPBACK")
    write(plan(root), root, out, runner=portable)
    for folder in (root, out):
        said = f"{folder} must be a folder that all workers share; if not, use a URL"
        assert said in caplog.messages


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"beam_options": ["--direct_num_workers=2"]}, "^--direct_num_workers=2 is an option of"),
        ({"runner": "DirectRunner", "workers": 2}, "^workers is for this machine alone"),
    ],
)
def test_options_that_do_not_go_together(tree, tmp_path, options, words):
    with pytest.raises(InputError, match=words):
        prepare("faceforensics", tree, tmp_path / "out", **ARGUMENTS, **options)
    assert not (tmp_path / "out").exists()


def test_without_beam_one_line_says_what_to_install(tree, tmp_path):
    code = (
        "import sys; sys.modules['apache_beam'] = None\n"
        "from lrl_keras.cli import main\n"
        "sys.exit(main(['prepare', 'faceforensics', *sys.argv[1:], '--runner', 'DirectRunner']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tree), str(tmp_path / "out")],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr == (
        "lrl-keras: error: Apache Beam is not installed: pip install -c constraints/latest.txt "
        "-e '.[beam]' in a clone of the project; or leave out --runner to work on this machine\n"
    )
    assert not (tmp_path / "out").exists()


def test_without_a_runner_beams_options_are_wrong_usage(tree, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "lrl_keras.cli", "prepare", "faceforensics", str(tree),
         str(tmp_path / "out"), "--direct_num_workers=2"], capture_output=True, text=True
    )  # fmt: skip
    assert done.returncode == 2
    assert "unrecognized arguments: --direct_num_workers=2" in done.stderr
