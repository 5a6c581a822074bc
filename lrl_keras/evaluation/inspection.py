"""Contents of a folder of records, its damage, and the look of its examples."""

from lrl_keras.data.manifest import SPLITS
from lrl_keras.data.records import Records
from lrl_keras.errors import InputError
from lrl_keras.evaluation import contact_sheet
from lrl_keras.system import checksums

_NAMED = 3
_MOST = {"per_kind": 20, "patches": 64}


def inspect(
    records,
    *,
    split=None,
    out=None,
    per_kind=3,
    patches=5,
    verify=True,
    progress=True,
):
    """Look at records: counts, what was left out and why, checksums, and a contact sheet.

    A damaged or missing shard is no error here: it is named in the result, and the sheet shows
    examples of the others.

    Args:
        records: folder that `lrl-keras prepare` wrote, or its URL.
        split: `"train"`, `"val"` or `"test"`; default: all of them.
        out: PNG file for the contact sheet; `None` draws none. It shows, for each split and
            method, evenly spaced examples: image, mask, and the similarity target (Eq. 9).
        per_kind: examples of each split and method on the sheet. Defaults to 3.
        patches: k of the similarity target. Defaults to 5.
        verify: compare the shards with the checksums of the manifest.
        progress: show bars on standard error where it takes long.

    Returns:
        dict, JSON-able:

        - `records`, and of the manifest `schema_version`, `source`, `arguments`, `versions`;
        - `counts`: by split, `"real"` or `"fake"`, and method: `listed_videos`,
          `missing_videos`, `unusable_videos`, `unpaired_videos`, `dropped_frames`, `examples`;
        - `balance`: by split, the `real` and `forged` examples;
        - `dropped` frames, and `unusable`, `unpaired` and `cut_off` clips: lists of their reasons,
          the most frequent first: `split`, `method`, `reason`, number of `clips` and of
          `frames` (dropped, without a mask, or lost), and `first`, the paths of the first few.
          Reasons that differ in names and numbers only are one, with `…` in their place;
        - `several_faces`: number of clips with more than one face that persists;
        - `shards`: each with `name`, `split`, `examples`, `bytes` (`None` where it is missing)
          and `fault`: `None`, or one line that names the file and the way out;
        - `verified`: whether the checksums were compared;
        - `sheet`: the PNG file, `None` where none was drawn.

    Raises:
        InputError: no manifest or a damaged one, an unknown or empty split, or `out` cannot be
            written.
    """
    _check_numbers(per_kind=per_kind, patches=patches)
    records = Records.open(records)
    splits = _splits(records, split)
    if out is not None:
        # Before the checksums: minutes later is too late to learn that nothing can be written.
        contact_sheet.check(out)
    shards = [shard for shard in records.shards if shard.split in splits]
    placed = list(records.placed(splits))
    clips = [clip for clip, _ in placed]
    faults = records.faults(splits, read=verify, progress=progress)
    sheet = None
    if out is not None:
        sheet = contact_sheet.draw(
            records, placed, faults, out, per_kind=per_kind, patches=patches, progress=progress
        )
    fields = ("schema_version", "source", "arguments", "versions")
    return {
        "records": records.folder,
        **{field: records.about[field] for field in fields},
        "counts": _counts(records.counts, splits),
        "balance": {name: _balance(shards, name) for name in splits},
        **_problems(clips),
        "several_faces": sum((clip.faces or 1) > 1 for clip in clips),
        "shards": _shards(records, shards, faults),
        "verified": verify,
        "sheet": sheet,
    }


def _check_numbers(**numbers):
    for name, number in numbers.items():
        if not 1 <= number <= _MOST[name]:
            raise InputError(f"{name} must be from 1 to {_MOST[name]}. Received: {number}")


def _splits(records, split):
    """Return the splits to look at, in their order."""
    known = {*records.counts, *(shard.split for shard in records.shards)}
    there = [name for name in SPLITS if name in known]
    if split is None:
        return there
    if split not in there:
        raise InputError(f"{records}: has no split {split!r}; there are: {', '.join(there)}")
    return [split]


def _counts(counts, splits):
    """Return the counts of some splits, real ones first."""
    return {
        split: {kind: counts[split][kind] for kind in ("real", "fake") if kind in counts[split]}
        for split in splits
        if split in counts
    }


def _balance(shards, split):
    mine = [shard for shard in shards if shard.split == split]
    return {name: sum(getattr(shard, name) for shard in mine) for name in ("real", "forged")}


def _shards(records, shards, faults):
    sizes = checksums.sizes([records.path(shard) for shard in shards])
    return [
        {
            **{field: getattr(shard, field) for field in ("name", "split", "examples")},
            "bytes": size if isinstance(size, int) else None,
            "fault": faults.get(shard.name),
        }
        for shard, size in zip(shards, sizes, strict=True)
    ]


def _problems(clips):
    """List the problems of clips by kind and reason, the most frequent first."""
    found = {kind: {} for kind in ("dropped", "unusable", "unpaired", "cut_off")}
    for clip in clips:
        for kind, reason, frames in _problems_of(clip):
            key = clip.split, clip.method, _general(reason)
            found[kind].setdefault(key, []).append((clip.path, reason, frames))
    return {kind: _summed(groups) for kind, groups in found.items()}


def _problems_of(clip):
    """Yield (kind, reason, number of frames)."""
    for reason, frames in clip.dropped.items():
        yield "dropped", reason, len(frames)
    for kind in ("unusable", "unpaired"):
        why = getattr(clip, kind)
        if why is not None:
            # The path is named beside it.
            yield kind, why.removeprefix(f"{clip.path}: "), len(clip.kept)
    stated = clip.stated_frames or clip.frames
    if stated > clip.frames:
        reason = f"holds {clip.frames} of the {stated} frames that it should"
        yield "cut_off", reason, stated - clip.frames


def _general(reason):
    """Put `…` for names and numbers, so that the reasons of many clips are one."""

    def is_own(word):
        # Formats, such as MP4, are no names.
        return any(letter.isdigit() for letter in word) and not word.isupper()

    return " ".join("…" if is_own(word) else word for word in reason.split())


def _summed(groups):
    rows = []
    for (split, method, general), members in groups.items():
        reasons = {reason for _, reason, _ in members}
        rows.append(
            {
                "split": split,
                "method": method,
                "reason": reasons.pop() if len(reasons) == 1 else general,
                "clips": len(members),
                "frames": sum(frames for _, _, frames in members),
                "first": [path for path, _, _ in members[:_NAMED]],
            }
        )
    return sorted(rows, key=lambda row: (-row["frames"], -row["clips"]))
