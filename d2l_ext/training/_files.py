"""Files that are written whole or not at all."""

import contextlib
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
