"""What is doubtful about a `Plan`, in sentences.

`doubts` is the door; `shape` looks at the rates, `lengths` at the arguments of every
part, `objects` at what only a framework's object can have.
"""

from d2l_ext.check.doubts import check

__all__ = ['check']
