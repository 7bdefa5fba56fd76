"""Look at a corpus before any head is trained: what is there, what is doubtful, what leaks, what features tell apart.

Facts only, as frozen values; `ravfeat.report.data` makes sections of a page of them.
"""

from ravfeat.callable_module import make_callable

__all__: list[str] = []

make_callable(__name__)
