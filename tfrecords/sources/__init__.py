"""The datasets that can be prepared, one a file.

A source is a function `find(root, *, compression, methods, mask_from)` that returns a
`tfrecords.clips.Listing` or raises `InputError`; its module has `NAME`, `METHODS` (the default
ones) and `COMPRESSIONS`.
"""

from tfrecords.sources import faceforensics

SOURCES = {module.NAME: module for module in (faceforensics,)}
