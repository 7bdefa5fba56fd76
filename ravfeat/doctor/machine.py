"""Python, processors and memory."""

import platform

from ravfeat.doctor.finding import Finding
from ravfeat.resources import memory_budget, physical_memory, processors

__all__ = ["check_machine"]


def check_machine() -> list[Finding]:
    """Report on Python, processors and memory."""
    about = {"python": platform.python_version(), "system": platform.system(), "machine": platform.machine()}
    n, total, budget = processors(), physical_memory(), memory_budget()
    return [
        Finding(
            "system", "python", "ok", f"{about['python']} on {about['system']} {about['machine']}", values=about
        ),
        Finding("system", "processors", "ok", f"{n}, as many as this process may use", values={"processors": n}),
        Finding(
            "system", "memory", "ok",
            f"{total / 1e9:.1f} GB; training takes at most {budget / 1e9:.1f} GB (--memory)",
            values={"total_bytes": total, "budget_bytes": budget},
        ),
    ]  # fmt: skip
