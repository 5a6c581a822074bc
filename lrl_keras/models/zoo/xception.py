"""The Xception that FaceForensics++ trained: Tables 1 and 2."""

from __future__ import annotations

from typing import ClassVar

from lrl_keras.models.detector import register_detector
from lrl_keras.models.zoo.classifier import Classifier
from lrl_keras.optimizers import SCHEDULES
from lrl_keras.system.options import Option


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

    OPTIONS: ClassVar[dict[str, Option]] = {
        **Classifier.OPTIONS,
        "head_epochs": Option(
            3, "first epochs that leave the backbone as it is", least=0, most=1_000_000
        ),
        "epochs": Option(18, "passes over the balanced training split", least=1, most=1_000_000),
        "learning_rate": Option(2e-4, "of the first epoch", least=1e-12, most=1e300),
        "schedule": Option("constant", "of the learning rate", SCHEDULES),
        "batch_size": Option(32, "faces a step, over all GPUs", least=1, most=1_000_000),
        "weight_decay": Option(0.0, "L2 factor, added to the gradient", least=0, most=1),
    }
