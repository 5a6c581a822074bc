"""The networks that the tables compare, as settings of a training."""

from lrl_keras.system.options import Option

# Table 4, top to bottom.
ABLATIONS = {
    "RGB": {"frequency": False, "similarity": False},
    "RGB + frequency": {"rfam": False, "similarity": False},
    "RGB + frequency + RFAM": {"similarity": False},
    "RGB + MPSM": {"frequency": False},
    "RGB + frequency + RFAM + MPSM": {},
}
# Its first row is the paper's baseline.
BASELINE, WITHOUT_RFAM, WITHOUT_MPSM, _, WHOLE = ABLATIONS
# The compared systems, in the paper's order, by the name in its tables.
SYSTEMS = {
    "Steg.Features": "steg_features",
    "LD-CNN": "ld_cnn",
    "C-Conv": "c_conv",
    "CP-CNN": "cp_cnn",
    "MesoNet": "meso_inception4",
    "Xception": "xception",
    "Face X-ray": "face_xray",
    "Two-branch RN": "two_branch",
    "F3-Net": "f3_net",
    "LRL": "lrl",
}


def chosen_systems(names):
    """Declare the option of an experiment that trains some of the `SYSTEMS` alone.

    Args:
        names: of detectors, those of the table.

    Returns:
        dict of the option and its default at smoke scale, as `command.run` takes it.
    """
    option = Option(tuple(names), "to train; of the others is shown what is there", names)
    return {"detectors": (option, ("xception", "lrl"))}
