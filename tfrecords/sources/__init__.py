"""The datasets that can be prepared, one a file.

A source is a function `find(root, *, compression, methods, mask_from)` that returns a
`tfrecords.clips.Listing` or raises `InputError`; its module has `NAME`, `METHODS` (the default
ones), `ALL_METHODS` and `COMPRESSIONS`, and `Group` where its clips are no videos.
"""

from tfrecords.sources import faceforensics, photographs

SOURCES = {module.NAME: module for module in (faceforensics, photographs)}
