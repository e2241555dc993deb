"""`python -m dtrain`."""

import sys

from dtrain.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
