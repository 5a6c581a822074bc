"""Frames of a clip, whatever it is: a video, an image, a folder or a tar archive of images."""

from lrl_keras.errors import InputError
from lrl_keras.media import archives, discovery, images, sequences, video
from lrl_keras.media.video import Timeline
from lrl_keras.system import files


def timeline(path):
    """Count the frames of a clip; see `lrl_keras.media.video.timeline`.

    Args:
        path: a folder of images; a file that is called like a tar archive; otherwise an image or
            a video, told by its content.

    Raises:
        InputError: naming the path, where it cannot be read or holds no frame.
    """
    if files.is_folder(path):
        return Timeline(len(sequences.members(path)), 0, None)
    if archives.is_archive(path):
        return Timeline(len(archives.members(path)), 0, None)
    if images.is_image(path):
        return Timeline(1, 0, None)
    if not video.is_video(path):
        raise InputError(discovery.why_not(path))
    return video.timeline(path)


def read_frames(path, indices):
    """Decode the wanted frames of a clip.

    Yields:
        (index, uint8 array (H, W, 3) RGB) in ascending order, without those that are missing or
        damaged.

    Raises:
        InputError: as `timeline` does; for an image also where it is damaged.
    """
    if files.is_folder(path):
        yield from sequences.read_frames(path, indices)
    elif archives.is_archive(path):
        yield from archives.read_frames(path, indices)
    elif images.is_image(path):
        if 0 in indices:
            yield 0, images.read_image(path)
    else:
        yield from video.read_frames(path, indices)
