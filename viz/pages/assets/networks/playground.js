/* A network with two inputs, live. The programs before this script compute; here is how it looks and how it is changed. */
(() => {
  const D = JSON.parse(el('data').textContent), N = D.label.length, { layers, grid: [columns, rows] } = D, outputs = D.sizes.at(-1);
  const depth = layers.length, last = layers[depth - 1], cells = columns * rows;
  const [X, Y] = D.inputs, memory = { [X]: Float64Array.from(D.x), [Y]: globalThis[D.kind].from(D.y), ...unpackedStates(D.states) };
  const train = program_train(memory), see = program_see(memory), loss = program_loss(memory), field = program_field(memory);
  const x = memory[X], y = memory[Y], grid = field.inputs[0].data, per = y.length / N, label = Int32Array.from(D.label);
  const result = (program, k) => program.outputs[k].data, lossNow = () => result(see, 'loss')[0];
  const lossOf = () => { loss.run(); return result(loss, 0)[0]; };
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) {
    grid[2 * (r * columns + c)] = D.low[0] + (D.high[0] - D.low[0]) * c / (columns - 1);
    grid[2 * (r * columns + c) + 1] = D.low[1] + (D.high[1] - D.low[1]) * r / (rows - 1);
  }

  let steps = 0, speed = 2, timer = 0, due = 0, frame = 0, point = -1, touched = [], withGradients = true;
  let layer = max(1, depth - 1), large = null, chosen = { l: max(0, depth - 2), kind: 'w', i: 0 }, undone = null;

  /* ---------------------------------------------------------------- what the network answers */

  const logistic = z => z >= 0 ? 1 / (1 + Math.exp(-z)) : Math.exp(z) / (1 + Math.exp(z));
  const [low, high] = [D.codes[0][0], D.codes[D.codes.length - 1][0]], isLogit = outputs === 1 && D.cut === 0 && low === 0;
  /* the lead of class c over the best other class, in row i of the output */
  function margin(out, i, c) {
    if (outputs === 1) return (out[i] - D.cut) * (c ? 1 : -1);
    let most = -Infinity;
    for (let k = 0; k < outputs; k++) if (k !== c) most = max(most, out[i * outputs + k]);
    return out[i * outputs + c] - most;
  }
  const answer = (out, i) => {
    let best = 0;
    for (let c = 1; c < D.classes.length; c++) if (margin(out, i, c) > 0) best = c;
    return best;
  };
  /* the answer as a shade from 0, the first class, to 1, the last */
  function share(out, i) {
    if (outputs === 1) return isLogit ? logistic(out[i]) : clamp((out[i] - low) / (high - low || 1), 0, 1);
    if (outputs === 2) return logistic(out[2 * i + 1] - out[2 * i]);
    return answer(out, i) / (outputs - 1);
  }
  const countRight = () => label.reduce((sum, c, i) => sum + (answer(result(see, 'output'), i) === c), 0);

  /* ---------------------------------------------------------------- colours and canvases */

  let ramp = [], packed = new Uint32Array(256), colours = {};
  function readColours() {
    for (const name of ['ink', 'paper', 'bad', 'hair', 'fwd']) colours[name] = token(name);
    const ends = Array.from({ length: 7 }, (_, k) => token(`v${k}`)).map(c => [1, 3, 5].map(i => parseInt(c.slice(i, i + 2), 16)));
    ramp = Array.from({ length: 256 }, (_, n) => {
      const t = n / 255 * 6, k = min(5, floor(t));
      return ends[k].map((v, j) => round(v + (ends[k + 1][j] - v) * (t - k)));
    });
    const bytes = new Uint8Array(packed.buffer);
    ramp.forEach((colour, n) => bytes.set([...colour, 255], 4 * n));
  }
  const step = t => clamp(round(t * 255), 0, 255) || 0;
  const surface = t => .06 + .5 * t;  // points and lines stand out from the lower half of the ramp
  function canvas(id) {
    const place = el(id), box = place.getBoundingClientRect(), ratio = devicePixelRatio || 1;
    const [w, h] = [box.width, box.height].map(v => round(v * ratio));
    if (place.width !== w || place.height !== h) Object.assign(place, { width: w, height: h });
    const c = place.getContext('2d');
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.clearRect(0, 0, box.width, box.height);
    return [c, box.width, box.height];
  }
  const small = Object.assign(document.createElement('canvas'), { width: columns, height: rows });
  const smallC = small.getContext('2d'), image = smallC.createImageData(columns, rows), pixels = new Uint32Array(image.data.buffer);
  /* the shade `of(i)`, 0 to 1, of each place of the grid, as a small picture */
  function map(of) {
    for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) pixels[(rows - 1 - r) * columns + c] = packed[step(of(r * columns + c))];
    smallC.putImageData(image, 0, 0);
    return small;
  }
  function mark(c, px, py, kind, isWrong, isChosen) {
    c.beginPath();
    if (kind === 0) c.arc(px, py, 4.1, 0, 7);
    else if (kind === 1) c.rect(px - 3.6, py - 3.6, 7.2, 7.2);
    else for (const [dx, dy] of kind === 2 ? [[0, -5], [5, 4], [-5, 4]] : [[0, -5.4], [5.4, 0], [0, 5.4], [-5.4, 0]]) c.lineTo(px + dx, py + dy);
    c.closePath();
    c.fillStyle = kind % 2 ? colours.ink : colours.paper;
    c.strokeStyle = kind % 2 ? colours.paper : colours.ink;
    c.lineWidth = 1.2;
    c.fill();
    c.stroke();
    if (isWrong) ring(c, px, py, 8, isMany ? 1 : 1.6, colours.bad, [2.5, 2]);
    if (isChosen) ring(c, px, py, 10, 2, colours.ink, []);
  }
  function ring(c, px, py, radius, width, colour, dash) {
    c.beginPath();
    c.arc(px, py, radius, 0, 7);
    if (width > 1) {
      c.lineWidth = width + 2;
      c.strokeStyle = colours.paper;
      c.stroke();
    }
    c.setLineDash(dash);
    c.lineWidth = width;
    c.strokeStyle = colour;
    c.stroke();
    c.setLineDash([]);
  }
  /* example i at a place */
  function markOf(c, px, py, i, said) {
    mark(c, px, py, label[i], answer(said, i) !== label[i], i === point);
  }
  const legend = ['<circle r="5" class="mark0"/>', '<rect x="-4.5" y="-4.5" width="9" height="9" class="mark1"/>', '<path d="M0,-6L6,5H-6Z" class="mark0"/>', '<path d="M0,-6.5L6.5,0L0,6.5L-6.5,0Z" class="mark1"/>'];
  el('classes').innerHTML = D.classes.map((name, k) => `<span><svg viewBox="-9 -9 18 18" width="16" height="16" aria-hidden="true">${legend[k]}</svg>${esc(name)}</span>`).join('');
  /* where the answer changes: pairs of places on edges of the grid, each between two of its points */
  function boundary(out) {
    const found = [];
    for (const far of Array.from({ length: max(1, outputs - 1) }, (_, k) => i => margin(out, i, k + 1)))
      for (let r = 0; r + 1 < rows; r++) for (let c = 0; c + 1 < columns; c++) {
        const at = r * columns + c, corner = [at, at + 1, at + columns + 1, at + columns], cuts = [];
        for (let e = 0; e < 4; e++) {
          const from = corner[e], to = corner[(e + 1) % 4], a = far(from), b = far(to);
          if (a > 0 !== b > 0) cuts.push([from, to, a / (a - b)]);
        }
        for (let e = 0; e + 1 < cuts.length; e += 2) found.push([cuts[e], cuts[e + 1]]);
      }
    return found;
  }
  function drawBoundary(c, places, segments) {
    const to = ([a, b, t], k) => places[2 * a + k] + (places[2 * b + k] - places[2 * a + k]) * t;
    c.beginPath();
    for (const [from, end] of segments) {
      c.moveTo(to(from, 0), to(from, 1));
      c.lineTo(to(end, 0), to(end, 1));
    }
    c.lineCap = 'round';
    for (const [width, colour] of [[4.5, colours.paper], [2.2, colours.ink]]) {
      c.lineWidth = width;
      c.strokeStyle = colour;
      c.stroke();
    }
    c.lineCap = 'butt';
  }

  /* ---------------------------------------------------------------- the plane of the inputs */

  const planeX = (v, w) => (v - D.low[0]) / (D.high[0] - D.low[0]) * w;
  const planeY = (v, h) => h - (v - D.low[1]) / (D.high[1] - D.low[1]) * h;
  let isMany = false;  // so many mistakes that their rings would hide the points
  function drawPlane(segments) {
    const [c, w, h] = canvas('plane'), out = result(field, 'output'), said = result(see, 'output');
    c.imageSmoothingEnabled = true;
    c.drawImage(map(large ? neuron(large.k, large.i) : i => surface(share(out, i))), 0, 0, w, h);
    const places = new Float64Array(2 * cells);
    for (let i = 0; i < cells; i++) { places[2 * i] = planeX(grid[2 * i], w); places[2 * i + 1] = planeY(grid[2 * i + 1], h); }
    if (!large) drawBoundary(c, places, segments);
    const right = countRight();
    isMany = right < .7 * N;
    for (let i = 0; i < N; i++) markOf(c, planeX(x[2 * i], w), planeY(x[2 * i + 1], h), i, said);
    el('planehead').textContent = large ? large.name : say`Input space`;
    const of = say`${right} of ${N} right`;
    el('planesaid').textContent = point < 0 ? say`drag a point; ${of}` : say`point ${point + 1}: ${answerTo(point)}`;
    el('plane').setAttribute('aria-label', say`Input space: ${of}. ${point < 0 ? say`No point is chosen` : say`Point ${point + 1} is chosen: ${answerTo(point)}`}`);
    return right;
  }
  function answerTo(i) {
    const out = result(see, 'output'), is = D.classes[label[i]], said = D.classes[answer(out, i)];
    const much = outputs === 1 ? say`, output ${scalar(out[i])}` : '';
    return `${is === said ? say`${is}, right` : say`${is}, read as ${said}`}${much}`;
  }

  /* ---------------------------------------------------------------- the plane, bent layer by layer */

  const shown = new Map();  // the last picture of each layer, to which the next one is aligned
  const found = new Map();  // the last directions of each layer, from which the next search begins
  /* The two directions in which `values` (m, n) of layer k vary most, by orthogonal iteration with their covariance;
     `first`: a direction to be left out. */
  function directions(k, values, n, mean, first) {
    const m = values.length / n, covariance = new Float64Array(n * n), row = new Float64Array(n);
    for (let i = 0; i < m; i++) {
      let along = 0;
      for (let j = 0; j < n; j++) { row[j] = values[i * n + j] - mean[j]; if (first) along += row[j] * first[j]; }
      if (first) for (let j = 0; j < n; j++) row[j] -= along * first[j];
      for (let a = 0; a < n; a++) for (let b = 0; b < n; b++) covariance[a * n + b] += row[a] * row[b];
    }
    let axes = found.get(k) || [0, 1].map(e => Float64Array.from({ length: n }, (_, j) => Math.cos((e + 1) * (j + .5))));
    for (let turn = 0; turn < 40; turn++)
      axes.forEach((axis, e) => {
        const next = new Float64Array(n);
        for (let a = 0; a < n; a++) { let s = 0; for (let b = 0; b < n; b++) s += covariance[a * n + b] * axis[b]; next[a] = s; }
        if (e) {
          let s = 0;
          for (let a = 0; a < n; a++) s += next[a] * axes[0][a];
          for (let a = 0; a < n; a++) next[a] -= s * axes[0][a];
        }
        const length = Math.hypot(...next);
        if (length > 1e-150 && Number.isFinite(length)) axes[e] = next.map(v => v / length);
      });
    found.set(k, axes);
    return axes;
  }
  /* the normal of the boundary in the last hidden layer, where one line parts two classes */
  function normal() {
    if (outputs > 2) return null;
    const w = memory[last.w], n = last.in, across = Array.from({ length: n }, (_, j) => outputs === 1 ? w[j] : w[n + j] - w[j]);
    const length = Math.hypot(...across);
    return length > 0 && Number.isFinite(length) ? across.map(v => v / length) : null;
  }
  const RANGES = { sigmoid: [-.06, 1.06], tanh: [-1.12, 1.12], softmax: [-.06, 1.06] };
  /* Layer k as {grid, points, note}: coordinates from -1 to 1. Layer 0 is the input. */
  function bent(k) {
    const flat = (from, n) => Float64Array.from({ length: n }, (_, i) => 2 * (from[i] - D.low[i % 2]) / (D.high[i % 2] - D.low[i % 2]) - 1);
    if (k === 0) return { grid: flat(grid, 2 * cells), points: flat(x, 2 * N), note: say`unchanged` };
    const isOutput = k === depth, n = isOutput ? outputs : layers[k - 1].out;
    const [a, g] = [see, field].map(program => result(program, isOutput ? 'output' : `a${k}`));
    if (n === 1) {
      const cut = isOutput ? D.cut : 0, most = max(...a.map(v => abs(v - cut))) * 1.1 || 1;
      const line = (values, from, m) => Float64Array.from({ length: 2 * m }, (_, i) => i % 2 ? .3 * from[i] : (values[i >> 1] - cut) / most);
      return { grid: line(g, flat(grid, 2 * cells), cells), points: line(a, flat(x, 2 * N), N), note: say`one number across; height spreads points` };
    }
    const mean = Array.from({ length: n }, (_, j) => { let s = 0; for (let i = 0; i < N; i++) s += a[i * n + j]; return s / N; });
    let axes = [[1, 0], [0, 1]], note = say`its two neurons`;
    const range = n === 2 && !isOutput ? RANGES[layers[k - 1].f] : null;
    if (n > 2) {
      const first = k === depth - 1 ? normal() : null, most = directions(k, a, n, mean, first);
      axes = first ? [first, most[0]] : most;
      let whole = 0, seen = 0;
      for (let i = 0; i < N; i++) for (let j = 0; j < n; j++) whole += (a[i * n + j] - mean[j]) ** 2;
      for (const axis of axes) for (let i = 0; i < N; i++) { let s = 0; for (let j = 0; j < n; j++) s += axis[j] * (a[i * n + j] - mean[j]); seen += s * s; }
      note = say`${round(100 * seen / (whole || 1))} % of ${n} neurons' variance`;
    }
    const middle = range ? [0, 1].map(() => (range[0] + range[1]) / 2) : mean;
    const onto = (values, m) => {
      const made = new Float64Array(2 * m);
      for (let i = 0; i < m; i++) for (let e = 0; e < 2; e++) {
        let s = 0;
        for (let j = 0; j < n; j++) s += axes[e][j] * (values[i * n + j] - middle[j]);
        made[2 * i + e] = s;
      }
      return made;
    };
    const made = { grid: onto(g, cells), points: onto(a, N), note };
    if (n > 2) turn(made, shown.get(k) || bent(0), k === depth - 1);
    for (let e = 0; e < 2; e++) {
      let most = range ? (range[1] - range[0]) / 2 : 0;
      if (!range) for (let i = 0; i < N; i++) most = max(most, abs(made.points[2 * i + e]) * 1.12);
      made[e ? 'tall' : 'wide'] = most;
      for (const values of [made.grid, made.points]) for (let i = e; i < values.length; i += 2) values[i] = clamp(values[i] / (most || 1), -4, 4);
    }
    if (k === depth - 1 && outputs < 3) made.note = say`boundary straight; ${note}`;
    shown.set(k, made);
    return made;
  }
  /* The rotation that brings points nearest to others, without a reflection {same, crossed} or with one {mirror, mirrored}. */
  function nearness(p, q) {
    let same = 0, crossed = 0, mirror = 0, mirrored = 0;
    for (let i = 0; i < p.length; i += 2) {
      same += p[i] * q[i] + p[i + 1] * q[i + 1]; crossed += p[i] * q[i + 1] - p[i + 1] * q[i];
      mirror += p[i] * q[i] - p[i + 1] * q[i + 1]; mirrored += p[i] * q[i + 1] + p[i + 1] * q[i];
    }
    return { same, crossed, mirror, mirrored, over: Math.hypot(mirror, mirrored) > Math.hypot(same, crossed) };
  }
  /* Rotate and reflect a picture, or only reflect it, so that its points are as near as possible to those of another. */
  function turn(picture, to, onlyOver) {
    const { same, crossed, mirror, mirrored, over: isOver } = nearness(picture.points, to.points);
    const over = onlyOver ? mirror > same : isOver;
    const angle = onlyOver ? 0 : over ? Math.atan2(mirrored, mirror) : Math.atan2(crossed, same);
    const cos = Math.cos(angle), sin = Math.sin(angle);
    for (const values of [picture.grid, picture.points]) for (let i = 0; i < values.length; i += 2) {
      const u = values[i], v = over ? -values[i + 1] : values[i + 1];
      values[i] = cos * u - sin * v; values[i + 1] = sin * u + cos * v;
    }
  }
  const layerName = k => k === 0 ? say`Input space` : k === depth ? say`Output` : say`After layer ${k}`;
  function drawBent(segments) {
    const [c, w, h] = canvas('bent'), k = floor(layer), t = layer - k, out = result(field, 'output'), said = result(see, 'output');
    const from = bent(k), to = t ? bent(k + 1) : from;
    /* between two layers the picture rotates as a whole: points moving on straight lines would shrink it first */
    const { same, crossed, over } = nearness(from.points, to.points), angle = over ? 0 : Math.atan2(crossed, same);
    const [cos, sin, ahead, aside] = [Math.cos(angle), Math.sin(angle), Math.cos(t * angle), Math.sin(t * angle)];
    function blend(a, b) {
      const made = new Float64Array(a.length);
      for (let i = 0; i < a.length; i += 2) {
        const u = a[i] + (cos * b[i] + sin * b[i + 1] - a[i]) * t, v = a[i + 1] + (cos * b[i + 1] - sin * b[i] - a[i + 1]) * t;
        made[i] = w / 2 * (1 + ahead * u - aside * v);
        made[i + 1] = h / 2 * (1 - aside * u - ahead * v);
      }
      return made;
    }
    const shares = Float64Array.from({ length: cells }, (_, i) => share(out, i));
    const sheet = blend(from.grid, to.grid), points = blend(from.points, to.points);
    for (let r = 0; r + 1 < rows; r++) for (let q = 0; q + 1 < columns; q++) {
      const at = r * columns + q;
      c.beginPath();
      for (const i of [at, at + 1, at + columns + 1, at + columns]) c.lineTo(sheet[2 * i], sheet[2 * i + 1]);
      c.closePath();
      const mean = (shares[at] + shares[at + 1] + shares[at + columns] + shares[at + columns + 1]) / 4;
      c.fillStyle = c.strokeStyle = `rgb(${ramp[step(surface(mean))]})`;
      c.lineWidth = .7;
      c.fill();
      c.stroke();
    }
    c.strokeStyle = colours.ink;
    c.globalAlpha = .28;
    c.lineWidth = 1;
    for (let r = 0; r < rows; r += 4) { c.beginPath(); for (let q = 0; q < columns; q++) c.lineTo(sheet[2 * (r * columns + q)], sheet[2 * (r * columns + q) + 1]); c.stroke(); }
    for (let q = 0; q < columns; q += 4) { c.beginPath(); for (let r = 0; r < rows; r++) c.lineTo(sheet[2 * (r * columns + q)], sheet[2 * (r * columns + q) + 1]); c.stroke(); }
    c.globalAlpha = 1;
    drawBoundary(c, sheet, segments);
    for (let i = 0; i < N; i++) markOf(c, points[2 * i], points[2 * i + 1], i, said);
    const name = t ? say`${layerName(k)} to ${layerName(k + 1).toLowerCase()}` : layerName(k);
    el('benthead').textContent = name;
    el('bentsaid').textContent = el('bentsaid').title = t ? say`${round(100 * t)} % of the way` : from.note;
    el('bent').setAttribute('aria-label', say`${name}: ${el('bentsaid').textContent}`);
    el('layersaid').textContent = name;
    el('layer').setAttribute('aria-valuetext', name);
  }

  /* ---------------------------------------------------------------- the network */

  const EVERY = 10, HEAD = 6, TAIL = 2;
  const drawn = n => n <= EVERY ? Array.from({ length: n }, (_, i) => i) : [...Array(HEAD).keys(), ...Array.from({ length: TAIL }, (_, i) => n - TAIL + i)];
  let spots = [], wires = [];
  /* the shade of neuron i of layer k at each place of the grid */
  function neuron(k, i) {
    if (k === 0) return at => (grid[2 * at + i] - D.low[i]) / (D.high[i] - D.low[i]);
    const { out, f } = layers[k - 1], values = result(field, `a${k}`), fixed = /sigmoid$|^softmax/.test(f) ? [0, 1] : /tanh$/.test(f) ? [-1, 1] : null;
    if (k === depth && outputs === 1) return at => surface(share(result(field, 'output'), at));
    let [least, most] = fixed || [0, 0];
    if (!fixed) for (let at = 0; at < cells; at++) { least = min(least, values[at * out + i]); most = max(most, values[at * out + i]); }
    if (!fixed && least < 0) [least, most] = [-max(-least, most), max(-least, most)];
    return at => (values[at * out + i] - least) / (most - least || 1);
  }
  const nameOf = (k, i) => k === 0 ? `x${i + 1}` : k === depth ? (outputs > 1 ? say`Output for ${D.classes[i]}` : say`Output`) : say`Neuron ${i} of layer ${k}`;
  function layOut() {
    const svg = el('wires'), box = el('netbox'), narrow = innerWidth <= 900, most = max(...D.sizes.map(n => drawn(n).length));
    const top = box.getBoundingClientRect().top + scrollY, W = box.clientWidth, touch = narrow || matchMedia('(pointer:coarse)').matches;
    const H = max(most * (touch ? 57 : 40), touch ? 240 : min(420, innerHeight - top - 14)), side = min(40, H / most - 16);
    box.style.height = `${H}px`;
    svg.setAttribute('viewBox', `0 0 ${W} ${H}`);
    svg.replaceChildren();
    [spots, wires] = [[], []];
    D.sizes.forEach((n, k) => {
      const list = drawn(n), left = 26 + (W - 26 - side - (outputs > 1 ? 84 : 34)) * k / depth, gap = min(H / list.length, side + (list.length < 3 ? 44 : 18));
      spots.push(new Map(list.map((i, place) => [i, { left, top: H / 2 - 7 + (place - (list.length - 1) / 2) * gap - side / 2, side }])));
      if (list.length < n) shape('text', { x: left + side / 2, y: min(H - 2, H / 2 + list.length / 2 * gap + 9), 'text-anchor': 'middle', class: 'note' }, svg, say`${n - list.length} more`);
    });
    layers.forEach((of, l) => {
      for (const [o, to] of spots[l + 1]) for (const [i, from] of spots[l]) {
        const x1 = from.left + side, y1 = from.top + side / 2, x2 = to.left - 3, y2 = to.top + side / 2, reach = (x2 - x1) * .45;
        const d = `M${x1},${y1}C${x1 + reach},${y1} ${x2 - reach},${y2} ${x2},${y2}`, line = name => shape('path', { d, class: name }, svg);
        const made = { l, kind: 'w', i: o * of.in + i, hit: line('hit'), picked: line('picked'), w: line('w'), hole: line('hole'), g: line('g') };
        made.g.setAttribute('transform', 'translate(0 4.5)');
        made.title = shape('title', {}, made.hit);
        wires.push(made);
        pull(made.hit, made);
      }
      if (of.b) for (const [o, at] of spots[l + 1]) {
        const hit = shape('rect', { x: at.left - 5, y: at.top + side - 6, width: 10, height: 10, class: 'bias' });
        const made = { l, kind: 'b', i: o, hit, title: shape('title', {}, hit) };
        at.bias = hit;
        wires.push(made);
        pull(hit, made);
      }
    });
    spots.forEach((column, k) => column.forEach((at, i) => {
      at.cell = shape('rect', { x: at.left, y: at.top, width: side, height: side, class: `cell ${k === 0 ? 'in' : k === depth ? 'end' : ''}`, tabindex: 0, role: 'button' }, svg);
      at.cell.setAttribute('aria-label', say`${nameOf(k, i)}: show its output over the plane`);
      if (at.bias) svg.append(at.bias);
      at.said = shape('text', { x: at.left + side / 2, y: at.top + side + 12, 'text-anchor': 'middle', class: 'note' }, svg);
      if (k === 0) shape('text', { x: at.left - 6, y: at.top + side / 2 + 4, 'text-anchor': 'end' }, svg, `x${i + 1}`);
      if (k === depth && outputs > 1) shape('text', { x: at.left + side + 6, y: at.top + side / 2 + 4 }, svg, D.classes[i].slice(0, 12));
      const pick = () => { large = large && large.k === k && large.i === i ? null : { k, i, name: nameOf(k, i) }; later(); };
      at.cell.addEventListener('click', pick);
      at.cell.addEventListener('keydown', e => { if (e.key === 'Enter' || e.key === ' ') { pick(); e.preventDefault(); } });
    }));
  }
  /* dragging across a line or a bias changes it */
  function pull(place, of) {
    let from = 0;
    dragged(place, () => { choose(of); from = current(); }, (n, e, isFirst) => {
      if (isFirst) remember();
      put(round((from + n * .01 * (e.shiftKey ? 10 : 1)) * 100) / 100);
    });
  }
  function drawNet() {
    const [c] = canvas('maps'), out = result(see, 'output'), most = max(...layers.map(of => memory[of.w].reduce((m, v) => max(m, abs(v)), 1e-9)));
    const isMany = wires.filter(wire => wire.kind === 'w').length > 70;
    spots.forEach((column, k) => column.forEach((at, i) => {
      c.drawImage(map(neuron(k, i)), at.left, at.top, at.side, at.side);
      const isLarge = large?.k === k && large.i === i;
      at.cell.classList.toggle('large', isLarge);
      at.cell.setAttribute('aria-pressed', isLarge);
      const v = point < 0 ? NaN : k === 0 ? x[2 * point + i] : k === depth ? out[point * outputs + i] : result(see, `a${k}`)[point * layers[k - 1].out + i];
      const said = point < 0 ? '' : v.toFixed(2);
      if (at.said.textContent !== said) at.said.textContent = said;
    }));
    for (const wire of wires) {
      const of = layers[wire.l], v = memory[of[wire.kind]][wire.i], place = of[`d${wire.kind}`], g = place === null ? NaN : result(see, place)[wire.i];
      wire.title.textContent = `${labelOf(wire)} = ${v.toPrecision(6)}${place === null ? '' : say`, gradient ${g.toPrecision(4)}`}`;
      const isChosen = wire.l === chosen.l && wire.kind === chosen.kind && wire.i === chosen.i;
      if (wire.kind === 'b') { wire.hit.classList.toggle('chosen', isChosen); continue; }
      const width = .6 + 3.2 * abs(v) / most, isHollow = v < 0 && width > 1.3;
      wire.w.setAttribute('stroke-width', width.toFixed(2));
      wire.hole.setAttribute('stroke-width', isHollow ? max(width - 1.5, .5).toFixed(2) : 0);
      wire.picked.style.display = isChosen ? '' : 'none';
      const strength = clamp((Math.log10(abs(g) + 1e-300) + 5) / 4.5, 0, 1), isOn = withGradients && strength > 0 && (isChosen || !isMany);
      wire.g.style.display = isOn ? '' : 'none';
      if (isOn) { wire.g.setAttribute('stroke-opacity', (.35 + .65 * strength).toFixed(2)); wire.g.setAttribute('stroke-width', (.7 + 2.1 * strength).toFixed(2)); }
    }
  }

  /* ---------------------------------------------------------------- the chosen weight */

  const labelOf = ({ l, kind, i }) => kind === 'b' ? `b${l + 1}[${i}]` : `W${l + 1}[${floor(i / layers[l].in)}, ${i % layers[l].in}]`;
  const array = of => memory[layers[of.l][of.kind]], current = () => array(chosen)[chosen.i];
  const slope = () => { const place = layers[chosen.l][`d${chosen.kind}`]; return place === null ? 0 : result(see, place)[chosen.i]; };
  function choose({ l, kind, i }) {
    [chosen, undone, reach] = [{ l, kind, i }, null, null];
    el('which').value = `${l}/${kind}/${i}`;
    later();
  }
  function remember() { undone = { of: { ...chosen }, v: current() }; }
  function put(v) {
    array(chosen)[chosen.i] = v;
    byHand();
  }
  /* a change by hand is a part of what happened: it shows in the curve of the loss */
  function byHand() {
    past = past.filter(at => at.step < steps);
    if (touched[touched.length - 1] !== steps) touched.push(steps);
    later();
  }
  function choices() {
    const option = of => `<option value="${of.l}/${of.kind}/${of.i}">${labelOf(of)}</option>`;
    el('which').innerHTML = layers.map((of, l) => `<optgroup label="${say`layer ${l + 1}`}">${wires.filter(wire => wire.l === l).map(option).join('')}</optgroup>`).join('');
    el('which').value = `${chosen.l}/${chosen.kind}/${chosen.i}`;
  }
  el('which').onchange = e => { const [l, kind, i] = e.target.value.split('/'); choose({ l: +l, kind, i: +i }); };
  const showValue = draggable(el('wval'), { label: () => say`${labelOf(chosen)}, the chosen parameter`, get: current, low: -100, high: 100,
    set: v => { if (!undone) remember(); put(v); }, reset: () => el('undo').click() });
  el('zero').onclick = () => { remember(); put(0); };
  el('undo').onclick = () => { if (undone) { array(undone.of)[undone.of.i] = undone.v; undone = null; byHand(); } };
  let reach = null;
  const work = N * layers.reduce((sum, of) => sum + of.in * of.out, 0);  // multiplications of one loss: a slice takes many
  const slice = new Plot(el('slice'), 400, 136, [8, 14, 20, 46]), curve = new Plot(el('losses'), 400, 116, [8, 14, 20, 46]);
  function lossAt(v) {
    const values = array(chosen), was = values[chosen.i];
    values[chosen.i] = v;
    const found = lossOf();
    values[chosen.i] = was;
    return found;
  }
  /* the gradient beside the slope that two nearby losses give: {word, kind, numeric} */
  function check(v, g, here) {
    const h = 6e-6 * max(1, abs(v)), [up, down] = [lossAt(v + h), lossAt(v - h)], numeric = (up - down) / (2 * h);
    const far = (a, b) => abs(a - b) / max(abs(a), abs(b), 1e-5);
    if (far(numeric, g) < 1e-4) return { word: say`ok`, kind: '', numeric };
    if (abs(numeric - g) < 2 ** -50 * abs(here) / h) return { word: say`not checked`, kind: 'kink', numeric: null };
    return far((up - here) / h, (here - down) / h) > 1e-2 ? { word: say`kink`, kind: 'kink', numeric } : { word: say`WRONG`, kind: 'wrong', numeric };
  }
  function drawWeight() {
    const { l, kind, i } = chosen, of = layers[l], v = current(), g = slope(), here = lossNow(), name = labelOf(chosen);
    el('wname').textContent = name;
    showValue();
    el('undo').hidden = !undone;
    el('wval').title = v;
    el('wgrad').textContent = `∂L/∂${name} = ${scalar(g)}`;
    el('wgrad').title = g;
    const o = kind === 'w' ? floor(i / of.in) : i, j = i % of.in, G = result(see, `G${l + 1}`), a = l ? result(see, `a${l}`) : x;
    const term = n => G[n * of.out + o] * (kind === 'w' ? a[n * of.in + j] : 1);
    let best = 0;
    for (let n = 1; n < N; n++) if (abs(term(n)) > abs(term(best))) best = n;
    const up = scalar(G[best * of.out + o]), to = say`neuron ${o} of layer ${l + 1}`;
    el('wwords').textContent = kind === 'w'
      ? say`It carries ${l ? say`neuron ${j} of layer ${l}` : `x${j + 1}`} to ${to}. So its gradient is the upstream gradient there times the value here, summed over ${N} points. The largest term is point ${best + 1}: ${up} × ${factor(a[best * of.in + j])} = ${scalar(term(best))}.`
      : say`It is added to ${to}. So its gradient is the upstream gradient there, summed over ${N} points. The largest is point ${best + 1}: ${up}.`;
    el('wcode').textContent = of[`line ${kind}`];
    const verdict = check(v, g, here);
    el('wcheck').className = `badge ${verdict.kind}`;
    const said = element('b', { textContent: verdict.word });
    el('wcheck').replaceChildren(said, verdict.numeric === null ? say`a small change of it is lost in the rounding of L`
      : say`central difference ${scalar(verdict.numeric)}`);
    if (!reach || v < reach[0] + .2 || v > reach[1] - .2) reach = [floor(v - 3), ceil(v + 3)];
    const many = clamp(floor(8e6 / work), 9, timer ? 33 : 71), line = Array.from({ length: many }, (_, k) => reach[0] + (reach[1] - reach[0]) * k / (many - 1)).map(at => [at, lossAt(at)]);
    const ys = [here, ...line.map(([, at]) => at).filter(Number.isFinite)], [least, most] = [min(...ys), max(...ys)], room = max((most - least) * .12, 1e-4);
    slice.begin(reach, [least - room, most + room]);
    slice.line(line, 'line');
    const run = min((reach[1] - reach[0]) * .22, g ? (most - least + room) * .5 / abs(g) : Infinity);
    slice.line([[v - run, here - run * g], [v + run, here + run * g]], 'tangent');
    const dot = slice.add('circle', { class: 'dot pull', cx: slice.x(v), cy: slice.y(here), r: 6 });
    if (!dot.held) dragged(dot, () => { if (!undone) remember(); }, (n, e) => put(+slice.unX((e.clientX - bounds(slice.svg).left) / bounds(slice.svg).width * slice.width).toFixed(2)));
    dot.held = true;
    slice.end();
    el('slicehead').replaceChildren(say`${'L'} as ${name} alone changes`, ' ', element('span', { className: 'grad', textContent: say`slope ${scalar(g)}` }));
    el('slice').setAttribute('aria-label', say`Loss as ${name} changes: ${scalar(here)} at ${scalar(v)}, slope ${scalar(g)}`);
  }

  /* ---------------------------------------------------------------- steps, and the way back through them */

  const SNAPSHOTS = 400;
  const states = D.trained.map(name => memory[name]), copy = () => states.map(values => values.slice());
  const begun = copy(), given = { x: x.slice(), y: y.slice(), label: label.slice(), rates: { ...D.rates } };
  let past = [], stride = 1;  // past: {step, loss, state}, every `stride` steps
  function advance(n) {
    past = past.filter(at => at.step < steps);
    touched = touched.filter(at => at <= steps);
    for (let k = 0; k < n; k++) {
      const state = steps % stride ? null : copy();
      train.run();
      train.commit();
      if (state) past.push({ step: steps, loss: result(train, 0)[0], state });
      steps++;
    }
    if (past.length > SNAPSHOTS) {
      stride *= 2;
      past = past.filter(at => at.step % stride === 0);
    }
  }
  function back(to) {
    stop();
    if (!past.length || past[past.length - 1].step < steps) past.push({ step: steps, loss: lossOf(), state: copy() });
    const at = past[clamp(to, 0, past.length - 1)];
    at.state.forEach((values, k) => states[k].set(values));
    steps = at.step;
    undone = null;
    later();
  }
  function drawLosses() {
    const all = [...past.map(at => [at.step, at.loss]), ...(past.some(at => at.step === steps) ? [] : [[steps, lossNow()]])];
    const finite = all.map(([, v]) => v).filter(Number.isFinite), end = max(50, all[all.length - 1][0]);
    curve.begin([0, end], [0, max(...finite, 1e-9) * 1.05]);
    for (const at of touched) curve.add('path', { class: 'touched', d: `M${curve.x(at)},8V96` });
    curve.line(all, 'line');
    curve.add('circle', { class: 'dot', cx: curve.x(steps), cy: curve.y(lossNow()), r: 4.5 });
    curve.end();
    el('losshead').textContent = say`Loss ${scalar(lossNow())} after ${steps.toLocaleString('en')} steps${touched.length ? say`; dotted: changed by hand` : ''}`;
    el('losses').setAttribute('aria-label', say`Loss after each step: ${scalar(all[0][1])} at first, now ${scalar(lossNow())}`);
    const when = el('when'), place = past.findIndex(at => at.step === steps);
    when.max = place < 0 ? past.length : past.length - 1;
    when.value = place < 0 ? past.length : place;
    when.disabled = !past.length;
    when.setAttribute('aria-valuetext', say`step ${steps}`);
  }
  el('when').oninput = e => back(+e.target.value);
  /* Glorot's uniform weights, biases 0; each press draws new ones, in the same sequence on every page */
  const draw = draws(20_000_003);
  function fresh() {
    stop();
    begun.forEach((values, k) => states[k].set(values));
    for (const of of layers) {
      const bound = Math.sqrt(6 / (of.in + of.out));
      memory[of.w].forEach((_, i, w) => { w[i] = bound * (2 * draw() - 1); });
      if (of.b) memory[of.b].fill(0);
    }
    [steps, past, touched, stride, undone] = [0, [], [], 1, null];
    shown.clear();
    found.clear();
    later();
  }
  el('fresh').title = say`New weights, uniform on ±√(6 / (inputs + outputs)); biases 0`;

  /* ---------------------------------------------------------------- everything, once a frame */

  let heard = 0;
  function later() { if (!due && !timer) due = requestAnimationFrame(() => { due = 0; now(); }); }
  function now() {
    see.run();
    field.run();
    const segments = boundary(result(field, 'output')), right = drawPlane(segments);
    drawBent(segments);
    drawNet();
    if (!timer || frame++ % 5 === 0) drawWeight();
    gauges(el('gauges'), layers.map((of, l) => ({ name: say`layer ${l + 1}`, note: `${of.in} → ${of.out}`, size: of.dw === null ? 0 : rootMeanSquare(result(see, of.dw)) })));
    drawLosses();
    if (rate) showRate(short(memory[rate][0]));
    showSpeed(String(speed));
    const said = [[say`step`, steps.toLocaleString('en'), steps], [say`loss`, scalar(lossNow()), lossNow()], [say`right`, `${(100 * right / N).toFixed(1)} %`, say`${right} of ${N}`]];
    el('state').replaceChildren(...said.flatMap(([name, textContent, title]) => [`${name} `, element('b', { textContent, title }), ' ']));
    clearTimeout(heard);
    heard = setTimeout(() => { el('told').textContent = say`Step ${steps}, loss ${scalar(lossNow())}, ${right} of ${N} points right.`; }, 900);
  }
  const rates = Object.keys(D.rates), rate = rates[0];
  function setRate(v) { for (const name of rates) memory[name][0] = v * (D.rates[name] / D.rates[rate] || 1); later(); }
  const showRate = rate ? draggable(el('lr'), { label: say`learning rate`, get: () => memory[rate][0], set: setRate, ratio: 1.02, low: 1e-5, high: 1000, reset: () => setRate(D.rates[rate]) })
    : (el('lr').parentNode.hidden = true, () => {});
  const showSpeed = draggable(el('speed'), { label: say`steps per frame`, get: () => speed, set: v => { speed = round(v); later(); }, step: .1, low: 1, high: 200 });
  function loop() { advance(speed); now(); timer = requestAnimationFrame(loop); }
  function pressed(isOn) { el('run').textContent = isOn ? say`Pause` : say`Train`; el('run').setAttribute('aria-pressed', isOn); }
  function stop() { cancelAnimationFrame(timer); timer = 0; pressed(false); }
  el('run').onclick = () => { if (timer) { stop(); now(); } else { undone = null; pressed(true); timer = requestAnimationFrame(loop); } };
  el('one').onclick = () => { stop(); undone = null; advance(1); now(); };
  el('fresh').onclick = fresh;
  el('back').onclick = e => { withGradients = !withGradients; e.target.setAttribute('aria-pressed', withGradients); later(); };
  el('layer').max = depth;
  el('layer').value = layer;
  el('layer').oninput = e => {
    const v = +e.target.value, whole = round(v);
    layer = abs(v - whole) < .03 ? whole : v;
    later();
  };

  /* ---------------------------------------------------------------- points */

  const plane = el('plane');
  function nearest(e) {
    const box = plane.getBoundingClientRect();
    let best = -1, least = 20 ** 2;
    for (let i = 0; i < N; i++) {
      const far = (planeX(x[2 * i], box.width) - e.clientX + box.left) ** 2 + (planeY(x[2 * i + 1], box.height) - e.clientY + box.top) ** 2;
      if (far < least) [best, least] = [i, far];
    }
    return best;
  }
  function move(i, to) {
    for (let k = 0; k < 2; k++) x[2 * i + k] = clamp(to[k], D.low[k], D.high[k]);
    byHand();
  }
  let held = false;
  plane.addEventListener('touchstart', e => { if (nearest(e.touches[0]) >= 0) e.preventDefault(); }, { passive: false });  // the page scrolls elsewhere
  plane.addEventListener('pointerdown', e => {
    if (e.button) return;
    point = nearest(e);
    held = point >= 0;
    if (held) { hold(plane, e); plane.classList.add('held'); }
    later();
  });
  plane.addEventListener('pointermove', e => {
    if (!held) return;
    const box = plane.getBoundingClientRect();
    move(point, [D.low[0] + (e.clientX - box.left) / box.width * (D.high[0] - D.low[0]), D.high[1] - (e.clientY - box.top) / box.height * (D.high[1] - D.low[1])]);
  });
  for (const end of ['pointerup', 'pointercancel']) plane.addEventListener(end, () => { held = false; plane.classList.remove('held'); });
  plane.addEventListener('keydown', e => {
    const to = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[e.key];
    if (!to || point < 0 || isShortcut(e)) return;
    move(point, [0, 1].map(k => x[2 * point + k] + to[k] * (e.shiftKey ? .25 : .05)));
    e.preventDefault();
  });
  addEventListener('keydown', e => {
    if (isShortcut(e) || /^(INPUT|SELECT)$/.test(e.target.tagName)) return;
    const key = e.key.toLowerCase();
    if (key === 't') el('run').click();
    else if (key === 'g') el('one').click();
    else if (key === 'n' || key === 'p') { point = (point + (key === 'n' ? 1 : N - 1) + (point < 0 && key === 'p' ? 1 : 0)) % N; plane.focus({ preventScroll: true }); later(); }
    else if (key === 'c' && point >= 0) {
      label[point] = (label[point] + 1) % D.classes.length;
      y.set(D.codes[label[point]], point * per);
      byHand();
    }
    else if (key === 'escape' && large) { large = null; later(); }
    else return;
    e.preventDefault();
  });

  /* ---------------------------------------------------------------- begin */

  function repaint() { readColours(); if (spots.length) now(); }
  addEventListener('resize', () => { layOut(); now(); });
  onPaper(repaint);
  theme(el('theme'), repaint);
  layOut();
  choices();
  now();
})();
