/* ---------------------------------------------------------------- the programs, and where their numbers are */
const many = shape => shape.reduce((a, b) => a * b, 1), zeros = n => new Float64Array(n);
const V = D.live, K = V.cards, start = {}, memory = {}, seeMemory = { __proto__: null }, probeMemory = { __proto__: null }, nudges = new Map();
const P = see(seeMemory), whole = {}, size = k => many(K[k].shape);
V.leaves.forEach(([key, inSee, inProbe, kind]) => {
  memory[key] = seeMemory[inSee] ?? zeros(size(key));
  if (inProbe) probeMemory[inProbe] = memory[key];
  start[key] = memory[key].slice();
  whole[key] = kind;
});
V.nudges.forEach(([head, i, name, size]) => { nudges.set(`${head}/${i}`, probeMemory[name] = zeros(size)); });
V.kept?.forEach(([inSee, inProbe]) => { probeMemory[inProbe] = seeMemory[inSee]; });
const Q = probe(probeMemory);
for (const k in K) { K[k].name = D.names[k]; K[k].shape ??= []; }
const leaves = V.leaves.map(l => l[0]), movable = leaves.filter(k => memory[k] instanceof Float64Array);
const uses = {}, users = k => uses[k] || [];
Object.entries(K).forEach(([head, c]) => (c.in || []).forEach(([i, tail, passes, mark]) => (uses[tail] ??= []).push({ head, i, passes, mark, id: `${head}/${i}` })));
const params = leaves.filter(k => V.g[k] !== undefined && K[k].role === 'param');
const trained = params.length ? params : leaves.filter(k => V.g[k] !== undefined);
const ask = address();

/* the entries of a value, row by row */
function flat(v) {
  /* only: tensors */
  const { data, shape, strides, offset } = v, n = many(shape);
  let dense = offset === 0 && data.length >= n, run = 1;
  for (let a = shape.length - 1; a >= 0; a--) { if (shape[a] > 1 && strides[a] !== run) dense = false; run *= shape[a]; }
  if (dense) return data.length === n ? data : data.subarray(0, n);
  const out = new Float64Array(n), at = new Array(shape.length).fill(0);
  for (let k = 0, place = offset; k < n; k++) {
    out[k] = data[place];
    for (let a = shape.length - 1; a >= 0; a--) {
      place += strides[a];
      if (++at[a] < shape[a]) break;
      place -= strides[a] * shape[a]; at[a] = 0;
    }
  }
  return out;
  /* end */
  /* only: numbers */
  return v.data;
  /* end */
}
const output = i => flat(P.outputs[i]);
const peak = x => x.reduce((m, v, j) => abs(v) > abs(x[m]) ? j : m, 0);
const value = k => output(V.v[k]), gradient = k => V.g[k] === undefined ? null : output(V.g[k]);
const sent = id => V.s[id] === undefined ? null : output(V.s[id]), slope = id => V.l[id] === undefined ? null : output(V.l[id])[0];
const loss = () => value(V.end)[0];
const seen = k => K[k].in ? flat(Q.outputs[V.at[k]]) : memory[k];
const probed = () => { Q.run(); return seen(V.end)[0]; };
const END = K[V.end].name, by = k => `∂${END}/∂${K[k].name}`;

/* ---------------------------------------------------------------- arrays as text */

/* only: tensors */
/* one count of decimals for a table; an entry that would print as 0 is written with its power of ten */
function entries(a) {
  const top = a.reduce((m, x) => isFinite(x) ? max(m, abs(x)) : m, 0);
  if (a.every(x => !isFinite(x) || (isInteger(x) && top < 1e4))) return [...a].map(scalar);
  const places = clamp(4 - max(0, floor(Math.log10(top) + 1e-12)), 0, 4);
  return [...a].map(x => {
    if (!isFinite(x) || x === 0) return scalar(x);
    const s = x.toFixed(places);
    return abs(x) >= 1e4 || (+s === 0 || (abs(x) < 1e-2 && top < 1e-2)) ? x.toExponential(+s === 0 ? 0 : 1).replace('e+', 'e') : s;
  });
}
const cuts = (n, most) => Array.from({ length: min(n, most) + 1 }, (_, i) => round(i * n / min(n, most)));
function blocks(a, shape, rows = D.thumb[0], columns = D.thumb[1]) {
  const wide = shape[shape.length - 1] || 1, down = cuts(a.length / wide, rows), across = cuts(wide, columns);
  return down.slice(1).map((d, i) => across.slice(1).map((c, j) => {
    let t = 0;
    for (let p = down[i]; p < d; p++) for (let q = across[j]; q < c; q++) t += abs(a[p * wide + q]);
    return t / ((d - down[i]) * (c - across[j]));
  }));
}
const kept = (n, cut) => cut ? [...Array(D.head[0]).keys(), null, ...Array.from({ length: D.head[1] }, (_, i) => n - D.head[1] + i)] : [...Array(n).keys()];
/* end */

/* the operand that a step sends its gradient to */
const receiver = s => s.socket ? K[s.card].in.find(([i]) => `${s.card}/${i}` === s.socket)[1] : s.card;
/* a number with all its digits */
const digits = x => Object.is(x, -0) ? '-0' : isFinite(x) ? String(x) : notFinite(x);
/* an array of the panel as it is now */
let changed = false, now = 0;
const fresh = new Map();
view.head = id => Object.keys(K).find(head => (K[head].in || []).some(([i, tail]) => id.slice(2) === `${tail}_${head}_${i}`));
view.fixed = () => !changed;
view.array = m => {
  const a = D.arrays[m];
  if (a.live === undefined) return changed && (a.t || a.p) && !a.fixed ? { ...a, c: [a.c, say`as recorded`].filter(Boolean).join(', ') } : a;
  const known = fresh.get(m);
  if (known && known.now === now) return known;
  const v = P.outputs[a.live], x = flat(v), made = { n: a.n, now, b: a.b, g: a.g };
  if (!x.length) return a;
  if (!v.shape.length) Object.assign(made, { t: [[scalar(x[0])]], r: [[digits(x[0])]] });
  /* only: tensors */
  else if (a.p) {
    const means = blocks(x, v.shape), top = max(...means.flat().filter(isFinite), 0) || 1;
    made.p = means.map(line => line.map(y => isFinite(y) ? clamp(round(y / top * 6), 0, 6) : 9).join(''));
    made.c = say`rms ${scalar(rootMeanSquare(x))}`;
  } else {
    const wide = v.shape[v.shape.length - 1], said = entries(x), dots = a.t.flat().includes('...');
    const rows = kept(x.length / wide, dots && a.t.length < x.length / wide), columns = kept(wide, dots && a.t[0].length < wide);
    const lay = f => rows.map(i => columns.map(j => i === null || j === null ? '...' : f(i * wide + j)));
    made.t = lay(k => said[k]);
    if (a.r) made.r = lay(k => digits(x[k]));
  }
  /* end */
  fresh.set(m, made);
  return made;
};
/* only: tensors */
view.ratio = (m, n) => { const [x, y] = [m, n].map(i => rootMeanSquare(output(D.arrays[i].live))); return short(x / y); };
/* end */
view.size = i => S[i].whole ? rootMeanSquare(gradient(S[i].whole)) : S[i].size[1];

/* ---------------------------------------------------------------- the check: the same program, run beside */
/* milliseconds of a run: the least of several, because the first are slow */
const cost = min(...Array.from({ length: 6 }, () => {
  const t = performance.now();
  let n = 0;
  do { Q.run(); n++; } while (performance.now() - t < 1 && n < 20);
  return (performance.now() - t) / n;
}));
const step0 = x => 6e-6 * max(1, abs(x));
/* the result of f with x[k] moved by h both ways, and with it as it is */
function around(x, k, h, f) {
  const was = x[k];
  x[k] = was + h; const up = f(); x[k] = was - h; const low = f(); x[k] = was;
  return [up, low];
}
function compared(g, k, x, f, mid, h) {
  const [up, low] = around(x, k, h, f), numeric = (up - low) / (2 * h);
  const least = 1e-6 * (1 + abs(mid)), error = abs(g - numeric) / max(abs(g), abs(numeric), least);
  const sides = [(up - mid) / h, (mid - low) / h];
  const bent = abs(sides[0] - sides[1]) > 1e-2 * max(...sides.map(abs), least);
  /* a rule may take a slope of either side, or one between: that of |x| at 0 is 0 */
  const room = 1e-3 * max(abs(g), least * 1e3), kink = bent && g >= min(...sides) - room && g <= max(...sides) + room;
  return { numeric, error, kind: error < 1e-4 ? 'ok' : kink ? 'kink' : isFinite(error) ? 'wrong' : 'lost' };
}
/* where a difference disagrees, shorter steps may agree: the function can be curved within a step, as 1/x is near 0 */
function verdict(g, k, x, f, mid, h) {
  const first = compared(g, k, x, f, mid, h);
  if (first.kind === 'ok' || first.kind === 'lost') return first;
  for (const by of [1e-2, 1e-4, 1e-6, 1e-8]) { const next = compared(g, k, x, f, mid, h * by); if (next.kind === 'ok') return next; }
  return first;
}
const KINDS = ['ok', 'kink', 'wrong', 'lost'];
/* the graver of two verdicts; the other one may be missing */
function graver(one, other) {
  const more = other ? KINDS.indexOf(one.kind) - KINDS.indexOf(other.kind) : 1;
  return more > 0 || (!more && one.error > other.error) ? one : other;
}
/* only: tensors */
function index(k, i) {
  const { shape } = K[k], at = [];
  for (let a = shape.length - 1, rest = i; a >= 0; a--) { at.unshift(rest % shape[a]); rest = floor(rest / shape[a]); }
  return at.length ? `[${at.join(', ')}]` : '';
}
/* end */
/* only: numbers */
const index = () => '';
/* end */
function check() {  // of many gradients some, evenly spread
  const all_ = trained.reduce((n, k) => n + size(k), 0), every = ceil(all_ / clamp(floor(2 / cost), 1, 200)), mid = probed();
  let worst = { kind: 'ok', error: 0 }, some = 0, next = 0;
  for (const k of trained) {
    const g = gradient(k), x = memory[k];
    for (; next < g.length; next += every, some++) worst = graver({ ...verdict(g[next], next, x, probed, mid, step0(x[next])), key: k, at: next, g: g[next] }, worst);
    next -= g.length;
  }
  const many = some < all_ ? say`${some} of ${all_} gradients` : some === 1 ? say`the gradient` : say`all ${some} gradients`, { kind, key, error } = worst;
  const word = { ...WORD, lost: say`NOT FINITE` }[kind], where = key && esc(by(key) + index(key, worst.at));
  el('badge').className = `badge ${kind}`;
  fill(el('badge'), `<b>${word}</b>` + (kind === 'ok' ? say`${many} beside central differences: ${error ? error.toExponential(0) : 0}`
    : kind === 'kink' ? say`${where} has two slopes, one on each side; the rule takes one` : say`${where}: rule ${scalar(worst.g)}, difference ${scalar(worst.numeric)}`));
  el('badge').title = el('badge').textContent;
}
/* the rule of one operation for one operand, at these numbers: the operand is moved, and the change of the result is weighted with G */
view.check = s => {
  if (!s.socket || !s.check || s.check[0] === 'skipped') return s.check;
  const x = nudges.get(s.socket), g = sent(s.socket), [head] = s.socket.split('/');
  if (!x || !g) return changed ? null : s.check;
  const G = gradient(head), f = () => { Q.run(); return seen(head).reduce((t, y, i) => t + y * G[i], 0); }, mid = f();
  const tail = receiver(s), base = seen(tail).slice();
  let worst = null;
  for (let k = 0; k < g.length; k += ceil(g.length / clamp(floor(3 / cost), 1, 64))) worst = graver({ ...verdict(g[k], k, x, f, mid, step0(base[k])), k }, worst);
  Q.run();
  if (!worst) return s.check;
  const { kind, error, k, numeric } = worst, off = error ? error < 1e-3 ? error.toExponential(0) : short(error) : '0';
  if (kind === 'kink') return ['kink', s.check[0] === 'kink' ? s.check[1] : say`at these numbers the slopes on both sides differ, and the rule takes one`];
  /* only: wrong */
  if (s.check[0] === 'wrong' && !changed) return s.check;
  /* end */
  if (kind === 'ok') return ['ok', say`central difference at these numbers agrees: relative error ${off}`];
  if (kind === 'lost') return ['skipped', say`at these numbers it is not finite`];
  let at = '';
  /* only: tensors */
  if (g.length > 1) at = say` at ${index(tail, k)}`;
  /* end */
  return ['wrong', say`central difference disagrees${at}: it sends ${scalar(g[k])}, and the difference gives ${scalar(numeric)}`];
};

/* ---------------------------------------------------------------- an entry of a leaf, as something to be dragged */

const held = () => one('.held');
/* the entry whose gradient is largest: of many, one that L depends on */
const steepest = key => ({ key, at: peak(gradient(key) ?? [0]) });
P.run();
let axis = steepest(trained[0] ?? movable[0]);
const named = (k, i) => K[k].name + index(k, i);
function change(k, i, v) {
  const was = memory[k][i];
  memory[k][i] = v;
  /* only: integers */
  if (whole[k]) { try { P.run(); Q.run(); } catch (error) { memory[k][i] = was; P.run(); el('live').textContent = String(error.message); return; } }
  /* end */
  touched = true; axis = { key: k, at: i };
  update();
}
const tags = { param: say`PARAM`, input: say`INPUT`, target: say`TARGET` }, roles = { param: say`parameter`, input: say`input`, target: say`target` };
const knob = (k, i) => ({
  label: `${named(k, i)}, ${roles[K[k].role] || K[k].role}`, step: /* only: integers */whole[k] ? .1 : /* end */.01,
  get: () => memory[k][i], set: v => change(k, i, /* only: integers */whole[k] ? round(v) : /* end */v), reset: () => change(k, i, start[k][i]),
  chosen: () => { axis = { key: k, at: i }; show(); },
});

/* ---------------------------------------------------------------- tiles: all that can be changed */
const shows = [], rate = { lr: .1, start: .1 };
const tiled = (kind, tag, name, foot) => element('div', { className: `tile ${kind}`, innerHTML: `<small>${tag}</small><div class="big num"><b title="${esc(name)}">${esc(name)}</b> = <span class="those"></span></div>${foot}` }, el('tiles'));
movable.forEach(k => {
  const t = tiled(K[k].role, tags[K[k].role] || '', K[k].name, '<div class="grad num"></div>'), box = one('.those', t);
  t.dataset.card = k;
  let put = () => {};
  /* only: tensors */
  const n = size(k), wide = K[k].shape.at(-1) || 1, tile = () => { put(); footed(); };
  if (!n) box.textContent = say`empty`;
  else if (n <= 16 && wide <= 4) {
    if (K[k].shape.length) { box.classList.add('grid'); box.style.gridTemplateColumns = `repeat(${wide}, auto)`; t.classList.add('many'); }
    const puts = Array.from(memory[k], (_, i) => draggable(element('span', {}, box), knob(k, i)));
    put = () => { const said = n === 1 ? [scalar(memory[k][0])] : entries(memory[k]); puts.forEach((f, i) => f(said[i])); };
  } else {  // one entry at a time, the one that is chosen beside it
    t.classList.add('many');
    let { at } = steepest(k);
    box.innerHTML = `<span></span> <small></small><button type="button" aria-label="${say`Another entry`}">…</button>`;
    const one = draggable(box.firstChild, { ...knob(k, 0), label: () => named(k, at), get: () => memory[k][at], set: v => change(k, at, v), reset: () => change(k, at, start[k][at]), chosen: () => { axis = { key: k, at }; show(); } });
    box.lastChild.onclick = () => { at = (at + 1) % n; axis = { key: k, at }; now++; tile(); show(); };
    put = () => { one(scalar(memory[k][at])); box.children[1].textContent = index(k, at); };
  }
  /* end */
  /* only: numbers */
  put = draggable(element('span', {}, box), knob(k, 0));
  /* end */
  const footed = () => {
    const g = gradient(k);
    tell(t.lastChild, /* only: tensors */!n ? '' : g && n !== 1 ? say`rms ${apart(by(k))} = ${short(rootMeanSquare(g))}` : /* end */g ? `${apart(by(k))} = ${scalar(g[0])}` : say`no grad`);
  };
  shows.push(() => { put(); footed(); });
});
{
  const t = tiled('knob', say`LEARNING RATE`, 'lr', `<small>${say`log scale`}</small>`);
  const put = draggable(one('span', t), { label: say`learning rate`, get: () => rate.lr, set: v => { rate.lr = v; update(); }, ratio: 1.02, low: 1e-6, high: 1e3, reset: () => { rate.lr = rate.start; update(); } });
  shows.push(() => put(short(rate.lr)));
  if (!trained.length) all('#knobs .acts button').forEach(b => { if (b.id !== 'reset') b.disabled = true; });
}

/* the result stands beside all that can be changed, with the value that it had at first */
{
  const t = tiled('loss', say`RESULT`, END, '<small id="most"></small><small></small>');
  shows.push(() => { tell(one('.those', t), scalar(loss())); tell(t.lastChild, changed ? say`${scalar(begun)} at first` : ''); });
}

/* ---------------------------------------------------------------- the drawing's numbers */
const cells = [], dots = [];  // functions that write the numbers; numbers with a dotted underline
function write() {  // all is written before anything is measured, so that the page is laid out once
  cells.forEach(f => f());
  const other = dots.filter(dot => dot.said !== dot.t.textContent), boxes = other.map(measured);
  other.forEach((dot, i) => { dot.said = dot.t.textContent; underline(dot.u, boxes[i]); });
}
/* the box of a number: all digits are equally wide, so one that has been measured serves for others */
function measured(dot) { return dot.boxes[dot.t.textContent.replace(/\d/g, '0')] ??= dot.t.getBBox(); }
function underline(line, c) { attr(line, { x1: c.x, x2: c.x + c.width, y1: c.y + c.height - .5, y2: c.y + c.height - .5 }); }
const texts = g => all('text', g).filter(t => t.closest('g[id]') === g);
const NUMBER = '(-?\\d[\\d.]*(e-?\\d+)?|-?inf|nan|True|False)', isNumber = t => RegExp(`^\\s*${NUMBER}\\s*\\??$`).test(t.textContent);
function title(g, f) { const t = one(':scope > title', g) ?? g.insertBefore(shape('title'), g.firstChild); cells.push(() => tell(t, f())); }
const listed = a => /* only: tensors */a.length > 16 ? say`rms ${rootMeanSquare(a)}` : a.length !== 1 ? `[${[...a].map(digits).join(', ')}]` : /* end */digits(a[0]);
function ending(t, f) {  // a text whose number is its end, or has only the mark of doubt behind it
  const said = t.textContent.trimEnd(), tail = said.endsWith('?') ? ' ?' : '', head = said.replace(RegExp(`${NUMBER}?\\s*\\??$`), '');
  cells.push(() => tell(t, head + f() + tail));
}
/* only: tensors */
function grid(g, ts, f, k) {  // the entries of an array, each ending where it ended
  ts.forEach((t, i) => {
    attr(t, { x: +t.getAttribute('x') + t.getComputedTextLength(), 'text-anchor': 'end' });
    t.textContent = t.textContent.trim();
    if (k && memory[k] && movable.includes(k)) handle(t, k, i);
  });
  cells.push(() => { const said = entries(f()); ts.forEach((t, i) => tell(t, said[i])); });
}
/* end */
/* a number of a leaf: to be dragged where it stands */
function handle(t, k, i) {
  const b = t.getBBox(), u = shape('line', { class: 'under' });
  const wide = max(b.width, 18), left = t.getAttribute('text-anchor') === 'end' ? b.x + b.width - wide : b.x;
  const room = K[k].shape.length ? 1 : 6, g = shape('g');
  shape('rect', { x: left - room, y: b.y - room, width: wide + 2 * room, height: b.height + 2 * room, class: 'hit' }, g);
  underline(u, b);  // placed at once: at the origin it would widen the card
  t.before(g); g.append(t, u);
  const put = draggable(g, knob(k, i));
  dots.push({ t, u, said: '', boxes: {} });
  cells.push(() => put(t.textContent));
}
function array(g, f, k, gradient) {  // a cell of the drawing with a whole array in it
  const ts = texts(g).filter(isNumber), n = size(k);
  title(g, () => `${gradient ? by(k) : K[k].name} = ${listed(f())}`);
  if (!K[k].shape.length) {
    const t = texts(g).pop(), handled = !gradient && movable.includes(k);
    if (!t) return;
    t.textContent = t.textContent.trim();
    ending(t, () => scalar(f()[0]));
    if (handled && isNumber(t)) handle(t, k, 0);
  }
  /* only: tensors */
  else if (ts.length === n) grid(g, ts, f, gradient ? '' : k);
  else {
    const polygons = all('polygon', g).filter(p => p.closest('g[id]') === g && p.hasAttribute('fill')), means = blocks(f(), K[k].shape);
    if (gradient && polygons.length >= means.flat().length) {
      const pixels = polygons.slice(-means.flat().length), told = texts(g).find(t => t.textContent.startsWith(say`rms`));
      cells.push(() => {
        const m = blocks(f(), K[k].shape).flat(), top = max(...m.filter(isFinite), 0) || 1;
        pixels.forEach((p, i) => p.setAttribute('fill', isFinite(m[i]) ? D.ramps.g[clamp(round(m[i] / top * 6), 0, 6)] : '#a3003f'));
        if (told) told.textContent = say`rms ${scalar(rootMeanSquare(f()))}`;
      });
    } else cells.push(() => g.classList.toggle('stale', changed));
  }
  /* end */
}
if (svg) Object.entries(K).forEach(([k, c]) => {
  const v = el(`a_${k}_val`), g = el(`a_${k}_grad`);
  if (v) array(v, () => value(k), k, false);
  if (g && V.g[k] !== undefined) {
    array(g, () => gradient(k), k, true);
    title(el(`a_${k}_glab`), () => say`gradient of ${END} with respect to ${c.name}`);
  }
  /* only: shared */
  const several = users(k).filter(u => sent(u.id));
  if (several.length > 1) several.forEach((u, n) => {
    const a = el(`a_${k}_g${n}`), t = a && texts(a).pop();
    if (!a || (!isNumber(t) && t.textContent.includes(say`more`))) return;
    title(a, () => say`from ${K[u.head].name} ${u.mark}: ${listed(sent(u.id))}`);
    if (isNumber(t)) ending(t, () => scalar(sent(u.id)[0]));
  });
  /* end */
  (c.in || []).forEach(([i, tail]) => {
    const id = `${k}/${i}`, l = el(`a_${k}_vjp${i}`), e = el(`b_${tail}_${k}_${i}`), adds = el(`a_${k}_adds${i}`);
    if (l && slope(id) !== null) {  // `∂t/∂a = b = 2`, or `∂ 2` on a small card
      const t = texts(l).pop();
      if (RegExp(`[=∂]\\s*${NUMBER}\\s*\\??$`).test(t.textContent)) { ending(t, () => scalar(slope(id))); title(l, () => `${t.textContent.split(' = ').slice(0, -1).join(' = ') || `∂${c.name}/∂${K[tail].name}`} = ${slope(id)}`); }
    }
    if (e && sent(id)) {
      const t = all('text', e).pop(), deep = one('g[id]', e);
      if (t && /×/.test(t.textContent)) { const tail = t.textContent.endsWith('?') ? ' ?' : ''; cells.push(() => tell(t, `${scalar(gradient(k)[0])} × ${factor(slope(id))} = ${scalar(sent(id)[0])}${tail}`)); }
      if (deep) title(deep, () => say`gradient: ${c.name} sends ${listed(sent(id))} to ${K[tail].name}`);
    }
    /* only: shared */
    if (adds && sent(id)) { const t = texts(adds).pop(); if (t.textContent.startsWith(say`adds `) && !t.textContent.includes(say`rms`)) cells.push(() => tell(t, say`adds ${scalar(sent(id)[0])}`)); }
    /* end */
  });
  /* only: tensors */
  const loc = el(`a_${k}_loc`);
  if (loc) {  // the slopes of a function, or their mean
    const t = texts(loc).pop(), [head, some] = t.textContent.replace(/ ?×1e-?\d+/, '').split(' = '), mean = size(k) > 1 && !/\S\s+\S/.test(some);
    const f = V.slopes?.[k] !== undefined ? () => output(V.slopes[k]) : null;
    if (f) { cells.push(() => tell(t, `${head} = ${mean ? short(f().reduce((a, b) => a + b, 0) / f().length) : entries(f()).join('  ')}`)); title(loc, () => `${head} = ${listed(f())}`); }
    else cells.push(() => loc.classList.toggle('stale', changed));
  }
  /* end */
});
/* the ladder's rows and the table are written anew from the same arrays */
function rewrite() {
  /* only: ladder */
  if (!svg) all('.rung', main).forEach(r => {
    const k = r.id.slice(2), c = C[k], v = el(`a_${k}_val`), g = el(`a_${k}_grad`);
    if (v) fill(v, figure({ m: c.v, k: '' }, 0));
    if (g) fill(g, figure({ m: c.g, k: 'grad', l: c.doubt && '?' }, 0));
  });
  /* end */
  if (el('every').open) table();
}
function table() {
  all('.all tbody tr').forEach((r, i) => {
    const k = Object.keys(K)[i], g = gradient(k);
    r.children[2].textContent = listed(value(k));
    if (g) r.children[3].textContent = listed(g);
  });
}
listen(el('every'), 'toggle', table);

/* whether a part of the page is there from now on */
function isThere(id, is) { const part = el(id); if (part.hidden === is) part.hidden = !is; return is; }

/* ---------------------------------------------------------------- the loss as one number alone changes, with its tangent */
const plot = new Plot(el('slice'), 420, 150), ranges = new Map();
/* the loss where one number is v: a leaf is set, any other value is moved on its way into everything that uses it */
function lossAt({ key, at }, v) {
  if (memory[key]) { const x = memory[key], was = x[at]; x[at] = v; const l = probed(); x[at] = was; return l; }
  const delta = v - value(key)[at], several = users(key).map(u => nudges.get(u.id)).filter(Boolean);
  several.forEach(x => { x[at] += delta; });
  const l = probed();
  several.forEach(x => { x[at] -= delta; });
  return l;
}
function slice() {
  const k = axis.key, x = value(k)[axis.at], L = loss(), all = gradient(k), g = all ? all[axis.at] : null, id = named(k, axis.at);
  const reachable = memory[k] ? !whole[k] : users(k).some(u => nudges.get(u.id));
  if (!isThere('slices', reachable && drawable(x))) return;
  const wide = 2 ** ceil(Math.log2(max(4, abs(x) * .75)));
  let [a, b] = ranges.get(id) || [floor(x) - wide, ceil(x) + wide];
  if (!held() && (x < a + (b - a) * .06 || x > b - (b - a) * .06)) { a = floor(x) - wide; b = ceil(x) + wide; }
  ranges.set(id, [a, b]);
  const n = clamp(floor(6 / cost), 13, 141), xs = Array.from({ length: n }, (_, i) => a + (b - a) * i / (n - 1)), ys = xs.map(v => lossAt(axis, v));
  Q.run();
  const ok = [...ys, L].filter(drawable), top = max(...ok, 0), low = min(0, ...ok), span = top - low || 1, isDrawn = drawable(L);
  plot.begin([a, b], [low, low + span * 1.08]).line(xs.map((v, i) => [v, ys[i]]), 'line');
  const px = plot.x(x), py = plot.y(L), y0 = plot.y(low);
  if (isDrawn && drawable(g)) { const reach = min((b - a) * .22, g ? span * .6 / abs(g) : 1e9); plot.line([[x - reach, L - reach * g], [x + reach, L + reach * g]], 'tangent'); }
  const next = isDrawn && trained.includes(k) && drawable(g);
  if (next) {
    const to = clamp(plot.x(clamp(x - rate.lr * g, a - (b - a), b + (b - a))), 40, 412), s = Math.sign(to - px);
    if (abs(to - px) > 5) plot.add('path', { class: 'jump', d: `M${px},${y0 - 9}H${to - s * 2}m${-s * 7},-5l${s * 7},5l${-s * 7},5` });
    plot.add('path', { class: 'axis', d: `M${px},${py}V${y0}`, 'stroke-dasharray': '2 3' });
  }
  const dot = plot.add('circle', { class: memory[k] ? 'dot pull' : 'dot', cx: px, cy: isDrawn ? clamp(py, 0, 150) : y0, r: 6 });
  const { key, at } = axis;
  if (memory[k]) plot.pull(dot, v => change(key, at, clamp(v, a, b))); else dot.onpointerdown = null;
  fill(el('slicehead'), say`${esc(END)} as ${esc(id)} alone changes` + (g === null ? '' : ` <span class="grad">${say`slope ${scalar(g)}`}</span>`) + (next ? ` <span class="next">${say`→ next step`}</span>` : ''));
  plot.end();
  attr(plot.svg, { 'aria-label': say`${END} as a function of ${id} from ${a} to ${b}; at ${scalar(x)} it is ${scalar(L)}${g === null ? '' : say` with slope ${scalar(g)}`}` });
}
const curve = new Plot(el('losses'), 420, 92);
let past = [], touched = false;
function losses() {
  const h = [...past, [loss(), touched]], n = max(20, h.length), ok = h.map(e => e[0]).filter(drawable), top = max(...ok, 1e-12), low = min(0, ...ok);
  const isMoved = isThere('descents', h.length > 1);
  tell(el('losshead'), say`${END} = ${scalar(loss())} after ${h.length - 1} step${h.length === 2 ? '' : 's'} of descent`);
  if (!isMoved) return;
  curve.begin([0, n - 1], [low, low + (top - low) * 1.08]).line(h.map((e, i) => [i, e[0]]), 'line');
  h.forEach(([, hand], i) => { if (hand && i) curve.add('path', { class: 'touched', d: `M${curve.x(i)},8V72` }); });
  if (drawable(loss())) curve.add('circle', { class: 'dot', cx: curve.x(h.length - 1), cy: curve.y(loss()), r: 4.5 });
  curve.end();
  attr(curve.svg, { 'aria-label': say`The loss after each step of descent: ${h.slice(-6).map(e => scalar(e[0])).join(', ')}` });
}

/* ---------------------------------------------------------------- which parameter should move most */
function ranking() {
  const rows = trained.map(k => ({ k, fall: rate.lr * gradient(k).reduce((t, g) => t + g * g, 0) })).sort((a, b) => b.fall - a.fall);
  if (!isThere('ranking', rows.length > 1)) return;
  const top = rows[0].fall || 1, L = loss(), shown = rows.slice(0, 8);
  for (const row of shown) {
    const x = memory[row.k], was = x.slice(), g = gradient(row.k);
    x.forEach((_, i) => { x[i] -= rate.lr * g[i]; });
    row.real = L - probed();
    x.set(was);
  }
  Q.run();
  const most = max(...shown.map(r => r.real)), names = shown.filter(r => r.real > (1 - 1e-9) * most).map(r => K[r.k].name);
  tell(el('most'), most > 0 ? say`▼ lowered most by ${names.join(', ')}` : most < 0 ? say`▲ raised by so large a step` : '');
  tell(el('rankhead'), say`Which should change most? How much one step of each lowers ${END}`);
  fill(el('ranks'), `<span class="n"></span><span></span><span class="v">${say`predicted`}</span><span class="v act">${say`actual`}</span>` + shown.map(({ k, fall, real }) =>
    `<span class="n" title="${esc(K[k].name)}">${esc(K[k].name)}</span><span class="bar"><i style="width:${round(clamp(fall / top * 100, fall > 0 ? 1 : 0, 100))}%"></i></span><span class="v">${short(fall)}</span><span class="v act">${short(real)}</span>`
  ).join('')/* only: several */ + (rows.length > 8 ? `<span class="more">${say`${rows.length - 8} more`}</span>` : '')/* end */);
}

/* ---------------------------------------------------------------- everything, after every change */
let due = 0, stale = false, said = 0, late = 0;
/* once a frame: the slice alone, or all of it */
function show() { due ||= requestAnimationFrame(() => { due = 0; if (stale) refresh(); else slice(); }); }
function update() { stale = true; show(); }
function refresh() {
  const t = performance.now();
  stale = false;
  now++;
  P.run();
  changed = leaves.some(k => memory[k].some((x, i) => !Object.is(x, start[k][i])));
  shows.forEach(f => f());
  write();
  rewrite();
  losses();
  const more = () => { check(); slice(); ranking(); explain(); };
  clearTimeout(late);
  if (cost > 1) late = setTimeout(more, 120); else more();
  view.took = performance.now() - t;
  clearTimeout(said);
  said = setTimeout(() => { el('live').textContent = say`${END} is ${scalar(loss())}. ${trained.slice(0, 4).map(k => /* only: tensors */size(k) !== 1 ? say`${by(k)} has rms ${short(rootMeanSquare(gradient(k)))}` : /* end */say`${by(k)} is ${scalar(gradient(k)[0])}`).join(', ')}.`; }, 500);
}
function moved(lr) { trained.forEach(k => { const x = memory[k], g = gradient(k).slice(); x.forEach((_, i) => { x[i] -= lr * g[i]; }); }); }
function descend() {
  P.run();
  past.push([loss(), touched]); touched = false;
  moved(rate.lr);
  refresh();
}
let running = 0;
function halt() { cancelAnimationFrame(running); running = 0; el('run').textContent = say`Run`; toggle(el('run'), false); }
el('descend').onclick = () => { halt(); descend(); };
el('run').onclick = () => {
  if (running) { halt(); return; }
  el('run').textContent = say`Stop`; toggle(el('run'), true);
  let last = 0;
  running = requestAnimationFrame(function go(t) {
    if (t - last > 60) { last = t; descend(); }
    if (past.length > 500 || !isFinite(loss())) halt(); else running = requestAnimationFrame(go);
  });
};
el('reset').onclick = () => { halt(); past = []; touched = false; leaves.forEach(k => memory[k].set(start[k])); rate.lr = rate.start; ranges.clear(); refresh(); };
listen(window, 'keydown', e => { if (/^[gG]$/.test(e.key) && !isShortcut(e) && e.target.tagName !== 'INPUT' && trained.length) { halt(); descend(); e.preventDefault(); } });

/* the end of a drag is not a click */
let pressed = 0;
listen(main, 'pointerdown', e => { pressed = e.clientX; }, true);
listen(main, 'click', e => { if (abs(e.clientX - pressed) > 2 && e.target.closest('.drag')) e.stopPropagation(); }, true);

/* clicking a number in the drawing makes it the one whose slice is drawn */
view.told = s => {
  const k = s.ph === 'f' ? s.card : s.whole || receiver(s);
  if (k !== axis.key && !held() && view.picked !== undefined) { axis = steepest(k); show(); }
};
el('all').onclick = () => { stop(); view.all = true; go(cur, false); };
const painted = paint;
paint = () => {
  painted();
  toggle(el('all'), view.all);
  all('.tile[data-card] .grad').forEach(e => { e.style.visibility = view.all || !(cellAt.get(`a_${e.parentNode.dataset.card}_grad`) > cur) ? '' : 'hidden'; });
};
const begun = loss();
/* the first learning rate: the largest round one with which a step makes the loss smaller */
if (trained.length) {
  const L = loss(), was = trained.map(k => memory[k].slice());
  for (rate.lr of [1, .5, .2, .1, .05, .02, .01, .005, .002, .001, 1e-4]) { moved(rate.lr); const next = probed(); trained.forEach((k, i) => memory[k].set(was[i])); if (next < L) break; }
  rate.start = rate.lr;
}
for (const [k, v] of ask) { const key = leaves.find(l => K[l].name === k && size(l) === 1); if (key && isFinite(+v)) memory[key][0] = +v; }
/* at first everything is shown, with the reason of the first parameter's gradient */
const first = S.findIndex(s => s.whole === trained[0] && V.g[trained[0]] !== undefined);
if (ask.has('step') || ask.has('show') || first < 0) linked(); else { view.quiet = true; go(first, false); view.quiet = false; }
refresh();
