"""Optimizers and learning-rate schedules, with PyTorch's names and definitions."""

from typing import TYPE_CHECKING

from glassgrad.nn.hints import missing
from glassgrad.nn.optim import lr_scheduler
from glassgrad.nn.optim.algorithms import SGD, Adam, AdamW, RMSprop
from glassgrad.nn.optim.optimizer import Optimizer, clip_grad_norm_

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSprop", "clip_grad_norm_", "lr_scheduler"]

if not TYPE_CHECKING:  # so that type checkers report missing names
    __getattr__ = missing(__name__)
