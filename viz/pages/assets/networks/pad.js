/* The pad: what is drawn goes through the network's own program and its gradients come back. */
function pad() {
  const [height, width] = D.shape, [paper, ink] = D.range, pixels = height * width, { layers } = D.network;
  const program = program_pad(unpackedStates(D.network.states)), x = program.inputs[0].data, y = program.inputs[1].data, result = name => program.outputs[name].data;
  const samples = D.samples.map(s => ({ ...s, x: unpacked(s.x, Float32Array) }));
  const box = el('pad'), crop = el('crop'), erase = el('erase'), hint = el('truth'), aim = el('aim');
  const drawn = new Float32Array(pixels).fill(paper);
  let at = [Math.floor(height / 2), Math.floor(width / 2)], timer = 0, truth = -1, target = 0;

  const grid = (svg, n, columns) => {
    svg.setAttribute('viewBox', `-.1 -.1 ${columns + .2} ${Math.ceil(n / columns) + .2}`);
    return Array.from({ length: n }, (_, i) => shape('rect', { x: i % columns, y: Math.floor(i / columns), width: 1, height: 1 }, svg));
  };
  const step = share => Number.isFinite(share) ? clamp(Math.round(share * 6), 0, 6) : -1;
  const colour = (share, ramp = 'v') => step(share) < 0 ? 'var(--bad)' : `var(--${ramp}${step(share)})`;
  const percent = p => {
    const v = 100 * p;
    if (!Number.isFinite(v)) return String(v);
    if (v >= 99.95 && v < 100) return '> 99.9 %';
    if (v > 0 && v < .05) return '< 0.1 %';
    return `${v < 9.95 || (v >= 99 && v < 100) ? v.toFixed(1) : v.toFixed(0)} %`;
  };

  /* ---------------------------------------------------------------- arrays as pictures */

  /* as wide as a number of columns that leaves no gap, if there is one */
  const columns = n => {
    for (let c = Math.ceil(Math.sqrt(2 * n)); c <= 4 * Math.sqrt(n); c++) if (n % c === 0) return c;
    return Math.ceil(Math.sqrt(2 * n));
  };
  /* where cell i of an array lies, and how large the whole is: neurons in rows, steps one below the other, maps beside each other */
  function places(dims) {
    if (dims.length === 1) { const c = columns(dims[0]); return { wide: c, tall: Math.ceil(dims[0] / c), of: i => [i % c, Math.floor(i / c)] }; }
    if (dims.length === 2) return { wide: dims[1], tall: dims[0], of: i => [i % dims[1], Math.floor(i / dims[1])] };
    const [n, h, w] = dims, across = Math.min(n, Math.max(1, Math.floor(Math.sqrt(2.2 * n * h / w)))), gap = Math.max(1, Math.round(w / 8));
    return { wide: across * (w + gap) - gap, tall: Math.ceil(n / across) * (h + gap) - gap,
      of: i => { const m = Math.floor(i / (h * w)), k = i % (h * w); return [m % across * (w + gap) + k % w, Math.floor(m / across) * (h + gap) + Math.floor(k / w)]; } };
  }
  const where = (dims, i) => dims.length === 1 ? say`neuron ${i}` : dims.length === 2 ? say`step ${Math.floor(i / dims[1])}, number ${i % dims[1]}`
    : say`map ${Math.floor(i / dims[1] / dims[2])}, row ${Math.floor(i / dims[2]) % dims[1]}, column ${i % dims[2]}`;
  const tokens = {};
  function readColours() { for (const ramp of ['v', 'g']) for (let k = 0; k < 7; k++) tokens[ramp + k] = token(ramp + k); tokens.bad = token('bad'); }
  /* draw an array onto a canvas: stronger is larger in size, and a small square is negative */
  function picture(canvas, values, dims, ramp, most) {
    const lie = places(dims), scale = clamp(Math.floor(840 / lie.wide), 3, 30), c = canvas.getContext('2d');
    const [w, h] = [lie.wide * scale, lie.tall * scale];
    if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
    c.clearRect(0, 0, w, h);
    const line = scale > 7 ? 1 : 0;
    for (let i = 0; i < values.length; i++) {
      const [px, py] = lie.of(i), share = Math.abs(values[i]) / most;
      c.fillStyle = tokens[`${ramp}0`];
      c.fillRect(px * scale, py * scale, scale - line, scale - line);
      c.fillStyle = step(share) < 0 ? tokens.bad : tokens[ramp + step(share)];
      const side = values[i] < 0 ? Math.max(1, Math.round((scale - line) * .55)) : scale - line, off = Math.round((scale - line - side) / 2);
      c.fillRect(px * scale + off, py * scale + off, side, side);
    }
  }
  /* the cell of an array below the pointer */
  function cellAt(canvas, dims, e) {
    const lie = places(dims), b = canvas.getBoundingClientRect(), px = Math.floor((e.clientX - b.left) / b.width * lie.wide), py = Math.floor((e.clientY - b.top) / b.height * lie.tall);
    const n = dims.reduce((a, v) => a * v, 1);
    for (let i = 0; i < n; i++) { const [u, v] = lie.of(i); if (u === px && v === py) return i; }
    return -1;
  }
  const most = values => { let m = 0; for (const v of values) m = Math.max(m, Math.abs(v)); return m; };

  /* ---------------------------------------------------------------- forward and backward */

  for (const [k, name] of D.classes.entries()) {
    element('option', { value: k, textContent: apart(name) }, aim);
    const row = element('tr', {}, one('#answers tbody'));
    element('th', { scope: 'row', textContent: apart(name) }, row);
    element('i', {}, element('span', {}, element('td', { className: 'bar', ariaHidden: 'true' }, row)));
    element('td', { className: 'p' }, row);
  }
  const cells = grid(box, pixels, width), cursor = shape('rect', { class: 'cursor', width: 1, height: 1 }, box);
  const sees = grid(el('sees'), pixels, width), rows = all('#answers tr');
  const described = ({ n: number, shape: [n, m, across], by }) => {
    const kind = by === 'reshape' ? say`recurrent` : by === 'softmax' ? say`attention` : by.replaceAll('_', ' ');
    const said = across ? say`${n} maps of ${m} × ${across}, ${kind}` : m ? say`${n} steps of ${m} numbers, ${kind}` : say`${n} neurons, ${kind}`;
    return say`Layer ${number}: ${said}`;
  };
  const views = layers.map((layer, k) => {
    const place = element('div', { className: 'layer' }, el('layers')), idle = say`Point at a cell for its numbers.`;
    element('h3', { textContent: described(layer) }, place);
    const pair = element('div', { className: `pair ${layer.shape.length === 2 ? 'wide' : ''}` }, place), values = element('canvas', { className: 'cells', role: 'img' }, pair);
    const beside = element('div', {}, pair), back = element('canvas', { className: 'cells back', role: 'img' }, beside);
    const size = element('p', { className: 'rms' }, beside), said = element('p', { className: 'note', textContent: idle }, place);
    for (const canvas of [values, back]) {
      for (const kind of ['pointerdown', 'pointermove']) canvas.addEventListener(kind, e => {
        const i = cellAt(canvas, layer.shape, e);
        said.textContent = i < 0 ? idle : `${where(layer.shape, i)}: a = ${scalar(result(`a${k}`)[i])}, ∂L/∂a = ${scalar(result(`g${k}`)[i])}`;
      });
      canvas.addEventListener('pointerleave', () => { said.textContent = idle; });
    }
    return [values, back, size];
  });

  /* run the program for the picture `seen` with class `c` as the target */
  function run(seen, c) {
    x.set(seen);
    y.fill(c);
    program.run();
  }
  function paint() {
    const seen = crop && crop.checked ? prepared(drawn.map(v => v === ink ? 1 : 0), width).map(v => v ? ink : paper) : drawn;
    const share = v => (v - paper) / (ink - paper), blank = drawn.every(v => v === paper);
    cells.forEach((r, i) => { r.style.fill = colour(share(drawn[i])); });
    sees.forEach((r, i) => { r.style.fill = colour(share(seen[i])); });
    cursor.setAttribute('y', at[0]); cursor.setAttribute('x', at[1]);
    run(seen, target);
    const p = result('p'), best = p.indexOf(Math.max(...p)), auto = truth >= 0 ? truth : Math.max(best, 0);
    const wanted = aim.value === '' ? auto : +aim.value;
    if (wanted !== target) run(seen, target = wanted);
    const z = result('z'), up = result('dx'), name = D.classes[target];
    layers.forEach((layer, k) => {
      const a = result(`a${k}`), g = result(`g${k}`), [values, back, size] = views[k], scale = layer.most || most(a) || 1;
      picture(values, a, layer.shape, 'v', scale);
      picture(back, g, layer.shape, 'g', most(g) || 1);
      const mean = a.reduce((s, v) => s + v, 0) / a.length, high = a.reduce((s, v) => s + (v > scale / 2), 0);
      values.setAttribute('aria-label', say`${a.length} activations, mean ${scalar(mean)}, ${high} of them above half of the scale`);
      back.setAttribute('aria-label', say`Their gradients, rms ${rms(rootMeanSquare(g))}`);
      size.textContent = say`∂L/∂a, rms ${rms(rootMeanSquare(g))}`;
    });
    picture(el('dx'), up, [height, width], 'g', most(up) || 1);
    el('dxsaid').textContent = blank ? say`Nothing is drawn yet.` : say`L = ${scalar(result('loss')[0])} with ${name} as the target. Full squares: ink here raises L. Small ones: ink here lowers L, towards ${name}.`;
    el('rmsx').textContent = say`∂L/∂x, rms ${rms(rootMeanSquare(up))}: the effect of each pixel on the loss`;
    el('dx').setAttribute('aria-label', say`Gradient of the loss with respect to each pixel, rms ${rms(rootMeanSquare(up))}`);
    el('dx').title = `L = ${result('loss')[0]}`;
    el('flip').textContent = say`Change the pixel that helps most to make it ${name}`;
    rows.forEach((row, i) => {
      row.classList.toggle('best', i === best);
      row.classList.toggle('aim', i === target);
      row.querySelector('i').style.width = `${clamp(100 * p[i], 0, 100) || 0}%`;
      row.querySelector('.p').textContent = percent(p[i]);
      row.title = say`z = ${scalar(z[i])}, output ${p[i]}`;
    });
    const says = blank ? say`Nothing is drawn yet.` : best < 0 ? say`The outputs are not numbers.` : say`It says ${D.classes[best]}, ${percent(p[best])}.`;
    el('says').textContent = says;
    clearTimeout(timer);
    timer = setTimeout(() => { el('heard').textContent = says; }, 600);
    return seen;
  }
  let due = 0;
  const later = () => { due ||= requestAnimationFrame(() => { due = 0; paint(); }); };

  /* the change of one pixel to paper or ink that lowers the loss most, by its gradient */
  function flip() {
    drawn.set(paint());
    if (crop) crop.checked = false;
    const g = result('dx');
    let best = -1, gain = 0;
    for (let i = 0; i < pixels; i++) {
      const to = g[i] > 0 ? paper : ink, falls = g[i] * (drawn[i] - to);
      if (falls > gain) [best, gain] = [i, falls];
    }
    if (best < 0) return;
    const keep = aim.value === '' ? target : +aim.value;
    drawn[best] = g[best] > 0 ? paper : ink;
    aim.value = keep;
    at = [Math.floor(best / width), best % width];
    changed();
    el('where').textContent = told(best);
  }
  const told = i => say`row ${at[0] + 1}, column ${at[1] + 1}, ${drawn[i] === paper ? say`paper` : say`ink`}`;
  el('flip').onclick = flip;
  aim.onchange = paint;

  /* ---------------------------------------------------------------- drawing */

  /* the drawing is the reader's own now */
  function changed() {
    hint.textContent = '';
    truth = -1;
    paint();
  }
  /* a pen two pixels wide, as in the data; row and column are places on the pad, not pixels */
  function dot(row, column, value) {
    const r = Math.round(row) - 1, c = Math.round(column) - 1;
    for (const i of [r, r + 1]) for (const j of [c, c + 1])
      if (i >= 0 && i < height && j >= 0 && j < width) drawn[i * width + j] = value;
  }
  const place = e => {
    const b = box.getBoundingClientRect();
    return [(e.clientY - b.top) / b.height * height, (e.clientX - b.left) / b.width * width];
  };
  let last = null;
  function stroke(e) {
    const next = place(e), value = erase.getAttribute('aria-pressed') === 'true' || e.buttons === 2 ? paper : ink;
    const from = last || next, steps = Math.ceil(2 * Math.max(1, Math.abs(next[0] - from[0]), Math.abs(next[1] - from[1])));
    for (let t = 0; t <= steps; t++) dot(from[0] + (next[0] - from[0]) * t / steps, from[1] + (next[1] - from[1]) * t / steps, value);
    last = next;
    hint.textContent = '';
    truth = -1;
    later();
  }
  box.addEventListener('pointerdown', e => {
    e.preventDefault();
    box.focus({ preventScroll: true });
    hold(box, e);
    last = null;
    if (hint.textContent && e.buttons !== 2 && erase.getAttribute('aria-pressed') !== 'true') clear();  // a sample: what is drawn replaces it
    stroke(e);
  });
  box.addEventListener('pointermove', e => { if (e.buttons && last) stroke(e); });
  for (const name of ['pointerup', 'pointercancel']) box.addEventListener(name, () => { last = null; });
  box.addEventListener('contextmenu', e => e.preventDefault());
  box.addEventListener('keydown', e => {
    if (isShortcut(e)) return;
    const to = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[e.key];
    const here = () => at[0] * width + at[1], named = D.classes.indexOf(e.key);
    if (to) {
      at = [clamp(at[0] + to[0], 0, height - 1), clamp(at[1] + to[1], 0, width - 1)];
      if (e.shiftKey) { drawn[here()] = ink; changed(); } else paint();
    } else if (e.key === ' ') {
      drawn[here()] = drawn[here()] === paper ? ink : paper;
      changed();
    } else if (e.key === 'Delete' || e.key === 'Backspace') clear();
    else if (named >= 0) { aim.value = named; paint(); } else return;
    e.preventDefault();
    el('where').textContent = told(here());
  });

  function clear() {
    drawn.fill(paper);
    if (crop) crop.checked = true;
    aim.value = '';
    changed();
  }
  function put(i, scroll) {
    drawn.set(samples[i].x);
    if (crop) crop.checked = false;  // it is prepared already
    hint.textContent = samples[i].t;
    truth = samples[i].label;
    aim.value = '';
    paint();
    if (scroll) { el('draw').scrollIntoView(); box.focus({ preventScroll: true }); }
  }
  el('clear').onclick = clear;
  erase.onclick = () => erase.setAttribute('aria-pressed', erase.getAttribute('aria-pressed') !== 'true');
  if (crop) crop.onchange = paint;
  all('[data-put]').forEach(b => { b.onclick = () => put(+b.dataset.put, true); });
  if (el('put')) el('put').onclick = () => put(chosen, true);
  readColours();
  put(D.first, false);
  return () => { readColours(); paint(); };
}
