"""The control that trains the encoder too: its top layers and a head, on waveforms, fold by fold.

``plan`` says what is to be trained, ``prepared`` checks that it can be (``clips`` reads who is where), ``resume``
is the one place that decides what is still to do and ``checkpoint`` one file of it; ``frozen`` runs what stays as it
is, ``network`` what learns, ``train`` one fold; ``run`` puts them together, ``results`` says what came out.
"""

from ravfeat.finetune.plan import FineTunePlan
from ravfeat.finetune.prepare import prepare
from ravfeat.finetune.resume import remove_work, work_folder
from ravfeat.finetune.run import fine_tune

__all__ = ["FineTunePlan", "fine_tune", "prepare", "remove_work", "work_folder"]
