"""Environment variables of TensorFlow, set for a whole process before TensorFlow is imported."""

import os
import sys
import warnings

# What TensorFlow reads when it is imported, or before its first operation.
TENSORFLOW = {
    # Its default on processors with VNNI instructions alone; faster on others too, and with other
    # last bits.
    "TF_ENABLE_ONEDNN_OPTS": "1",
    # Without it every tensor of more than 32 MB is taken from the kernel page by page and given
    # back, in every step, which takes much of its time.
    "TF_CPU_ALLOCATOR_USE_BFC": "true",
    # It would hold 64 GB at most, less than `--cache` may take on a large machine.
    "TF_CPU_BFC_MEM_LIMIT_IN_MB": str(1 << 24),
}


def configure():
    """Set what makes TensorFlow fast, and the same everywhere, where the environment is silent.

    The command line calls it first; a program of one's own that is to give the same bits as
    `lrl-keras train` calls it before TensorFlow is imported.
    """
    missing = [name for name in TENSORFLOW if name not in os.environ]
    if missing and "tensorflow" in sys.modules:
        warnings.warn(
            f"TensorFlow is imported already: {', '.join(missing)} come too late; call "
            "lrl_keras.system.process.configure() first, or set them in the environment",
            stacklevel=2,
        )
        return
    for name in missing:
        os.environ[name] = TENSORFLOW[name]


def switches():
    """Dict of what the environment says of TensorFlow's speed and rounding, by name."""
    return {name: os.environ.get(name) for name in TENSORFLOW}
