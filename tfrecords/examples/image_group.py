"""Many clips of one picture each, as one group."""

from lrl_keras.system import files
from tfrecords.examples.clip_group import Group
from tfrecords.examples.crops import find_in_images

_BATCH = 8


class PictureGroup(Group):
    """A `Group` that looks for the faces of pictures in batches.

    A group of a single picture would leave the detector a batch of one, which takes two to three
    times as long for a picture of 256 pixels. So a source of pictures puts several real ones, with
    their fakes, into one group.
    """

    def __init__(self, clips, root, settings):
        super().__init__(clips, root, settings)
        self._ahead = {}
        self._pictures = list(dict.fromkeys(
            job.clip.path if job.unpaired else job.clip.real or job.clip.path
            for job in self.jobs
            if job.count == 1
        ))  # fmt: skip

    def _find(self, path, indices):
        if self._cropped or path not in self._pictures:
            return super()._find(path, indices)
        if path not in self._ahead:
            start = self._pictures.index(path)
            wanted = self._pictures[start : start + _BATCH]
            found = find_in_images(
                [files.join(self.root, name) for name in wanted],
                self.detector,
                self.settings.margin,
                self.settings.image_size,
            )
            self._ahead = {name: found.get(files.join(self.root, name)) for name in wanted}
        # What is no image after all says so when it is read as a clip.
        return self._ahead.pop(path) or super()._find(path, indices)
