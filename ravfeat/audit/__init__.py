"""The audit: tries to break a run's number, and says what held, what did not, and what could not be tried."""

from ravfeat.audit.record import Audit, write_audit
from ravfeat.audit.run import audit_run
from ravfeat.audit.verdicts import Line
from ravfeat.callable_module import make_callable

__all__ = ["Audit", "Line", "audit_run", "write_audit"]

make_callable(__name__)
