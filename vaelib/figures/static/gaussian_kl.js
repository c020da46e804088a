// The divergence between two Gaussians: closed form, integrand, and Monte Carlo.

// KL(N(mu_q, var_q) || N(mu_p, var_p)) in nats, from means and log variances.
export const gaussianKl = (muQ, logvarQ, muP, logvarP) =>
  0.5 *
  (logvarP -
    logvarQ -
    1 +
    Math.exp(logvarQ - logvarP) +
    (muQ - muP) ** 2 * Math.exp(-logvarP));

const logPdf = (x, mu, logvar) =>
  -0.5 * (Math.log(2 * Math.PI) + logvar + (x - mu) ** 2 * Math.exp(-logvar));

// q(x) log(q(x) / p(x)): its signed area is the divergence.
export const integrand = (x, muQ, logvarQ, muP, logvarP) => {
  const log = logPdf(x, muQ, logvarQ);
  return Math.exp(log) * (log - logPdf(x, muP, logvarP));
};

const DRAWS = 100;
const KEPT = 40;

function render({ model, el }) {
  const figure = frame({ model, el }, ["q", "p", "direction"]);
  const q = "var(--vf-0)";
  const p = "var(--vf-1)";
  const plus = "var(--vf-2)";
  const minus = "var(--vf-3)";
  const plot = svg("svg", { role: "img" });
  const strip = svg("svg", { role: "img" });
  const values = h("div", { class: "vf-row vf-number" });
  const again = button("draw again", () => estimate(true));
  const direction = choice(figure, {
    key: "direction",
    name: "direction of the divergence",
    options: [["forward", "KL(q ‖ p)"], ["reverse", "KL(p ‖ q)"]],
  });
  direction.style.setProperty("--vf-accent", "var(--vf-ink)");
  const slides = (key, colour) =>
    h("div", {},
      slider(figure, {
        key, index: 0, colour, min: -3, max: 3, step: 0.05,
        label: symbol(`μ_${key}`), name: `mean of ${key}`,
      }),
      slider(figure, {
        key, index: 1, colour, min: -3, max: 3, step: 0.05,
        label: [h("span", {}, "log "), symbol(`σ_${key}`), h("sup", {}, "2")],
        name: `log variance of ${key}`,
      }),
    );
  el.append(
    plot,
    h("div", { class: "vf-row", style: "justify-content:space-between" }, direction, values),
    strip,
    h("div", { class: "vf-controls" }, slides("q", q), slides("p", p)),
    h("div", { class: "vf-row", style: "margin-top:.4rem" }, again),
  );

  const draw = normals(3);
  let estimates = [];
  let asked = "";
  const pair = () => {
    const [a, b] = [figure.get("q"), figure.get("p")];
    return figure.get("direction") === "forward" ? [...a, ...b] : [...b, ...a];
  };
  function estimate(show = false) {
    const [mu, logvar, mu2, logvar2] = pair();
    const sd = Math.exp(logvar / 2);
    let sum = 0;
    for (let i = 0; i < DRAWS; i++) {
      const x = mu + sd * draw();
      sum += logPdf(x, mu, logvar) - logPdf(x, mu2, logvar2);
    }
    estimates = [...estimates.slice(1 - KEPT), sum / DRAWS];
    if (show) figure.repaint();
  }

  const curves = { q: svg("path"), p: svg("path") };
  for (const [name, colour] of [["q", q], ["p", p]]) {
    set(curves[name], {
      fill: colour, "fill-opacity": 0.1, stroke: colour, "stroke-width": 2,
    });
  }
  const names = [
    svg("text", { class: "vf-math", "text-anchor": "middle", "font-size": 17 }, "q"),
    svg("text", { class: "vf-math", "text-anchor": "middle", "font-size": 17 }, "p"),
  ];
  const above = svg("path", { fill: plus, "fill-opacity": 0.6 });
  const below = svg("path", { fill: minus, "fill-opacity": 0.6 });
  const ticks = svg("g");
  const labels = svg("g");
  plot.append(ticks, above, below, curves.p, curves.q, ...names, labels);

  const xs = grid(-6, 6, 481);
  const HEIGHT = 300;

  function paintPlot(width) {
    const [muQ, logvarQ] = figure.get("q");
    const [muP, logvarP] = figure.get("p");
    const forward = figure.get("direction") === "forward";
    set(plot, { width, height: HEIGHT, viewBox: `0 0 ${width} ${HEIGHT}` });
    const x = scale([-6, 6], [12, width - 12]);
    const px = xs.map(x);
    // Densities: the scale follows the taller one, but a wide bell stays visibly low.
    const densities = [
      xs.map((v) => normalPdf(v, muQ, Math.exp(logvarQ))),
      xs.map((v) => normalPdf(v, muP, Math.exp(logvarP))),
    ];
    const tallest = Math.max(0.45, ...densities[0], ...densities[1]);
    const y = scale([0, tallest], [150, 26]);
    curves.q.setAttribute("d", line(px, densities[0].map(y)));
    curves.p.setAttribute("d", line(px, densities[1].map(y)));
    [muQ, muP].forEach((mu, i) => {
      const high = Math.max(...densities[i]);
      set(names[i], { x: x(mu), y: y(high) - 8 });
    });
    const close = Math.abs(x(muQ) - x(muP)) < 16;
    if (close && Math.abs(y(Math.max(...densities[0])) - y(Math.max(...densities[1]))) < 16) {
      names[0].setAttribute("x", x(muQ) - 12);
      names[1].setAttribute("x", x(muP) + 12);
    }
    const order = forward
      ? [muQ, logvarQ, muP, logvarP]
      : [muP, logvarP, muQ, logvarQ];
    const f = xs.map((v) => integrand(v, ...order));
    // Room for 76 pixels above the line and 42 below it.
    const reach = Math.max(0.3, ...f, (-76 / 42) * Math.min(...f));
    const base = 255;
    const fy = scale([0, reach], [base, base - 76]);
    above.setAttribute("d", area(px, f.map((v) => fy(Math.max(v, 0))), base));
    below.setAttribute("d", area(px, f.map((v) => fy(Math.min(v, 0))), base));
    const [a, b] = forward ? ["q", "p"] : ["p", "q"];
    ticks.replaceChildren(
      axis(x, [-6, -4, -2, 0, 2, 4, 6], { y: 150 }),
      svg("g", { class: "vf-axis" },
        svg("line", { x1: x(-6), x2: x(6), y1: base, y2: base })),
    );
    const step = 12 / 480;
    const parts = [1, -1].map((sign) =>
      f.reduce((sum, v) => sum + Math.max(sign * v, 0) * step, 0));
    const kl = gaussianKl(...order);
    // Tails beyond the picture belong to the areas too: the signed sum is the KL.
    const [positive, negative] = [kl + parts[1], parts[1]];
    labels.replaceChildren(
      svg("text", { x: 2, y: 188 },
        "integrand ",
        svg("tspan", { class: "vf-math" }, a),
        " log(",
        svg("tspan", { class: "vf-math" }, `${a} / ${b}`),
        ")",
      ),
      svg("text", { x: width - 2, y: 188, "text-anchor": "end" },
        svg("tspan", { style: `fill:color-mix(in srgb, ${plus} 75%, var(--vf-ink))` },
          `area ${fixed(positive)}`),
        " − ",
        svg("tspan", { style: `fill:color-mix(in srgb, ${minus} 75%, var(--vf-ink))` },
          fixed(negative)),
        ` = ${fixed(kl)}`,
      ),
    );
    plot.setAttribute(
      "aria-label",
      `Densities of q, mean ${fixed(muQ)}, log variance ${fixed(logvarQ)}, and p, mean ` +
        `${fixed(muP)}, log variance ${fixed(logvarP)}; below them the integrand, ` +
        `signed area ${fixed(kl)} nats.`,
    );
  }

  function paintStrip(width) {
    const height = 74;
    const kl = gaussianKl(...pair());
    const reach = Math.max(1, 2 * kl, ...estimates.map((v) => v * 1.02));
    const nice = 10 ** Math.floor(Math.log10(reach));
    const step = [0.2, 0.5, 1, 2, 5].map((v) => v * nice).find((v) => reach / v <= 6);
    const marks = [];
    for (let v = 0; v <= reach; v += step) marks.push(v);
    const low = Math.min(0, ...estimates);
    const x = scale([low, reach], [14, width - 14]);
    set(strip, { width, height, viewBox: `0 0 ${width} ${height}` });
    const last = estimates.length - 1;
    strip.replaceChildren(
      axis(x, marks, { y: 48, digits: step < 1 ? 1 : 0, end: [4, width - 4] }),
      ...estimates.map((v, i) =>
        svg("circle", {
          cx: x(v), cy: 38, r: i === last ? 5 : 3.5,
          fill: "var(--vf-4)",
          "fill-opacity": i === last ? 1 : 0.08 + (0.3 * i) / KEPT,
        }),
      ),
      svg("line", {
        x1: x(kl), x2: x(kl), y1: 22, y2: 52, stroke: "var(--vf-ink)", "stroke-width": 2,
      }),
      svg("text", { x: width - 2, y: 12, "text-anchor": "end", class: "vf-quiet" },
        `● mean log ratio of ${DRAWS} draws   ┃ closed form (nats)`),
    );
    strip.setAttribute(
      "aria-label",
      `Monte Carlo estimates from ${DRAWS} draws scatter around the closed form, ` +
        `${fixed(kl)} nats; the last is ${fixed(estimates[last] ?? NaN)}.`,
    );
  }

  pulse(figure, 500, () => estimate(true));
  return figure.start((width) => {
    const key = pair().join();
    if (key !== asked) {
      asked = key;
      estimates = [];
      for (let i = 0; i < 8; i++) estimate();
    }
    again.hidden = !stillness();
    const forward = gaussianKl(...figure.get("q"), ...figure.get("p"));
    const reverse = gaussianKl(...figure.get("p"), ...figure.get("q"));
    values.replaceChildren(
      h("span", {}, `KL(q ‖ p) = ${fixed(forward, 3)}`),
      h("span", {}, `KL(p ‖ q) = ${fixed(reverse, 3)}`),
      h("span", { class: "vf-quiet" }, "nats"),
    );
    paintPlot(width);
    paintStrip(width);
  });
}

export default { render };
