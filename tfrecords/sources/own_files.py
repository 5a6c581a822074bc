"""Images and videos that a user has sorted, or listed, himself: what is known of each."""

import dataclasses

from lrl_keras.errors import InputError
from lrl_keras.media import archives, discovery
from lrl_keras.media.images import shown
from lrl_keras.media.sequences import is_frame_name, natural_key
from lrl_keras.system import files
from tfrecords.sources.folders import Folders

KINDS = ("real", "fake")  # by label
SPLIT_NAMES = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}

_NAMED = 5


@dataclasses.dataclass(frozen=True)
class Item:
    """One clip. Paths are relative to the root, with forward slashes.

    Attributes:
        path: an image, a video, a folder of images or a tar archive of images.
        label: 0 real, 1 fake.
        method: how it was forged; `"real"` where it was not.
        split: `"train"`, `"val"` or `"test"`; `None`: not given.
        identity: who it shows, or what else must not be divided among splits; `None`: not given.
        source: the real clip that a fake was made from; `None`: not known.
        there: whether it is on disk.
        source_there: whether `source` is.
    """

    path: str
    label: int
    method: str
    split: str | None = None
    identity: str | None = None
    source: str | None = None
    there: bool = True
    source_there: bool = False


def in_folders(root, sequences):
    """List the items of the folders `real` and `fake`, or of these in `train`, `val` and `test`.

    The folder right below `fake` in which a clip lies is its method, the next one, or that right
    below `real`, its identity.

    Args:
        root: path or URL.
        sequences: whether a folder of images is one clip, with all images below it; otherwise
            each image is one.

    Returns:
        list of `Item` in order of their paths, and list of the files that are no clip.

    Raises:
        InputError: no such folders, or real or fake clips in none of them.
    """
    items, others = [], []
    for split, base in _bases(root):
        for label, kind in enumerate(KINDS):
            paths, skipped = _clips(root, f"{base}{kind}", sequences)
            items += [_item(split, label, f"{base}{kind}/", path) for path in paths]
            others += [f"{base}{kind}/{path}" for path in skipped]
    for label, kind in enumerate(KINDS):
        if not any(item.label == label for item in items):
            raise InputError(
                f"{root}: no image or video in {kind}/; expected {kind} ones there, by content "
                "or by name"
            )
    return items, others


def few(names):
    """Name some of many names in a line of text."""
    names = list(names)
    return ", ".join(map(shown, names[:_NAMED])) + (", ..." if len(names) > _NAMED else "")


def _bases(root):
    """List what holds `real` and `fake`: (split or `None`, path that ends with a slash or `""`)."""
    if not files.is_folder(root):
        raise InputError(f"{root}: no such folder; give one with folders real and fake in it")
    folders = Folders(root)
    official = [
        (SPLIT_NAMES[name], f"{name}/")
        for name in folders.names("")
        if name in SPLIT_NAMES and any(folders.has(f"{name}/{kind}") for kind in KINDS)
    ]
    here = [kind for kind in KINDS if folders.has(kind)]
    if here and official:
        raise InputError(
            f"{root}: has both {here[0]}/ and {official[0][1]}; move {' and '.join(here)} into "
            "train, val or test, or out of it"
        )
    if not here and not official:
        raise InputError(
            f"{root}: expected folders real and fake in it, or train, val and test with these, or "
            f"a list of files (csv); there is: {few(folders.names('')) or 'nothing'}"
        )
    return official or [(None, "")]


def _clips(root, folder, sequences):
    """List the paths below a folder that are clips, and those of files that are none."""
    path = files.join(root, folder)
    try:
        paths = sorted(files.walk(path), key=natural_key) if files.is_folder(path) else []
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror})") from None
    in_sequence = _sequences(path, paths) if sequences else {}
    clips, skipped = {}, []
    for name in paths:
        if name in in_sequence:
            clips[in_sequence[name]] = None
        elif archives.is_archive(name) or discovery.is_media(files.join(path, name)):
            clips[name] = None
        else:
            skipped.append(name)
    return list(clips), skipped


def _sequences(folder, paths):
    """Find the uppermost folder that holds images, by image."""
    holders = {name.rpartition("/")[0] for name in paths if is_frame_name(name)}
    if "" in holders:
        raise InputError(
            f"{folder}: has images right in it; with sequences each clip is a folder of images "
            "below it"
        )
    found = {}
    for name in filter(is_frame_name, paths):
        above = name.split("/")[:-1]
        ways = ("/".join(above[: depth + 1]) for depth in range(len(above)))
        found[name] = next(way for way in ways if way in holders)
    return found


def _item(split, label, base, path):
    above = path.split("/")[:-1]
    method = KINDS[label]
    if label and above and above[0] != KINDS[0]:
        method, *above = above
    identity = above[0] if above else None
    return Item(f"{base}{path}", label, method, split, identity)
