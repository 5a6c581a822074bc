"""`manifest.json`: the contents of a folder of records, and the check of its shards."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lrl_keras.data.schema import SCHEMA_VERSION
from lrl_keras.errors import InputError
from lrl_keras.system import checksums, files

MANIFEST = "manifest.json"
SPLITS = ("train", "val", "test")

_SEAL = "sha256"
_ANEW = "make the records anew with `lrl-keras prepare --overwrite`"
_AGAIN = "run the same `lrl-keras prepare` again to restore it"


def write(folder: str | os.PathLike[str], manifest: Mapping[str, Any]) -> None:
    """Write `manifest` to `folder` by rename, so that it is never there in part.

    Args:
        folder: the records' folder, a path or URL.
        manifest: dict that `read` accepts.
    """
    content = {"schema_version": SCHEMA_VERSION, **manifest}
    content.pop(_SEAL, None)
    sealed = {**content, _SEAL: _digest(content)}
    files.write_text(files.join(folder, MANIFEST), _text(sealed))


def read(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the manifest of the records in `folder` and check its checksum and form.

    Args:
        folder: the records' folder, a path or URL.

    Returns:
        dict with `schema_version`, `source`, `arguments`, `versions`, `counts`, `clips` and
        `shards`; `shards[i]` has `name`, `split`, `examples`, `labels` (`{"0": n, "1": n}`) and
        `sha256`; `arguments` has `image_size` and `margin`.

    Raises:
        InputError: no manifest, damaged, changed by hand, or of another schema version.
    """
    return opened(folder)[0]


def opened(folder: str | os.PathLike[str]) -> tuple[dict[str, Any], str]:
    """Return the result of `read`, and the SHA-256 of the file, which identifies the records."""
    files.require(folder)
    path = files.join(folder, MANIFEST)
    try:
        contents = files.read_bytes(path)
        text = contents.decode()
        manifest = json.loads(text)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(
            f"{path}: not found; {folder} is no folder of finished records "
            "(make one with `lrl-keras prepare`, or let an interrupted one finish)"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the place") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read ({error}); {_ANEW}") from None
    _check(path, manifest)
    seal = manifest.pop(_SEAL, None)
    if seal != _digest(manifest) or text != _text({**manifest, _SEAL: seal}):
        raise InputError(f"{path}: damaged or changed, its own SHA-256 does not hold; {_ANEW}")
    return manifest, hashlib.sha256(contents).hexdigest()


def verify(
    folder: str | os.PathLike[str],
    manifest: dict[str, Any],
    splits: Sequence[str] = SPLITS,
    *,
    progress: bool = True,
) -> None:
    """Check that every shard of `splits` is there and has the manifest's SHA-256.

    Only a checksum of the whole file reveals a TFRecord file that is cut off between two records:
    it reads as a shorter file without any error.

    Args:
        folder: the records' folder, a path or URL.
        manifest: what `read` returned for it.
        splits: names of the splits whose shards are checked.
        progress: show a bar on standard error where it takes long.

    Raises:
        InputError: naming the first shard that is missing, or else the first damaged one.
    """
    for _, fault in faults(folder, manifest, splits, progress=progress):
        raise InputError(fault)


def faults(
    folder: str | os.PathLike[str],
    manifest: dict[str, Any],
    splits: Sequence[str] = SPLITS,
    *,
    progress: bool = True,
) -> Iterator[tuple[str, str]]:
    """Find every shard of `splits` that is missing or lacks the manifest's SHA-256.

    Args:
        folder, manifest, splits, progress: as in `verify`.

    Yields:
        (name of the shard, one line that names the file and the remedy), missing shards first.
    """
    absent = dict(missing(folder, manifest, splits))
    yield from absent.items()
    shards = [shard for shard in _of(manifest, splits) if shard["name"] not in absent]
    paths = [files.join(folder, shard["name"]) for shard in shards]
    digests = checksums.sha256(paths, progress=progress)
    for shard, path, digest in zip(shards, paths, digests, strict=True):
        if digest != shard["sha256"]:
            yield shard["name"], _fault(path, digest)


def missing(
    folder: str | os.PathLike[str], manifest: dict[str, Any], splits: Sequence[str] = SPLITS
) -> Iterator[tuple[str, str]]:
    """Find every missing shard of `splits`, without reading any; yield the same as `faults`."""
    shards = _of(manifest, splits)
    paths = [files.join(folder, shard["name"]) for shard in shards]
    for shard, path, size in zip(shards, paths, checksums.sizes(paths), strict=True):
        if isinstance(size, OSError):
            yield shard["name"], _fault(path, size)


def _of(manifest, splits):
    return [shard for shard in manifest["shards"] if shard["split"] in splits]


def _fault(path, found):
    """Describe the fault of a shard; `found` is its checksum, or the `OSError` of reading it."""
    if isinstance(found, FileNotFoundError):
        what = f"missing, though {MANIFEST} lists it"
    elif isinstance(found, OSError):
        what = f"cannot be read ({found.strerror})"
    else:
        what = f"damaged, its SHA-256 is not the one in {MANIFEST}"
    return f"{path}: {what}; {_AGAIN}"


def _text(content):
    return json.dumps(content, indent=1, sort_keys=True) + "\n"


def _digest(content):
    return hashlib.sha256(_text(content).encode()).hexdigest()


def _check(path, manifest):
    def fail(what):
        raise InputError(f"{path}: {what}; {_ANEW}")

    if not isinstance(manifest, dict):
        fail("expected a JSON object")
    if manifest.get("schema_version") != SCHEMA_VERSION:
        fail(
            f"expected schema version {SCHEMA_VERSION}, received {manifest.get('schema_version')!r}"
        )
    for field, kind in {
        "source": str,
        "arguments": dict,
        "counts": dict,
        "clips": list,
        "shards": list,
        "versions": dict,
    }.items():
        if not isinstance(manifest.get(field), kind):
            fail(f"field {field!r} is missing or no {kind.__name__}")
    if not isinstance(manifest["arguments"].get("image_size"), int):
        fail("field 'arguments.image_size' is missing or no int")
    for shard in manifest["shards"]:
        complete = isinstance(shard, dict) and (
            isinstance(shard.get("name"), str)
            and shard.get("split") in SPLITS
            and isinstance(shard.get("examples"), int)
            and isinstance(shard.get("labels"), dict)
            and isinstance(shard.get("sha256"), str)
        )
        if not complete:
            fail(f"incomplete entry in 'shards': {shard!r}")
        if files.name_of(shard["name"]) != shard["name"] or shard["name"] in (".", ".."):
            fail(f"shard name {shard['name']!r} leads out of the folder")
