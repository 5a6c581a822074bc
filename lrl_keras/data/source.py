"""One split of a folder of records: where its shards lie and how many examples they hold."""

import collections
import dataclasses

import numpy as np

from lrl_keras.data import manifest as manifests
from lrl_keras.data.blending import ROOM
from lrl_keras.errors import InputError
from lrl_keras.system import files

# What stands for the three splits together.
ALL = "all"


@dataclasses.dataclass(frozen=True)
class Fresh:
    """How training forges the faces that a split holds.

    Attributes:
        image_size: side of the examples in pixels; the stored faces are larger, see `stored_size`.
        methods: names of the methods, of which one is drawn each time.
        forgeries: how often an epoch holds each face, real and forged.
    """

    image_size: int
    methods: tuple[str, ...]
    forgeries: int

    @classmethod
    def of(cls, manifest, splits, methods, records):
        """What the manifest says of `splits`, `None` where they hold examples."""
        arguments = manifest["arguments"]
        if not arguments.get("fresh") or "train" not in splits:
            return None
        if len(splits) > 1:
            raise _no_examples(records)
        for name in methods or ():
            if name not in arguments["methods"]:
                raise InputError(
                    f"{records}: split 'train' is not forged by the method {name!r}; there are: "
                    f"{', '.join(arguments['methods'])}"
                )
        return cls(
            image_size=arguments["image_size"],
            methods=tuple(methods or arguments["methods"]),
            forgeries=arguments["forgeries"],
        )


@dataclasses.dataclass(frozen=True)
class Source:
    """What the manifest says of one split.

    Attributes:
        folder: the records' folder.
        split: `"train"`, `"val"`, `"test"` or `"all"`.
        image_size: side of the stored images in pixels.
        paths: the shards, in the order of the manifest.
        counts: int64 (shards, 2): real and forged examples of each shard, of `methods` alone.
        methods: forgery methods whose examples are read beside all real ones; `None`: all.
        fresh: `Fresh` where the split holds faces that training forges itself, otherwise `None`.
    """

    folder: str
    split: str
    image_size: int
    paths: list[str]
    counts: np.ndarray
    methods: tuple[str, ...] | None = None
    fresh: Fresh | None = None

    @classmethod
    def open(cls, records, split, verify, methods=None):
        """Read the manifest of `records`; with `verify`, compare the shards' checksums.

        Raises:
            InputError: records missing or damaged, an unknown or empty split, a method of which
                there is no example.
        """
        if split not in (*manifests.SPLITS, ALL):
            raise InputError(
                f"split must be one of {', '.join(manifests.SPLITS)} or {ALL}. Received: {split!r}"
            )
        splits = manifests.SPLITS if split == ALL else (split,)
        manifest = manifests.read(records)
        shards = [shard for shard in manifest["shards"] if shard["split"] in splits]
        counts = np.array([_labels(records, shard) for shard in shards], np.int64).reshape(-1, 2)
        if counts.sum() == 0:
            there = sorted({shard["split"] for shard in manifest["shards"] if shard["examples"]})
            raise InputError(
                f"{records}: split {split!r} holds no examples; there are: "
                f"{', '.join(there) or 'none at all'}"
            )
        methods = names_of(methods)
        fresh = Fresh.of(manifest, splits, methods, records)
        if methods is not None and fresh is None:
            clips = [clip for clip in manifest["clips"] if clip["split"] in splits]
            counts = _counts_of(f"{records}: split {split!r}", clips, shards, methods)
        if verify:
            manifests.verify(records, manifest, splits)
        return cls(
            folder=str(records),
            split=split,
            image_size=stored_size(manifest, splits[0]),
            paths=[files.join(records, shard["name"]) for shard in shards],
            counts=counts,
            methods=methods,
            fresh=fresh,
        )

    @property
    def totals(self):
        """Number of real and of forged examples."""
        real, forged = self.counts.sum(axis=0)
        if self.fresh:
            real = forged = real * self.fresh.forgeries
        return int(real), int(forged)

    def check_both_classes(self):
        """Raise `InputError` unless there are real and forged examples."""
        for missing, name in enumerate(("real", "forged")):
            if self.totals[missing] == 0:
                raise InputError(
                    f"{self.folder}: split {self.split!r} has {self.totals[1 - missing]} examples, "
                    f"none of them {name}; training needs both: prepare {name} clips too"
                )

    def check_examples(self):
        """Raise `InputError` where the split holds faces that training forges, not examples."""
        if self.fresh:
            raise _no_examples(self.folder)


def stored_size(manifest, split):
    """Side of the images of a split in pixels; faces that training forges have room around them."""
    arguments = manifest["arguments"]
    room = ROOM if arguments.get("fresh") and split == "train" else 1
    return round(arguments["image_size"] * room)


def _no_examples(records):
    return InputError(
        f"{records}: split 'train' holds faces that training forges, not examples; name val or "
        "test, or prepare records without --fresh"
    )


def _labels(records, shard):
    counts = [shard["labels"].get(label, 0) for label in ("0", "1")]
    if sum(counts) != shard["examples"]:
        raise InputError(
            f"{files.join(records, manifests.MANIFEST)}: shard {shard['name']!r} has "
            f"{shard['examples']} examples but labels {shard['labels']}; "
            "run `lrl-keras prepare` again"
        )
    return counts


def names_of(methods):
    """Names of forgery methods as a sorted tuple, each once, also of one name alone.

    Args:
        methods: names, one name, or `None` for all methods, which stays `None`.
    """
    if methods is None:
        return None
    return tuple(sorted({methods} if isinstance(methods, str) else set(methods)))


def _counts_of(name, clips, shards, methods):
    """`Source.counts` with the forged examples of `methods` alone; errors begin with `name`."""
    found = {shard["name"]: [0, 0] for shard in shards}
    forged = collections.Counter()
    for clip in clips:
        forged[clip["method"]] += clip["label"] * len(clip["kept"])
        if clip["label"] == 0 or clip["method"] in methods:
            found[clip["shard"]][clip["label"]] += len(clip["kept"])
    for method in methods:
        if not forged[method]:
            known = ", ".join(sorted(name for name, count in forged.items() if count))
            raise InputError(
                f"{name} holds no forged examples of the method {method!r}; there are: "
                f"{known or 'none at all'}"
            )
    return np.array(list(found.values()), np.int64)
