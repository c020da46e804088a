// What a loss (x - x')^2 + KL really weighs: the beta that its averages imply.

// The loss is the squared error, reduced in one of three ways, plus the KL. Dividing by
// what stands before the true log p(x|z) of a Gaussian with this variance leaves beta.
export function impliedBeta({ reduction, pixels, latent, variance }) {
  const averages = { sum: 1, pixels, everything: pixels / latent }[reduction];
  return averages / (2 * variance);
}

const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const power = (k) =>
  k === 0 ? "1" : k === 1 ? "10"
    : "10" + (k < 0 ? "⁻" : "") + [...`${Math.abs(k)}`].map((c) => SUPERSCRIPTS[c]).join("");

export function short(value) {
  if (value >= 1000) return Math.round(value).toLocaleString("en").replaceAll(",", " ");
  if (value >= 10) return fixed(value, 0);
  return fixed(value, value >= 1 ? 1 : value >= 0.01 ? 2 : 4);
}

// Which member of the family was trained with the beta nearest to this one.
export const nearest = (betas, beta) => {
  const distance = betas.map((b) => Math.abs(Math.log(b / beta)));
  return distance.indexOf(Math.min(...distance));
};

function render({ model, el }) {
  const figure = frame({ model, el }, ["reduction", "log_pixels", "latent", "log_variance"]);
  const betas = model.get("betas");
  const kls = model.get("kls");
  const scaleOf = svg("svg", { role: "img" });
  const verdict = h("p", { class: "vf-number", style: "margin-top:.2rem", "aria-live": "polite" });
  const shape = model.get("shape");
  const family = [];
  if (betas.length) {
    const view = model.get("pictures");
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    const size = shape.reduce((a, b) => a * b);
    for (let k = 0; k < betas.length; k++) {
      family.push(Float32Array.from(bytes.subarray(k * size, (k + 1) * size), (v) => v / 255));
    }
  }
  const image = family.length ? picture(shape) : null;
  const caption = h("p", { class: "vf-caption vf-number" });
  const controls = h("div", {},
    choice(figure, {
      key: "reduction",
      name: "how the loss is reduced",
      options: [
        ["sum", "sums"],
        ["pixels", "mean over pixels"],
        ["everything", "mean over everything"],
      ],
    }),
    h("div", { class: "vf-sliders" },
      slider(figure, { key: "log_pixels", label: "pixels", name: "number of pixels",
        min: 1.8, max: 5.4, step: 0.02, show: (v) => short(10 ** v) }),
      slider(figure, { key: "latent", label: "latent dimensions",
        name: "number of latent dimensions", min: 1, max: 128, step: 1,
        show: (v) => fixed(v, 0) }),
      slider(figure, { key: "log_variance", label: [symbol("s"), h("sup", {}, "2"),
        " of a pixel"], name: "variance of a pixel", min: -4, max: 0.5, step: 0.02,
        show: (v) => short(10 ** v) }),
    ),
    verdict,
  );
  el.append(scaleOf, image
    ? h("div", { class: "vf-columns vf-stack vf-wide-first" },
        h("div", {}, image.canvas, caption), controls)
    : controls);

  return figure.start((width) => {
    const reduction = figure.get("reduction");
    const setting = {
      reduction,
      pixels: Math.round(10 ** figure.get("log_pixels")),
      latent: figure.get("latent"),
      variance: 10 ** figure.get("log_variance"),
    };
    const beta = impliedBeta(setting);
    const height = 92;
    const low = -3;
    const x = scale([low, 7], [14, width - 14]);
    const at = (b) => x(clamp(Math.log10(b), low, 7));
    const chosen = family.length ? nearest(betas, beta) : -1;
    set(scaleOf, { width, height, viewBox: `0 0 ${width} ${height}` });
    const marks = width > 420 ? [-3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7] : [-3, -1, 1, 3, 5, 7];
    scaleOf.replaceChildren(
      svg("g", { class: "vf-axis" },
        svg("line", { x1: x(low), x2: x(7), y1: 62, y2: 62 }),
        ...marks.map((k) =>
          svg("text", { x: x(k), y: 84, "text-anchor": "middle" }, power(k)))),
      svg("line", { x1: x(0), x2: x(0), y1: 34, y2: 62, stroke: "var(--vf-2)",
        "stroke-width": 2 }),
      svg("text", { x: x(0), y: 30, "text-anchor": "middle" }, "the ELBO"),
      ...betas.map((b, k) =>
        svg("circle", { cx: at(b), cy: 62, r: k === chosen ? 6 : 4,
          fill: k === chosen ? "var(--vf-1)" : "var(--vf-5)" })),
      svg("path", { d: `M${at(beta)} 56l-6 -11h12Z`, fill: "var(--vf-0)" }),
      svg("text", {
        x: clamp(at(beta), 40, width - 40), y: Math.abs(at(beta) - x(0)) < 66 ? 14 : 38,
        "text-anchor": "middle", "font-weight": 600, "font-size": 15,
      }, `β = ${short(beta)}`),
    );
    scaleOf.setAttribute("aria-label", `The implied beta is ${short(beta)}.`);
    const factors = [
      ...(reduction === "sum" ? [] : [`${short(setting.pixels)} pixels`]),
      ...(reduction === "everything" ? [`1/${setting.latent} dimensions`] : []),
      `1/(2 × ${short(setting.variance)})`,
    ];
    verdict.textContent = `β = ${factors.join(" × ")} = ${short(beta)}`;
    if (image) {
      image.show(family[chosen]);
      const words = `trained with β = ${short(betas[chosen])}: KL ${fixed(kls[chosen], 1)} nats`;
      caption.textContent = `${words}. Data, reconstructions, samples.`;
      image.canvas.setAttribute("aria-label",
        `data, reconstructions and samples of a model ${words}`);
    }
  });
}

export default { render };
