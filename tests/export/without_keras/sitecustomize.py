"""Makes a process one in which neither keras nor lrl_keras can be imported."""

import importlib.machinery
import sys


class _Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("keras", "tf_keras", "lrl_keras"):
            # TensorFlow looks whether there is a Keras, without importing it.
            return importlib.machinery.ModuleSpec(name, self)

    def create_module(self, spec):
        raise ModuleNotFoundError(f"No module named {spec.name!r}", name=spec.name)

    def exec_module(self, module):
        raise AssertionError("never made")


sys.meta_path.insert(0, _Missing())
