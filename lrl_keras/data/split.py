"""One split of records: its shards and the number of its examples."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from lrl_keras.errors import InputError

if TYPE_CHECKING:
    from lrl_keras.data.records import Records


@dataclasses.dataclass(frozen=True)
class Shard:
    """One file of records.

    Attributes:
        name: of the file.
        split: name of the split of its examples.
        real, forged: numbers of its examples.
        sha256: checksum of the file.
    """

    name: str
    split: str
    real: int
    forged: int
    sha256: str

    @property
    def examples(self) -> int:
        return self.real + self.forged


@dataclasses.dataclass(frozen=True)
class Fresh:
    """Settings by which training forges the faces that a split holds.

    Attributes:
        image_size: side of the examples in pixels; the stored faces are larger, see
            `Records.stored_size`.
        methods: names of the forgery methods, one of which is drawn for each forgery.
        forgeries: number of pairs, one real and one forged, of each face in an epoch.
    """

    image_size: int
    methods: tuple[str, ...]
    forgeries: int


@dataclasses.dataclass(frozen=True)
class Split:
    """One split of records.

    Attributes:
        records: its `lrl_keras.data.records.Records`.
        name: `"train"`, `"val"`, `"test"` or `"all"`.
        splits: names of the splits that it consists of.
        shards: its `Shard`s, in the order of the manifest.
        counts: int64 (shards, 2), real examples and those of `methods` of each shard.
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
    def paths(self) -> list[str]:
        return [self.records.path(shard) for shard in self.shards]

    @property
    def image_size(self) -> int:
        """Side of the stored images in pixels."""
        return self.records.stored_size(self.splits[0])

    @property
    def totals(self) -> tuple[int, int]:
        """Numbers of real and of forged examples of an epoch."""
        real, forged = self.counts.sum(axis=0)
        if self.fresh:
            real = forged = real * self.fresh.forgeries
        return int(real), int(forged)

    def verify(self) -> None:
        """Check the shards by their checksums, see `Records.verify`."""
        self.records.verify(self.splits)

    def check_both_classes(self) -> None:
        """Raise `InputError` unless there are real and forged examples."""
        for missing, name in enumerate(("real", "forged")):
            if self.totals[missing] == 0:
                raise InputError(
                    f"{self.records}: split {self.name!r} has {self.totals[1 - missing]} "
                    f"examples, none of them {name}; training needs both: prepare {name} clips too"
                )

    def check_examples(self) -> None:
        """Raise `InputError` where the split holds faces that training forges, not examples."""
        if self.fresh:
            raise no_examples(self.records)


def no_examples(records: Records) -> InputError:
    """Make the `InputError` for a split of faces where examples are needed."""
    return InputError(
        f"{records}: split 'train' holds faces that training forges, not examples; name val or "
        "test, or prepare records without `fresh=True`"
    )
