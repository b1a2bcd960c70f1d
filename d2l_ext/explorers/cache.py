"""What an explorer showed before, and will probably show next, ready to be shown."""

import contextlib
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

SIZE = 256  # settings, as a slider has up to 201 positions
SLOW = 0.02  # seconds: what takes longer would be felt, and is not prepared


class Cache:
    """The results of `compute(values)` for up to `size` settings.

    `key(values)` tells settings apart. All results are forgotten when the cache is
    full, and when the answer of `age()` changes.

    >>> cache = Cache(lambda values: values['x'] ** 2, key=lambda values: values['x'])
    >>> cache.at({'x': 3}), len(cache)
    (9, 1)
    """

    def __init__(
        self,
        compute: Callable[[dict], Any],
        key: Callable[[dict], Hashable],
        age: Callable[[], object] = lambda: None,
        size: int = SIZE,
        slow: float = SLOW,
    ) -> None:
        self.compute, self.key, self.age = compute, key, age
        self.size, self.slow = size, slow
        self._results: dict[Hashable, Any] = {}
        self._age = age()

    def __len__(self) -> int:
        return len(self._results)

    def clear(self) -> None:
        """Forget all results."""
        self._results.clear()

    def at(self, values: dict) -> Any:
        """Return the result for these values; raises what `compute` does."""
        age = self.age()
        if age != self._age or len(self) >= self.size:
            self.clear()
            self._age = age
        key = self.key(values)
        if key not in self._results:
            self._results[key] = self.compute(values)
        return self._results[key]

    def prepare(self, rows: Sequence[dict]) -> Iterator[None]:
        """Compute one result after the other, the first of these settings first.

        Ends early where one takes longer than `slow`, in seconds.
        """
        rows = rows[: self.size - 1]
        missing = [values for values in rows if self.key(values) not in self._results]
        if len(self) + len(missing) >= self.size:
            self.clear()
            missing = [*rows]
        for values in missing:
            begin = time.perf_counter()
            with contextlib.suppress(Exception):  # it is for whoever gets there
                self.at(values)
            if time.perf_counter() - begin > self.slow:
                return
            yield
