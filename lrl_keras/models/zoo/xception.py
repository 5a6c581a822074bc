"""The Xception that FaceForensics++ trained: Tables 1 and 2."""

from __future__ import annotations

from typing import Any, ClassVar

from lrl_keras.models.detector import register_detector
from lrl_keras.models.zoo.classifier import Classifier


@register_detector("xception")
class Xception(Classifier):
    """`Classifier` on Xception, by default trained as FaceForensics++ trained it.

    Only the defaults of training differ: the new last layer alone for 3 epochs, then everything
    for 15, with Adam at a constant rate of 2e-4. Arguments and result are those of `Classifier`.
    Without ImageNet's weights, where FaceForensics++ began, it is another experiment.

    Reference: Roessler et al., "FaceForensics++: Learning to Detect Manipulated Facial Images",
    ICCV 2019. The input, 299 x 299 pixels in [-1, 1], and the replaced last layer, without dropout,
    are in the authors' code; rate and batch are quoted from the paper; the epochs, and that the
    best one is kept, are quoted from memory. Ours: one sigmoid output for two of a softmax, classes
    balanced by leaving out fakes where they weighted the loss, mirroring, the best epoch by AUC
    where they took accuracy. Keras pads one map of even side (74) otherwise than PyTorch.
    """

    DEFAULTS: ClassVar[dict[str, Any]] = {
        "head_epochs": 3,
        "epochs": 18,
        "learning_rate": 2e-4,
        "schedule": "constant",
        "batch_size": 32,
        "weight_decay": 0.0,
    }
