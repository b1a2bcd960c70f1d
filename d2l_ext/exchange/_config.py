"""."""


def read(obj, *rest):
    raise ValueError("not yet")
