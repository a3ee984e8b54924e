"""Complete networks, from the multilayer perceptron to ResNet and Transformers, built from the layers of ``nn``."""

from nn.models.classic import VGG, AlexNet, LeNet5, alexnet, lenet5, vgg11, vgg13, vgg16, vgg19
from nn.models.inception import GoogLeNet, googlenet
from nn.models.language import CharRNN, char_rnn
from nn.models.mlp import MLP
from nn.models.recurrent import RowRecurrent
from nn.models.resnet import ResNet, resnet18, resnet34, resnet50, resnet101, resnet152
from nn.models.transformer import CharTransformer, RowTransformer, char_transformer

__all__ = [
    "MLP", "VGG", "AlexNet", "CharRNN", "CharTransformer", "GoogLeNet", "LeNet5", "ResNet", "RowRecurrent",
    "RowTransformer", "alexnet", "char_rnn", "char_transformer", "googlenet", "lenet5", "resnet18", "resnet34",
    "resnet50", "resnet101", "resnet152", "vgg11", "vgg13", "vgg16", "vgg19",
]  # fmt: skip
