"""When rates count as the same."""

import pytest


def close(rates):
    """Return what equals these rates up to rounding."""
    return pytest.approx(rates, rel=1e-9, abs=1e-15)
