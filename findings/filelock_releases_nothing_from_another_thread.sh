#!/bin/sh
# A filelock taken in one thread is not released from another, and nothing says so.
#
# Guess: a FileLock is one lock: whoever holds the object can call release().
# Behaviour: its state is kept per thread (thread_local=True is the default), so in a
#   second thread is_locked is False, release() does nothing and raises nothing, and the
#   file stays locked for every other process until the first thread releases it.
#   It matters where one thread hands out work and another collects it.
# Versions: filelock 4.2.11, Python 3.11.7, Linux x86_64.
# Source: filelock/_api.py, BaseFileLock.release and ThreadLocalFileContext.
# Output seen:
#   thread_local=True: in the other thread locked False, after release still locked True
#   thread_local=False: in the other thread locked True, after release still locked False
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m pip install -q --target "$folder" 'filelock==4.2.11'
PYTHONPATH=$folder python3 - "$folder" > "$folder/seen" <<'PY'
import sys, threading
from filelock import FileLock, Timeout

for local in (True, False):
    path = f'{sys.argv[1]}/{local}.lock'
    lock = FileLock(path, thread_local=local)
    lock.acquire()
    there = []

    def release():
        there.append(lock.is_locked)
        lock.release()

    thread = threading.Thread(target=release)
    thread.start()
    thread.join()
    try:
        FileLock(path, is_singleton=False).acquire(timeout=0)
        held = False
    except Timeout:
        held = True
    print(f'thread_local={local}: in the other thread locked {there[0]}, '
          f'after release still locked {held}')
PY
cat "$folder/seen"
grep -qx 'thread_local=True: in the other thread locked False, after release still locked True' "$folder/seen"
grep -qx 'thread_local=False: in the other thread locked True, after release still locked False' "$folder/seen"
