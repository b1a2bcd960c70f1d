"""Files that are written whole or not at all, and numbers that JSON does not have."""

import contextlib
import math
import os
import threading


def write_whole(path, content):
    """Write text or bytes to the file `path`, whole or not at all."""
    if isinstance(content, str):
        content = content.encode()
    temporary = f'{path}.{os.getpid()}-{threading.get_ident()}.part'
    try:
        with open(temporary, 'wb') as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # some disks say only here that they are full
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def to_strict(value):
    """Return `value` with nan and inf by their names: strict JSON has no such numbers."""
    if isinstance(value, dict):
        return {key: to_strict(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_strict(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {'float': repr(value)}
    return value


def from_strict(fields):
    """Return an object of JSON, or the number that `to_strict` wrote as one."""
    return float(fields['float']) if fields.keys() == {'float'} else fields
