"""Every system's scores, with intervals over actors."""
