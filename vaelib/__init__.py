"""Variational autoencoders, small and tested: the code behind the book.

A VAE is a prior and two conditional distributions. The rest follows from them.
"""

from vaelib import schedules
from vaelib.data import Dataset, Images, load
from vaelib.devices import budget, device
from vaelib.divergences import kl_gaussian, kl_standard_normal, reparameterize
from vaelib.evaluation import LogLikelihood, log_likelihood
from vaelib.explore import explore
from vaelib.latents import active_units, log_aggregate, slerp
from vaelib.linear_gaussian import LinearEncoder, LinearGaussian
from vaelib.listing import source
from vaelib.model import VAE, Elbo
from vaelib.networks import StandardNormal
from vaelib.training import FAST, History, evaluate, fit
from vaelib.versions import versions

__version__ = "0.1.0"

__all__ = [
    "FAST",
    "VAE",
    "Dataset",
    "Elbo",
    "History",
    "Images",
    "LinearEncoder",
    "LinearGaussian",
    "LogLikelihood",
    "StandardNormal",
    "active_units",
    "budget",
    "device",
    "evaluate",
    "explore",
    "fit",
    "kl_gaussian",
    "kl_standard_normal",
    "load",
    "log_aggregate",
    "log_likelihood",
    "reparameterize",
    "schedules",
    "slerp",
    "source",
    "versions",
]
