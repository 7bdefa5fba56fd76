"""The audit: tries to break a run's number, and says what held, what did not, and what could not be tried.

Offers
------
audit_run, write_audit, Audit, Line.
"""

from ravfeat.audit.lines import Line
from ravfeat.audit.record import Audit, write_audit
from ravfeat.audit.run import audit_run

__all__ = ["Audit", "Line", "audit_run", "write_audit"]
