"""The datasets that can be prepared, one a file.

A source is a module with

- `NAME`, what the user calls it, and `SUMMARY`, a line that says what it reads;
- `OPTIONS`, a dict of `lrl_keras.system.options.Option` by name;
- `find(root, **options)`, which returns a `tfrecords.clips.Listing` or raises `InputError`;
- `Group`, only where its clips become examples in another way than those of
  `tfrecords.examples.clip_group.Group` do.
"""

from tfrecords.sources import (
    celeb_df,
    dfd,
    dfdc,
    dfdc_preview,
    faceforensics,
    folder,
    photographs,
    self_blended,
    wild_deepfake,
)

SOURCES = {
    module.NAME: module
    for module in (
        faceforensics,
        dfd,
        celeb_df,
        dfdc_preview,
        dfdc,
        wild_deepfake,
        folder,
        photographs,
        self_blended,
    )
}
