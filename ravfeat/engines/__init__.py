"""Extraction by several processes: on this machine, on a Ray cluster, as jobs of Slurm."""
