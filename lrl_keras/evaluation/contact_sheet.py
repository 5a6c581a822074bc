"""Contact sheet of records: examples of each split and method with mask and similarity target."""

import bisect
import itertools
import os
import sys

import numpy as np
from keras import ops
from tqdm import tqdm

from lrl_keras.data import single_examples
from lrl_keras.data.manifest import MANIFEST, SPLITS
from lrl_keras.errors import InputError
from lrl_keras.layers import similarity_target
from lrl_keras.media.video import evenly_spaced
from lrl_keras.plots import drawing
from lrl_keras.system import files


def check(out):
    """Raise `InputError` where `out` cannot be the PNG file of a sheet; make its folder."""
    if files.is_folder(out):
        raise InputError(f"{out}: is a folder; name the PNG file to write")
    if not os.fspath(out).lower().endswith(".png"):
        raise InputError(f"{out}: must end in .png, which is what is written")
    folder = os.path.dirname(os.fspath(out))
    if folder:
        files.make_folder(folder)


def draw(records, placed, faults, out, *, per_kind, patches, progress):
    """Write the contact sheet.

    Args:
        records: `Records`.
        placed: (clip, position in its shard of its first example) of each clip.
        faults: dict of a shard's name to a line; shards in it are left out, and those that cannot
            be read are added.
        out: PNG file, as `check` takes it.
        per_kind: examples of each split and method.
        patches: k of the similarity target.
        progress: show a bar on standard error where it takes long.

    Returns:
        path of the PNG, `None` where there is nothing to show.

    Raises:
        InputError: `out` cannot be written.
    """
    kinds = _kinds(placed, faults, per_kind)
    strips = _strips(records, kinds, faults, patches, progress)
    rows = []
    for (split, label, method), members in kinds.items():
        places = [(clip.shard, position) for clip, _, position in members]
        mine = [strips[place] for place in places if place in strips]
        if mine:
            verdict = f" ({'forged' if label else 'real'})" if method != "real" else ""
            rows.append((f"{split}: {method}{verdict}", label, mine))
    if not rows:
        return None
    try:
        drawing.save_png(drawing.strips_sheet(rows), out)
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror}); choose another") from None
    return os.fspath(out)


def _kinds(placed, faults, per_kind):
    """Choose by (split, label, method) a list of (clip, frame, position in the shard)."""
    members = {}
    for clip, start in placed:
        if clip.kept and clip.shard not in faults:
            members.setdefault((clip.split, clip.label, clip.method), []).append((clip, start))
    order = sorted(members, key=lambda kind: (SPLITS.index(kind[0]), kind[1]))
    return {kind: list(_evenly(members[kind], per_kind)) for kind in order}


def _evenly(members, count):
    ends = list(itertools.accumulate(len(clip.kept) for clip, _ in members))
    for number in evenly_spaced(ends[-1], count):
        member = bisect.bisect_right(ends, number)
        clip, start = members[member]
        place = number - ends[member] + len(clip.kept)
        yield clip, clip.kept[place], start + place


def _strips(records, kinds, faults, patches, progress):
    """Draw strips by (shard, position); a shard that cannot be read is added to `faults`."""
    wanted = {}
    for clip, frame, position in itertools.chain(*kinds.values()):
        wanted.setdefault((clip.shard, clip.split), {})[position] = clip.video, frame
    strips = {}
    shards = tqdm(
        wanted.items(),
        desc="contact sheet",
        unit="shard",
        delay=5,
        file=sys.stderr,
        disable=not progress,
    )
    for (name, split), expected in shards:
        path, positions = records.path(name), sorted(expected)
        try:
            examples = single_examples.read(path, positions, records.stored_size(split))
        except InputError as error:
            faults[name] = str(error)
            continue
        for position, example in zip(positions, examples, strict=True):
            if (example.video, example.frame) != expected[position]:
                faults[name] = (
                    f"{path}: example {position} is another than {MANIFEST} says; "
                    "run the same `lrl-keras prepare` again to restore it"
                )
            else:
                strips[name, position] = _strip(example, patches)
    return strips


def _strip(example, patches):
    caption = f"{example.video}, frame {example.frame}"
    if not example.has_mask:
        return drawing.example_strip(example.image, None, None, caption)
    mask = np.zeros(example.image.shape[:2], np.uint8) if example.mask is None else example.mask
    target = ops.convert_to_numpy(similarity_target(mask[None, ..., None], patches))[0]
    if example.label:
        caption += f", {100 * mask.mean():.1f} % forged"
    return drawing.example_strip(example.image, mask, target, caption)
