"""Properties of a file to export."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Chosen:
    """The choices of an export, and the sizes that follow from the network.

    Attributes:
        image_size: side S of the input in pixels.
        frames: F, faces of one input; 1 where that is a face and no sequence.
        crop_size: side to which crops are resized before that.
        outputs: names of the outputs.
        input_type: `"float32"` or `"uint8"`, RGB 0..255.
        quantize: `"none"`, `"float16"` or `"int8"`.
    """

    image_size: int
    crop_size: int
    outputs: tuple[str, ...]
    input_type: str
    quantize: str
    frames: int = 1

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input: (S, S, 3), or (F, S, S, 3)."""
        face = (self.image_size, self.image_size, 3)
        return face if self.frames == 1 else (self.frames, *face)
