"""Optimizers and learning-rate schedules, with PyTorch's names and definitions."""

from glassgrad.nn.optim import lr_scheduler
from glassgrad.nn.optim.algorithms import SGD, Adam, AdamW, RMSprop
from glassgrad.nn.optim.optimizer import Optimizer, clip_grad_norm_

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSprop", "clip_grad_norm_", "lr_scheduler"]
