/* Pictures and sentences come from Python; only the pad computes here, with the functions above. */
const el = id => document.getElementById(id), all = (q, e = document) => [...e.querySelectorAll(q)];
const D = JSON.parse(el('data').textContent), NS = 'http://www.w3.org/2000/svg';
const clamp = (v, low, high) => Math.max(low, Math.min(high, v));

/* ---------------------------------------------------------------- theme */

const theme = el('theme'), frame = document.querySelector('iframe');
const dark = () => (document.documentElement.dataset.theme || (matchMedia('(prefers-color-scheme:dark)').matches ? 'dark' : 'light')) === 'dark';
function themed(name) {
  if (name) document.documentElement.dataset.theme = name;
  theme.textContent = dark() ? 'Light' : 'Dark';
  theme.setAttribute('aria-label', `Switch to ${dark() ? 'light' : 'dark'} colours`);
  /* the page inside follows: its own button says what it would change to */
  const inner = frame && frame.contentDocument && frame.contentDocument.getElementById('theme');
  if (inner && inner.textContent !== theme.textContent) inner.click();
}
theme.onclick = () => themed(dark() ? 'light' : 'dark');
if (frame) frame.onload = () => themed('');
function linked() {
  const name = new URLSearchParams(location.hash.slice(1)).get('theme');
  themed(name === 'dark' || name === 'light' ? name : '');
}
addEventListener('hashchange', linked);
linked();

/* ---------------------------------------------------------------- one digit, neuron by neuron */

const choices = all('#choose button');
let chosen = 0;
function choose(i) {
  chosen = i;
  choices.forEach((b, k) => b.setAttribute('aria-pressed', k === i));
  all('.neurons').forEach((f, k) => { f.hidden = k !== i; });
}
choices.forEach((b, i) => { b.onclick = () => choose(i); });

/* ---------------------------------------------------------------- the pad */

function pad() {
  const [height, width] = D.shape, [paper, ink] = D.range, size = height * width;
  const layers = D.layers.map(l => ({ ...l, w: floats(l.w), b: l.b && floats(l.b) }));
  const samples = D.samples.map(s => ({ ...s, x: floats(s.x) }));
  const box = el('pad'), crop = el('crop'), erase = el('erase'), hint = el('truth');
  const drawn = new Float32Array(size).fill(paper);
  let at = [Math.floor(height / 2), Math.floor(width / 2)], timer = 0;

  const shape = (name, attributes, parent) => {
    const e = document.createElementNS(NS, name);
    for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
    parent.append(e);
    return e;
  };
  const grid = (svg, n, columns) => {
    svg.setAttribute('viewBox', `-.1 -.1 ${columns + .2} ${Math.ceil(n / columns) + .2}`);
    return Array.from({ length: n }, (_, i) => shape('rect', { x: i % columns, y: Math.floor(i / columns), width: 1, height: 1 }, svg));
  };
  const colour = share => Number.isFinite(share) ? D.ramp[clamp(Math.round(share * (D.ramp.length - 1)), 0, D.ramp.length - 1)] : 'var(--bad)';
  const percent = p => {
    const v = 100 * p;
    if (!Number.isFinite(v)) return String(v);
    if (v >= 99.95 && v < 100) return '> 99.9 %';
    if (v > 0 && v < .05) return '< 0.1 %';
    return `${v < 9.95 || (v >= 99 && v < 100) ? v.toFixed(1) : v.toFixed(0)} %`;
  };
  const number = v => Number.isFinite(v) ? String(+v.toPrecision(4)) : String(v);

  /* as wide as a number of columns that leaves no gap, if there is one */
  const columns = n => {
    for (let c = Math.ceil(Math.sqrt(2 * n)); c <= 4 * Math.sqrt(n); c++) if (n % c === 0) return c;
    return Math.ceil(Math.sqrt(2 * n));
  };
  const cells = grid(box, size, width), cursor = shape('rect', { class: 'cursor', width: 1, height: 1 }, box);
  const sees = grid(el('sees'), size, width);
  const hidden = layers.slice(0, -1).map((l, k) => {
    const svg = el(`layer${k}`), rects = grid(svg, l.out, columns(l.out)), said = el(`said${k}`), idle = said.textContent;
    rects.forEach((r, i) => {
      r.onmouseenter = () => { said.textContent = `neuron ${i}: z = ${number(state[k].z[i])}, a = ${number(state[k].a[i])}`; };
    });
    svg.onmouseleave = () => { said.textContent = idle; };
    return { svg, rects, f: l.f };
  });
  const rows = all('#answers tr');
  let state = [];

  function paint() {
    const x = crop && crop.checked ? prepared(drawn.map(v => v === ink ? 1 : 0), width).map(v => v ? ink : paper) : drawn;
    const share = v => (v - paper) / (ink - paper);
    cells.forEach((r, i) => { r.style.fill = colour(share(drawn[i])); });
    sees.forEach((r, i) => { r.style.fill = colour(share(x[i])); });
    cursor.setAttribute('y', at[0]); cursor.setAttribute('x', at[1]);
    state = forward(layers, x);
    hidden.forEach(({ svg, rects, f }, k) => {
      const a = state[k].a, most = f === 'sigmoid' || f === 'tanh' || f === 'softmax' ? 1 : Math.max(...a.map(Math.abs)) || 1;
      rects.forEach((r, i) => { r.style.fill = colour(Math.abs(a[i]) / most); r.classList.toggle('neg', a[i] < 0); });
      const mean = a.reduce((s, v) => s + v, 0) / a.length, high = a.filter(v => Math.abs(v) > most / 2).length;
      svg.setAttribute('aria-label', `${a.length} activations, mean ${number(mean)}, ${high} of them above half of the scale`);
    });
    const p = state[layers.length - 1].a, z = state[layers.length - 1].z, best = p.indexOf(Math.max(...p));
    rows.forEach((row, i) => {
      row.classList.toggle('best', i === best);
      row.querySelector('i').style.width = `${clamp(100 * p[i], 0, 100) || 0}%`;
      row.querySelector('.p').textContent = percent(p[i]);
      row.title = `z = ${number(z[i])}, output ${p[i]}`;
    });
    const blank = drawn.every(v => v === paper);
    const says = blank ? 'Nothing is drawn yet.' : best < 0 ? 'The outputs are not numbers.' : `It says ${D.classes[best]}, ${percent(p[best])}.`;
    el('says').textContent = says;
    clearTimeout(timer);
    timer = setTimeout(() => { el('heard').textContent = says; }, 600);
  }

  /* a pen two pixels wide, as in the data; y and x are places on the pad, not pixels */
  function dot(y, x, value) {
    const r = Math.round(y) - 1, c = Math.round(x) - 1;
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
    paint();
  }
  box.addEventListener('pointerdown', e => {
    e.preventDefault();
    box.focus({ preventScroll: true });
    try { box.setPointerCapture(e.pointerId); } catch (error) { /* a pointer that has already gone */ }
    last = null;
    stroke(e);
  });
  box.addEventListener('pointermove', e => { if (e.buttons && last) stroke(e); });
  for (const name of ['pointerup', 'pointercancel']) box.addEventListener(name, () => { last = null; });
  box.addEventListener('contextmenu', e => e.preventDefault());
  box.addEventListener('keydown', e => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const to = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[e.key];
    const here = () => at[0] * width + at[1];
    if (to) {
      at = [clamp(at[0] + to[0], 0, height - 1), clamp(at[1] + to[1], 0, width - 1)];
      if (e.shiftKey) { drawn[here()] = ink; hint.textContent = ''; }
    } else if (e.key === ' ') {
      drawn[here()] = drawn[here()] === paper ? ink : paper;
      hint.textContent = '';
    } else if (e.key === 'Delete' || e.key === 'Backspace') clear();
    else return;
    e.preventDefault();
    el('where').textContent = `row ${at[0] + 1}, column ${at[1] + 1}, ${drawn[here()] === paper ? 'paper' : 'ink'}`;
    paint();
  });

  function clear() {
    drawn.fill(paper);
    if (crop) crop.checked = true;
    hint.textContent = '';
    paint();
  }
  function put(i, scroll) {
    drawn.set(samples[i].x);
    if (crop) crop.checked = false;  // it is prepared already
    hint.textContent = samples[i].t;
    paint();
    if (scroll) { el('draw').scrollIntoView(); box.focus({ preventScroll: true }); }
  }
  el('clear').onclick = clear;
  erase.onclick = () => erase.setAttribute('aria-pressed', erase.getAttribute('aria-pressed') !== 'true');
  if (crop) crop.onchange = paint;
  all('[data-put]').forEach(b => { b.onclick = () => put(+b.dataset.put, true); });
  if (el('put')) el('put').onclick = () => put(chosen, true);
  if (samples.length) put(0, false); else paint();
}
if (D.layers) pad();
