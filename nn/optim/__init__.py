"""Optimizers and learning-rate schedules, with PyTorch's names and definitions."""

from nn.optim import lr_scheduler
from nn.optim.optimizers import SGD, Adam, AdamW, Optimizer, RMSprop, clip_grad_norm_

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSprop", "clip_grad_norm_", "lr_scheduler"]
