"""The paper's tables and figures, and a study that needs no licence; one command each."""

from lrl_keras.system.quiet import import_tensorflow

import_tensorflow()
