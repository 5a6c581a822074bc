"""A user's own list of images and videos: a CSV file.

path,label,source,identity,method,split
real/a.mp4,real,,anna,,train
fake/b.mp4,fake,real/a.mp4,anna,faceswap,train

`path` and `label` (real or fake, 0 or 1) must be there. Paths are relative to the root.
"""

import csv
import io
import itertools
import os
import posixpath

from lrl_keras.errors import InputError
from lrl_keras.system import files
from tfrecords.sources.folders import Folders
from tfrecords.sources.own_files import KINDS, SPLIT_NAMES, Item

REQUIRED = ("path", "label")
OPTIONAL = ("source", "identity", "method", "split")

_DELIMITERS = ",;\t"
_LABELS = {"0": 0, "real": 0, "1": 1, "fake": 1}


def in_list(root, path):
    """Read the items of a list.

    Args:
        root: path or URL of what the list's paths are relative to.
        path: of the CSV file, UTF-8 with a header, its columns parted by comma, semicolon or tab;
            looked for below the root too.

    Returns:
        list of `Item` in the order of the list, and the names of the columns that are not read.

    Raises:
        InputError: naming the list and the line: it cannot be read, a column is missing, a value
            is none of those expected, a path leads out of the root or stands there twice, or a
            source is a fake, that of a real clip, or in another split.
    """
    if not files.is_folder(root):
        raise InputError(f"{root}: no such folder; give the one that the paths of {path} begin at")
    if not files.is_file(path) and files.is_file(files.join(root, path)):
        path = files.join(root, path)
    columns, rows = _rows(path)
    folders = Folders(root)
    items, lines = [], {}
    for line, row in rows:
        try:
            item = _item(row, root, folders)
            if item.path in lines:
                raise InputError(f"{item.path} stands in line {lines[item.path]} already")
        except InputError as error:
            raise InputError(f"{path}, line {line}: {error}") from None
        items.append(item)
        lines[item.path] = line
    if not items:
        raise InputError(f"{path}: no line below the header; expected one for each clip")
    _check_sources(path, items, lines)
    _check_splits(path, items, lines)
    return items, [name for name in columns if name and name not in (*REQUIRED, *OPTIONAL)]


def _rows(path):
    """Read the names of the columns, and (line number, dict of values by column) of the rows."""
    file = io.StringIO(_text(path), newline="")
    header = file.readline()
    columns, delimiter = _columns(path, header)
    reader = csv.reader(itertools.chain([header], file), delimiter=delimiter, strict=True)
    rows = []
    try:
        next(reader)
        for values in reader:
            if not any(map(str.strip, values)):
                continue
            if len(values) != len(columns):
                raise InputError(
                    f"{path}, line {reader.line_num}: expected {len(columns)} values as in the "
                    f"header. Received: {len(values)}; put a value that holds {delimiter!r} in "
                    "quotation marks"
                )
            stripped = map(str.strip, values)
            rows.append((reader.line_num, dict(zip(columns, stripped, strict=True))))
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: no line of a CSV ({error})") from None
    return columns, rows


def _columns(path, header):
    """Read the names of the columns, and the sign between them."""
    for delimiter in _DELIMITERS:
        columns = [name.strip().strip('"').lower() for name in header.split(delimiter)]
        if set(REQUIRED) <= set(columns):
            return columns, delimiter
    raise InputError(
        f"{path}, line 1: expected the columns {', '.join(REQUIRED)} and, where known, "
        f"{', '.join(OPTIONAL)}. Received: {header.strip()[:100]!r}"
    )


def _text(path):
    try:
        return files.read_bytes(path).decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not in UTF-8; save it as 'CSV UTF-8'") from None


def _item(row, root, folders):
    label = row["label"].lower()
    if label not in _LABELS:
        raise InputError(f"label must be real, fake, 0 or 1. Received: {row['label']!r}")
    split = row.get("split", "").lower()
    if split and split not in SPLIT_NAMES:
        raise InputError(f"split must be train, val or test. Received: {row['split']!r}")
    label, path = _LABELS[label], _path(row["path"], root)
    source = _path(row["source"], root) if row.get("source") else None
    if source and not label:
        raise InputError("only a fake has a source")
    method = row.get("method") if label else None
    if method == KINDS[0]:
        raise InputError(f"method of a fake must not be {method}")
    return Item(
        path,
        label,
        method or KINDS[label],
        SPLIT_NAMES.get(split),
        row.get("identity") or None,
        source,
        there=folders.has(path),
        source_there=bool(source) and folders.has(source),
    )


def _path(value, root):
    """Normalise a path to one below the root, without detours."""
    base = os.fspath(root) if files.is_url(root) else os.path.abspath(root)
    inside = value.removeprefix(base.rstrip("/") + "/")
    path = posixpath.normpath(inside) if inside else "."
    outside = path in (".", "..") or path.startswith(("../", "/")) or files.is_url(inside)
    if outside or not path.isprintable():
        raise InputError(f"{value!r} is no path of a file below {root}")
    return path


def _check_sources(path, items, lines):
    fakes = {item.path for item in items if item.label}
    for item in items:
        if item.source in fakes:
            raise InputError(
                f"{path}, line {lines[item.path]}: its source {item.source} is a fake itself (line "
                f"{lines[item.source]}); give the real clip that it was made from"
            )


def _check_splits(path, items, lines):
    """Check that all clips have a split or none has, and a fake that of its real clip."""
    kin = {}
    for item in items:
        if (item.split is None) != (items[0].split is None):
            has, lacks = (item, items[0]) if item.split else (items[0], item)
            raise InputError(
                f"{path}, line {lines[lacks.path]}: no split, but line {lines[has.path]} has one; "
                "give all lines one, or none"
            )
        other = kin.setdefault(item.source or item.path, item)
        if item.split != other.split:
            raise InputError(
                f"{path}, line {lines[item.path]}: {item.split}, but line {lines[other.path]} is "
                f"{other.split}; a fake, its source and that one's other fakes belong to one split"
            )
