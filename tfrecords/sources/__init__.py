"""The datasets that can be prepared, one a file; a file that is put here is found.

A source is a module with

- `NAME`, what the user calls it, and `SUMMARY`, a line that says what it reads;
- `OPTIONS`, a dict of `lrl_keras.system.options.Option` by name;
- `find(root, **options)`, which returns a `tfrecords.clips.Listing` or raises `InputError`;
- `Group`, only where its clips become examples in another way than those of
  `tfrecords.examples.clip_group.ClipGroup` do.
"""

import sys

from lrl_keras.system import plugins

# Those without a name are what several sources share.
SOURCES = {
    module.NAME: module
    for module in plugins.modules(sys.modules[__name__])
    if hasattr(module, "NAME")
}
