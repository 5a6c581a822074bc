"""The files and folders below a dataset's root."""

import re

from lrl_keras.system import files

# Behind a URL, asking whether each of 100,000 names is a folder would take hours.
_FILE_NAME = re.compile(r".+\.(mp4|mov|avi|png|jpe?g|npy|json|csv|txt|zip|gz|tar)", re.IGNORECASE)


class Folders:
    """The folders below a root, each listed once: asking for every file would take hours.

    Paths are relative to the root, with forward slashes; the root itself is `""`.

    Args:
        root: path or URL.
    """

    def __init__(self, root):
        self.root = root
        self._names = {}

    def names(self, folder):
        """List the names of what lies in a folder, sorted; none where there is no such folder.

        Without hidden ones and those that are no text.
        """
        if folder not in self._names:
            path = files.join(self.root, folder) if folder else self.root
            found = files.names(path) if files.is_folder(path) else ()
            visible = [name for name in found if not name.startswith(".") and _is_text(name)]
            self._names[folder] = dict.fromkeys(visible)
        return self._names[folder].keys()

    def has(self, path):
        """Tell whether a path is there, file or folder."""
        folder, _, name = path.rpartition("/")
        return name in self.names(folder)

    def videos(self, folder):
        """List the names of the MP4s in a folder, sorted."""
        return [name for name in self.names(folder) if name.endswith(".mp4")]

    def walk(self, depth=5):
        """Yield all folders down to `depth` below the root, each before those in it."""
        waiting = [("", 0)]
        for folder, level in waiting:
            yield folder
            if level < depth:
                waiting += [(inner, level + 1) for inner in self._inside(folder)]

    def _inside(self, folder):
        for name in self.names(folder):
            inner = f"{folder}/{name}" if folder else name
            if not _FILE_NAME.fullmatch(name) and files.is_folder(files.join(self.root, inner)):
                yield inner


def _is_text(name):
    """Tell whether a name can be written into records: some file systems hold any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
