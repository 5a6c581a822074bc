"""The fate of the clips of a dataset, in numbers and in words."""


def counts(listing, clips):
    """Count the listed clips and what became of them.

    Args:
        listing: `tfrecords.clips.Listing`.
        clips: the clips, list of `lrl_keras.data.clip_report.ClipReport`.

    Returns:
        dict of numbers by split, kind (`"real"`, `"fake"`) and method.
    """
    found = {}
    for (split, label, method), listed in listing.listed.items():
        mine = [clip for clip in clips if (clip.split, clip.method) == (split, method)]
        kind = found.setdefault(split, {}).setdefault("fake" if label else "real", {})
        kind[method] = {
            "listed_videos": listed,
            "missing_videos": listed - len(mine),
            "unusable_videos": sum(clip.unusable is not None for clip in mine),
            "unpaired_videos": sum(clip.unpaired is not None for clip in mine),
            "examples": sum(len(clip.kept) for clip in mine),
            "dropped_frames": sum(len(v) for clip in mine for v in clip.dropped.values()),
        }
    return found


def nothing(root, clips):
    """Write the message where no clip gave an example."""
    first = next(clip for clip in clips if clip.unusable)
    reason = "; ".join(first.dropped) or first.unusable
    return f"{root}: no usable frame in {len(clips)} clips, the first one, {first.path}: {reason}"


def warnings(records):
    """Yield a line for each thing to know before training on finished records."""
    for split in records.arguments["only"]:
        shards = [shard for shard in records.shards if shard.split == split]
        real, forged = sum(shard.real for shard in shards), sum(shard.forged for shard in shards)
        if not real and not forged:
            yield f"the split {split!r} has no examples"
        elif not real or not forged:
            yield f"the split {split!r} has no {'forged' if real else 'real'} examples"
    yield from _missing(records.counts)
    unusable = [clip for clip in records.clips if clip.unusable]
    if unusable:
        first = unusable[0]
        yield (
            f"unusable clips: {len(unusable)} of {len(records.clips)}, the first one "
            f"{first.path} ({first.unusable}); `lrl-keras inspect` names all"
        )


def _missing(found):
    """Yield a line for each method of whose listed clips none is there."""
    listed, missing = {}, {}
    for kinds in found.values():
        for methods in kinds.values():
            for method, numbers in methods.items():
                listed[method] = listed.get(method, 0) + numbers["listed_videos"]
                missing[method] = missing.get(method, 0) + numbers["missing_videos"]
    for method, number in listed.items():
        if number == missing[method]:
            yield f"none of the {number} listed videos of {method!r} is there"
