"""What the commands do, from Python: one function per file, with the options of the command as keywords.

``ravfeat.extract``, ``ravfeat.fit_heads``, ``ravfeat.fuse``, ``ravfeat.audit``, ``ravfeat.report`` and
``ravfeat.open_run`` are these functions. Nothing here prints: results are returned, what should be changed is a
warning, and whoever wants to follow hands in an `ravfeat.api.observer.Observer`, as the command line does.
"""
