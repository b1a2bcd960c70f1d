"""The command: python -m d2l_ext.install."""

import argparse
import sys
from collections.abc import Sequence

from d2l_ext.install.wheels import install_framework


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog='python -m d2l_ext.install')
    parser.add_argument('what', nargs='?', choices=['mxnet'], default='mxnet')
    parser.parse_args(arguments)
    try:
        print(install_framework())
    except RuntimeError as error:
        sys.exit(f'd2l_ext.install: {error}')


if __name__ == '__main__':
    main()
