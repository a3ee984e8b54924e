"""``python -m tests.steps``: see `tests.steps.search`."""

import sys

from tests.steps.search import main

if __name__ == "__main__":
    sys.exit(main())
