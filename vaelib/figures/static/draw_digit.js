// Draw a digit; the encoder and the decoder of a trained model say what they make of it.

const LOG_2PI = Math.log(2 * Math.PI);
const softplus = (a) => Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a)));

// log C of the continuous Bernoulli with the logit a: C = a / tanh(a / 2).
const logConstant = (a) => {
  const b = Math.abs(a);
  return b < 1e-2
    ? Math.LN2 + (b * b) / 12
    : Math.log(b) + softplus(-b) - Math.log(-Math.expm1(-b));
};

const LOG_PROBABILITY = {
  bernoulli: () => (x, a) => x * a - softplus(a),
  continuous_bernoulli: () => (x, a) => x * a - softplus(a) + logConstant(a),
  gaussian: ({ sigma }) => (x, a) =>
    -0.5 * ((x - sigmoid(a)) / sigma) ** 2 - Math.log(sigma) - 0.5 * LOG_2PI,
};

// Mean and log variance of q(z|x), then KL and E[log p(x|z)] with these draws, in nats.
export function elbo(encode, logits, likelihood, x, draws) {
  const values = encode(x);
  const d = values.length / 2;
  const mu = Array.from(values.subarray(0, d));
  const logvar = Array.from(values.subarray(d));
  const kl = mu.reduce(
    (sum, m, i) => sum + 0.5 * (m * m + Math.exp(logvar[i]) - 1 - logvar[i]), 0);
  const logp = LOG_PROBABILITY[likelihood.name](likelihood);
  let reconstruction = 0;
  for (const epsilon of draws) {
    const a = logits(mu.map((m, i) => m + Math.exp(logvar[i] / 2) * epsilon[i]));
    for (let i = 0; i < x.length; i++) reconstruction += logp(x[i], a[i]) / draws.length;
  }
  return { mu, logvar, kl, reconstruction };
}

// As MNIST was made: the drawing scaled to fit 20 x 20 pixels, then moved so that its
// centre of mass lies in the middle of 28 x 28. Strokes are lists of points in [0, 1];
// the pen is 2.3 pixels wide after scaling.
const PEN = 2.3;
const FINE = 8; // each pixel is the mean of 8 x 8 smaller ones

export function preprocess(strokes) {
  const points = strokes.flat();
  const pixels = new Float32Array(784);
  if (!points.length) return pixels;
  const xs = points.map((p) => p[0]);
  const ys = points.map((p) => p[1]);
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const [top, bottom] = [Math.min(...ys), Math.max(...ys)];
  const extent = Math.max(right - left, bottom - top, 0.12);
  const zoom = (20 - PEN) / extent;
  const canvas = h("canvas", { width: 28 * FINE, height: 28 * FINE });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const ink = (dx, dy) => {
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.scale(FINE, FINE);
    context.lineWidth = PEN;
    context.lineCap = context.lineJoin = "round";
    for (const stroke of strokes) {
      context.beginPath();
      stroke.forEach(([x, y], i) => {
        const at = [
          14 + dx + zoom * (x - (left + right) / 2),
          14 + dy + zoom * (y - (top + bottom) / 2),
        ];
        i ? context.lineTo(...at) : context.moveTo(...at);
      });
      if (stroke.length === 1) context.lineTo(
        14.01 + dx + zoom * (stroke[0][0] - (left + right) / 2),
        14 + dy + zoom * (stroke[0][1] - (top + bottom) / 2));
      context.stroke();
    }
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    pixels.fill(0);
    for (let r = 0; r < 28 * FINE; r++) {
      for (let c = 0; c < 28 * FINE; c++) {
        const alpha = data[4 * (r * 28 * FINE + c) + 3];
        pixels[Math.floor(r / FINE) * 28 + Math.floor(c / FINE)] += alpha;
      }
    }
    for (let i = 0; i < 784; i++) pixels[i] /= 255 * FINE * FINE;
  };
  ink(0, 0);
  let [mass, mx, my] = [0, 0, 0];
  pixels.forEach((v, i) => {
    mass += v;
    mx += v * ((i % 28) + 0.5);
    my += v * (Math.floor(i / 28) + 0.5);
  });
  // The centre of mass moves to the middle, as far as the ink stays on the paper.
  const room = (from, to, shift) => {
    const half = (zoom * (to - from)) / 2 + PEN / 2;
    return clamp(shift, half - 14, 14 - half);
  };
  ink(room(left, right, 14 - mx / mass), room(top, bottom, 14 - my / mass));
  return pixels;
}

function render({ model, el }) {
  const figure = frame({ model, el }, ["strokes"]);
  const description = model.get("decoder");
  const likelihood = description.likelihood;
  const logits = network(description.layers, fromHalf(model.get("weights")));
  const decode = decoder(description, fromHalf(model.get("weights")));
  const encode = network(model.get("encoder").layers, fromHalf(model.get("encoder_weights")));
  const dims = model.get("latent_dim");
  const next = normals(1);
  const draws = Array.from({ length: model.get("draws") }, () =>
    Array.from({ length: dims }, next));

  const paper = h("canvas", {
    "aria-hidden": "true",
    style: "position:absolute;inset:0;width:100%;height:100%;border-radius:3px",
  });
  const sheet = h("div", {
    role: "application",
    "aria-label": "paper to draw a digit on: arrow keys draw, the space bar lifts the pen",
    style: "aspect-ratio:1;background:#000;border-radius:3px;outline:1px solid var(--vf-line)",
  }, paper);
  const given = picture(description.shape);
  const made = picture(description.shape);
  const put = (strokes) => figure.set("strokes", strokes);
  const clear = button("clear", () => {
    pen = [0.5, 0.5];
    lifted = true;
    put([]);
  });
  const undo = button("undo", () => put(figure.get("strokes").slice(0, -1)));
  const terms = h("div", { class: "vf-terms vf-number", "aria-live": "polite" });
  const map = dims === 2
    ? plane({
        extent: model.get("extent"),
        points: fromHalf(model.get("points")),
        labels: new Uint8Array(
          model.get("point_labels").buffer,
          model.get("point_labels").byteOffset,
          model.get("point_labels").byteLength,
        ),
        names: model.get("names"),
        label: "posterior of the drawing on the latent plane",
        still: true,
      })
    : null;
  const captioned = (element, text) => h("div", {}, element, h("p", { class: "vf-caption" }, text));
  el.append(
    h("div", { class: "vf-columns vf-draw" },
      h("div", {}, sheet,
        h("div", { class: "vf-row", style: "gap:.5rem;margin-top:.5rem" }, clear, undo)),
      h("div", { class: "vf-pair" },
        captioned(given.canvas, "what the encoder gets"),
        captioned(made.canvas, "reconstruction")),
      ...(map ? [h("div", {}, map.root)] : []),
    ),
    terms,
    h("p", { class: "vf-caption" },
      "Before encoding, the drawing is scaled to fit 20 × 20 pixels and moved so that its " +
        "centre of mass lies in the middle of 28 × 28, as MNIST was."),
  );

  let pen = [0.5, 0.5];
  let lifted = true;
  let resting = 0;
  figure.cleanups.push(() => clearTimeout(resting));
  let drawing = false;
  const round = (v) => Math.round(v * 1000) / 1000;
  const extend = (point) => {
    const strokes = figure.get("strokes");
    if (!strokes.length || lifted) put([...strokes, [point]]);
    else put([...strokes.slice(0, -1), [...strokes.at(-1), point]]);
    lifted = false;
  };
  pad(sheet, {
    at: (x, y, event) => {
      if (event.type === "pointerdown") lifted = true;
      drawing = true;
      pen = [round(x), round(y)];
      extend(pen);
    },
    end: () => {
      drawing = false;
      lifted = true;
    },
    step: (dx, dy) => {
      if (lifted && !figure.get("strokes").length) extend(pen);
      pen = [clamp(pen[0] + 0.04 * dx, 0, 1), clamp(pen[1] - 0.04 * dy, 0, 1)].map(round);
      if (lifted && !keyDown) return figure.repaint();
      extend(pen);
    },
  });
  let keyDown = true;
  sheet.addEventListener("keydown", (event) => {
    if (event.key !== " ") return;
    event.preventDefault();
    keyDown = !keyDown;
    lifted = true;
    figure.repaint();
  });

  function paintPaper() {
    const side = Math.round(sheet.clientWidth * (window.devicePixelRatio || 1));
    if (paper.width !== side) paper.width = paper.height = side;
    const context = paper.getContext("2d");
    context.clearRect(0, 0, side, side);
    context.strokeStyle = "#fff";
    context.lineCap = context.lineJoin = "round";
    context.lineWidth = 0.075 * side;
    for (const stroke of figure.get("strokes")) {
      context.beginPath();
      stroke.forEach(([x, y], i) =>
        i ? context.lineTo(x * side, y * side) : context.moveTo(x * side, y * side));
      if (stroke.length === 1) context.lineTo(stroke[0][0] * side + 0.1, stroke[0][1] * side);
      context.stroke();
    }
    if (document.activeElement === sheet && !drawing) {
      context.strokeStyle = keyDown ? "#d1701f" : "#8a8a8a";
      context.lineWidth = side / 100;
      context.beginPath();
      context.arc(pen[0] * side, pen[1] * side, 0.04 * side, 0, 7);
      context.stroke();
    }
  }
  for (const name of ["focus", "blur"]) sheet.addEventListener(name, () => figure.repaint());

  const ellipse = svg("ellipse", {
    fill: "var(--vf-paper)", "fill-opacity": 0.7, stroke: "var(--vf-ink)",
    "vector-effect": "non-scaling-stroke", "stroke-width": 2,
  });
  const dot = svg("circle", { fill: "var(--vf-ink)" });
  map?.layer.append(ellipse, dot);

  return figure.start(() => {
    paintPaper();
    const strokes = figure.get("strokes");
    const x = preprocess(strokes);
    given.show(x);
    given.canvas.setAttribute("aria-label", "the drawing, centred and scaled");
    clear.disabled = undo.disabled = !strokes.length;
    if (!strokes.length) {
      made.show(new Float32Array(784));
      made.canvas.setAttribute("aria-label", "nothing drawn yet");
      terms.textContent = "Draw a digit.";
      ellipse.setAttribute("visibility", "hidden");
      dot.setAttribute("visibility", "hidden");
      map?.paint(null);
      return;
    }
    const found = elbo(encode, logits, likelihood, x, draws);
    made.show(decode(found.mu));
    made.canvas.setAttribute("aria-label", "its reconstruction");
    const value = found.reconstruction - found.kl;
    terms.replaceChildren(
      h("span", {}, "log p(x|z), on average ", h("b", {}, fixed(found.reconstruction, 1))),
      h("span", {}, "− KL ", h("b", {}, fixed(found.kl, 1))),
      h("span", {}, "= ELBO ", h("b", {}, fixed(value, 1)), " nats"),
    );
    el.vaelibElbo = found;
    if (map) {
      const sd = found.logvar.map((v) => Math.exp(v / 2));
      map.paint(null);
      set(dot, { visibility: "visible", cx: map.at(found.mu[0]), cy: -map.at(found.mu[1]),
        r: 2.5 * map.unit() });
      set(ellipse, {
        visibility: "visible", cx: map.at(found.mu[0]), cy: -map.at(found.mu[1]),
        rx: map.at(2 * sd[0]), ry: map.at(2 * sd[1]),
      });
      map.root.setAttribute("aria-label",
        `posterior mean (${found.mu.map((v) => fixed(v)).join(", ")}), standard ` +
          `deviations (${sd.map((v) => fixed(v)).join(", ")})`);
    }
    // Python gets the picture when the pen rests, not at every point.
    clearTimeout(resting);
    resting = setTimeout(() => {
      model.set("image", Array.from(x, (v) => Math.round(v * 1e6) / 1e6));
      model.save_changes();
    }, 250);
  });
}

export default { render };
