// Neural networks small enough for a web page: weights of 16 bits, one image at a time.

const HALF = (() => {
  const table = new Float32Array(65536);
  for (let bits = 0; bits < 65536; bits++) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    if (exponent === 0) table[bits] = sign * fraction * 2 ** -24;
    else if (exponent === 31) table[bits] = fraction ? NaN : sign * Infinity;
    else table[bits] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
  return table;
})();

export function fromHalf(view) {
  const values = new Float32Array(view.byteLength >> 1);
  for (let i = 0; i < values.length; i++) values[i] = HALF[view.getUint16(2 * i, true)];
  return values;
}

const ACTIVATIONS = {
  relu: (a) => (a > 0 ? a : 0),
  tanh: Math.tanh,
  sigmoid: (a) => 1 / (1 + Math.exp(-a)),
  silu: (a) => a / (1 + Math.exp(-a)),
  softplus: (a) => Math.max(a, 0) + Math.log1p(Math.exp(-Math.abs(a))),
};

function linearLayer({ inputs, outputs }, take) {
  const weight = take(inputs * outputs);
  const bias = take(outputs);
  const out = new Float32Array(outputs);
  return (x) => {
    for (let i = 0; i < outputs; i++) {
      const row = i * inputs;
      // Four sums side by side: the processor need not wait for one to finish.
      let a = bias[i];
      let b = 0;
      let c = 0;
      let d = 0;
      let j = 0;
      for (; j + 3 < inputs; j += 4) {
        a += weight[row + j] * x[j];
        b += weight[row + j + 1] * x[j + 1];
        c += weight[row + j + 2] * x[j + 2];
        d += weight[row + j + 3] * x[j + 3];
      }
      for (; j < inputs; j++) a += weight[row + j] * x[j];
      out[i] = a + b + (c + d);
    }
    return out;
  };
}

// For each offset of the kernel, the rows and columns for which it stays inside.
function reach(size, limit, offset, stride, padding) {
  const low = Math.max(0, Math.ceil((padding - offset) / stride));
  const high = Math.min(size - 1, Math.floor((limit - 1 + padding - offset) / stride));
  return [low, high];
}

// Both convolutions run over pairs (small image, large image) that the kernel joins:
// large = stride * small + offset - padding. One gathers, the other spreads.
function convolution(layer, take, transposed) {
  const { inputs, outputs, kernel, stride, padding } = layer;
  const [inH, inW] = layer.size;
  const [outH, outW] = layer.out;
  const weight = take(inputs * outputs * kernel * kernel);
  const bias = take(outputs);
  const out = new Float32Array(outputs * outH * outW);
  const [smallH, smallW] = transposed ? [inH, inW] : [outH, outW];
  const [largeH, largeW] = transposed ? [outH, outW] : [inH, inW];
  return (x) => {
    for (let o = 0; o < outputs; o++) {
      out.fill(bias[o], o * outH * outW, (o + 1) * outH * outW);
      for (let i = 0; i < inputs; i++) {
        const block = (transposed ? i * outputs + o : o * inputs + i) * kernel * kernel;
        for (let ky = 0; ky < kernel; ky++) {
          const [top, bottom] = reach(smallH, largeH, ky, stride, padding);
          for (let kx = 0; kx < kernel; kx++) {
            const [left, right] = reach(smallW, largeW, kx, stride, padding);
            const w = weight[block + ky * kernel + kx];
            for (let r = top; r <= bottom; r++) {
              const smallRow = r * smallW;
              const largeRow = (r * stride + ky - padding) * largeW + kx - padding;
              if (transposed) {
                const from = i * inH * inW + smallRow;
                const to = o * outH * outW + largeRow;
                for (let c = left; c <= right; c++) out[to + c * stride] += w * x[from + c];
              } else {
                const from = i * inH * inW + largeRow;
                const to = o * outH * outW + smallRow;
                for (let c = left; c <= right; c++) out[to + c] += w * x[from + c * stride];
              }
            }
          }
        }
      }
    }
    return out;
  };
}

// A function from one input to one output (a Float32Array that the next call reuses).
// `layers` describes the network in order, `weights` holds the parameters in order.
export function network(layers, weights) {
  let used = 0;
  const take = (n) => weights.subarray(used, (used += n));
  const steps = layers.map((layer) => {
    if (layer.kind === "linear") return linearLayer(layer, take);
    if (layer.kind === "conv") return convolution(layer, take, false);
    if (layer.kind === "conv_transpose") return convolution(layer, take, true);
    const activation = ACTIVATIONS[layer.kind];
    return (x) => {
      for (let i = 0; i < x.length; i++) x[i] = activation(x[i]);
      return x;
    };
  });
  if (used !== weights.length) throw new Error("the weights do not fit the network");
  return (x) => steps.reduce((values, step) => step(values), Float32Array.from(x));
}

// The mean of p(x|z) from the decoder's logits, for each likelihood of the library.
const MEANS = {
  bernoulli: () => sigmoid,
  gaussian: () => sigmoid,
  continuous_bernoulli: () => (a) =>
    Math.abs(a) < 1e-2 ? 0.5 + a / 12 : 1 / (1 - Math.exp(-a)) - 1 / a,
  discretized_logistic: ({ scale: width }) => (a) => {
    let mean = 0;
    for (let k = 0; k < 255; k++) mean += sigmoid((sigmoid(a) - (k + 0.5) / 255) / width);
    return mean / 255;
  },
};

// z to the pixels of the mean image, in [0, 1].
export function decoder(description, weights) {
  const logits = network(description.layers, weights);
  const mean = MEANS[description.likelihood.name](description.likelihood);
  const pixels = new Float32Array(description.shape.reduce((a, b) => a * b));
  return (z) => {
    const values = logits(z);
    for (let i = 0; i < pixels.length; i++) pixels[i] = mean(values[i]);
    return pixels;
  };
}

// A canvas as large as the image, scaled by the style sheet; `show(pixels)` fills it.
export function picture([channels, height, width], attributes = {}) {
  const canvas = h("canvas", { width, height, class: "vf-image", role: "img", ...attributes });
  const context = canvas.getContext("2d");
  const data = context.createImageData(width, height);
  const size = width * height;
  const show = (pixels) => {
    for (let i = 0; i < size; i++) {
      for (let c = 0; c < 3; c++) {
        data.data[4 * i + c] = 255 * pixels[channels === 3 ? c * size + i : i] + 0.5;
      }
      data.data[4 * i + 3] = 255;
    }
    context.putImageData(data, 0, 0);
  };
  return { canvas, show };
}

// Ten colours for ten classes, told apart on light and on dark paper.
export const CLASSES = [
  "#3a7fc1", "#d1701f", "#2e9b68", "#c4528c", "#8a6fd1",
  "#8a8a8a", "#b8901c", "#1f9bb0", "#cf4b45", "#7d9a34",
];
