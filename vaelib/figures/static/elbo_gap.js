// The gap between the ELBO and log p(x), on a model whose evidence is exact:
// z ~ N(0, 1), x given z ~ N(a z, s^2), and q = N(m, v^2) moved by the reader.

// All terms in nats, for the observation x and q with this mean and log width.
export function elboTerms({ a, s, x }, mean, logWidth) {
  const variance = Math.exp(2 * logWidth);
  const likelihood =
    -0.5 * Math.log(2 * Math.PI * s * s) -
    ((x - a * mean) ** 2 + a * a * variance) / (2 * s * s);
  const prior = 0.5 * (variance + mean * mean - 1 - 2 * logWidth);
  const total = a * a + s * s;
  const evidence = -0.5 * Math.log(2 * Math.PI * total) - (x * x) / (2 * total);
  const exact = { mean: (a * x) / total, variance: (s * s) / total };
  const gap =
    0.5 *
    (variance / exact.variance +
      (mean - exact.mean) ** 2 / exact.variance -
      1 +
      Math.log(exact.variance) -
      2 * logWidth);
  return { likelihood, prior, elbo: likelihood - prior, gap, evidence, exact };
}

function render({ model, el }) {
  const figure = frame({ model, el }, ["mean", "log_width"]);
  const constants = { a: model.get("a"), s: model.get("s"), x: model.get("x") };
  const { exact, evidence } = elboTerms(constants, 0, 0);
  const blue = "var(--vf-0)";
  const pink = "var(--vf-3)";
  const plot = svg("svg", { "aria-hidden": "true" });
  const field = h("div", {
    role: "slider",
    "aria-roledescription": "two-dimensional pad",
    "aria-label": "q: drag sideways for the mean, up and down for the width",
    "aria-valuemin": -3,
    "aria-valuemax": 3,
  }, plot);
  const stack = svg("svg", { role: "img" });
  const terms = h("p", { class: "vf-number", style: "margin-top:.7rem" });
  el.append(
    h("div", { class: "vf-columns", style: "grid-template-columns:1.7fr 1fr" },
      field, h("div", {}, stack)),
    terms,
    h("div", { class: "vf-controls" },
      slider(figure, {
        key: "mean", label: ["mean of ", symbol("q")], name: "mean of q", min: -3, max: 3,
        step: 0.02,
      }),
      slider(figure, {
        key: "log_width", label: ["width of ", symbol("q")],
        name: "standard deviation of q",
        min: -2, max: 0.7, show: (v) => fixed(Math.exp(v)),
      }),
    ),
  );
  const move = (mean, logWidth) => {
    figure.set("log_width", clamp(Math.round(logWidth * 100) / 100, -2, 0.7));
    figure.set("mean", clamp(Math.round(mean * 50) / 50, -3, 3));
  };
  let start = null;
  pad(field, {
    at: (x, y, event) => {
      if (event.type === "pointerdown") start = { y, width: figure.get("log_width") };
      move(-4 + 8 * x, start.width + 2.5 * (y - start.y));
    },
    step: (dx, dy) => move(figure.get("mean") + 0.1 * dx, figure.get("log_width") - 0.05 * dy),
  });

  const HEIGHT = 280;
  const xs = grid(-4, 4, 321);
  const exactCurve = xs.map((z) => normalPdf(z, exact.mean, exact.variance));
  const priorCurve = xs.map((z) => normalPdf(z, 0, 1));
  const curve = (colour, more) => svg("path", { fill: "none", stroke: colour, ...more });
  const priorPath = curve("var(--vf-5)", { "stroke-width": 1.5, "stroke-dasharray": "4 4" });
  const exactPath = curve("var(--vf-ink)", { "stroke-width": 2 });
  const qPath = curve(blue, { "stroke-width": 2.5, fill: blue, "fill-opacity": 0.14 });
  const posteriorWord = svg("tspan");
  const names = [
    svg("text", { class: "vf-quiet" }, "prior ", svg("tspan", { class: "vf-math" }, "p(z)")),
    svg("text", {}, posteriorWord, svg("tspan", { class: "vf-math" }, "p(z|x)")),
    svg("text", { class: "vf-math", "font-size": 18, "text-anchor": "middle" }, "q"),
  ];
  const ticks = svg("g");
  plot.append(ticks, priorPath, exactPath, qPath, ...names);

  function paintPlot(width, mean, logWidth) {
    set(plot, { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}` });
    const x = scale([-4, 4], [12, width - 12]);
    const px = xs.map(x);
    const qCurve = xs.map((z) => normalPdf(z, mean, Math.exp(2 * logWidth)));
    const top = Math.max(1.15, Math.max(...qCurve) * 1.08);
    const y = scale([0, top], [HEIGHT - 30, 24]);
    priorPath.setAttribute("d", line(px, priorCurve.map(y)));
    exactPath.setAttribute("d", line(px, exactCurve.map(y)));
    qPath.setAttribute("d", line(px, qCurve.map(y)));
    const side = exact.mean >= 0 ? 1 : -1;
    set(names[0], {
      x: x(-side * 1.2), y: y(normalPdf(1.1, 0, 1)) - 8,
      "text-anchor": side > 0 ? "end" : "start",
    });
    const peak = normalPdf(exact.mean, exact.mean, exact.variance);
    set(names[1], {
      x: x(exact.mean + side * 0.55 * Math.sqrt(exact.variance)) + side * 6,
      y: y(peak * 0.9), "text-anchor": side > 0 ? "start" : "end",
    });
    posteriorWord.textContent = width > 300 ? "posterior " : "";
    set(names[2], { x: x(mean), y: y(Math.max(...qCurve)) - 8 });
    ticks.replaceChildren(
      axis(x, [-4, -2, 0, 2, 4], { y: HEIGHT - 30 }),
      svg("text", { x: x(3), y: HEIGHT - 12, class: "vf-math", "text-anchor": "middle" }, "z"),
    );
  }

  const zero = svg("line", { stroke: "var(--vf-ink)", "stroke-width": 2 });
  const elboBar = svg("rect", { fill: blue, "fill-opacity": 0.8 });
  const gapBar = svg("rect", { fill: pink, "fill-opacity": 0.75 });
  const texts = {
    evidence: svg("text"),
    gap: svg("text"),
    gapValue: svg("text"),
    elbo: svg("text"),
    elboValue: svg("text"),
  };
  stack.append(elboBar, gapBar, zero, ...Object.values(texts));

  function paintStack(width, values) {
    set(stack, { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}` });
    const y = scale([evidence - 6, evidence], [HEIGHT - 2, 38]);
    const bar = Math.min(64, width * 0.42);
    const at = clamp(y(values.elbo), 38, HEIGHT - 2);
    set(elboBar, { x: 0, y: at, width: bar, height: HEIGHT - 2 - at });
    set(gapBar, { x: 0, y: 38, width: bar, height: at - 38 });
    set(zero, { x1: 0, x2: width, y1: 38, y2: 38 });
    const left = bar + 10;
    const middle = clamp((38 + at) / 2, 62, HEIGHT - 60);
    const place = (name, x, yy, text) => {
      set(texts[name], { x, y: yy });
      texts[name].textContent = text;
    };
    place("evidence", 0, 28, `log p(x) = ${fixed(evidence, 3)}`);
    place("gap", left, middle, width - left > 92 ? "KL(q ‖ p(z|x))" : "gap");
    place("gapValue", left, middle + 17, fixed(values.gap, 3));
    const low = clamp(at + 30, middle + 44, HEIGHT - 24);
    place("elbo", left, low, "ELBO");
    place("elboValue", left, low + 17, fixed(values.elbo, 3));
    stack.setAttribute(
      "aria-label",
      `log p(x) is ${fixed(evidence, 3)} nats, fixed. The ELBO is ` +
        `${fixed(values.elbo, 3)}, the divergence from q to the posterior ` +
        `${fixed(values.gap, 3)}; together they make log p(x).`,
    );
  }

  return figure.start(() => {
    const [mean, logWidth] = [figure.get("mean"), figure.get("log_width")];
    const values = elboTerms(constants, mean, logWidth);
    paintPlot(field.clientWidth, mean, logWidth);
    paintStack(stack.parentElement.clientWidth, values);
    set(field, {
      "aria-valuenow": mean,
      "aria-valuetext": `mean ${fixed(mean)}, width ${fixed(Math.exp(logWidth))}`,
    });
    terms.replaceChildren(
      "ELBO = ", h("span", { class: "vf-math-upright" }, "E"), h("sub", {}, "q"),
      `[log p(x|z)] − KL(q ‖ p(z)) = ${fixed(values.likelihood, 3)} − ` +
        `${fixed(values.prior, 3)} = ${fixed(values.elbo, 3)} nats`,
    );
  });
}

export default { render };
