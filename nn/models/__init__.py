"""Complete networks, from the multilayer perceptron to ResNet and Transformers, built from the layers of ``nn``."""

from glassgrad.nn.models.classic import VGG, AlexNet, LeNet5, alexnet, lenet5, vgg11, vgg13, vgg16, vgg19
from glassgrad.nn.models.inception import GoogLeNet, googlenet
from glassgrad.nn.models.mlp import MLP
from glassgrad.nn.models.recurrent import CharRNN, RowRecurrent, char_rnn
from glassgrad.nn.models.resnet import ResNet, resnet18, resnet34, resnet50, resnet101, resnet152
from glassgrad.nn.models.transformer import CharTransformer, RowTransformer, char_transformer

__all__ = [
    "MLP", "VGG", "AlexNet", "CharRNN", "CharTransformer", "GoogLeNet", "LeNet5", "ResNet", "RowRecurrent",
    "RowTransformer", "alexnet", "char_rnn", "char_transformer", "googlenet", "lenet5", "resnet18", "resnet34",
    "resnet50", "resnet101", "resnet152", "vgg11", "vgg13", "vgg16", "vgg19",
]  # fmt: skip
