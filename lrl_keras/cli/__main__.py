"""`python -m lrl_keras.cli`, the same as `lrl-keras`."""

import sys

from lrl_keras.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
