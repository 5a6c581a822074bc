"""Read the lists that come with a dataset; what is wrong with one is one line that names it."""

import csv
import io
import json
import unicodedata

from lrl_keras.errors import InputError
from lrl_keras.system import files

_AGAIN = "copy the official one again"
# Control signs, halves of signs, and what ends a line.
_UNFIT = ("Cc", "Cs", "Zl", "Zp")


def read_json(path):
    """Read a JSON file.

    Raises:
        InputError: naming the file and, where it is no JSON, the line.
    """
    try:
        return json.loads(files.read_bytes(path))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read ({error}); {_AGAIN}") from None


def read_lines(path):
    """Read the lines of a text file that are not empty: (number from 1, line).

    Raises:
        InputError: naming the file; it cannot be read.
    """
    lines = enumerate(_text(path).splitlines(), 1)
    return [(number, line.strip()) for number, line in lines if line.strip()]


def read_table(path, columns):
    """Read the rows of a CSV file with a header: (number of the line, values).

    Args:
        path: the file.
        columns: names of the columns to read, in the order of the values; others may be there.

    Raises:
        InputError: naming the file and the line; it cannot be read, or a column or value is
            missing.
    """
    rows = csv.reader(io.StringIO(_text(path), newline=""))
    found, header = [], None
    try:
        for row in rows:
            row = [value.strip() for value in row]
            if header is None:
                header = row
                if not set(columns) <= set(header):
                    fail(path, f"expected the columns {','.join(columns)}", ",".join(row), 1)
                places = [header.index(column) for column in columns]
            elif any(row):
                if len(row) < len(header):
                    fail(path, f"expected {len(header)} values", ",".join(row), rows.line_num)
                found.append((rows.line_num, [row[place] for place in places]))
    except csv.Error as error:
        fail(path, f"no row of a table ({error})", "", rows.line_num)
    return found


def is_name(value):
    """Tell whether a value of a list may be the name of a file or folder inside another one."""
    return (
        isinstance(value, str)
        and value not in ("", ".", "..")
        and not any(sign in "/\\" or unicodedata.category(sign) in _UNFIT for sign in value)
    )


def is_path(value):
    """Tell whether a value of a list may be a path that does not lead out of the dataset."""
    return isinstance(value, str) and all(map(is_name, value.split("/")))


def fail(path, what, received, line=None):
    """Raise the `InputError` of a list in which something is wrong.

    Args:
        path: the list.
        what: what was expected.
        received: what stands there instead.
        line: its number.
    """
    place = path if line is None else f"{path}, line {line}"
    text = repr(received)
    text = text if len(text) <= 100 else text[:97] + "..."
    raise InputError(f"{place}: {what}. Received: {text}; {_AGAIN}")


def _text(path):
    try:
        return files.read_bytes(path).decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); {_AGAIN}") from None
