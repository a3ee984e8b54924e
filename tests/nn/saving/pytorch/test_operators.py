"""Each row of the table of ATen's operations against PyTorch: values and gradients."""

import numpy as np
import pytest

from glassgrad import autograd as ag
from glassgrad import nn
from glassgrad.nn.errors import ConversionError

torch = pytest.importorskip("torch")
F = torch.nn.functional

# x, y: (3, 4); p: x² + .5; z: (2, 4, 6, 6); w: (6, 4, 3, 3); i, j: integers; k: labels of z
# ruff: noqa: E501
GROUPS = {
    "functions": """
        torch.abs(x) torch.exp(x) torch.log(p) torch.sqrt(p) torch.rsqrt(p) torch.neg(x) torch.reciprocal(p) torch.sin(x)
        torch.cos(x) torch.tan(x) torch.sinh(x) torch.cosh(x) torch.asinh(x) torch.atan(x) torch.erf(x) torch.expm1(x)
        torch.log1p(p) torch.log2(p) torch.log10(p) torch.square(x) torch.sign(x) torch.floor(x) torch.ceil(x)
        torch.round(x) torch.trunc(x) torch.exp2(x) torch.acosh(p+1) torch.asin(x/9) torch.acos(x/9) torch.atanh(x/9)
        torch.sinc(x) -(i+16777217) (i-16777218).abs() i.floor() i.ceil() torch.fmod(x,.3)
        i*.5 i%.3 i/2 i**.5 2**i i//2 (i>0)*2 (i>0)*.5 torch.where(i>0,i,.5) torch.cat((i,x[0])) i*x[0,0] i.clamp(.5)
        torch.rsub(i,.5) torch.atan2(i,i+1) x[0].double()>x[0,0] torch.cat((i>0,i>1))
    """,
    "arithmetic": """
        x+y x-y x*y x/p x**2 p**x torch.add(x,y,alpha=2) torch.sub(x,y,alpha=3) torch.rsub(x,y,alpha=2) 3-x 1/p
        torch.maximum(x,y) torch.minimum(x,y) torch.max(x,y) torch.fmod(x,p) torch.remainder(x,p) torch.atan2(x,y)
        torch.where(x>y,x,y) x.masked_fill(x>0,7.) x.clamp(-.5,.5) x.clamp(min=0.) x.clamp_max(.3) torch.lerp(x,y,.3)
        torch.addcmul(x,y,p,value=2.) torch.addcdiv(x,y,p,value=2.) torch.div(x,p,rounding_mode="floor")
        torch.div(x,p,rounding_mode="trunc") torch.hypot(x,y) torch.logaddexp(x,y) torch.xlogy(p,p) torch.copysign(p,x)
        (x>y)&(x>0) (x>=y)|(x<0) (x==x)^(x<=y) ~(x!=y) torch.logical_and(x>0,y>0) torch.isnan(x)
    """,
    "activations": """
        F.relu(x) F.relu6(3*x) F.hardtanh(x) F.hardsigmoid(3*x) F.hardswish(3*x) F.leaky_relu(x,.2) F.elu(x,.7)
        F.selu(x) F.celu(x,.6) F.gelu(x) F.gelu(x,approximate="tanh") F.silu(x) F.mish(x) F.softplus(x,2.,3.)
        F.logsigmoid(x) F.prelu(x,p[0]) F.glu(x) F.threshold(x,.1,-2.) F.softmax(x,-1) F.log_softmax(x,0) torch.sigmoid(x)
        torch.tanh(x) F.softsign(x) F.tanhshrink(x) F.softmin(x,1) F.hardshrink(x,.2) F.softshrink(x,.2)
    """,
    "matrices": """
        x@y.T torch.mm(x,y.T) torch.bmm(z[0],z[1]) torch.mv(x,y[0]) torch.dot(x[0],y[0]) torch.outer(x[0],y[0])
        torch.addmm(x[:,:3],x,y.T,beta=.5,alpha=2.) torch.baddbmm(z[0],z[0],z[1]) torch.einsum("ij,kj->ik",x,y)
        F.linear(x,y,y[:,0]) torch.kron(x,y)
        torch.linalg.solve(x@x.T+3*torch.eye(3),y) torch.linalg.solve(z@z.mT+9*torch.eye(6),z[...,0])
        torch.linalg.cholesky(x@x.T+3*torch.eye(3)) torch.linalg.inv(x@x.T+3*torch.eye(3))
        torch.linalg.det(x@x.T/9+torch.eye(3)) torch.fft.ifft(torch.fft.fft(z,dim=1)).real
        torch.fft.irfft(torch.fft.rfft(z,norm="ortho"),n=5) torch.view_as_complex(z[...,:2]).imag
        F.bilinear(x,y,w[:,:,0,:2].repeat(1,1,2)) F.embedding_bag(j%3,x) F.embedding_bag(j,x,mode="sum",padding_idx=1)
        x.scatter(0,i[None].flip(1),y[:1,:3]) x.scatter_add(1,j,y[:,:2]) x.scatter(1,j,2.)
        F.interpolate(z,scale_factor=2,mode="bicubic") F.interpolate(z,(4,9),mode="bicubic",align_corners=True)
        F.interpolate(z,(4,3),mode="bicubic",antialias=True) F.interpolate(z,(4,9),mode="bilinear",antialias=True)
        F.adaptive_max_pool3d(z,2) F.scaled_dot_product_attention(z,z[:,:2],z[:,2:],enable_gqa=True)
    """,
    "shapes": """
        z.view(2,-1) z.reshape(8,36) z.flatten(1) z.flatten(1,2) z.unflatten(1,(2,2)) z[:1].squeeze(0) z[:1].squeeze()
        x.unsqueeze(1) z.transpose(1,3) x.t() z.permute(0,2,3,1) z.movedim(1,-1) x.T z.mT x.unsqueeze(0).expand(5,-1,4)
        x[:1].expand_as(x) x.repeat(2,3) torch.tile(x,(2,)) x.repeat_interleave(2,dim=1) x.repeat_interleave(2,dim=0,output_size=6) torch.cat((x,y),1)
        torch.stack((x,y),1) *x.split(2) *x.split((1,3),1) *x.chunk(3,1) *x.unbind(1) x.select(1,2) x[1:,::2]
        x.narrow(1,1,2) x[[0,2]] x[:,[1,1]] x.index_select(1,i) x.gather(1,j) x.index_add(0,i,y) x.index_add(1,j[0]*2,y[:,:2],alpha=2.) x.sort(1)[0] x.sort(0,descending=True)[1]
        x.topk(2)[0] x.topk(2,0,False)[1] x.unfold(1,2,1) z.unfold(2,3,2) torch._weight_norm(x,p[:,:1]) F.fold(z[:,:,:4,0],(4,4),(2,2),stride=2) z.flip((2,3)) x.roll(1,0) x.roll((1,2),(0,1))
        F.pad(z,(1,2)) F.pad(z,(1,1,2,0),value=3.) F.pad(z,(1,1,1,1),mode="reflect") F.pad(z,(1,1,1,1),mode="replicate")
        F.pad(z,(1,1,1,1),mode="circular") x.tril() x.triu(1) x.contiguous() x.clone() x.detach() x.double().float()
        x.to(torch.float64) x.type_as(i) x.new_zeros(2) x.new_ones(2) x.new_full((2,),3.) torch.zeros_like(x) torch.empty_like(x).fill_(2.)*x
        torch.ones_like(x) torch.full_like(x,2.) torch.arange(3)+x[:,0] torch.arange(0,1,.25) torch.eye(3) torch.zeros(2)
        torch.full((2,),1.5) x[...,None] x.swapaxes(0,1) torch.meshgrid(x[0],y[0],indexing="ij")[0] x.diff() x.ravel()
    """,
    "reductions": """
        x.sum() x.sum(1) z.sum((2,3),keepdim=True) x.mean() x.mean(0) x.amax(1) x.amin(0) x.prod(1) (x>0).any() (x>0).all(1)
        x.logsumexp(1) x.max() x.min() x.max(1)[0] x.max(1)[1] x.min(0,keepdim=True)[0] x.argmax() x.argmin(1) x.var()
        x.var(1) x.var(1,unbiased=False) x.std(0) x.norm() torch.linalg.vector_norm(x,dim=1) x.cumsum(1) x.cumprod(0)
        x.norm(1) F.normalize(x) F.cosine_similarity(x,y)
        F.cross_entropy(x,i[:3]) F.mse_loss(x,y) F.mse_loss(x,y,reduction="sum") F.l1_loss(x,y) F.smooth_l1_loss(x,y) F.huber_loss(x,y,delta=0.7) F.binary_cross_entropy_with_logits(x,p/9)
        F.smooth_l1_loss(x,y,beta=0.7,reduction="sum") F.huber_loss(x,y,reduction="none") F.nll_loss(x.log_softmax(1),i[:3])
        F.cross_entropy(x,i[:3],ignore_index=1) F.nll_loss(x.log_softmax(1),i[:3],ignore_index=2)
        F.nll_loss(x.log_softmax(1),i[:3],reduction="sum",ignore_index=0) F.nll_loss(x.log_softmax(1),i-i-100,reduction="none")
        F.cross_entropy(x,i-101*(i==1)) F.cross_entropy(x,i-102*(i>1),p[0].detach()) F.cross_entropy(x,p/9) F.cross_entropy(x[:1],i[2:])
        F.cross_entropy(x,i,p[0].detach(),reduction="none",ignore_index=0) F.nll_loss(z,k,reduction="sum") F.nll_loss(x,i,p[0].detach())
        F.cross_entropy(z,k) F.cross_entropy(z,k,p[0].detach()) F.cross_entropy(z,k-k-100,reduction="sum") F.cross_entropy(z,z.softmax(1))
        F.cross_entropy(x,i,label_smoothing=.1) F.cross_entropy(x,i,p[0].detach(),label_smoothing=.2) F.cross_entropy(x,p/9,p[0].detach())
        F.cross_entropy(z,z.softmax(1),label_smoothing=.1)
    """,
    "layers": """
        F.conv2d(z,w) F.conv2d(z,w,stride=2,padding=1) F.conv2d(z,w,padding="same") F.conv2d(z,w[:,:2],groups=2)
        F.conv1d(z[:,:,0],w[:,:,0]) F.conv3d(z[None],w[:2,:2,None]) F.conv_transpose2d(z,w.transpose(0,1),stride=2)
        F.conv_transpose1d(z[:,:,0],w[:4,:,0],padding=1) F.max_pool2d(z,2) F.max_pool2d(z,3,2,1) F.max_pool1d(z[0],2)
        F.avg_pool2d(z,2) F.avg_pool2d(z,3,2,1,count_include_pad=False) F.avg_pool1d(z[0],2) F.adaptive_avg_pool2d(z,1)
        F.adaptive_avg_pool2d(z,(3,2)) F.adaptive_avg_pool1d(z[0],2) F.adaptive_max_pool2d(z,2)
        F.max_pool2d(z,2,return_indices=True)[0] F.layer_norm(x,(4,)) F.layer_norm(x,(4,),p[0],y[0]) F.group_norm(z,2)
        F.group_norm(z,2,p[0],y[0]) F.instance_norm(z) F.rms_norm(x,(4,),p[0]) F.batch_norm(z,x[0].detach(),p[0].detach()) F.dropout(x,.5,False)
        F.batch_norm(z,None,None,p[0],y[0],True) F.embedding(j,x) F.embedding(j,x,0) F.embedding(j,x,-1) F.one_hot(i,5)
        F.scaled_dot_product_attention(z,z.flip(3),z+1) F.scaled_dot_product_attention(z,z,z,is_causal=True)
        F.interpolate(z,scale_factor=2.) F.interpolate(z,(4,9)) F.interpolate(z,(9,4),mode="bilinear")
        F.interpolate(z,(9,4),mode="bilinear",align_corners=True) F.interpolate(z,scale_factor=2.,mode="bilinear")
        F.local_response_norm(z,3) F.pixel_shuffle(z,2) F.dropout2d(z,.5,False)
        x.clone().add_(y) x.clone().mul_(2).relu_() (x+0).clamp_(0.) (x*1).sub_(y)
    """,
}  # fmt: skip


def expressions(name):
    """The expressions of a group, which are separated by spaces outside of brackets."""
    parts, depth, start = [], 0, 0
    text = f"{' '.join(GROUPS[name].split())} "
    for at, character in enumerate(text):
        depth += (character in "([") - (character in ")]")
        if character == " " and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    return parts


class Group(torch.nn.Module):
    def __init__(self, name):
        super().__init__()
        self.code = compile(f"({', '.join(expressions(name))},)", name, "eval")

    def forward(self, x, y, z, w, i, j):
        names = {"torch": torch, "F": F, "x": x, "y": y, "z": z, "w": w, "i": i, "j": j, "p": x * x + 0.5}
        names["k"] = (z[:, 0] > 0) * 3
        return eval(self.code, names)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", GROUPS)
def test_values_and_gradients_equal_pytorchs(name):
    draw = np.random.default_rng(0)
    arrays = [draw.normal(size=shape).astype("float32") for shape in ((3, 4), (3, 4), (2, 4, 6, 6), (6, 4, 3, 3))]
    arrays += [np.array([0, 2, 1]), draw.integers(0, 3, (3, 2))]
    theirs = [torch.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
    ours = [ag.Tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]
    group = Group(name).eval()
    net = nn.from_torch(group, *theirs)
    expected, found = group(*theirs), net(*ours)
    total, our_total = 0, 0
    for i, (a, b) in enumerate(zip(expected, found, strict=True)):
        assert (tuple(a.shape), str(a.dtype).removeprefix("torch.")) == (b.shape, str(b.dtype)), i
        np.testing.assert_allclose(b.data, a.detach().numpy(), atol=2e-5, rtol=2e-5, err_msg=str(i))
        if a.requires_grad:
            weight = draw.normal(size=a.shape).astype(b.dtype)
            total, our_total = total + (a * torch.tensor(weight)).sum(), our_total + (b * weight).sum()
    total.backward()
    our_total.backward()
    for a, b in zip(theirs, ours, strict=True):
        if a.grad is not None:
            np.testing.assert_allclose(b.grad.data, a.grad.numpy(), atol=2e-4, rtol=2e-4)


def test_operations_without_a_row_are_all_named():
    class Net(torch.nn.Module):
        def forward(self, x):
            return torch.special.bessel_j0(x) + torch.special.airy_ai(x).view(torch.int32)

    named = r"nn does not convert: special_airy_ai, special_bessel_j0, view\.dtype\. Replace"
    with pytest.raises(ConversionError, match=named):
        nn.from_torch(Net(), torch.ones(4))


def test_where_the_graph_for_any_batch_has_no_rows_the_one_for_the_example_is_taken():
    class Half(torch.nn.Module):
        def forward(self, x):
            return x[: torch.sym_int(x.shape[0] * 0.5)]

    assert nn.from_torch(Half(), torch.ones(4))(np.ones(4)).shape == (2,)
