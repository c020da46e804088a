"""Gaussian densities, expectations and divergences as SymPy expressions, in nats.

Everything is exact: an expectation here is an integral that SymPy does, and a
derivation is a list of lines of which each is proved equal to the one before when the
list is made. Normals are written with their variance. This module needs SymPy only.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import sympy as sp
from sympy.core.function import AppliedUndef
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter

# What SymPy may assume decides what it can prove: without "positive" it must allow
# for a complex sigma, and the integrals come back with a page of conditions.
z, mu, mu_p = sp.symbols("z mu mu_p", real=True)
sigma, sigma_p = sp.symbols("sigma sigma_p", positive=True)


def log_gaussian(z, mu=0, sigma2=1):
    """Log-density of N(mu, sigma2) at z, as an expression.

    Scalars, or for d dimensions z and mu as columns (d, 1) and sigma2 as the
    covariance (d, d).
    Raises ValueError when a scalar sigma2 is not known to be positive.
    Source: document 003 (scalar), document 002, section 2.2.2 (matrix).
    """
    if isinstance(z, sp.MatrixBase):
        shift, d = z - mu, z.rows
        quadratic = (shift.T * _inverse(sigma2) * shift)[0]
        return -d * sp.log(2 * sp.pi) / 2 - _log_det(sigma2) / 2 - quadratic / 2
    sigma2 = _positive("sigma2", sigma2)
    return _sum(-sp.log(2 * sp.pi * sigma2) / 2, -(_sum(z, -mu) ** 2) / (2 * sigma2))


def gaussian(z, mu=0, sigma2=1):
    """Density of N(mu, sigma2) at z, as an expression; arguments of log_gaussian."""
    if isinstance(z, sp.MatrixBase):
        return sp.exp(log_gaussian(z, mu, sigma2))
    sigma2 = _positive("sigma2", sigma2)
    return sp.exp(-((z - mu) ** 2) / (2 * sigma2)) / sp.sqrt(2 * sp.pi * sigma2)


def expectation(expr, z, density):
    """The integral of expr times density over all real z, done by SymPy.

    Logarithms are expanded, factors without z are taken out, and each term
    that remains is integrated from minus to plus infinity. One integral over
    the whole would be the same, but SymPy may take seconds for it, or return
    a page of error functions that it cannot simplify.

    Raises ValueError when SymPy leaves an integral undone, or returns it with
    conditions: say what is real and positive when you make the symbols.
    """
    terms = sp.Add.make_args(sp.expand(sp.expand_log(sp.sympify(expr))))
    split = [term.as_independent(z, as_Add=False) for term in terms]
    parts = [outside * _integral(f, z, density) for outside, f in split]
    return sp.expand(sp.Add(*parts))


@cache
def _integral(f, z, density):
    value = sp.integrate(f * density, (z, -sp.oo, sp.oo))
    value = sp.simplify(value.rewrite(sp.erf))  # SymPy leaves erf + erfc as it is
    if value.has(sp.Integral, sp.Piecewise, sp.nan):
        raise ValueError(
            f"SymPy could not integrate {f} against the density, got {value}; make "
            "the symbols with real=True or positive=True, or simplify the expression."
        )
    return value


def expectation_vector(expr, z, mu, chol):
    """E[expr] for a vector z ~ N(mu, chol chol^T), as d integrals, one after another.

    z = mu + chol eps with eps ~ N(0, I) has this distribution; in the eps the density
    is a product, and one integral over each eps is left.

    Shapes: z and mu (d, 1), chol (d, d) lower triangular, as cholesky gives it.
    """
    eps = [sp.Dummy(f"eps_{i}", real=True) for i in range(z.rows)]
    image = mu + chol * sp.Matrix(eps)
    expr = sp.expand_log(sp.sympify(expr)).subs(
        list(zip(z, image, strict=True)), simultaneous=True
    )
    for e in eps:
        expr = expectation(expr, e, gaussian(e))
    return expr


def cholesky(d, name="l"):
    """A lower triangular (d, d) matrix of symbols, positive on the diagonal.

    Every symmetric positive definite matrix is C C^T for exactly one such C, so what
    holds for this factor holds for all covariances.
    """

    def entry(i, j):
        sign = {"positive": True} if i == j else {"real": True}
        return sp.Symbol(f"{name}_{i + 1}{j + 1}", **sign) if j <= i else 0

    return sp.Matrix(d, d, entry)


def kl_gaussian(mu_q, cov_q, mu_p=0, cov_p=1):
    """KL( N(mu_q, cov_q) || N(mu_p, cov_p) ) in closed form, in nats.

    Scalars (cov is the variance), or columns (d, 1) and matrices (d, d). The formula
    that derive_gaussian_kl and chapter 5 derive, not an integral.
    """
    if isinstance(cov_q, sp.MatrixBase):
        shift, inverse = mu_q - mu_p, _inverse(cov_p)
        squares = (inverse * cov_q).trace() + (shift.T * inverse * shift)[0]
        return (squares - cov_q.rows + _log_det(cov_p) - _log_det(cov_q)) / 2
    cov_q, cov_p = _positive("cov_q", cov_q), _positive("cov_p", cov_p)
    return (cov_q / cov_p + (mu_q - mu_p) ** 2 / cov_p - 1 - sp.log(cov_q / cov_p)) / 2


def equal(a, b):
    """True when SymPy proves a = b; False when it is wrong or stays unproved."""
    if isinstance(a, sp.MatrixBase):
        return a.shape == b.shape and all(map(equal, a, b))
    return _difference(a, b) == 0


def _difference(a, b):
    return sp.simplify(sp.expand_log(sp.expand((sp.sympify(a) - b).doit())))


class Expectation(sp.Expr):
    """E_q[expr], not yet computed; doit() has it integrated by expectation."""

    def __new__(cls, expr, z, density):
        return super().__new__(cls, sp.sympify(expr), z, density)

    def doit(self, **hints):
        return expectation(*self.args)

    def _latex(self, printer):
        inside = self.args[0]
        terms = inside.args if isinstance(inside, sp.Add) else ()
        if len(terms) > 3:  # on two lines, or a phone would cut them off
            rows = (_sum(*terms[:2]), _sum(*terms[2:]))
            first, second = map(printer.doprint, rows)
            second = second if second.startswith("-") else f"+ {second}"
            inside = rf"\begin{{aligned}} &{first} \\ &{second} \end{{aligned}}"
        else:
            inside = printer.doprint(inside)
        return rf"\mathbb{{E}}_q\left[{inside}\right]"

    def _sympystr(self, printer):
        return f"E_q[{printer.doprint(self.args[0])}]"


@dataclass(frozen=True)
class Step:
    """One line of a derivation: the rule that gives it, and the expression."""

    rule: str
    expression: sp.Expr

    def __str__(self):
        text = StrPrinter({"order": "none"}).doprint(self.expression)
        return f"= {text}    [{self.rule}]"

    def _repr_latex_(self):
        return f"$\\displaystyle = {_latex(self.expression)}$"


class Derivation(Sequence):
    """A list of steps, each proved equal to the one before it when the list is made.

    To prove a line, its formal densities are replaced by what `given` says they are,
    its expectations are integrated, and the difference from the line before must
    simplify to zero. The order of the terms is kept as written.

    Raises ValueError that names the first step SymPy cannot prove.
    """

    def __init__(
        self,
        claim: str,
        steps: Sequence[Step],
        given: Mapping[sp.Expr, sp.Expr] | None = None,
    ):
        self.claim, self.steps, self.given = claim, tuple(steps), dict(given or {})
        before = None
        for number, step in enumerate(self.steps, 1):
            value = self._value(step)
            if before is not None and (rest := _difference(value, before)) != 0:
                raise ValueError(
                    f"SymPy cannot prove step {number} ({step.rule}): minus the line "
                    f"before it is {rest}, not 0; correct it, or write it in a form "
                    "that SymPy can simplify."
                )
            before = value

    def _value(self, step):
        line = sp.sympify(step.expression).xreplace(self.given)
        if unknown := line.atoms(AppliedUndef):
            raise ValueError(
                f"the step ({step.rule}) contains {unknown}; say in given= what each "
                "density is."
            )
        return line.doit()  # integrates each Expectation

    def __len__(self):
        return len(self.steps)

    def __getitem__(self, index):
        return self.steps[index]

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)

    def __str__(self):
        return "\n".join([self.claim, *(f"  {step}" for step in self)])

    __repr__ = __str__

    def _repr_latex_(self):
        claim = self.claim.replace("||", r"\,\|\,").replace("KL", r"\mathrm{KL}")
        lines = [
            # The rule stands above its line: beside it, a phone would cut it off.
            rf"& \small\text{{{number}. {step.rule}}} \\"
            "\n"
            rf"& \quad = {_latex(step.expression)}"
            for number, step in enumerate(self, 1)
        ]
        body = " \\\\[0.6em]\n".join([f"& {claim}", *lines])
        return f"$$\n\\begin{{aligned}}\n{body}\n\\end{{aligned}}\n$$"


def derive_gaussian_kl(mu_p=0, sigma_p=1):
    """The derivation of KL( N(mu, sigma^2) || N(mu_p, sigma_p^2) ), step by step.

    From the definition to the closed form, for any mean mu_p and standard deviation
    sigma_p, numbers or symbols; the symbols z, mu and sigma are this module's.
    Making it has SymPy prove each of its steps.

    Source: document 003; document 004, "Analytical KL-Divergence b/t Gaussians".
    """
    mu_p, sigma_p = sp.sympify(mu_p), _positive("sigma_p", sigma_p)
    q, p = sp.Function("q")(z), sp.Function("p")(z)
    log_q, log_p = log_gaussian(z, mu, sigma**2), log_gaussian(z, mu_p, sigma_p**2)
    from_q, from_p = _sum(z, -mu) ** 2, _sum(z, -mu_p) ** 2
    half_q, half_p = 1 / (2 * sigma**2), 1 / (2 * sigma_p**2)
    log_ratio = sp.log(sigma_p / sigma) if sigma_p != 1 else -sp.log(sigma)
    spread = _sum(_sum(mu, -mu_p) ** 2, sigma**2)

    def mean(expr):
        return Expectation(expr, z, q)

    steps = [
        Step("definition of the divergence", mean(sp.log(q / p))),
        Step(
            "a ratio's logarithm is a difference",
            mean(_sum(sp.log(q), -sp.log(p))),
        ),
        Step(
            "put in the two log-densities",
            mean(_sum(*log_q.args, *(-term for term in log_p.args))),
        ),
        Step(
            "collect the logarithms: 2π cancels",
            mean(_sum(log_ratio, -half_q * from_q, half_p * from_p)),
        ),
        Step(
            "the expectation is linear",
            _sum(log_ratio, -half_q * mean(from_q), half_p * mean(from_p)),
        ),
        Step(
            "mean square about q's mean: variance",
            _sum(log_ratio, -half_q * sigma**2, half_p * mean(from_p)),
        ),
        Step(
            "about p's mean: shift² + variance",
            _sum(log_ratio, -sp.Rational(1, 2), half_p * spread),
        ),
        Step(
            "collect, with log σ² = 2 log σ",
            _half(_sum(spread / sigma_p**2, -1, -_log(sigma**2 / sigma_p**2))),
        ),
    ]
    return Derivation(
        "KL(q || p)",
        steps,
        given={q: gaussian(z, mu, sigma**2), p: gaussian(z, mu_p, sigma_p**2)},
    )


# SymPy sorts the terms of a sum and splits log sigma^2; a derivation has to show
# them as a person would write them.


def _sum(*terms):
    terms = [
        part
        for term in map(sp.sympify, terms)
        if term != 0
        for part in (term.args if isinstance(term, sp.Add) else [term])
    ]
    return sp.Add(*terms, evaluate=False) if len(terms) > 1 else terms[0]


def _half(expr):
    return sp.Mul(sp.Rational(1, 2), expr, evaluate=False)


def _log(expr):
    return sp.log(expr, evaluate=False)


class _AsWritten(LatexPrinter):
    """Terms in the order given; brackets only where a person would write them."""

    def __init__(self):
        super().__init__({"order": "none"})

    def _print_log(self, expr, exp=None):
        if exp is not None:
            return super()._print_log(expr, exp)
        (inside,) = expr.args
        bare = not (inside.is_Add or inside.is_Mul) or sp.fraction(inside)[1] != 1
        printed = self._print(inside)
        return rf"\log {printed}" if bare else rf"\log\left({printed}\right)"

    def _print_Function(self, expr, exp=None):
        if isinstance(expr, AppliedUndef) and exp is None:  # q(z)
            return rf"{expr.func.__name__}({', '.join(map(self._print, expr.args))})"
        return super()._print_Function(expr, exp)


def _latex(expr):
    return _AsWritten().doprint(expr)


def _inverse(cov):
    return cov.inv().applyfunc(sp.factor)


def _log_det(cov):
    return sp.expand_log(sp.log(sp.factor(cov.det())))


def _positive(name, value):
    value = sp.sympify(value)
    if not value.is_positive:
        raise ValueError(
            f"{name} must be known to be positive, got {value}; make its symbols with "
            "sympy.symbols(..., positive=True)."
        )
    return value
