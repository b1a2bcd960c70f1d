"""The command: python -m benchmarks (`benchmarks.measure` says what it takes)."""

import sys

from benchmarks.measure import main

if __name__ == '__main__':
    sys.exit(main())
