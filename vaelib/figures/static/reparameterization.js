// z = mu + sigma * epsilon: fixed draws, moved smoothly, and the way back of the gradient.

const TARGET = 2; // the loss is (z - 2)^2 / 2

// The loss at each sample, and the gradients of its mean, from the draws epsilon.
export function pathwise(mu, sigma, epsilon) {
  const z = epsilon.map((e) => mu + sigma * e);
  const slope = z.map((v) => v - TARGET);
  const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
  return {
    z,
    slope,
    loss: mean(z.map((v) => 0.5 * (v - TARGET) ** 2)),
    mu: mean(slope),
    sigma: mean(slope.map((s, i) => s * epsilon[i])),
  };
}

const COUNT = 12;
const STEP = 0.25;

function render({ model, el }) {
  const figure = frame({ model, el }, ["mu", "sigma", "seed"]);
  const blue = "var(--vf-0)";
  const pink = "var(--vf-3)";
  const rails = svg("svg", { role: "img" });
  const graph = svg("svg", { role: "img" });
  const draws = () => {
    const next = normals(figure.get("seed"));
    return Array.from({ length: COUNT }, next).sort((a, b) => a - b);
  };
  const step = button("one step downhill", () => {
    const found = pathwise(figure.get("mu"), figure.get("sigma"), draws());
    figure.set("mu", clamp(figure.get("mu") - STEP * found.mu, -3, 3));
    figure.set("sigma", clamp(figure.get("sigma") - STEP * found.sigma, 0.05, 2.5));
  });
  step.style.setProperty("--vf-accent", pink);
  const other = button("other ε", () => figure.set("seed", figure.get("seed") + 1));
  el.append(
    rails,
    h("div", { class: "vf-columns vf-stack vf-wide-first" },
      graph,
      h("div", {},
        h("div", { class: "vf-sliders" },
          slider(figure, {
            key: "mu", label: symbol("μ"), name: "mean mu", min: -3, max: 3, step: 0.05,
          }),
          slider(figure, {
            key: "sigma", label: symbol("σ"), name: "standard deviation sigma",
            min: 0.05, max: 2.5, step: 0.05,
          }),
        ),
        h("div", { class: "vf-row", style: "gap:.5rem;margin-top:.6rem" }, step, other),
      ),
    ),
  );

  const xs = grid(-6, 6, 361);

  function paintRails(width, mu, sigma, epsilon, found) {
    const height = 300;
    const [upper, lower] = [86, 186];
    set(rails, { width, height, viewBox: `0 0 ${width} ${height}` });
    const x = scale([-6, 6], [8, width - 8]);
    const px = xs.map(x);
    const up = scale([0, 0.42], [upper, upper - 68]);
    // The lower bell hangs down; a very narrow one is cut off, not rescaled.
    const down = scale([0, 0.42], [lower, lower + 68]);
    const bell = (mean, variance, map) =>
      xs.map((v) => map(Math.min(1.4 * 0.42, normalPdf(v, mean, variance))));
    const drawn = [
      svg("path", {
        d: line(px, bell(0, 1, up)), fill: "var(--vf-5)", "fill-opacity": 0.12,
        stroke: "var(--vf-5)", "stroke-width": 1.5,
      }),
      svg("path", {
        d: line(px, bell(mu, sigma * sigma, down)), fill: blue, "fill-opacity": 0.12,
        stroke: blue, "stroke-width": 2,
      }),
      svg("line", { x1: x(-6), x2: x(6), y1: upper, y2: upper, stroke: "var(--vf-line)" }),
      svg("line", { x1: x(-6), x2: x(6), y1: lower, y2: lower, stroke: "var(--vf-line)" }),
      svg("line", {
        x1: x(TARGET), x2: x(TARGET), y1: lower - 22, y2: height - 22,
        stroke: pink, "stroke-dasharray": "3 4",
      }),
      svg("text", { x: x(TARGET), y: height - 6, "text-anchor": "middle" },
        "loss is least here"),
      svg("text", { x: 2, y: 16 }, svg("tspan", { class: "vf-math" }, "ε"), " ~ N(0, 1), fixed"),
      svg("text", { x: 2, y: lower + 34 }, svg("tspan", { class: "vf-math" }, "z = μ + σε")),
    ];
    epsilon.forEach((e, i) => {
      const [a, b] = [x(e), x(found.z[i])];
      drawn.push(
        svg("line", { x1: a, x2: b, y1: upper, y2: lower, stroke: "var(--vf-line)" }),
        svg("circle", { cx: a, cy: upper, r: 4, fill: "var(--vf-5)" }),
      );
      const end = x(found.z[i] - STEP * found.slope[i]);
      const y = lower + 10 + 5 * i;
      const head = Math.sign(end - b) * Math.min(4, Math.abs(end - b));
      drawn.push(
        svg("path", {
          d: `M${b} ${y}H${end}M${end - head} ${y - 2.5}L${end} ${y}L${end - head} ${y + 2.5}`,
          fill: "none", stroke: pink, "stroke-width": 1.5,
        }),
      );
    });
    found.z.forEach((z) =>
      drawn.push(svg("circle", { cx: x(z), cy: lower, r: 5, fill: blue })));
    rails.replaceChildren(...drawn);
    rails.setAttribute(
      "aria-label",
      `${COUNT} fixed draws of epsilon, each joined to its z by a line. Arrows show where ` +
        "the gradient of the loss moves each z.",
    );
  }

  function paintGraph(width, found) {
    const height = 172;
    set(graph, { width, height, viewBox: `0 0 ${width} ${height}` });
    const ys = [26, 84, 142];
    const [left, middle, right] = [18, width * 0.62, width - 18];
    const node = (cx, cy, text, colour, dashed = false) => [
      svg("circle", {
        cx, cy, r: 16, fill: "var(--vf-paper)", stroke: colour, "stroke-width": 2,
        "stroke-dasharray": dashed ? "3 3" : null,
      }),
      svg("text", { x: cx, y: cy + 5.5, class: "vf-math", "text-anchor": "middle",
        "font-size": 17 }, text),
    ];
    const edge = (x1, y1, x2, y2, back) =>
      svg("line", {
        x1, y1, x2, y2,
        stroke: back ? pink : "var(--vf-line)",
        "stroke-width": back ? 2.5 : 1.5,
        "stroke-dasharray": back ? null : "4 4",
      });
    // An arrow head on the way from (x1, y1) to (x2, y2), which ends at a node.
    const head = (x1, y1, x2, y2) => {
      const angle = Math.atan2(y2 - y1, x2 - x1);
      const [tx, ty] = [x2 - 18 * Math.cos(angle), y2 - 18 * Math.sin(angle)];
      const wing = (turn) =>
        `${tx - 8 * Math.cos(angle + turn)} ${ty - 8 * Math.sin(angle + turn)}`;
      return svg("path", { d: `M${wing(0.45)}L${tx} ${ty}L${wing(-0.45)}Z`, fill: pink });
    };
    const label = (x, y, words, anchor = "middle") =>
      svg("text", { x, y, "text-anchor": anchor }, words);
    graph.replaceChildren(
      edge(left, ys[0], middle, ys[1], true),
      edge(left, ys[1], middle, ys[1], true),
      edge(left, ys[2], middle, ys[1], false),
      edge(middle, ys[1], right, ys[1], true),
      head(middle, ys[1], left, ys[0]),
      head(middle, ys[1], left, ys[1]),
      head(right, ys[1], middle, ys[1]),
      ...node(left, ys[0], "μ", blue),
      ...node(left, ys[1], "σ", blue),
      ...node(left, ys[2], "ε", "var(--vf-5)", true),
      ...node(middle, ys[1], "z", "var(--vf-ink)"),
      ...node(right, ys[1], "f", "var(--vf-ink)"),
      label(left + 26, ys[0] - 6, `∂f/∂μ = ${fixed(found.mu)}`, "start"),
      label(left + 26, ys[1] - 8, `∂f/∂σ = ${fixed(found.sigma)}`, "start"),
      label(left + 26, ys[2] + 14, "a draw, not a parameter", "start"),
      label(right, ys[1] + 38, `${fixed(found.loss)}`, "end"),
      label(right, ys[1] - 26, "mean loss", "end"),
    );
    graph.setAttribute(
      "aria-label",
      `The gradient runs from the loss f through z to mu (${fixed(found.mu)}) and sigma ` +
        `(${fixed(found.sigma)}), and not into epsilon.`,
    );
  }

  return figure.start((width) => {
    const [mu, sigma, epsilon] = [figure.get("mu"), figure.get("sigma"), draws()];
    const found = pathwise(mu, sigma, epsilon);
    paintRails(width, mu, sigma, epsilon, found);
    const narrow = width <= 520;
    paintGraph(narrow ? width : (width - 29) * (1.25 / 2.25), found);
  });
}

export default { render };
