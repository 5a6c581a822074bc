import os
import random
import threading

import av
import numpy as np
import pytest
from videos import face_frames, gray_frames, index_of, turn_clockwise, write_video

from lrl_keras.errors import InputError
from lrl_keras.media import containers, video
from lrl_keras.media.video import Video

CONTAINERS = [
    ("a.mp4", "libx264"),
    ("a.mov", "mpeg4"),
    ("a.mkv", "libx264"),
    ("a.webm", "libvpx-vp9"),
    ("a.avi", "mpeg4"),
    ("a.flv", "flv1"),
    ("a.ts", "libx264"),
    ("a.mpg", "mpeg2video"),
    ("a.wmv", "wmv2"),
]


@pytest.fixture(scope="module")
def h264(tmp_path_factory):
    """30 frames with B-frames and one key frame, as FaceForensics++ has them."""
    path = tmp_path_factory.mktemp("h264") / "a.mp4"
    return write_video(path, face_frames(30), options={"g": "250", "bf": "3"})


def test_evenly_spaced_takes_the_middles_of_equal_parts():
    assert video.evenly_spaced(100, 4) == [12, 37, 62, 87]
    assert video.evenly_spaced(5, 5) == [0, 1, 2, 3, 4]
    assert video.evenly_spaced(3, 50) == [0, 1, 2]
    for count in (7, 300, 1000):
        for n in range(1, count, 13):
            middles = np.floor((np.arange(n) + 0.5) * (count / n) + 1e-9).astype(int)
            assert video.evenly_spaced(count, n) == middles.tolist()


@pytest.mark.parametrize(("name", "codec"), CONTAINERS)
def test_every_container_gives_the_frames_asked_for(tmp_path, name, codec):
    path = write_video(tmp_path / name, gray_frames(20), codec)
    assert containers.is_video(path)
    assert Video(path).count == 20
    found = dict(Video(path).frames([2, 9, 10, 19]))
    assert {index: index_of(frame) for index, frame in found.items()} == {
        2: 2,
        9: 9,
        10: 10,
        19: 19,
    }
    assert all(frame.shape == (96, 128, 3) and frame.dtype == np.uint8 for frame in found.values())


def test_skipped_frames_do_not_change_the_wanted_ones(h264):
    with av.open(str(h264)) as container:
        everything = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    wanted = [3, 4, 11, 29]
    found = list(Video(h264).frames(wanted))
    assert [index for index, _ in found] == wanted
    for index, frame in found:
        np.testing.assert_array_equal(frame, everything[index])


OPEN_GOP = {"bf": "3", "g": "8", "x264-params": "open-gop=1:scenecut=0"}


@pytest.mark.parametrize(
    ("name", "codec", "options", "pixels"),
    [
        ("a.mp4", "libx264", {"g": "8", "bf": "3"}, "yuv420p"),
        ("a.mp4", "libx264", {"g": "8", "bf": "3"}, "yuv444p"),
        ("a.mp4", "libx264", OPEN_GOP, "yuv420p"),
        ("a.ts", "libx264", OPEN_GOP, "yuv420p"),
        ("a.mkv", "libx265", {"x265-params": "keyint=8:open-gop=1:log-level=0"}, "yuv420p"),
        ("a.webm", "libvpx-vp9", {"g": "8"}, "yuv420p"),
        ("a.mpg", "mpeg2video", {"g": "8", "bf": "2"}, "yuv420p"),
    ],
)
def test_each_frame_alone_is_what_decoding_everything_gives(tmp_path, name, codec, options, pixels):
    path = write_video(tmp_path / name, face_frames(30), codec, options=options, pixels=pixels)
    with av.open(str(path)) as container:
        everything = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    for index in range(30):
        ((found, frame),) = Video(path).frames([index])
        assert found == index
        np.testing.assert_array_equal(frame, everything[index])


def test_rotation_metadata_is_applied(tmp_path):
    corners = []
    for turns in range(4):
        path = write_video(tmp_path / f"{turns}.mp4", gray_frames(2))
        turn_clockwise(path, turns)
        ((_, frame),) = Video(path).frames([0])
        assert frame.shape == ((128, 96, 3) if turns % 2 else (96, 128, 3))
        red = frame[..., 0].astype(int) - frame[..., 1] > 80
        y, x = np.argwhere(red).mean(axis=0) / frame.shape[:2]
        corners.append(("upper" if y < 0.5 else "lower", "left" if x < 0.5 else "right"))
    assert corners == [("upper", "left"), ("upper", "right"), ("lower", "right"), ("lower", "left")]


def test_an_index_that_does_not_exist_is_left_out(h264):
    assert [index for index, _ in Video(h264).frames([28, 29, 30, 500])] == [28, 29]


def test_unicode_names_and_wrong_extensions_are_read(tmp_path):
    path = write_video(tmp_path / "Größe 中.mp4", gray_frames(3)).rename(tmp_path / "Größe 中.jpg")
    assert containers.is_video(path)
    assert Video(path).count == 3


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 4000,
        b"ffconcat version 1.0\nfile '{}'\n",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{}\n",
        b"\x89PNG\r\n\x1a\n" + b"\0" * 100,
        b"\0\0\0\x20ftypheic" + b"\0" * 100,
        b"\0\0\0\x20ftypisom" + b"\0" * 100,
        b"\x1a\x45\xdf\xa3" + b"\0" * 700,
        b"RIFF\0\0\0\0AVI " + b"\0" * 700,
        b"FLV\x01" + b"\0" * 700,
        b"\0\0\x01\xba" + b"\0" * 700,
        bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + b"\0" * 700,
        (b"\x47" + b"\0" * 187) * 20,
    ],
)
def test_what_is_no_video_is_one_line_that_names_the_file(tmp_path, h264, content):
    path = tmp_path / "a.mp4"
    path.write_bytes(content.replace(b"{}", str(h264).encode()))
    with pytest.raises(InputError) as error:
        Video(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_files_folders_and_pipes_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    for path in (tmp_path / "none.mp4", tmp_path, tmp_path / "pipe.mp4", tmp_path / "a\0b"):
        assert not containers.is_video(path)
        with pytest.raises(InputError):
            Video(path)


def test_a_file_with_sound_only_is_refused(tmp_path):
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        sound.rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    with pytest.raises(InputError, match="no video stream"):
        Video(path)


def test_a_cut_off_video_gives_what_there_is(tmp_path, h264):
    whole = write_video(
        tmp_path / "a.mp4", face_frames(30), options={"g": "5"}, flags="faststart"
    ).read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(whole[: len(whole) // 2])
    line = Video(path)
    assert 0 < line.count < 30
    assert line.stated == 30
    found = [index for index, _ in Video(path).frames(range(30))]
    assert 0 < len(found) <= line.count
    assert found == list(range(len(found)))


def test_damage_before_a_frame_does_not_shift_its_number(tmp_path):
    path = write_video(tmp_path / "a.mp4", gray_frames(20), options={"g": "5", "bf": "0"})
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        start, size = packets[7].pos, packets[7].size
    content = bytearray(path.read_bytes())
    content[start : start + size] = bytes(size)
    path.write_bytes(content)
    found = {index: index_of(frame) for index, frame in Video(path).frames(range(20))}
    assert 7 not in found
    assert [found[index] for index in range(10, 20)] == list(range(10, 20))


def test_a_frame_that_ffmpeg_mended_is_left_out(tmp_path):
    """Half of a frame's bytes are gone: FFmpeg fills in what is missing and flags the frame."""
    path = write_video(tmp_path / "a.mp4", face_frames(6), options={"g": "1", "threads": "1"})
    whole = dict(Video(path).frames(range(6)))
    with av.open(str(path)) as container:
        packet = [packet for packet in container.demux(video=0) if packet.size][3]
        start, size = packet.pos, packet.size
    content = bytearray(path.read_bytes())
    content[start + size // 2 : start + size] = bytes(size - size // 2)
    path.write_bytes(content)
    with av.open(str(path)) as container:
        assert len(list(container.decode(video=0))) == 6
    found = dict(Video(path).frames(range(6)))
    assert sorted(found) == [0, 1, 2, 4, 5]
    for index, frame in found.items():
        np.testing.assert_array_equal(frame, whole[index])


@pytest.mark.parametrize("bf", ["0", "2"])
def test_what_refers_to_a_damaged_frame_is_left_out(tmp_path, bf):
    options = {"g": "6", "bf": bf, "threads": "1"}
    path = write_video(tmp_path / "a.mp4", face_frames(18), options=options)
    whole = dict(Video(path).frames(range(18)))
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    assert [number for number, packet in enumerate(packets) if packet.is_keyframe] == [0, 6, 12]
    start, size = packets[7].pos, packets[7].size
    content = bytearray(path.read_bytes())
    content[start + size // 2 : start + size] = bytes(size - size // 2)
    path.write_bytes(content)
    found = dict(Video(path).frames(range(18)))
    # Frame 5 was about to be shown when the decoder failed.
    assert {*range(5), *range(12, 18)} <= found.keys()
    assert len(found) <= 13
    for index, frame in found.items():
        np.testing.assert_array_equal(frame, whole[index])


def test_damage_does_not_shift_the_numbers_of_frames_without_time_stamps(tmp_path):
    path = write_video(tmp_path / "a.mpg", face_frames(18), options={"g": "6", "bf": "0"})
    assert Video(path).times is None
    whole = dict(Video(path).frames(range(18)))
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    middle = content.index(bytes(packets[7])[40:60])
    content[middle : middle + 20] = bytes(20)
    path.write_bytes(content)
    found = dict(Video(path).frames(range(18)))
    assert {*range(6), *range(12, 18)} <= found.keys()
    assert len(found) < 18
    for index, frame in found.items():
        np.testing.assert_array_equal(frame, whole[index])


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.flv", "a.mpg", "a.ts", "a.wmv"])
def test_damaged_videos_raise_nothing_else_and_give_the_same_twice(tmp_path, capfd, name):
    codec = dict(CONTAINERS)[name]
    whole = write_video(tmp_path / name, face_frames(12), codec).read_bytes()
    path = tmp_path / f"damaged-{name}"
    rng = random.Random(7)

    def read():
        try:
            count = Video(path).count
            return count, [(i, frame.tobytes()) for i, frame in Video(path).frames(range(count))]
        except InputError as error:
            return str(error)

    for trial in range(25):
        content = bytearray(whole)
        if trial % 3 == 0:
            content = content[: rng.randrange(len(content))]
        for _ in range(rng.choice([1, 10, 300]) if trial % 3 else 0):
            content[rng.randrange(len(content))] = rng.randrange(256)
        path.write_bytes(content)
        assert read() == read()
    assert capfd.readouterr().err == ""


def test_too_many_frames_and_pixels_are_refused(tmp_path, h264, monkeypatch):
    monkeypatch.setattr(containers, "MAX_PIXELS", 1000)
    with pytest.raises(InputError, match="320 x 240 pixels are too many"):
        Video(h264)
    monkeypatch.setattr(video, "MAX_FRAMES", 10)
    with pytest.raises(InputError, match="too many"):
        Video(h264)


def test_threads_may_read_at_the_same_time(h264):
    results = {}

    def read(number):
        results[number] = [frame.tobytes() for _, frame in Video(h264).frames([5, 20])]

    threads = [threading.Thread(target=read, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(results[number] == results[0] for number in range(4))


def test_real_videos(shared_data):
    folder = shared_data / "ffpp" / "original_sequences" / "youtube" / "c23" / "videos"
    assert [Video(folder / f"{name}.mp4").count for name in ("004", "519", "634")] == [
        309,
        751,
        338,
    ]
    with av.open(str(folder / "004.mp4")) as container:
        *_, last = container.decode(video=0)
    ((_, frame),) = Video(folder / "004.mp4").frames([308])
    np.testing.assert_array_equal(frame, last.to_ndarray(format="rgb24"))
