"""The published networks: their parameters, their names, what they compute, and small inputs."""

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from tests.sampling import waiting

PARAMETERS = {
    "alexnet": 61_100_840,
    "vgg11": 132_863_336,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "googlenet": 13_004_888,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
}
SMALL = ["alexnet", "vgg11", "googlenet", "resnet18", "resnet50"]


def count(model):
    return sum(p.size for p in model.parameters())


@pytest.mark.usefixtures("shapes_only")
@pytest.mark.parametrize("name", sorted(PARAMETERS))
def test_parameters_are_as_many_as_published(name):
    assert count(getattr(nn.models, name)(seed=0)) == PARAMETERS[name]


def test_heads_and_normalisation_change_the_number_of_parameters_as_published():
    assert count(nn.models.googlenet(aux=False, seed=0)) == 6_624_904
    assert count(nn.models.lenet5(seed=0)) == 61_706
    without, normalised = (count(nn.models.vgg11(small=True, batch_norm=b, seed=0)) for b in (False, True))
    assert normalised - without == 2 * (64 + 128 + 2 * 256 + 4 * 512)


@pytest.mark.usefixtures("shapes_only")
@pytest.mark.parametrize("name", SMALL)
def test_parameters_and_buffers_are_named_as_in_torchvision(name):
    torchvision = pytest.importorskip("torchvision")
    options = {"init_weights": False} if name == "googlenet" else {}
    with pytest.importorskip("torch").device("meta"):
        theirs = getattr(torchvision.models, name)(weights=None, **options).state_dict()
    wanted = {key: tuple(value.shape) for key, value in theirs.items() if "num_batches_tracked" not in key}
    ours = {key: value.shape for key, value in getattr(nn.models, name)(seed=0)._named_state()}
    assert ours == wanted


@pytest.mark.parametrize("name", ["resnet18", "googlenet"])
def test_values_and_gradients_are_torchvisions(name):
    torch, torchvision = pytest.importorskip("torch"), pytest.importorskip("torchvision")
    options = {"init_weights": True} if name == "googlenet" else {}
    theirs = getattr(torchvision.models, name)(weights=None, num_classes=7, **options).double().eval()
    ours = getattr(nn.models, name)(7, seed=0, dtype="float64").eval()
    ours.load_state_dict({k: v.numpy() for k, v in theirs.state_dict().items()})
    x = np.random.default_rng(0).normal(size=(2, 3, 64, 64))
    given = torch.tensor(x)
    wanted, found = theirs(given), ours(x)
    np.testing.assert_allclose(found.data, wanted.detach().numpy(), rtol=1e-8, atol=1e-10)
    wanted.square().sum().backward()
    (found * found).sum().backward()
    gradients = {k: p.grad.numpy() for k, p in theirs.named_parameters() if p.grad is not None}
    for key, p in ours.named_parameters():
        if key in gradients:
            np.testing.assert_allclose(p.grad.data, gradients[key], rtol=1e-6, atol=1e-8 * np.abs(gradients[key]).max())


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("size", [16, waiting(32)])
def test_small_images_of_one_channel_train(name, size):
    model = getattr(nn.models, name)(10, channels=1, small=True, seed=0)
    x = np.random.default_rng(0).normal(size=(2, 1, size, size)).astype("float32")
    out = model(x)
    logits = out.logits if isinstance(out, tuple) else out
    assert logits.shape == (2, 10)
    nn.functional.cross_entropy(logits, [3, 7]).backward()
    trained = [p for key, p in model.named_parameters() if not key.startswith("aux")]
    assert all(p.grad is not None and bool(ag.all(ag.isfinite(p.grad))) for p in trained)
