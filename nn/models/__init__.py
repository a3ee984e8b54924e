"""Complete networks, from the multilayer perceptron to ResNet and Transformers, built from the layers of ``nn``."""

from nn.models.alexnet import AlexNet, alexnet
from nn.models.char_rnn import CharRNN, char_rnn
from nn.models.googlenet import GoogLeNet, googlenet
from nn.models.lenet import LeNet5, lenet5
from nn.models.mlp import MLP
from nn.models.recurrent import RowRecurrent
from nn.models.resnet import ResNet, resnet18, resnet34, resnet50, resnet101, resnet152
from nn.models.transformer import CharTransformer, RowTransformer, char_transformer
from nn.models.vgg import VGG, vgg11, vgg13, vgg16, vgg19

__all__ = [
    "MLP", "VGG", "AlexNet", "CharRNN", "CharTransformer", "GoogLeNet", "LeNet5", "ResNet", "RowRecurrent",
    "RowTransformer", "alexnet", "char_rnn", "char_transformer", "googlenet", "lenet5", "resnet18", "resnet34",
    "resnet50", "resnet101", "resnet152", "vgg11", "vgg13", "vgg16", "vgg19",
]  # fmt: skip
