"""The networks that the tables compare, as settings of a training."""

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
LRL = {}
# Roessler et al. train the head alone at first, on pretrained weights.
XCEPTION = {"detector": "classifier", "backbone": "xception", "head_epochs": 3}
