import math

import mpmath
import pytest
import sympy as sp
import torch
from torch.distributions import MultivariateNormal, Normal, kl_divergence

import vaelib
from vaelib import symbolic as sym
from vaelib.symbolic import Derivation, Step, mu, mu_p, sigma, sigma_p, z

HALF = sp.Rational(1, 2)
PRINTED_BY_002 = HALF * (1 + sp.log(sigma**2) - sigma**2 - mu**2)


def column(name, d):
    return sp.Matrix(sp.symbols(f"{name}_1:{d + 1}", real=True))


def numbers(expr, *values):
    """The expression at random values, as a float."""
    return float(sp.N(sp.sympify(expr).subs(dict(values))))


def random_gaussian(d, seed):
    gen = torch.Generator().manual_seed(seed)
    a = torch.randn(d, d, generator=gen, dtype=torch.float64)
    return torch.randn(d, generator=gen, dtype=torch.float64), a @ a.T + torch.eye(d)


# Densities and expectations


def test_density_integrates_to_one_and_is_the_exponential_of_its_logarithm():
    density = sym.gaussian(z, mu, sigma**2)
    assert sp.integrate(density, (z, -sp.oo, sp.oo)) == 1
    assert sym.equal(sp.log(density), sym.log_gaussian(z, mu, sigma**2))


@pytest.mark.parametrize("at", [-1.3, 0.0, 2.5])
def test_log_density_agrees_with_torch(at):
    ours = numbers(sym.log_gaussian(z, mu, sigma**2), (z, at), (mu, 0.7), (sigma, 1.9))
    mean, std, at = torch.tensor([0.7, 1.9, at], dtype=torch.float64)
    assert ours == pytest.approx(Normal(mean, std).log_prob(at).item(), abs=1e-12)


def test_vector_log_density_agrees_with_torch():
    mean, cov = random_gaussian(3, seed=1)
    at, _ = random_gaussian(3, seed=2)
    ours = sym.log_gaussian(*(sp.Matrix(t.tolist()) for t in (at, mean, cov)))
    theirs = MultivariateNormal(mean, cov).log_prob(at)
    assert float(ours) == pytest.approx(theirs.item(), rel=1e-12)


def test_moments():
    density = sym.gaussian(z, mu, sigma**2)
    want = {
        sp.Integer(1): 1,
        z: mu,
        z**2: mu**2 + sigma**2,
        (z - mu) ** 2: sigma**2,
        (z - mu) ** 3: 0,
        (z - mu) ** 4: 3 * sigma**4,
        sp.exp(z): sp.exp(mu + sigma**2 / 2),
    }
    for expr, value in want.items():
        assert sym.equal(sym.expectation(expr, z, density), value), expr


def test_expectation_uses_the_density_it_is_given():
    uniform = sp.Piecewise((1, (z >= 0) & (z <= 1)), (0, True))
    assert sym.expectation(z**2, z, uniform) == sp.Rational(1, 3)
    assert sym.expectation(3, z, 2 * sym.gaussian(z)) == 6  # it need not be normalised


def test_expectation_without_assumptions_is_refused():
    y, m, s = sp.symbols("y m s")
    density = sp.exp(-((y - m) ** 2) / (2 * s**2)) / sp.sqrt(2 * sp.pi * s**2)
    with pytest.raises(ValueError, match="positive=True"):
        sym.expectation(y, y, density)


@pytest.mark.parametrize("function", [sym.gaussian, sym.log_gaussian, sym.kl_gaussian])
@pytest.mark.parametrize("variance", [sp.Symbol("v"), -1, 0])
def test_variance_must_be_positive(function, variance):
    with pytest.raises(ValueError, match="must be known to be positive"):
        function(*((z, mu) if function is not sym.kl_gaussian else (mu,)), variance)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_reparameterised_vector_has_the_gaussian_density(d):
    """Change of variables: what expectation_vector rests on."""
    chol, mean, eps = sym.cholesky(d), column("mu", d), column("eps", d)
    log_q = sym.log_gaussian(mean + chol * eps, mean, chol * chol.T)
    log_jacobian = sp.log(chol.det())
    standard = sum(sym.log_gaussian(e) for e in eps)
    assert sym.equal(log_q, standard - log_jacobian)


@pytest.mark.parametrize("d", [1, 2, 3])
def test_vector_moments(d):
    chol, mean, x = sym.cholesky(d), column("mu", d), column("z", d)
    cov = chol * chol.T
    a = sp.Matrix(d, d, lambda i, j: sp.Symbol(f"a_{i}{j}", real=True))

    def expect(expr):
        return sym.expectation_vector(expr, x, mean, chol)

    assert sym.equal(x.applyfunc(expect), mean)
    assert sym.equal((x * x.T).applyfunc(expect), cov + mean * mean.T)
    quadratic = expect((x.T * a * x)[0])
    assert sym.equal(quadratic, (a * cov).trace() + (mean.T * a * mean)[0])


def test_vector_expectation_equals_the_direct_double_integral():
    x, chol, zero = column("z", 2), sym.cholesky(2), sp.zeros(2, 1)
    density = sp.simplify(sym.gaussian(x, zero, chol * chol.T))
    inner = sp.integrate(x[0] * x[1] * density, (x[1], -sp.oo, sp.oo))
    direct = sp.integrate(sp.simplify(inner), (x[0], -sp.oo, sp.oo))
    assert sym.equal(direct, (chol * chol.T)[0, 1])
    assert sym.equal(direct, sym.expectation_vector(x[0] * x[1], x, zero, chol))


# Divergences


def log_ratio_1d():
    return sym.log_gaussian(z, mu, sigma**2) - sym.log_gaussian(z, mu_p, sigma_p**2)


def test_closed_form_is_the_integral():
    integral = sym.expectation(log_ratio_1d(), z, sym.gaussian(z, mu, sigma**2))
    assert sym.equal(integral, sym.kl_gaussian(mu, sigma**2, mu_p, sigma_p**2))


def test_closed_form_is_the_integral_done_in_one_piece():
    """The same without expectation(): one call of SymPy's integrate."""
    q, p = sym.gaussian(z, mu, sigma**2), sym.gaussian(z)
    integral = sp.integrate(q * sp.log(q / p), (z, -sp.oo, sp.oo))
    assert sym.equal(integral, sym.kl_gaussian(mu, sigma**2))


@pytest.mark.parametrize("d", [1, 2, 3])
def test_matrix_closed_form_is_the_integral(d):
    x, chol_q, chol_p = column("z", d), sym.cholesky(d), sym.cholesky(d, "k")
    q = column("mu", d), chol_q * chol_q.T
    p = column("nu", d), chol_p * chol_p.T
    log_ratio = sym.log_gaussian(x, *q) - sym.log_gaussian(x, *p)
    integral = sym.expectation_vector(log_ratio, x, q[0], chol_q)
    assert sym.equal(integral, sym.kl_gaussian(*q, *p))
    assert not sym.equal(integral, -sym.kl_gaussian(*q, *p))


def test_diagonal_covariance_gives_the_sum_over_dimensions():
    s = sp.symbols("s_1:4", positive=True)
    mean = column("mu", 3)
    full = sym.kl_gaussian(mean, sp.diag(*(v**2 for v in s)), sp.zeros(3, 1), sp.eye(3))
    parts = [sym.kl_gaussian(m, v**2) for m, v in zip(mean, s, strict=True)]
    assert sym.equal(full, sum(parts))


def test_scalar_values_agree_with_torch():
    gen = torch.Generator().manual_seed(0)
    for _ in range(10):
        m, n = torch.randn(2, generator=gen, dtype=torch.float64)
        s, t = torch.randn(2, generator=gen, dtype=torch.float64).exp()
        ours = float(sym.kl_gaussian(m.item(), s.item() ** 2, n.item(), t.item() ** 2))
        theirs = kl_divergence(Normal(m, s), Normal(n, t)).item()
        assert ours == pytest.approx(theirs, rel=1e-11)


@pytest.mark.parametrize("d", [1, 2, 3, 4])
def test_matrix_values_agree_with_torch_and_vaelib(d):
    q, p = random_gaussian(d, seed=d), random_gaussian(d, seed=d + 10)
    ours = float(sym.kl_gaussian(*(sp.Matrix(t.tolist()) for t in (*q, *p))))
    theirs = kl_divergence(MultivariateNormal(*q), MultivariateNormal(*p)).item()
    assert ours == pytest.approx(theirs, rel=1e-10)
    assert ours == pytest.approx(vaelib.kl_gaussian(*q, *p).item(), rel=1e-10)


def test_vaelib_implements_the_expression():
    kl = sp.lambdify((mu, sigma), sym.kl_gaussian(mu, sigma**2), "math")
    for m, s in [(0.0, 1.0), (1.5, 0.2), (-3.0, 4.0)]:
        parameters = torch.tensor([m, 2 * math.log(s)], dtype=torch.float64)
        code = vaelib.kl_standard_normal(*parameters)
        assert code.item() == pytest.approx(kl(m, s), rel=1e-12, abs=1e-15)


def test_formula_printed_by_document_002_is_minus_the_divergence():
    kl = sym.kl_gaussian(mu, sigma**2)
    assert sym.equal(PRINTED_BY_002, -kl)
    assert not sym.equal(PRINTED_BY_002, kl)


# The derivation


@pytest.mark.parametrize("prior", [(0, 1), (mu_p, sigma_p), (-2, HALF)])
def test_derivation_ends_in_the_closed_form(prior):
    steps = sym.derive_gaussian_kl(*prior)
    assert len(steps) == 8
    want = sym.kl_gaussian(mu, sigma**2, prior[0], prior[1] ** 2)
    assert sym.equal(steps[-1].expression, want)


@pytest.mark.parametrize("prior", [(0, 1), (mu_p, sigma_p)])
def test_every_line_has_one_value_by_numerical_quadrature(prior):
    """A second opinion that shares no integral with SymPy's symbolic ones."""
    values = {mu: 0.4, sigma: 0.7, mu_p: -0.3, sigma_p: 1.6}
    steps = sym.derive_gaussian_kl(*prior)
    q = steps.given[sp.Function("q")(z)].subs(values)

    def quadrature(expr):
        f = sp.lambdify(z, (expr * q).subs(values), "mpmath")
        return sp.Float(mpmath.quad(f, [-8, -2, 0.4, 2, 8]))

    def value(step):
        line = step.expression.xreplace(steps.given)
        nodes = line.atoms(sym.Expectation)
        line = line.xreplace({node: quadrature(node.args[0]) for node in nodes})
        return float(line.subs(values))

    first, *rest = map(value, steps)
    assert first > 0.1
    assert rest == pytest.approx([first] * len(rest), abs=1e-9)


def wrong_lines():
    return [
        (2, sp.log(sigma), "a logarithm that should have stayed inside"),
        (4, -sp.log(sigma) - HALF + HALF, "the second moment lost"),
        (5, sp.log(sigma) - HALF + (mu**2 + sigma**2) / 2, "a sign"),
        (6, -sp.log(sigma) - HALF + sigma**2 / 2, "the mean forgotten"),
        (7, PRINTED_BY_002, "document 002"),
        (7, HALF * (mu**2 + sigma**2 - 1 - sp.log(sigma)), "log sigma for log sigma^2"),
    ]


@pytest.mark.parametrize("position, expression, rule", wrong_lines())
def test_a_wrong_step_raises_and_is_named(position, expression, rule):
    right = sym.derive_gaussian_kl()
    steps = list(right)
    steps[position] = Step(rule, expression)
    with pytest.raises(ValueError, match=f"cannot prove step {position + 1}") as error:
        Derivation("KL(q || p)", steps, right.given)
    assert rule in str(error.value)


def test_a_wrong_expectation_raises():
    right = sym.derive_gaussian_kl()
    q = sp.Function("q")(z)
    steps = list(right)
    second_moment = sym.Expectation(z**3, z, q)
    steps[4] = Step("wrong power", -sp.log(sigma) - HALF + second_moment / 2)
    with pytest.raises(ValueError, match="cannot prove step 5"):
        Derivation("KL(q || p)", steps, right.given)


def test_the_same_steps_with_another_density_raise():
    right = sym.derive_gaussian_kl()
    given = {**right.given, sp.Function("p")(z): sym.gaussian(z, 1, 1)}
    with pytest.raises(ValueError, match="cannot prove step 3"):
        Derivation("KL(q || p)", right.steps, given)


def test_a_density_that_was_not_given_raises():
    right = sym.derive_gaussian_kl()
    with pytest.raises(ValueError, match="given="):
        Derivation("KL(q || p)", right.steps)


def test_standard_deviation_of_the_prior_must_be_positive():
    with pytest.raises(ValueError, match="sigma_p must be known to be positive"):
        sym.derive_gaussian_kl(0, -1)


def test_derivation_reads_as_text_and_as_latex():
    steps = sym.derive_gaussian_kl()
    text, latex = str(steps), steps._repr_latex_()
    assert text.splitlines()[0] == "KL(q || p)"
    assert "(mu**2 + sigma**2 - 1 - log(sigma**2))/2" in text.splitlines()[-1]
    assert latex.startswith("$$") and latex.endswith("$$")
    for step in steps:
        assert step.rule in text and step.rule in latex
    # In the order in which a person writes it, with log sigma^2 left whole.
    last = r"\mu^{2} + \sigma^{2} - 1 - \log \sigma^{2}"
    assert last in latex and last in steps[-1]._repr_latex_()
    assert "eps" not in text and "Expectation" not in text


def test_logarithms_have_brackets_where_they_need_them():
    steps = [
        Step("any", sum_)
        for sum_ in (
            sp.log(2 * sigma),
            sp.log(z + 1),
            sp.log(sigma / 3),
            sp.log(sigma) ** 2,
            sp.log(sp.Function("q")(z)),
        )
    ]
    shown = [step._repr_latex_().removeprefix(r"$\displaystyle = ") for step in steps]
    assert shown == [
        r"\log\left(2 \sigma\right)$",
        r"\log\left(1 + z\right)$",
        r"\log \frac{\sigma}{3}$",
        r"\log{\left(\sigma \right)}^{2}$",
        r"\log q(z)$",
    ]
