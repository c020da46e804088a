// Walk between the codes of two images: along the straight line, and along the arc.

export const straight = (a, b, t) => a.map((v, i) => (1 - t) * v + t * b[i]);

export const norm = (a) => Math.sqrt(a.reduce((sum, v) => sum + v * v, 0));

// Spherical interpolation (Shoemake, 1985); straight where the codes are parallel.
export function spherical(a, b, t) {
  const cosine = a.reduce((sum, v, i) => sum + v * b[i], 0) / (norm(a) * norm(b));
  const angle = Math.acos(clamp(cosine, -1, 1));
  const sine = Math.sin(angle);
  if (!(sine > 1e-6)) return straight(a, b, t);
  return a.map(
    (v, i) => (Math.sin((1 - t) * angle) * v + Math.sin(t * angle) * b[i]) / sine,
  );
}

const FRAMES = 9;

function render({ model, el }) {
  const figure = frame({ model, el }, ["first", "second", "t"]);
  const description = model.get("decoder");
  const decode = decoder(description, fromHalf(model.get("weights")));
  const codes = model.get("codes");
  const view = model.get("pixels");
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  const size = description.shape.reduce((a, b) => a * b);
  const image = (k) =>
    Float32Array.from(bytes.subarray(k * size, (k + 1) * size), (v) => v / 255);

  // A row of images to choose from: radio buttons, walked with the arrow keys.
  const chooser = (key, name) => {
    const group = `vf-${Math.random().toString(36).slice(2)}`;
    const labels = codes.map((_, k) => {
      const thumb = picture(description.shape, { "aria-hidden": "true" });
      thumb.show(image(k));
      const input = h("input", {
        ...OWN_KEYS, type: "radio", name: group, "aria-label": `image ${k + 1}`,
        onchange: () => figure.set(key, k),
      });
      return h("label", {}, input, h("span", {}, thumb.canvas));
    });
    const row = h("div", { class: "vf-thumbs", role: "radiogroup", "aria-label": name },
      ...labels);
    const update = () => labels.forEach((label, k) =>
      (label.firstChild.checked = k === figure.get(key)));
    return { row, update };
  };
  const from = chooser("first", "start from");
  const to = chooser("second", "walk to");

  const paths = [
    { name: "straight", walk: straight, colour: "var(--vf-0)" },
    { name: "spherical", walk: spherical, colour: "var(--vf-1)" },
  ].map((path) => ({
    ...path,
    big: picture(description.shape),
    caption: h("p", { class: "vf-caption vf-number" }),
    film: Array.from({ length: FRAMES }, () =>
      picture(description.shape, { "aria-hidden": "true" })),
  }));
  const chart = svg("svg", { role: "img" });
  const word = (text) => h("span", { class: "vf-quiet" }, text);
  el.append(
    h("div", { class: "vf-choosers" }, word("from"), from.row, word("to"), to.row),
    h("div", { class: "vf-columns vf-walk", style: "margin-top:.8rem" },
      ...paths.map(({ big, caption }) => h("div", {}, big.canvas, caption)),
      h("div", {}, chart)),
    ...paths.map(({ film, name }) =>
      h("div", { class: "vf-film" }, word(name),
        h("div", { class: "vf-frames" }, ...film.map((f) => f.canvas)))),
    h("div", { class: "vf-sliders", style: "margin-top:.4rem" },
      slider(figure, { key: "t", label: symbol("t"), name: "position t on the way",
        min: 0, max: 1, step: 0.01 })),
  );

  let shown = "";
  function paintChart(a, b, t) {
    const width = chart.parentElement.clientWidth;
    const height = Math.max(120, Math.min(170, width));
    set(chart, { width, height, viewBox: `0 0 ${width} ${height}` });
    const ts = grid(0, 1, 41);
    const lengths = paths.map(({ walk }) => ts.map((u) => norm(walk(a, b, u))));
    const top = 1.15 * Math.max(...lengths.flat(), Math.sqrt(a.length));
    const x = scale([0, 1], [14, width - 14]);
    const y = scale([0, top], [height - 26, 20]);
    const typical = Math.sqrt(a.length);
    chart.replaceChildren(
      axis(x, [0, 0.5, 1], { y: height - 26, digits: 1 }),
      svg("line", { x1: x(0), x2: x(1), y1: y(typical), y2: y(typical),
        stroke: "var(--vf-line)", "stroke-dasharray": "3 4" }),
      svg("text", { x: x(1), y: y(typical) - 5, "text-anchor": "end", class: "vf-quiet" },
        "√d"),
      svg("text", { x: 2, y: 12 }, "length ‖", svg("tspan", { class: "vf-math" }, "z"), "‖"),
      ...paths.flatMap(({ colour }, k) => [
        svg("path", { d: line(ts.map(x), lengths[k].map(y)), fill: "none", stroke: colour,
          "stroke-width": 2 }),
        svg("circle", { cx: x(t), cy: y(norm(paths[k].walk(a, b, t))), r: 5, fill: colour }),
      ]),
    );
    chart.setAttribute("aria-label",
      "The length of z along both ways: the straight way is shorter in the middle.");
  }

  return figure.start(() => {
    const [first, second, t] = ["first", "second", "t"].map(figure.get);
    const [a, b] = [codes[first], codes[second]];
    from.update();
    to.update();
    const pair = `${first},${second}`;
    for (const { walk, big, caption, film, name } of paths) {
      const z = walk(a, b, t);
      big.show(decode(z));
      big.canvas.setAttribute("aria-label", `${name}: the image at t = ${fixed(t)}`);
      caption.textContent = `${name}, ‖z‖ = ${fixed(norm(z))}`;
      if (pair !== shown) {
        film.forEach((frame, i) => frame.show(decode(walk(a, b, i / (FRAMES - 1)))));
      }
      film.forEach((frame, i) => frame.canvas.classList.toggle(
        "vf-now", Math.round(t * (FRAMES - 1)) === i));
    }
    shown = pair;
    paintChart(a, b, t);
  });
}

export default { render };
