"""Networks packed for the browser: a description in JSON, weights as float16."""

from math import prod

import torch
from torch import Tensor, nn

from vaelib.model import VAE
from vaelib.networks import GaussianEncoder, ImageDecoder

ACTIVATIONS = {
    nn.ReLU: "relu",
    nn.Tanh: "tanh",
    nn.Sigmoid: "sigmoid",
    nn.SiLU: "silu",
    nn.Softplus: "softplus",
}
LARGEST_HALF = 65504.0


def half_bytes(*tensors: Tensor) -> bytes:
    """Tensors one after the other as little-endian float16."""
    flat = torch.cat([t.detach().cpu().double().flatten() for t in tensors] or [])
    if not torch.isfinite(flat).all() or flat.abs().max() > LARGEST_HALF:
        raise ValueError(
            "The weights hold numbers that do not fit into 16 bits (infinite, not a "
            "number, or above 65504): train with a smaller learning rate."
        )
    return flat.numpy().astype("<f2").tobytes()


def describe(
    module: nn.Module, shape: tuple[int, ...]
) -> tuple[list[dict], list, tuple]:
    """Layers, parameters in order, and the shape of the output, for one input shape.

    Knows Linear, Conv2d, ConvTranspose2d, Flatten, Unflatten and elementwise
    activations in an nn.Sequential. Raises TypeError for anything else.
    """
    if isinstance(module, nn.Sequential):
        layers, parameters = [], []
        for part in module:
            more, weights, shape = describe(part, shape)
            layers += more
            parameters += weights
        return layers, parameters, shape
    if isinstance(module, nn.Linear):
        layer = {
            "kind": "linear",
            "inputs": module.in_features,
            "outputs": module.out_features,
        }
        return [layer], [module.weight, _bias(module)], (module.out_features,)
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        return _convolution(module, shape)
    if isinstance(module, nn.Flatten):
        return [], [], (prod(shape),)
    if isinstance(module, nn.Unflatten):
        return [], [], tuple(module.unflattened_size)
    if isinstance(module, nn.Identity | nn.Dropout):
        return [], [], shape
    if isinstance(module, nn.Softplus) and (module.beta, module.threshold) != (1, 20):
        raise TypeError("Live figures know nn.Softplus with its default beta only.")
    if type(module) in ACTIVATIONS:
        return [{"kind": ACTIVATIONS[type(module)]}], [], shape
    raise TypeError(
        f"Live figures do not know the layer {type(module).__name__}: use "
        "vaelib.explore(vae), which decodes through the model itself."
    )


def pack_decoder(vae: VAE) -> tuple[dict, bytes]:
    """The decoder of a VAE: what figures' `decoder` and `weights` hold."""
    decoder = vae.decoder
    if not isinstance(decoder, ImageDecoder):
        raise TypeError(
            "Live figures know decoders of VAE.mlp and VAE.conv, got "
            f"{type(decoder).__name__}: use vaelib.explore(vae), which decodes through "
            "the model itself."
        )
    layers, parameters, _ = describe(decoder.logits, (latent_dim(vae),))
    kinds = {
        "Bernoulli": "bernoulli",
        "ContinuousBernoulli": "continuous_bernoulli",
        "Gaussian": "gaussian",
        "DiscretizedLogistic": "discretized_logistic",
    }
    likelihood = {"name": kinds[type(decoder.likelihood).__name__]}
    if likelihood["name"] == "gaussian":
        likelihood["sigma"] = decoder.likelihood.log_sigma.exp().item()
    if likelihood["name"] == "discretized_logistic":
        likelihood["scale"] = decoder.likelihood.log_scale.exp().item()
    description = {
        "layers": layers,
        "shape": list(decoder.shape),
        "likelihood": likelihood,
    }
    return description, half_bytes(*parameters)


def pack_encoder(vae: VAE) -> tuple[dict, bytes]:
    """The encoder of a VAE as one network from pixels to (mean, log variance)."""
    encoder = vae.encoder
    if not isinstance(encoder, GaussianEncoder):
        raise TypeError(
            "Live figures know encoders of VAE.mlp and VAE.conv, got "
            f"{type(encoder).__name__}."
        )
    layers, parameters, width = describe(encoder.features, vae.shape)
    heads = {"kind": "linear", "inputs": prod(width), "outputs": 2 * latent_dim(vae)}
    parameters += [
        torch.cat([encoder.mu.weight, encoder.logvar.weight]),
        torch.cat([encoder.mu.bias, encoder.logvar.bias]),
    ]
    return {"layers": [*layers, heads]}, half_bytes(*parameters)


def latent_dim(vae: VAE) -> int:
    """The number of latent dimensions, from the prior."""
    return vae.prior().event_shape[-1]


def _bias(module) -> Tensor:
    if module.bias is not None:
        return module.bias
    return torch.zeros(module.weight.shape[0])


def _convolution(module, shape):
    transposed = isinstance(module, nn.ConvTranspose2d)
    kernel, stride, padding = module.kernel_size, module.stride, module.padding
    plain = (
        isinstance(padding, tuple)
        and all(len(set(pair)) == 1 for pair in (kernel, stride, padding))
        and module.groups == 1
        and set(module.dilation) == {1}
        and module.padding_mode == "zeros"
        and not any(module.output_padding)
        and module.bias is not None
    )
    if not plain:
        raise TypeError(
            "Live figures know convolutions with square kernels, a bias, and without "
            "groups, dilation or output padding: use vaelib.explore(vae)."
        )
    k, s, p = kernel[0], stride[0], padding[0]
    channels, *size = shape
    if transposed:
        out = [(n - 1) * s - 2 * p + k for n in size]
    else:
        out = [(n + 2 * p - k) // s + 1 for n in size]
    layer = {
        "kind": "conv_transpose" if transposed else "conv",
        "inputs": module.in_channels,
        "outputs": module.out_channels,
        "kernel": k,
        "stride": s,
        "padding": p,
        "size": size,
        "out": out,
    }
    return [layer], [module.weight, module.bias], (module.out_channels, *out)
