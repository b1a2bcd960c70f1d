// The book's LeNet and its plain SGD, a port: the same layers, weights and minibatches as
// in d2l_ext.mxnet, another implementation. All of it is matrix products, by the one
// kernel of lenet.wat, on rows of features: an image is (height, width, channels), and a
// convolution takes a row of 25 pixels and their channels for each place. Numbers of
// columns are rounded up to eights; what is beyond stays 0 by itself.

const eights = n => Math.ceil(n / 8) * 8;
const SIDE = 28, KERNEL = 5, CLASSES = 10;
// [in, out] of the layers, as their weights come: (out, in, 5, 5) or (out, in)
export const SHAPES = [[6, 1, 5, 5], [16, 6, 5, 5], [120, 400], [84, 120], [10, 84]];

export class LeNet {
  // `module`: lenet.wat, compiled; no minibatch is larger than `batch`, a multiple of 4.
  constructor(module, batch = 64) {
    const {gemm, memory} = new WebAssembly.Instance(module).exports;
    let end = 0;
    const floats = n => {
      const begin = end;
      end += 4 * eights(n);
      return new Float32Array(memory.buffer, begin, n);
    };
    const rows = (n, columns) => ({y: floats(n * columns), dy: floats(n * columns)});
    this.image = floats(batch * (SIDE + 4) ** 2);
    this.conv1 = new Convolution(gemm, floats, batch, SIDE + 4, 1, 6);
    this.conv2 = new Convolution(gemm, floats, batch, SIDE / 2, 6, 16);
    this.pool1 = {...rows(batch * 196, 6), at: new Int32Array(batch * 196 * 6)};
    this.pool2 = {...rows(batch * 25, 16), at: new Int32Array(batch * 25 * 16)};
    this.dense = [[400, 120], [120, 84], [84, CLASSES]].map(size => new Weights(gemm, floats, ...size));
    this.hidden = this.dense.map(({n}) => rows(batch, n));
    this.layers = [this.conv1.weights, this.conv2.weights, ...this.dense];
    this.batch = batch;
    if (end > memory.buffer.byteLength) throw new Error(`lenet.wat must have ${end} bytes of memory`);
  }

  // Begin anew from weights in the order and the shapes of SHAPES, and biases of 0.
  begin(flat) {
    let begin = 0;
    this.layers.forEach((layer, i) => {
      layer.b.fill(0);
      places(i, (mine, ours) => { layer.w[mine] = flat[begin + ours]; }, layer.n);
      begin += SHAPES[i].reduce((a, b) => a * b);
    });
  }

  // The weights in that order, then the biases.
  parameters() {
    const all = this.layers.map((layer, i) => {
      const flat = new Float32Array(SHAPES[i].reduce((a, b) => a * b));
      places(i, (mine, ours) => { flat[ours] = layer.w[mine]; }, layer.n);
      return flat;
    });
    return [...all, ...this.layers.map(({b}, i) => b.slice(0, SHAPES[i][0]))];
  }

  // One update by the examples `order` names, of images as bytes; the sum of their losses
  // and how many the net had right before it.
  update(images, labels, order, lr) {
    const said = this.forward(images, labels, order);
    const {dense, hidden, pool1, pool2, conv1, conv2} = this, n = order.length;
    for (let i = 2; i >= 0; i--) {
      const before = i ? hidden[i - 1] : pool2;
      if (i < 2) passed(hidden[i], n * dense[i].n);
      dense[i].back(before.y, n, hidden[i].dy, before.dy);
    }
    unpool(pool2, conv2.out, n * 400, n * 1600);
    conv2.back(n, pool1.dy);
    unpool(pool1, conv1.out, n * 1176, n * 6272);
    conv1.back(n);
    for (const layer of this.layers) layer.step(lr);
    return said;
  }

  forward(images, labels, order) {
    const {image, dense, hidden, pool1, pool2, conv1, conv2} = this, n = order.length, side = SIDE + 4;
    if (n % 4 || n > this.batch) throw new Error(`a minibatch must have 4, 8, ... ${this.batch} examples, got ${n}`);
    for (let i = 0; i < n; i++) {
      for (let y = 0; y < SIDE; y++) {
        let to = (i * side + y + 2) * side + 2, from = (order[i] * SIDE + y) * SIDE;
        for (const end = from + SIDE; from < end; from++) image[to++] = images[from] / 255;
      }
    }
    conv1.forward(image, n);
    pool(conv1.out.y, pool1, n, SIDE, 8, 6);
    conv2.forward(pool1.y, n);
    pool(conv2.out.y, pool2, n, 10, 16, 16);
    dense.forEach((layer, i) => {
      layer.apply(i ? hidden[i - 1].y : pool2.y, n, hidden[i].y);
      if (i < 2) positive(hidden[i].y, n * layer.n);
    });
    return crossEntropy(hidden[2], labels, order);
  }

  // The share of all images that the net gets right.
  accuracy(images, labels) {
    let hits = 0;
    for (let first = 0; first < labels.length; first += this.batch) {
      const n = Math.min(this.batch, labels.length - first);
      hits += this.forward(images, labels, Int32Array.from({length: n}, (_, i) => first + i)).hits;
    }
    return hits / labels.length;
  }
}

// Calls `each(index here, index in our order)` for every weight of a layer: here they are
// (in, out), and `in` of a convolution and of what follows one has its channels last.
function places(layer, each, n) {
  const [out, channels, height, width] = layer === 2 ? [120, 16, 5, 5] : [...SHAPES[layer], 1, 1];
  let ours = 0;
  for (let o = 0; o < out; o++) for (let c = 0; c < channels; c++) {
    for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) {
      each(((y * width + x) * channels + c) * n + o, ours++);
    }
  }
}

// Weights (k, n), a bias, and their gradients.
class Weights {
  constructor(gemm, floats, inputs, outputs) {
    this.gemm = (m, n, k, a, row, step, b, c) => gemm(m, n, k, a.byteOffset, row, step, b.byteOffset, c.byteOffset);
    const k = this.k = eights(inputs), n = this.n = eights(outputs);
    [this.w, this.dw, this.transposed] = [k * n, k * n, k * n].map(floats);
    [this.b, this.db] = [n, n].map(floats);
  }

  apply(x, rows, y) {
    const {gemm, k, n, w, b} = this;
    y.set(b);
    for (let done = n; done < rows * n; done *= 2) y.copyWithin(done, 0, Math.min(done, rows * n - done));
    gemm(rows, n, k, x, 4 * k, 4, w, y);
  }

  // Adds to the gradients; writes that of x to `dx` where there is one.
  back(x, rows, dy, dx) {
    const {gemm, k, n, w, dw, db, transposed} = this;
    gemm(k, n, rows, x, 4, 4 * k, dy, dw);
    for (let i = 0; i < rows * n;) for (let j = 0; j < n; j++) db[j] += dy[i++];
    if (!dx) return;
    if (!this.turned) {
      for (let i = 0; i < k; i++) for (let j = 0; j < n; j++) transposed[j * k + i] = w[i * n + j];
      this.turned = true;
    }
    dx.fill(0, 0, rows * k);
    gemm(rows, k, n, dy, 4 * n, 4, transposed, dx);
  }

  step(lr) {
    for (const [now, change] of [[this.w, this.dw], [this.b, this.db]]) {
      for (let i = 0; i < now.length; i++) now[i] -= lr * change[i];
      change.fill(0);
    }
    this.turned = false;
  }
}

// A convolution with kernels of 5 by 5 over images of `side` by `side` pixels.
class Convolution {
  constructor(gemm, floats, batch, side, channels, outputs) {
    Object.assign(this, {side, channels});
    this.size = side - KERNEL + 1;
    this.weights = new Weights(gemm, floats, KERNEL ** 2 * channels, outputs);
    const {k, n} = this.weights, places = this.size ** 2;
    this.rows = floats(batch * places * k);
    this.drows = floats(places * k);
    this.out = {y: floats(batch * places * n), dy: floats(batch * places * n)};
  }

  // One image after the other: its rows stay in the processor's cache.
  forward(x, images) {
    const {weights, rows, out} = this, each = this.size ** 2;
    for (let i = 0; i < images; i++) {
      const some = rows.subarray(i * each * weights.k);
      this.gather(x, i, some);
      weights.apply(some, each, out.y.subarray(i * each * weights.n));
    }
  }

  back(images, dx) {
    const {weights, rows, drows, out} = this, each = this.size ** 2;
    dx?.fill(0);
    for (let i = 0; i < images; i++) {
      const dy = out.dy.subarray(i * each * weights.n, (i + 1) * each * weights.n);
      weights.back(rows.subarray(i * each * weights.k), each, dy, dx && drows);
      if (dx) this.scatter(dx, i, drows);
    }
  }

  gather(x, image, rows) {
    const {side, size, channels, weights: {k}} = this, run = KERNEL * channels, line = side * channels;
    for (let y = 0, row = 0; y < size; y++) for (let left = 0; left < size; left++, row += k) {
      let from = (image * side + y) * line + left * channels, to = row;
      for (let r = 0; r < KERNEL; r++, from += line) for (let j = 0; j < run; j++) rows[to++] = x[from + j];
    }
  }

  scatter(dx, image, rows) {
    const {side, size, channels, weights: {k}} = this, run = KERNEL * channels, line = side * channels;
    for (let y = 0, row = 0; y < size; y++) for (let left = 0; left < size; left++, row += k) {
      let to = (image * side + y) * line + left * channels, from = row;
      for (let r = 0; r < KERNEL; r++, to += line) for (let j = 0; j < run; j++) dx[to + j] += rows[from++];
    }
  }
}

// ReLU and the largest of 2 by 2; of equals the first, as in MXNet and PyTorch.
function pool(x, {y, at}, images, side, columns, channels) {
  let to = 0;
  for (let row = 0; row < images * side; row += 2) for (let left = 0; left < side; left += 2) {
    const corner = (row * side + left) * columns;
    for (let c = corner; c < corner + channels; c++) {
      let best = c;
      for (const i of [c + columns, c + side * columns, c + (side + 1) * columns]) if (x[i] > x[best]) best = i;
      y[to] = Math.max(0, x[best]);
      at[to++] = x[best] > 0 ? best : -1;
    }
  }
}

function unpool({dy, at}, out, from, to) {
  out.dy.fill(0, 0, to);
  for (let i = 0; i < from; i++) if (at[i] >= 0) out.dy[at[i]] = dy[i];
}

function positive(y, n) { for (let i = 0; i < n; i++) if (y[i] < 0) y[i] = 0; }

function passed({y, dy}, n) { for (let i = 0; i < n; i++) if (y[i] <= 0) dy[i] = 0; }

// Summed cross-entropy of softmax, hits, and the gradient of the mean.
function crossEntropy({y, dy}, labels, order) {
  const n = order.length, columns = eights(CLASSES), p = new Float64Array(CLASSES);
  let loss = 0, hits = 0;
  for (let i = 0; i < n; i++) {
    const row = y.subarray(i * columns, i * columns + CLASSES), label = labels[order[i]];
    const best = row.reduce((a, v, j) => (v > row[a] ? j : a), 0);
    let sum = 0;
    for (let j = 0; j < CLASSES; j++) sum += p[j] = Math.exp(row[j] - row[best]);
    loss += Math.log(sum) + row[best] - row[label];
    hits += best === label;
    for (let j = 0; j < CLASSES; j++) dy[i * columns + j] = (p[j] / sum - (j === label)) / n;
  }
  return {loss, hits};
}
