/* The programs of a recorded graph in a page: its numbers by the keys of cards and sockets, as `viz.pages.graph_program` wrote them. */

/* ---------------------------------------------------------------- numbers as a reader sees them */

/* `digits` significant ones, no zeros to spare, a true minus */
function brief(x, digits = 4) {
  if (!isFinite(x)) return Number.isNaN(x) ? 'nan' : x > 0 ? '∞' : '\u2212∞';
  if (isInteger(x) && abs(x) < 1e5) return minus(String(x || 0));
  if (abs(x) < 1e-3 || abs(x) >= 1e5) return minus(x.toExponential(2).replace(/\.?0+e/, 'e').replace('+', ''));
  const said = x.toPrecision(digits);
  return minus(said.includes('e') ? String(+said) : said.replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, ''));
}
/* a change, with its sign; a factor of a product, in brackets if it is negative */
const signed = x => (x > 0 ? '+' : '') + brief(x, 3), inBrackets = x => x < 0 ? `(${brief(x, 3)})` : brief(x, 3);
const near = (a, b) => a === b || abs(a - b) <= 1e-11 * max(1, abs(a), abs(b));

/* ---------------------------------------------------------------- the arrays of a program */

/* the entries of an output, row by row: its array itself where they lie so */
function entriesOf({ data, shape, strides, offset }) {
  const n = shape.reduce((a, b) => a * b, 1);
  let dense = data.length >= offset + n, run = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] > 1 && strides[axis] !== run) dense = false;
    run *= shape[axis];
  }
  if (dense) return data.length === n ? data : data.subarray(offset, offset + n);
  const found = new Float64Array(n), at = shape.map(() => 0);
  for (let k = 0, place = offset; k < n; k++) {
    found[k] = data[place];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      place += strides[axis];
      if (++at[axis] < shape[axis]) break;
      place -= strides[axis] * shape[axis];
      at[axis] = 0;
    }
  }
  return found;
}
/* the root of the mean square; sizes such as 1e200 do not overflow */
function sizeOf(array) {
  let top = 0, sum = 0;
  for (const v of array) top = max(top, abs(v));
  if (!(top > 0 && isFinite(top))) return top;
  for (const v of array) sum += (v / top) ** 2;
  return top * Math.sqrt(sum / array.length);
}

/* The graph of `at`, the positions and names that Python found. `value(key)`, `gradient(key)`, `sent(socket)` and `gear(socket)` are arrays, or
   undefined where there is none; `leaf[key]`, `hold[key]` and `nudge[socket]` are arrays to write into. After writing, `run()` computes
   everything, `forward()` only the values, and gives the output. */
function graphProgram(at, see, probe) {
  const memory = { __proto__: null }, whole = see(memory);
  const nudge = Object.fromEntries(Object.entries(at.nudge).map(([key, [name, n]]) => [key, memory[name] = new Float64Array(n).fill(-0)]));
  const half = probe(memory);
  const states = names => Object.fromEntries(Object.entries(names).map(([key, name]) => [key, memory[name]]));
  const [leaf, hold, seed] = [at.leaf, at.hold, at.seed].map(states);
  const reader = (where, program) => key => where[key] === undefined ? undefined : entriesOf(program.outputs[where[key]]);
  const probed = reader(at.probed, half);
  return {
    leaf, hold, nudge, seed, tangent: reader(at.tangent, whole),
    value: reader(at.value, whole), gradient: reader(at.gradient, whole), sent: reader(at.contribution, whole), gear: reader(at.gear, whole),
    run() { whole.run(); },
    forward() { half.run(); return probed(at.end)[0]; },
    probed: key => probed(key) ?? leaf[key],
  };
}

/* ---------------------------------------------------------------- gradients against differences */

/* Whether `claimed` is the slope at 0 of the sum of `along(h)`, numbers of one number: 'right', 'wrong', 'kink' where slopes from the left and from
   the right differ at every small step and `claimed` lies between them, or 'unsure' where no steps agree on a finite slope. `h`: a first step. `size`:
   of what is added up in `along`, for the rounding; where it hides a fault of a thousandth, larger steps show it if they agree with the small ones. A
   fault below the rounding of what is added up is not found, nor another slope of a kink. `isWhole`: `along` is computed by many operations, whose
   kinks together may give a slope beyond those of both sides, as 2 relu(x) - relu(-x) at 0. `verdict` of ``checked.py`` does the same for one operation. */
function verdict(along, claimed, h, size = 0, isWhole = false) {
  const at = step => [along(step)].flat(), middle = at(0), add = (sum, v) => sum + v;
  const largest = middle.reduce((m, v) => max(m, abs(v)), size), all = max(size, middle.map(abs).reduce(add));
  const slopes = step => {
    const low = at(-step), high = at(step), sides = middle.map((m, k) => [(m - low[k]) / step, (high[k] - m) / step]);
    const [least, most] = [min, max].map(pick => sides.map(both => pick(...both)).reduce(add));
    return { least, most, centre: (least + most) / 2, noise: 4e-15 * largest / step };
  };
  let best = 'unsure', near;
  for (const step of [1, .1, .01, 1e-3, 1e-4, 10, 100, 1e3, 1e4, 1e5, 1e6].map(times => times * h)) {
    const [far, close] = [slopes(step), slopes(step / 10)], scale = max(abs(claimed), abs(close.centre), abs(far.centre)), isWide = step > h;
    if (isWide && (best === 'wrong' || best === 'kink' || abs(claimed) * 1e3 * h <= 8e-15 * largest)) break;  // a slope of 0, but for rounding
    if (!isFinite(far.centre) || !isFinite(close.centre) || !isFinite(claimed)) continue;
    near ??= close;
    const steady = abs(far.centre - close.centre) + close.noise, off = abs(close.centre - claimed), gap = close.most - close.least, edge = 1e-4 * scale;
    if (off <= edge + 2 * close.noise && close.noise <= edge + 1e-300) return 'right';
    if (off <= 2 * close.noise || scale === 0) { best = 'right'; continue; }
    const isBent = !isWide && gap > (far.most - far.least) / 3 && gap > 3.2e-14 * all / (step / 10) && gap > 1e-5 * scale;
    if (isBent && (isWhole || (claimed >= close.least - edge && claimed <= close.most + edge))) { best = 'kink'; continue; }
    if (best === 'kink') best = 'unsure';  // a kink is one at every step
    if (steady * 4 < off && off > 2e-4 * scale && (!isWide || abs(close.centre - near.centre) <= 2 * near.noise)) best = 'wrong';
  }
  return best;
}
