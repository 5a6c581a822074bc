"""Many clips of one image each, as one group."""

from lrl_keras.system import files
from tfrecords.examples.clip_group import ClipGroup
from tfrecords.examples.crops import find_in_images

_BATCH = 8


class ImageGroup(ClipGroup):
    """A `ClipGroup` that looks for the faces of images in batches.

    A group of a single image would leave the face detector a batch of one, which takes two to
    three times as long for an image of 256 pixels. So a source of images puts several real ones,
    with their fakes, into one group.
    """

    def __init__(self, clips, root, settings):
        super().__init__(clips, root, settings)
        self._ahead = {}
        self._images = list(dict.fromkeys(
            job.clip.path if job.unpaired else job.clip.real or job.clip.path
            for job in self.jobs
            if job.count == 1
        ))  # fmt: skip

    def _find(self, path, indices):
        if self._cropped or path not in self._images:
            return super()._find(path, indices)
        if path not in self._ahead:
            start = self._images.index(path)
            wanted = self._images[start : start + _BATCH]
            found = find_in_images(
                [files.join(self.root, name) for name in wanted],
                self.detector,
                self.settings.margin,
                self.settings.image_size,
            )
            self._ahead = {name: found.get(files.join(self.root, name)) for name in wanted}
        # A file that is no image after all raises its error when it is read as a clip.
        return self._ahead.pop(path) or super()._find(path, indices)
