"""A folder of finished records: its manifest is read and checked once, and handed on."""

import collections
import dataclasses

import numpy as np

from lrl_keras.data import manifest as manifests
from lrl_keras.data.blending import ROOM
from lrl_keras.data.manifest import SPLITS
from lrl_keras.errors import InputError
from lrl_keras.system import files

# What stands for the three splits together.
ALL = "all"


@dataclasses.dataclass
class ClipReport:
    """One video or image of a dataset, and what became of it.

    Attributes:
        split: `"train"`, `"val"` or `"test"`.
        label: 0 real, 1 forged.
        method: `"real"`, or how it was forged.
        compression: of the video.
        video: its name.
        path: below the dataset's folder.
        real: path of the clip that it was forged from, `None` where that is not known.
        frames: number of frames.
        kept: indices of the frames that became examples.
        dropped: lists of the other indices, by reason.
        mask_from: compression of the videos that the masks were made from, or how they were made.
        unpaired: why a forgery has no masks.
        unusable: why there is no example of it.
        stated_frames: number of frames that the file states, where it holds fewer.
        donor: path of the file whose face was swapped in.
        faces, face: how many faces persist in it, and the number of the one that was taken,
            where there is more than one.
        shard: name of the file that holds its examples.
    """

    split: str
    label: int
    method: str
    compression: str
    video: str
    path: str
    real: str | None = None
    frames: int = 0
    kept: list[int] = dataclasses.field(default_factory=list)
    dropped: dict[str, list[int]] = dataclasses.field(default_factory=dict)
    mask_from: str | None = None
    unpaired: str | None = None
    unusable: str | None = None
    stated_frames: int | None = None
    donor: str | None = None
    faces: int | None = None
    face: int | None = None
    shard: str = ""

    @classmethod
    def of(cls, content):
        """A clip as the manifest holds it."""
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in content.items() if name in known})

    def content(self):
        """The dict that the manifest holds."""
        found = dataclasses.asdict(self)
        for name in ("stated_frames", "donor", "faces", "face"):
            if found[name] is None:
                del found[name]
        return found

    def drop(self, problems):
        """Note the frames that gave no example: reasons by index."""
        for index, reason in sorted(problems.items()):
            self.dropped.setdefault(reason, []).append(index)


@dataclasses.dataclass(frozen=True)
class Shard:
    """One file of records.

    Attributes:
        name: of the file.
        split: of its examples.
        real, forged: numbers of its examples.
        sha256: checksum of the file.
    """

    name: str
    split: str
    real: int
    forged: int
    sha256: str

    @property
    def examples(self):
        return self.real + self.forged


@dataclasses.dataclass(frozen=True)
class Fresh:
    """How training forges the faces that a split holds.

    Attributes:
        image_size: side of the examples in pixels; the stored faces are larger, see
            `Records.stored_size`.
        methods: names of the methods, of which one is drawn each time.
        forgeries: how often an epoch holds each face, real and forged.
    """

    image_size: int
    methods: tuple[str, ...]
    forgeries: int


class Records:
    """What the manifest of a folder of records says.

    Attributes:
        folder: the records' folder, a path or URL.
        fingerprint: SHA-256 of the manifest; it stands for the records, since it holds theirs.
        source: name of the dataset's kind, such as `"faceforensics"`.
        arguments: dict of the options that they were made with.
        counts: what was listed and what became of it, by split, kind and method.
        clips: tuple of `ClipReport`.
        shards: tuple of `Shard`, in the order of the manifest.
        image_size: side of the examples in pixels.
        margin: side of their crops over the longer side of the face.
    """

    def __init__(self, folder, manifest, fingerprint):
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
    def open(cls, records):
        """Read the manifest of a folder; what is open already stays so.

        Args:
            records: the folder, also a URL, or `Records`.

        Raises:
            InputError: no manifest, damaged, changed by hand, or of another schema version.
        """
        return records if isinstance(records, cls) else cls(records, *manifests.opened(records))

    def __str__(self):
        return self.folder

    __fspath__ = __str__

    @property
    def about(self):
        """The manifest without its clips."""
        return {name: value for name, value in self._manifest.items() if name != "clips"}

    def path(self, shard):
        """Where a shard lies, given by itself or by its name."""
        return files.join(self.folder, getattr(shard, "name", shard))

    def splits(self):
        """Names of the splits that hold examples."""
        there = {shard.split for shard in self.shards if shard.examples}
        return tuple(name for name in SPLITS if name in there)

    def stored_size(self, split):
        """Side of a split's images in pixels; faces that training forges have room around them."""
        room = ROOM if self.arguments.get("fresh") and split == "train" else 1
        return round(self.image_size * room)

    def placed(self, splits=SPLITS):
        """Clips of some splits with the position of their first example in its shard.

        Yields:
            (`ClipReport`, position): a shard holds the kept frames of its clips in this order.
        """
        starts = collections.Counter()
        for clip in self.clips:
            start = starts[clip.shard]
            starts[clip.shard] += len(clip.kept)
            if clip.split in splits:
                yield clip, start

    def split(self, name, *, methods=None):
        """One split, or all of them.

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

    def verify(self, splits=SPLITS, *, progress=True):
        """Check that every shard of `splits` is there and has the manifest's SHA-256.

        A TFRecord file cut at a record boundary reads as a shorter file without any error, so
        only a checksum of the whole file shows it.

        Raises:
            InputError: naming the first shard that is missing, or else the first that differs.
        """
        manifests.verify(self.folder, self._manifest, splits, progress=progress)

    def faults(self, splits=SPLITS, *, read=True, progress=True):
        """Lines that say what is wrong, by the name of each shard that is missing or damaged.

        Args:
            splits: of which the shards are checked.
            read: compare their checksums too, not only whether they are there.
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
        """How training forges `splits`, `None` where they hold examples."""
        arguments = self.arguments
        if not arguments.get("fresh") or "train" not in splits:
            return None
        if len(splits) > 1:
            raise _no_examples(self)
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
        """Real and forged examples of each shard, of `methods` alone."""
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


@dataclasses.dataclass(frozen=True)
class Split:
    """One split of records.

    Attributes:
        records: its `Records`.
        name: `"train"`, `"val"`, `"test"` or `"all"`.
        splits: the splits that it stands for.
        shards: its `Shard`s, in the order of the manifest.
        counts: int64 (shards, 2): real and forged examples of each shard, of `methods` alone.
        methods: forgery methods whose examples are read beside all real ones; `None`: all.
        fresh: `Fresh` where it holds faces that training forges itself, otherwise `None`.
    """

    records: Records
    name: str
    splits: tuple[str, ...]
    shards: tuple[Shard, ...]
    counts: np.ndarray
    methods: tuple[str, ...] | None
    fresh: Fresh | None

    @property
    def paths(self):
        return [self.records.path(shard) for shard in self.shards]

    @property
    def image_size(self):
        """Side of the stored images in pixels."""
        return self.records.stored_size(self.splits[0])

    @property
    def totals(self):
        """Number of real and of forged examples."""
        real, forged = self.counts.sum(axis=0)
        if self.fresh:
            real = forged = real * self.fresh.forgeries
        return int(real), int(forged)

    def verify(self):
        """Compare its shards with their checksums; see `Records.verify`."""
        self.records.verify(self.splits)

    def check_both_classes(self):
        """Raise `InputError` unless there are real and forged examples."""
        for missing, name in enumerate(("real", "forged")):
            if self.totals[missing] == 0:
                raise InputError(
                    f"{self.records}: split {self.name!r} has {self.totals[1 - missing]} "
                    f"examples, none of them {name}; training needs both: prepare {name} clips too"
                )

    def check_examples(self):
        """Raise `InputError` where the split holds faces that training forges, not examples."""
        if self.fresh:
            raise _no_examples(self.records)


def names_of(methods):
    """Names of forgery methods as a sorted tuple, each once, also of one name alone.

    Args:
        methods: names, one name, or `None` for all methods, which stays `None`.
    """
    if methods is None:
        return None
    return tuple(sorted({methods} if isinstance(methods, str) else set(methods)))


def _no_examples(records):
    return InputError(
        f"{records}: split 'train' holds faces that training forges, not examples; name val or "
        "test, or prepare records without --fresh"
    )
