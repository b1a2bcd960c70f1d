"""The command: python -m benchmarks (`benchmarks.measure` says what it takes).

With --gpu it is `benchmarks.gpu`.
"""

import sys

from benchmarks import gpu, measure

if __name__ == '__main__':
    sys.exit((gpu if '--gpu' in sys.argv[1:] else measure).main())
