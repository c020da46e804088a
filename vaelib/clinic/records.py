"""The record of each patient: its hints, where it was met, which answers to expect."""

import torch

from vaelib.clinic import beds, half_cures
from vaelib.clinic.patients import PATIENTS, Patient
from vaelib.exercises import probes


def log_weights(generator):
    """Five samples of seven images."""
    log_w = 3 * torch.randn(5, 7, generator=generator)
    return {"moderate log-weights": (log_w,), "those near -1000": (log_w - 1000,)}


PATIENTS += [
    Patient(
        bed="A",
        broken=beds.bed_a,
        hints=(
            "What does the coin score?",
            "What is the default reduction of binary_cross_entropy_with_logits?",
        ),
        met=("y0ast/VAE-Torch#11", "keras-team/keras#3383"),
        mistakes=(half_cures.both_means,),
    ),
    Patient(
        bed="B",
        broken=beds.bed_b,
        hints=(
            "Where should the KL be smallest?",
            "Put in mu = 1, logvar = 0: is that KL positive?",
        ),
        met=("document 002, section 3", "EderSantana/gumbel#3"),
        mistakes=(half_cures.plus_logvar,),
    ),
    Patient(
        bed="C",
        broken=beds.bed_c,
        hints=(
            "What should a black pixel cost when the decoder is certain of it?",
            "What does `_with_logits` in the name of the loss say?",
        ),
        met=("cansyl/DEEPred#5", "FluxML/model-zoo#289"),
    ),
    Patient(
        bed="D",
        broken=beds.bed_d,
        hints=(
            "Can a cross-entropy be negative?",
            "Which values does the target take?",
        ),
        met=("Lasagne/Recipes#54", "mlpack/mlpack#3601"),
        alternatives=(half_cures.standard_input,),
    ),
    Patient(
        bed="E",
        broken=beds.bed_e,
        hints=(
            "Who tells the encoder what the decoder needs?",
            "What is the derivative of torch.normal(mu, sigma) by mu, in autograd?",
        ),
        met=(
            'document 004, "Broken implementation"',
            "Unity-Technologies/ml-agents#5546",
        ),
        mistakes=(half_cures.half_path, half_cures.no_noise),
    ),
    Patient(
        bed="F",
        broken=beds.bed_f,
        hints=(
            "Which values can logvar take, and which should it?",
            "A variance must be positive. A log-variance?",
        ),
        met=("RasmussenLab/vamb#182", "shekkizh/TensorflowProjects#1"),
        mistakes=(half_cures.minus_softplus, half_cures.relu_head),
    ),
    Patient(
        bed="G",
        broken=beds.bed_g,
        hints=(
            "Does the balance of the two terms depend on the batch size?",
            "Over which axes is each term reduced, and how?",
        ),
        met=("document 003, last line", "pytorch/examples#234"),
        mistakes=(half_cures.both_means,),
    ),
    Patient(
        bed="H",
        broken=beds.bed_h,
        hints=(
            "Look at the spread of the codes that reach the decoder.",
            "What is sigma, if logvar is log sigma^2?",
        ),
        met=("rachtsingh/ibp_vae#3", "keras-team/keras#9972"),
        mistakes=(half_cures.no_noise, half_cures.uniform_noise),
        alternatives=(half_cures.log_sigma,),
    ),
    Patient(
        bed="I",
        broken=beds.bed_i,
        hints=(
            "A loss that is too good is a symptom.",
            "Which distribution does z really have, and which one does the KL price?",
        ),
        met=("keras-team/keras#4211",),
        mistakes=(half_cures.no_noise, half_cures.uniform_noise),
    ),
    Patient(
        bed="J",
        broken=beds.bed_j,
        hints=(
            "Where is this KL smallest?",
            "Differentiate it by the variance.",
        ),
        met=("KarenUllrich/Tutorial_BayesianCompressionForDL#8",),
        mistakes=(half_cures.double_kl,),
    ),
    Patient(
        bed="K",
        broken=beds.bed_k,
        hints=(
            "Is the test loss the same function as the training loss?",
            "What does net.training decide?",
        ),
        met=("pytorch/examples#419",),
        mistakes=(half_cures.no_noise,),
    ),
    Patient(
        bed="L",
        broken=beds.bed_l,
        hints=(
            "Should more samples make the bound better or worse?",
            "Which sample dominates this log-sum-exp?",
        ),
        met=("YosefLab/scVI-dev#8", "arahuja/generative-tf#1"),
        reference=beds.importance_weighted,
        probe=probes.call,
        given=log_weights,
        verify=None,
        alike=None,
        mistakes=(
            half_cures.mean_of_logs,
            half_cures.sum_of_weights,
            half_cures.over_images,
            half_cures.overflowing,
        ),
    ),
]
