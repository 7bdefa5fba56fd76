"""Fine-tuning, a control: the encoder's top layers and a head trained together on waveforms, fold by fold.

``plan`` holds the settings, ``prepare`` checks them (``clips`` reads the recordings), ``resume`` decides what is still
to be trained and ``checkpoint`` is one file of it; ``frozen`` runs the layers that stay as they are, ``network`` the
trained ones, ``fold`` trains one fold in ``steps``; ``run`` puts them together, ``results`` gives a run of it.
"""

from ravfeat.finetune.plan import FineTunePlan
from ravfeat.finetune.prepare import prepare
from ravfeat.finetune.resume import remove_work, work_folder
from ravfeat.finetune.run import fine_tune

__all__ = ["FineTunePlan", "fine_tune", "prepare", "remove_work", "work_folder"]
