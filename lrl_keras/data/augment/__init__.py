"""Augmentations, one file each."""

from lrl_keras.data.augment.choices import AUGMENTATIONS, augmentation

__all__ = ["AUGMENTATIONS", "augmentation"]
