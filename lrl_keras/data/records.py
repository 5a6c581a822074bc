"""A folder of finished records, whose manifest is read and checked once."""

from __future__ import annotations

import collections
import os
from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np

from lrl_keras.data import manifest as manifests
from lrl_keras.data.blending import ROOM
from lrl_keras.data.clip_report import ClipReport
from lrl_keras.data.manifest import SPLITS
from lrl_keras.data.split import Fresh, Shard, Split, no_examples
from lrl_keras.errors import InputError
from lrl_keras.system import files

# Name of the three splits together.
ALL = "all"


class Records:
    """Finished records, described by the manifest in their folder.

    Attributes:
        folder: the records' folder, a path or URL.
        fingerprint: SHA-256 of the manifest, in which those of the shards are: it identifies the
            records.
        source: name of the dataset's kind, such as `"faceforensics"`.
        arguments: dict of the options that they were made with.
        counts: dict of numbers of clips, frames and examples, by split, kind and method.
        clips: tuple of `ClipReport`.
        shards: tuple of `Shard`, in the order of the manifest.
        image_size: side of the examples in pixels.
        margin: side of the crops over the longer side of the face.
    """

    def __init__(
        self, folder: str | os.PathLike[str], manifest: dict[str, Any], fingerprint: str
    ) -> None:
        self.folder = str(folder)
        self.fingerprint = fingerprint
        self._manifest = manifest
        self.source = manifest["source"]
        self.arguments = manifest["arguments"]
        self.counts = manifest["counts"]
        self.image_size = self.arguments["image_size"]
        self.margin = self.arguments.get("margin")
        self.clips = tuple(map(ClipReport.of, manifest["clips"]))
        self.shards = tuple(self._shard(shard) for shard in manifest["shards"])

    @classmethod
    def open(cls, records: str | os.PathLike[str] | Records) -> Records:
        """Read the manifest of a folder; `Records` are returned as they are.

        Args:
            records: the folder, a path or URL, or `Records`.

        Raises:
            InputError: no manifest, damaged, changed by hand, or of another schema version.
        """
        return records if isinstance(records, cls) else cls(records, *manifests.opened(records))

    def __str__(self) -> str:
        return self.folder

    __fspath__ = __str__

    @property
    def about(self) -> dict[str, Any]:
        """The manifest without its clips."""
        return {name: value for name, value in self._manifest.items() if name != "clips"}

    def path(self, shard: Shard | str) -> str:
        """Return the path or URL of a shard, given as `Shard` or by name."""
        return files.join(self.folder, shard if isinstance(shard, str) else shard.name)

    def splits(self) -> tuple[str, ...]:
        """Return the names of the splits that hold examples."""
        there = {shard.split for shard in self.shards if shard.examples}
        return tuple(name for name in SPLITS if name in there)

    def stored_size(self, split: str) -> int:
        """Return the side of a split's images in pixels, with room where training forges faces."""
        room = ROOM if self.arguments.get("fresh") and split == "train" else 1
        return round(self.image_size * room)

    def placed(self, splits: Sequence[str] = SPLITS) -> Iterator[tuple[ClipReport, int]]:
        """Locate the clips of some splits in their shards.

        Yields:
            (`ClipReport`, position of its first example in its shard); a shard holds the kept
            frames of its clips in this order.
        """
        starts = collections.Counter()
        for clip in self.clips:
            start = starts[clip.shard]
            starts[clip.shard] += len(clip.kept)
            if clip.split in splits:
                yield clip, start

    def split(self, name: str, *, methods: Sequence[str] | str | None = None) -> Split:
        """Select one split, or all of them.

        Args:
            name: `"train"`, `"val"`, `"test"` or `"all"`.
            methods: names of forgery methods; forged examples of others are left out. Default:
                all.

        Returns:
            a `Split`.

        Raises:
            InputError: an unknown or empty split, or a method of which there is no example.
        """
        if name not in (*SPLITS, ALL):
            raise InputError(
                f"split must be one of {', '.join(SPLITS)} or {ALL}. Received: {name!r}"
            )
        splits = SPLITS if name == ALL else (name,)
        shards = tuple(shard for shard in self.shards if shard.split in splits)
        if not any(shard.examples for shard in shards):
            there = ", ".join(sorted(self.splits()))
            raise InputError(
                f"{self}: split {name!r} holds no examples; there are: {there or 'none at all'}"
            )
        methods = names_of(methods)
        fresh = self._fresh(splits, methods)
        counts = [(shard.real, shard.forged) for shard in shards]
        if methods is not None and fresh is None:
            counts = self._counts_of(name, splits, shards, methods)
        return Split(self, name, splits, shards, np.array(counts, np.int64), methods, fresh)

    def verify(self, splits: Sequence[str] = SPLITS, *, progress: bool = True) -> None:
        """Check that every shard of `splits` is there and has the manifest's SHA-256.

        Raises:
            InputError: naming the first shard that is missing, or else the first damaged one.
        """
        manifests.verify(self.folder, self._manifest, splits, progress=progress)

    def faults(
        self, splits: Sequence[str] = SPLITS, *, read: bool = True, progress: bool = True
    ) -> dict[str, str]:
        """Find missing and damaged shards: a dict of name to a line that says what is wrong.

        Args:
            splits: names of the splits whose shards are checked.
            read: compare their checksums too, instead of only looking for missing ones.
            progress: show a bar on standard error where it takes long.
        """
        if read:
            return dict(manifests.faults(self.folder, self._manifest, splits, progress=progress))
        return dict(manifests.missing(self.folder, self._manifest, splits))

    def _shard(self, content):
        real, forged = (content["labels"].get(label, 0) for label in ("0", "1"))
        if real + forged != content["examples"]:
            raise InputError(
                f"{files.join(self.folder, manifests.MANIFEST)}: shard {content['name']!r} has "
                f"{content['examples']} examples but labels {content['labels']}; "
                "run `lrl-keras prepare` again"
            )
        return Shard(content["name"], content["split"], real, forged, content["sha256"])

    def _fresh(self, splits, methods):
        """Make the `Fresh` of `splits`, or `None` where they hold examples."""
        arguments = self.arguments
        if not arguments.get("fresh") or "train" not in splits:
            return None
        if len(splits) > 1:
            raise no_examples(self)
        for name in methods or ():
            if name not in arguments["methods"]:
                raise InputError(
                    f"{self}: split 'train' is not forged by the method {name!r}; there are: "
                    f"{', '.join(arguments['methods'])}"
                )
        return Fresh(
            image_size=self.image_size,
            methods=tuple(methods or arguments["methods"]),
            forgeries=arguments["forgeries"],
        )

    def _counts_of(self, name, splits, shards, methods):
        """Count the real examples and those of `methods` of each shard."""
        found = {shard.name: [0, 0] for shard in shards}
        forged = collections.Counter()
        for clip in self.clips:
            if clip.split not in splits:
                continue
            forged[clip.method] += clip.label * len(clip.kept)
            if clip.label == 0 or clip.method in methods:
                found[clip.shard][clip.label] += len(clip.kept)
        for method in methods:
            if not forged[method]:
                known = ", ".join(sorted(other for other, count in forged.items() if count))
                raise InputError(
                    f"{self}: split {name!r} holds no forged examples of the method {method!r}; "
                    f"there are: {known or 'none at all'}"
                )
        return list(found.values())


@overload
def names_of(methods: None) -> None: ...


@overload
def names_of(methods: Sequence[str] | str) -> tuple[str, ...]: ...


def names_of(methods: Sequence[str] | str | None) -> tuple[str, ...] | None:
    """Return names of forgery methods as a sorted tuple without repetition.

    Args:
        methods: names, a single name, or `None` for all methods, which stays `None`.
    """
    if methods is None:
        return None
    return tuple(sorted({methods} if isinstance(methods, str) else set(methods)))
