"""Import features that another program computed into a cache: an extraction whose encoder has already run."""

from ravfeat.importers.plan import ImportOptions, ImportPlan, plan_import

__all__ = ["ImportOptions", "ImportPlan", "plan_import"]
