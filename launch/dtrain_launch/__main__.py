"""`python -m dtrain_launch …` is `dtrain launch …`."""

import sys

from dtrain_launch.main import main

sys.exit(main(sys.argv[1:]))
