"""Start the processes of a distributed MXNet job on this machine.

    python -m d2l_ext.vision.launch --workers 2 -- \\
        python -m d2l_ext.vision --kvstore dist_sync ...

MXNet's parameter server wants a scheduler, servers and workers, each the same command
with its role in the environment. For several machines, start the same command on each
with the variables of `environment`, the scheduler's address in DMLC_PS_ROOT_URI.
"""

import argparse
import contextlib
import os
import socket
import subprocess
import sys
import time


def environment(role, workers, servers, port, host='127.0.0.1'):
    """Return the variables that tell a process its role: {name: value}.

    >>> environment('worker', 2, 1, port=9091)['DMLC_ROLE']
    'worker'

    Source: MXNet's page on distributed training.
    """
    return {
        'DMLC_ROLE': role,
        'DMLC_NUM_WORKER': str(workers),
        'DMLC_NUM_SERVER': str(servers),
        'DMLC_PS_ROOT_URI': host,
        'DMLC_PS_ROOT_PORT': str(port),
    }


def launch(command, workers, servers=1, timeout=None):
    """Run `command` in every role and return the largest exit status.

    As soon as one fails, or after `timeout` seconds, the others are ended.
    """
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    roles = ['scheduler', *['server'] * servers, *['worker'] * workers]
    end = None if timeout is None else time.monotonic() + timeout
    with contextlib.ExitStack() as stack:
        running = []
        for role in roles:
            variables = environment(role, workers, servers, port)
            process = subprocess.Popen(command, env={**os.environ, **variables})
            stack.callback(_end, process)
            running.append(process)
        while any(process.poll() is None for process in running):
            if any(process.poll() for process in running):
                break
            if end and time.monotonic() > end:
                return 124
            time.sleep(0.1)
        return max(abs(process.poll() or 0) for process in running)


def _end(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def main(arguments=None):
    """Do what the command line says."""
    parser = argparse.ArgumentParser(prog='python -m d2l_ext.vision.launch')
    parser.add_argument('--workers', type=int, default=2)
    parser.add_argument('--servers', type=int, default=1)
    parser.add_argument('command', nargs='+')
    chosen = parser.parse_args(arguments)
    return launch(chosen.command, chosen.workers, chosen.servers)


if __name__ == '__main__':
    sys.exit(main())
