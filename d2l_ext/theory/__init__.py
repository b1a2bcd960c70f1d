"""Models without a net: what follows from a schedule, exactly."""

from d2l_ext.theory.consequences import consequence_panels
from d2l_ext.theory.quadratic import (
    CURVATURES,
    expected_loss,
    falling,
    noise_floor,
    spectrum,
    stability_line,
    update_by_update,
)

__all__ = [
    'CURVATURES',
    'consequence_panels',
    'expected_loss',
    'falling',
    'noise_floor',
    'spectrum',
    'stability_line',
    'update_by_update',
]
