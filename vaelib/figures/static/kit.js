// Shared parts of the live figures: elements, scales, controls, and the frame that
// redraws a figure when its state or its width changes. No imports, no dependencies.

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

function attach(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

// JupyterLab takes the arrow keys (and letters) from whatever has the focus, unless that
// very element carries this mark.
const OWN_KEYS = { "data-lm-suppress-shortcuts": "true" };

export const h = (tag, attributes = {}, ...children) =>
  attach(document.createElement(tag), attributes, children);

export const svg = (tag, attributes = {}, ...children) =>
  attach(document.createElementNS(SVG_NAMESPACE, tag), attributes, children);

export const set = (element, attributes) => attach(element, attributes, []);

export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

// A real minus sign, and no "-0.00".
export function fixed(value, digits = 2) {
  if (!Number.isFinite(value)) return value > 0 ? "∞" : value < 0 ? "−∞" : "–";
  const text = Math.abs(value).toFixed(digits);
  return value < 0 && Number(text) !== 0 ? `−${text}` : text;
}

// "z_1" becomes z with a subscript, in the mathematics' italic.
export function symbol(text) {
  const [letter, below] = text.split("_");
  const element = h("i", { class: "vf-symbol" }, letter);
  if (below) element.append(h("sub", {}, below));
  return element;
}

export const scale = ([a, b], [c, d]) => {
  const map = (value) => c + ((value - a) / (b - a)) * (d - c);
  map.invert = (pixel) => a + ((pixel - c) / (d - c)) * (b - a);
  return map;
};

export const grid = (low, high, n) =>
  Array.from({ length: n }, (_, i) => low + ((high - low) * i) / (n - 1));

export const line = (xs, ys) =>
  xs.map((x, i) => `${i ? "L" : "M"}${x.toFixed(2)} ${ys[i].toFixed(2)}`).join("");

// The area between a curve and a base line.
export const area = (xs, ys, base) =>
  `${line(xs, ys)}L${xs[xs.length - 1].toFixed(2)} ${base}L${xs[0].toFixed(2)} ${base}Z`;

export const sigmoid = (a) => 1 / (1 + Math.exp(-a));

export const normalPdf = (x, mu, variance) =>
  Math.exp((-0.5 * (x - mu) ** 2) / variance) / Math.sqrt(2 * Math.PI * variance);

// Standard normal draws that are the same on every visit.
export function normals(seed) {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return () =>
    Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
}

export const stillness = () =>
  window.matchMedia("(prefers-reduced-motion: reduce)").matches;

// The frame of a figure: `paint(width)` runs once per screen frame at most, whenever a
// key of the state or the width has changed. `cleanups` run when the view goes away.
export function frame({ model, el }, keys) {
  el.classList.add("vf");
  set(el, { role: "group", "aria-label": model.get("label") });
  const cleanups = [];
  let paint = () => {};
  let asked = 0;
  const repaint = () => {
    asked ||= requestAnimationFrame(() => {
      asked = 0;
      const width = el.clientWidth;
      if (width) paint(width);
    });
  };
  for (const key of keys) {
    model.on(`change:${key}`, repaint);
    cleanups.push(() => model.off(`change:${key}`, repaint));
  }
  return {
    el,
    model,
    repaint,
    cleanups,
    get: (key) => model.get(key),
    set: (key, value) => {
      model.set(key, value);
      model.save_changes();
      repaint();
    },
    start(draw) {
      if (model.get("prompt")) {
        el.append(h("p", { class: "vf-prompt" }, model.get("prompt")));
      }
      paint = draw;
      if (el.clientWidth) paint(el.clientWidth);
      const size = new ResizeObserver(repaint);
      size.observe(el);
      cleanups.push(() => size.disconnect(), () => cancelAnimationFrame(asked));
      return () => cleanups.forEach((clean) => clean());
    },
  };
}

// A slider on one number of the state, or on one entry of a list.
export function slider(figure, options) {
  const { key, index = null, label, name, min, max, step = 0.01, digits = 2 } = options;
  const { colour = null, show = (value) => fixed(value, digits) } = options;
  const read = () => (index === null ? figure.get(key) : figure.get(key)[index]);
  const input = h("input", {
    ...OWN_KEYS,
    type: "range",
    min,
    max,
    step,
    "aria-label": name,
    oninput: () => {
      const value = Number(input.value);
      if (index === null) return figure.set(key, value);
      figure.set(key, Object.assign([...figure.get(key)], { [index]: value }));
    },
  });
  const output = h("output", { class: "vf-value", "aria-hidden": "true" });
  const root = h(
    "label",
    { class: "vf-slider", style: colour ? `--vf-accent:${colour}` : null },
    h("span", { class: "vf-label" }, ...(Array.isArray(label) ? label : [label])),
    input,
    output,
  );
  const update = () => {
    const value = read();
    if (Number(input.value) !== value) input.value = value;
    input.style.setProperty("--vf-at", `${(100 * (value - min)) / (max - min)}%`);
    input.setAttribute("aria-valuetext", show(value));
    output.textContent = show(value);
  };
  update();
  figure.model.on(`change:${key}`, update);
  figure.cleanups.push(() => figure.model.off(`change:${key}`, update));
  return root;
}

export const button = (text, onclick, attributes = {}) =>
  h("button", { ...OWN_KEYS, type: "button", class: "vf-button", onclick, ...attributes }, text);

// A few choices, one of them taken: radio buttons that look like words.
export function choice(figure, { key, name, options, colour = null }) {
  const group = `vf-${Math.random().toString(36).slice(2)}`;
  const inputs = options.map(([value]) =>
    h("input", {
      ...OWN_KEYS,
      type: "radio",
      name: group,
      value,
      onchange: () => figure.set(key, value),
    }),
  );
  const update = () =>
    inputs.forEach((input, i) => (input.checked = options[i][0] === figure.get(key)));
  update();
  figure.model.on(`change:${key}`, update);
  figure.cleanups.push(() => figure.model.off(`change:${key}`, update));
  return h(
    "div",
    {
      class: "vf-choice",
      role: "radiogroup",
      "aria-label": name,
      style: colour ? `--vf-accent:${colour}` : null,
    },
    ...options.map(([, text], i) => h("label", {}, inputs[i], h("span", {}, text))),
  );
}

// A field to drag in with mouse, finger or pen, and to walk in with the arrow keys.
// `at(x, y)` gets a position in [0, 1] from the left and from the top;
// `step(dx, dy)` gets -1, 0 or 1 (times ten with Shift).
export function pad(element, { at, step, end = () => {} }) {
  set(element, { ...OWN_KEYS, tabindex: 0 });
  element.classList.add("vf-pad");
  let held = false;
  const point = (event) => {
    const box = element.getBoundingClientRect();
    at(
      clamp((event.clientX - box.left) / box.width, 0, 1),
      clamp((event.clientY - box.top) / box.height, 0, 1),
      event,
    );
  };
  element.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    held = true;
    element.setPointerCapture(event.pointerId);
    element.focus({ preventScroll: true });
    event.preventDefault();
    point(event);
  });
  element.addEventListener("pointermove", (event) => held && point(event));
  for (const name of ["pointerup", "pointercancel"]) {
    element.addEventListener(name, () => {
      if (held) end();
      held = false;
    });
  }
  const directions = {
    ArrowLeft: [-1, 0],
    ArrowRight: [1, 0],
    ArrowUp: [0, 1],
    ArrowDown: [0, -1],
  };
  element.addEventListener("keydown", (event) => {
    const direction = directions[event.key];
    if (!direction || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    const far = event.shiftKey ? 10 : 1;
    step(direction[0] * far, direction[1] * far);
  });
}

// Runs `tick` every `interval` ms while the figure is on screen and motion is wanted.
export function pulse(figure, interval, tick) {
  let timer = null;
  let visible = false;
  const update = () => {
    const run = visible && !stillness() && !document.hidden;
    if (run && timer === null) timer = setInterval(tick, interval);
    if (!run && timer !== null) timer = clearInterval(timer) ?? null;
  };
  const sight = new IntersectionObserver(([entry]) => {
    visible = entry.isIntersecting;
    update();
  });
  sight.observe(figure.el);
  document.addEventListener("visibilitychange", update);
  figure.cleanups.push(() => {
    sight.disconnect();
    clearInterval(timer);
    document.removeEventListener("visibilitychange", update);
  });
}

// A horizontal axis: a line, ticks, numbers. Returns a group to be placed at y.
export function axis(map, ticks, { y, digits = 0, title = "", end = null }) {
  const group = svg("g", { class: "vf-axis", transform: `translate(0 ${y})` });
  const [first, last] = end ?? [map(ticks[0]), map(ticks[ticks.length - 1])];
  group.append(svg("line", { x1: first, x2: last }));
  for (const tick of ticks) {
    group.append(
      svg("line", { x1: map(tick), x2: map(tick), y2: 4 }),
      svg("text", { x: map(tick), y: 18, "text-anchor": "middle" }, fixed(tick, digits)),
    );
  }
  if (title) {
    group.append(svg("text", { x: last, y: -7, "text-anchor": "end" }, title));
  }
  return group;
}
