/* Stages beside each other, layers of maps or steps of time: values as pictures, and their gradients beneath. */

const last = D.stages.length - 1, isTime = D.stages[0].names.length > 0, steps = D.stages.length + 1;
const live = D.recorded ? { backward: recordedProgram() } : { backward: program_backward(memory), forward: program_forward(memory) };
if (typeof program_sent === 'function') live.sent = program_sent(memory);
Object.assign(S, { back: steps, at: null, pinned: false, guess: null });
if (isTime && !perToken) S.focus = last;
const shownStages = () => isTime ? S.shown : D.stages.length;
const area = s => D.stages[s].size[0] * D.stages[s].size[1];
const blockOf = ({ path, label }, room = Infinity) => /^\d*$/.test(path) ? `${cut(label, room - 7.6 * (path.length + 1), 7.6)} ${path}`.trim() : cut(path, room, 7.6);
const called = s => isTime ? token(s) : D.stages[s].label, entry = ({ s, m, i }) => m * area(s) + i;

/* ---------------------------------------------------------------- numbers */

function compute() {
  const p = live.backward;
  feed(p); p.run();
  const out = name => entriesOf(p.outputs[name]).slice();
  R = { loss: out('loss')[0], losses: out('losses'), probs: out('probs'), v: [], d: [], share: [], length: [], reached: [], shown: [], parameters: {} };
  D.stages.forEach((stage, s) => {
    R.v[s] = out(`v${s}`); R.d[s] = out(`d${s}`);
    if (stage.forked) { const [a, b, g2] = out(`share${s}`); R.share[s] = [a / g2, b / g2, g2]; }
    if (D.recorded) { recordedStage(stage, s, out); return; }
    R.length[s] = columnsOf(stage.count).map(m => Math.sqrt(dot(part(R.d[s], s, m), part(R.d[s], s, m))));
    R.reached[s] = [R.d[s].filter(g => g).length, R.d[s].length];
    /* of many maps those with the longest gradient */
    R.shown[s] = isTime ? columnsOf(stage.count) : columnsOf(stage.count).sort((a, b) => R.length[s][b] - R.length[s][a]).slice(0, 12).sort((a, b) => a - b);
  });
  for (const { name } of D.parameters) R.parameters[name] = out(`d ${name}`);
  S.at ??= steepest();
}
/* a stage of which Python gave some maps, or means of them */
function recordedStage(stage, s, out) {
  stage.real ??= [...stage.size];
  stage.numbers = [...out(`shown${s}`)];
  stage.small = round(Math.sqrt(stage.real[0] * stage.real[1] * stage.numbers.length / R.d[s].length));
  stage.size = stage.real.map(side => floor(side / stage.small));
  [R.length[s], R.reached[s], R.shown[s]] = [out(`length${s}`), out(`reached${s}`), columnsOf(stage.numbers.length)];
}
/* the number in the first stage by which the loss changes most; of steps of time, in the state at the loss */
function steepest() {
  const s = isTime ? (S.loss >= 0 && perToken ? S.loss : S.shown - 1) : 0, from = isTime ? (D.stages[s].count - 1) * area(s) : 0, top = columnsOf(R.d[s].length - from).reduce((best, i) => abs(R.d[s][from + i]) > abs(R.d[s][from + best]) ? i : best, 0) + from;
  return { s, m: floor(top / area(s)), i: top % area(s) };
}
const part = (array, s, m) => array.subarray(m * area(s), (m + 1) * area(s));
/* the length of a stage's gradient; of a step's, that of its state */
const reach = s => isTime ? R.length[s].at(-1) : Math.hypot(...R.length[s]);
function refocus() { }
function* rest() { if (S.loss !== null) check(tasks(), () => panel()); }
function tasks() {
  const f = live.forward, base = forward(), probed = (input, set) => h => { set(h); const found = forward(); input.fill(0); return found; };
  const found = [];
  for (let s = 0; s < shownStages(); s++) {
    const g = R.d[s], v = R.v[s], input = f.inputs[`p${s}`].data, step = 1e-3 * max(largest(v), 1e-3), top = largest(g);
    const most = floor(2400 / shownStages()), order = columnsOf(g.length).filter(i => abs(g[i]) > 1e-9 * top).sort((a, b) => abs(g[b]) - abs(g[a])).slice(0, most);
    for (const i of order) found.push({ key: `${s},${i}`, name: where({ s, m: floor(i / area(s)), i: i % area(s) }), claimed: g[i], step, size: base, along: probed(input, h => { input[i] = h; }) });
    if (!R.share[s]) continue;
    const side = f.inputs[`b${s}`].data, [, block, g2] = R.share[s];
    found.push({ key: `share${s}`, name: called(s + 1), claimed: block, step: 1e-3 * Math.sqrt(g2) * (largest(v) || 1), size: base, along: probed(side, h => { for (let i = 0; i < g.length; i++) side[i] = h * g[i] / g2; }) });
  }
  return [...found, ...parameterTasks(base)];
}

/* ---------------------------------------------------------------- windows: the ranges of rows or columns that are read, and that read */

const reads = ([wide, step, pad], [from, to]) => [from * step - pad, to * step - pad + wide - 1];
const readers = ([wide, step, pad], [from, to], size) => [max(0, ceil((from + pad - wide + 1) / step)), min(size - 1, floor((to + pad) / step))];
/* for each stage the rows and columns that the chosen cell comes from, or goes to */
function cone({ s, i }) {
  const found = [], wide = D.stages[s].size[1], row = floor(i / wide), column = i % wide;
  let ranges = found[s] = [[row, row], [column, column]];
  for (let k = s; k > 0 && D.stages[k].window && !D.recorded; k--) {
    const exact = ranges.map((r, axis) => reads(D.stages[k].window[axis], r));
    found[k - 1] = k === s ? exact : exact.map((r, axis) => [max(0, r[0]), min(D.stages[k - 1].size[axis] - 1, r[1])]);
    ranges = found[k - 1];
  }
  ranges = found[s];
  for (let k = s + 1; k <= last && D.stages[k].window && !D.recorded; k++) {
    ranges = found[k] = ranges.map((r, axis) => readers(D.stages[k].window[axis], r, D.stages[k].size[axis]));
    if (ranges.some(r => r[0] > r[1])) { delete found[k]; break; }
  }
  return found;
}

/* ---------------------------------------------------------------- the drawing */

function draw() {
  const place = el('stage'), width = place.clientWidth - (innerWidth > 700 ? 24 : 8), count = shownStages(), narrow = width < 560;
  const left = isTime ? (narrow ? 28 : 60) : 0, right = perToken || !D.scored ? 0 : min(132, width / 4);
  const room = innerWidth >= 1200 ? innerHeight - bounds(place).top - scrollY - bounds(one('footer')).height - 4 : narrow ? 660 : 720;
  const natural = columnsOf(count).map(s => isTime ? 1 : Math.sqrt(R.shown[s].length * D.stages[s].size[1]) * (s ? 1 : 1.9));
  const least = natural.reduce((a, b) => a + b, 0) / (1.5 * count), weigh = s => max(natural[s], least), sum = columnsOf(count).reduce((total, s) => total + weigh(s), 0), gap = isTime ? 3 : 14, places = [];
  const pitch = (width - left - right) / count;
  for (let s = 0, x = left; s < count; s++) { const w = (width - left - right) * weigh(s) / sum; places.push({ x, w: w - gap }); x += w; }
  const wide = min(60, pitch - 3), turned = isTime && max(...columns().map(t => token(t).length)) * 9 > wide - 2, tile = turned ? 60 : 30, footed = pitch < 40 ? 48 : 30;
  const top = isTime ? tile + 12 : 44, foot = perToken ? footed + 14 : 0, available = (room - top - foot - (isTime ? 78 : 86)) / 2;
  if (isTime) shapeUnits(pitch - gap, (available - 3 * D.stages[0].count) / D.stages[0].count);
  places.forEach((p, s) => {
    const [h, w] = D.stages[s].size, maps = R.shown[s].length, space = isTime ? 3 : 5;
    let best = [0];
    for (let across = isTime ? maps : 1; across <= maps; across++) {
      const down = isTime ? maps : ceil(maps / across), columns = isTime ? 1 : across;
      const scale = min((p.w - space * (columns - 1)) / (columns * w), (available - space * (down - 1)) / (down * h), 40);
      if (scale > best[0]) best = [scale, columns];
    }
    /* cells of time may be higher than wide, where a step has few columns */
    const rise = isTime ? clamp((available - space * (maps - 1)) / (maps * h), best[0], 2.5 * best[0]) : best[0];
    Object.assign(p, { scale: best[0], rise, across: best[1], space, h, w, room: p.w, w0: w * best[0] });
  });
  places.forEach(p => { if (isTime) p.x += (p.room - p.w0) / 2; });
  const used = s => ceil(R.shown[s].length / places[s].across) * (places[s].h * places[s].rise + places[s].space);
  const high = min(available, max(right && min(D.outputs, 12) * 23, ...columnsOf(count).map(used))), second = top + high + (isTime ? 22 : 46);
  view = { width, left, pitch, places, top, high, second, right, narrow, wide, turned, tile, footed, end: second + high + 26, x: s => places[s].x + places[s].w0 / 2 };
  const height = second + high + 30 + foot;
  place.innerHTML = `<div class="over" style="height:${height}px"><canvas></canvas><svg width="${width}" height="${height}" role="group">${isTime ? tokens() : ''}${labels()}${perToken ? losses(0) : D.scored ? classes() : ''}<g id="marks"></g></svg></div>`;
  setBack(S.back);
  marks();
}
/* the units of a step as the rectangle whose cells become largest */
function shapeUnits(wide, high) {
  const count = area(0), shapes = columnsOf(count).map(i => i + 1).filter(w => count % w === 0), fit = w => min(wide / w, high * w / count);
  const w = shapes.reduce((best, w) => fit(w) > fit(best) ? w : best);
  for (const stage of D.stages) stage.size = [count / w, w];
}
/* the corner of a map, above or beneath */
function corner(s, m, beneath) {
  const { x, scale, rise, across, space, h, w } = view.places[s], k = R.shown[s].indexOf(m);
  return k < 0 ? null : [x + (k % across) * (w * scale + space), (beneath ? view.second : view.top) + floor(k / across) * (h * rise + space)];
}
const rgb = name => { const probe = element('i', { style: `color:var(--${name})` }, document.body), found = getComputedStyle(probe).color.match(/[\d.]+/g).slice(0, 3).map(Number); probe.remove(); return found; };
/* positive numbers in one colour, negative ones in the other, the larger the fuller; an image of three maps in its own colours */
function picture(h, w, colour) {
  const made = element('canvas', { width: w, height: h }), context = made.getContext('2d'), image = context.createImageData(w, h);
  for (let i = 0; i < h * w; i++) { const [r, g, b, a] = colour(i); image.data.set([r, g, b, 255 * min(1, a)], 4 * i); }
  context.putImageData(image, 0, 0);
  return made;
}
const tinted = (array, most, plus, against) => i => [...(array[i] > 0 ? plus : against), abs(array[i]) / (most || 1)];
function paint() {
  const canvas = one('#stage canvas'), ratio = devicePixelRatio || 1, height = parseFloat(canvas.parentNode.style.height), context = canvas.getContext('2d');
  Object.assign(canvas, { width: view.width * ratio, height: height * ratio });
  canvas.style.width = `${view.width}px`;
  context.scale(ratio, ratio);
  context.imageSmoothingEnabled = false;
  const [fwd, grad, ink] = ['fwd', 'grad', 'ink'].map(rgb), count = shownStages(), all = isTime ? max(...columnsOf(count).map(s => largest(R.d[s]))) : 0;
  for (let s = 0; s < count; s++) {
    const { scale, rise, h, w } = view.places[s], arrived = S.loss !== null && s >= steps - 1 - S.back, most = all || largest(R.d[s]), top = isTime ? 1 : largest(R.v[s]);
    const draw = (from, m, beneath) => { const [x, y] = corner(s, m, beneath); context.drawImage(from, x, y, w * scale, h * rise); };
    if (isPhoto(s)) {
      const [low, high] = [min(...R.v[s]), max(...R.v[s])], level = (m, i) => 255 * (R.v[s][m * area(s) + i] - low) / (high - low || 1);
      draw(picture(h, w, i => [level(0, i), level(1, i), level(2, i), 1]), 0, false);
    }
    for (const m of R.shown[s]) {
      if (!isPhoto(s)) draw(picture(h, w, tinted(part(R.v[s], s, m), top, fwd, ink)), m, false);
      if (arrived) draw(picture(h, w, tinted(part(R.d[s], s, m), most, grad, ink)), m, true);
    }
  }
}
const isPhoto = s => s === 0 && !isTime && D.stages[0].count === 3;
function labels() {
  const { places, top, second, high, narrow, left } = view, out = [];
  places.forEach(({ x, w, scale, rise, h, w: wide }, s) => {
    for (const beneath of [false, true]) for (const m of R.shown[s]) {
      if (isPhoto(s) && !beneath && m) continue;
      const [cx, cy] = corner(s, m, beneath);
      out.push(`<rect class="frame" x="${cx}" y="${cy}" width="${wide * scale}" height="${h * rise}"/>`);
    }
    if (isTime) return;
    const space = places[s].room, { label, path, count: many, real } = D.stages[s], size = (real ?? [h, wide]).join('×'), some = many > R.shown[s].length ? say`${R.shown[s].length} of ${many}` : many > 1 ? `${many}` : '';
    out.push(`<text class="bold" x="${x}" y="16"><title>${esc(`${label} ${path}`)}</title>${fitting(space, label, ...(/^\d*$/.test(path) ? [] : [path, path.replace(/^\D+/, '…')]))}</text><text class="muted" x="${x}" y="35">${fitting(space, s === 0 && D.paints && !D.recorded && say`${size}, paint on it`, some && `${some} × ${size}`, some, size)}</text>`);
    if (S.loss !== null) out.push(`<text class="said" x="${x}" y="${second - 24}">${fitting(space, s ? say`∂L/∂ these` : '∂L/∂x', say`gradient`)}</text><text class="muted" x="${x}" y="${second - 7}">${fitting(space, say`length ${brief(reach(s), 2)}`, brief(reach(s), 2))}</text>`);
  });
  if (isTime) {
    const most = max(...columns().map(reach));
    for (const beneath of [false, true]) D.stages[0].names.forEach((name, m) => out.push(`<text class="mono ${beneath ? 'said' : 'bold'}" x="0" y="${corner(0, m, beneath)[1] + view.places[0].h * view.places[0].rise / 2 + 5}">${beneath && !narrow ? '∂' : ''}${esc(name)}</text>`));
    if (S.loss !== null) out.push(`<text class="said" x="0" y="${view.end}">|∂${D.stages[0].names.at(-1)}|</text>`);
    if (S.loss !== null) columns().forEach(t => { const tall = 20 * reach(t) / (most || 1); out.push(`<rect class="up" x="${places[t].x}" y="${view.end - tall}" width="${places[t].w0}" height="${tall}"/>`); });
  }
  return out.join('');
}
/* the first of some texts that has room, or else as much of the last one as has */
const fitting = (room, ...texts) => { const known = texts.filter(Boolean); return esc(known.find(text => text.length * 7.6 <= room) ?? cut(known.at(-1) ?? '', room, 7.6)); };
/* the classes, with their probabilities above and what comes back to their scores beneath */
function classes() {
  const { width, right, top, second, high } = view, x = width - right + 6, each = min(23, high / min(D.outputs, 12)), shown = best(0, floor(high / each)), out = [];
  if (!shown.includes(S.target[0])) shown[shown.length - 1] = S.target[0];
  if (D.outputs <= shown.length) shown.sort((a, b) => a - b);
  const name = clamp(9 * max(...shown.map(c => label(c).length)) + 8, 22, right / 2 - 10);
  out.push(`<text class="bold" x="${x}" y="16">${say`what it is`}</text><text class="muted" x="${x}" y="35">${D.recorded ? '' : fitting(right - 6, say`click the right one`, say`click one`)}</text><text class="said" x="${x}" y="${second - 24}">${fitting(right - 6, say`∂L/∂score`, '∂L/∂')}</text><text class="muted" x="${x}" y="${second - 7}">p − y</text>`);
  shown.forEach((c, k) => {
    const p = R.probs[c], g = p - +(c === S.target[0]), isIt = c === S.target[0], y = top + k * each, half = right - 64 - name;
    out.push(`<g class="tile ${isIt ? 'on' : ''}" data-class="${c}" role="button" tabindex="0"><rect x="${x}" y="${y}" width="${right - 8}" height="${each - 3}" rx="3"/><path class="cell" opacity=".7" d="M${x + name + 4},${y + 4}h${(right - 54 - name) * p}v${each - 11}h${(54 + name - right) * p}z"/>
      <text class="bold" x="${x + 5}" y="${y + each / 2 + 4}">${esc(cut(label(c), name))}</text><text x="${width - 6}" y="${y + each / 2 + 4}" text-anchor="end">${round(100 * p)}</text></g>`);
    if (S.loss !== null) out.push(`<rect class="${g > 0 ? 'up' : 'down'}" x="${x + name + 4 + half / 2 + min(0, g) * half / 2}" y="${second + k * each + 4}" width="${max(.5, abs(g) * half / 2)}" height="${each - 11}"/><text x="${x + 5}" y="${second + k * each + each / 2 + 4}">${esc(cut(label(c), name))}</text><text x="${width - 6}" y="${second + k * each + each / 2 + 4}" text-anchor="end">${minus(g.toFixed(2))}</text>`);
  });
  return out.join('');
}
/* the chosen cell, the windows that it comes from and goes to */
function marks() {
  const place = el('marks');
  if (!place || !S.at || S.at.s >= shownStages()) { if (place) place.innerHTML = ''; return; }
  const out = [];
  cone(S.at).forEach((ranges, s) => {
    if (!ranges || s >= shownStages()) return;
    const [[top, bottom], [from, to]] = ranges, { scale, rise } = view.places[s], own = s === S.at.s;
    for (const m of own ? [S.at.m] : R.shown[s]) for (const beneath of own ? [false, true] : [s > S.at.s]) {
      const at = corner(s, isPhoto(s) && !beneath ? 0 : m, beneath);
      if (at) out.push(`<rect class="${own ? 'chosen' : beneath ? 'comes' : 'goes'}" x="${at[0] + from * scale}" y="${at[1] + top * rise}" width="${(to - from + 1) * scale}" height="${(bottom - top + 1) * rise}"/>`);
    }
  });
  place.innerHTML = out.join('');
}
function setBack(stage) {
  S.back = stage;
  el('stage-of').value = stage;
  const s = ceil(steps - 1 - stage);
  tell(el('stage-said'), stage >= steps ? say`all the way back` : s > last ? say`at the loss` : esc(called(max(0, s))));
  paint();
}
function beside() { }
el('beside').hidden = true;

/* ---------------------------------------------------------------- the panel */

function where({ s, m, i }) {
  const { size: [, wide], count, names, numbers } = D.stages[s], spot = wide > 1 && !isTime ? `${floor(i / wide)}, ${i % wide}` : `${i}`;
  return isTime ? `${names[m]}[${i}], ${token(s)}` : `${called(s)}${count > 1 ? ` ${numbers?.[m] ?? m}` : ''}: ${spot}`;
}
function panel() {
  const at = S.at;
  if (!at) fill(el('cell'), `<h2>${say`Point at a cell`}</h2><p class="note">${isTime ? say`Its value, its gradient, and what a change of it does.` : say`The windows it was read from and that read it, its gradient, and which maps that came back from.`}</p>`);
  else {
    const i = entry(at), g = R.d[at.s][i], { small } = D.stages[at.s];
    fill(el('cell'), `<h2>${esc(where(at))}</h2><table class="rows"><tr><td>${small > 1 ? say`mean of ${small * small} values` : say`value`}</td><td class="num">${brief(R.v[at.s][i])}</td></tr><tr><td class="grad">${small > 1 ? say`mean of ${say`gradient`}` : say`gradient`}</td><td class="num grad">${brief(g)} ${mark(`${at.s},${i}`)}</td></tr></table><div id="sent"></div>`);
    if (live.sent && at.s < last) sent(at, i, g);
  }
  question();
  const stages = columnsOf(shownStages()), told = stages.map(s => `<tr><th>${esc(called(s))}</th><td>${brief(reach(s), 3)}</td></tr>`).join('');
  el('table').innerHTML = `<table><caption>${say`Length of the gradient at each stage`}</caption>${told}</table>`;
  const rows = R.share.map((share, s) => share && share.slice(0, 2)).map((share, s) => share && shareRow(esc(blockOf(D.stages[s + 1])), share, `share${s}`)).filter(Boolean).reverse();
  el('shares').hidden = !rows.length || S.loss === null;
  if (rows.length) fill(el('shares'), `<h2>${say`What comes back, %`}<small>${say`shortcut + block`}</small></h2><table class="rows">${rows.join('')}</table>`);
}
/* a guess, then where the gradient gets through: of time how much is left, of layers how many numbers it reaches */
function question() {
  const place = el('ways');
  if (S.loss === null || isTime && S.loss < 0) { place.innerHTML = ''; return; } // the mean's gradient begins at every step
  const stages = columnsOf(shownStages()), part = s => isTime ? reach(s) / (reach(end()) || 1) : R.reached[s][0] / R.reached[s][1];
  const s = isTime ? 0 : stages.reduce((best, s) => part(s) < part(best) ? s : best), name = quote(isTime ? token(0) : blockOf(D.stages[s]));
  if (ask(place, isTime ? say`How much of its length is left at ${name}?` : say`How many numbers of ${name} does it reach?`, say`A guess, then all stages.`, () => { question(); sentence(); })) return;
  const most = max(...stages.map(reach)), few = isTime && stages.length > 8 ? stages.filter(s => s % ceil(stages.length / 8) === 0) : stages;
  const rows = few.slice().reverse().map(s => `<tr><td>${esc(isTime ? token(s) : blockOf(D.stages[s], 96))}</td><td class="wide"><div class="bar"><i style="width:${100 * (isTime ? reach(s) / most : part(s))}%"></i></div></td><td class="num">${isTime ? brief(reach(s), 2) : R.reached[s].join(' / ')}</td></tr>`);
  fill(place, `<h2>${say`Where it gets through`}<small>${isTime ? say`length` : say`numbers reached`}</small></h2><table class="rows">${rows.join('')}</table><p class="note">${say`You guessed ${S.guess} %, it is ${brief(100 * part(s), 2)} %.`}</p>`);
}
/* the step at whose loss the gradient begins */
const end = () => perToken && S.loss >= 0 ? S.loss : S.shown - 1;
/* by which maps of the next stage a cell's gradient came back: what a change of the cell does there, times the gradient there */
function sent(at, i, g) {
  const p = live.sent, input = p.inputs[`p${at.s}`].data, next = at.s + 1;
  put(p, 'x', S.x);
  input[i] = 1; p.run(); input[i] = 0;
  const moved = entriesOf(p.outputs[`t${at.s}`]), parts = columnsOf(D.stages[next].count).map(m => [dot(part(moved, next, m), part(R.d[next], next, m)), m]);
  const sum = parts.reduce((total, [v]) => total + v, 0), shown = parts.slice().sort((a, b) => abs(b[0]) - abs(a[0])).slice(0, 5).filter(([v]) => v), ranges = cone(at)[next];
  if (!shown.length) { fill(el('sent'), `<p class="note">${say`Nothing comes back here: what reads it does not depend on it now.`}</p>`); return; }
  const isSum = abs(sum - g) <= 1e-9 * max(abs(g), largest(R.d[at.s]));
  fill(el('sent'), `<p class="note">${say`It came back from ${esc(called(next))}: effect × gradient there, summed.`} <span class="${isSum ? 'right' : 'wrong'}">${isSum ? '✓' : '✗'}</span></p><div class="patches">${shown.map(([v, m]) => `<span><canvas data-map="${m}" width="1" height="1"></canvas>${D.stages[next].count > 1 ? `<span class="muted">${m}</span>` : ''}${percent(v / sum)}</span>`).join('')}</div>`);
  const [grad, ink] = ['grad', 'ink'].map(rgb), [h, w] = D.stages[next].size, [[top, bottom], [from, to]] = ranges ?? [[0, h - 1], [0, w - 1]], products = moved.map((v, k) => v * R.d[next][k]), most = largest(products);
  for (const canvas of all('#sent canvas')) {
    const product = part(products, next, +canvas.dataset.map), wide = to - from + 1, colour = tinted(product, most, grad, ink);
    const made = picture(bottom - top + 1, wide, k => colour((top + floor(k / wide)) * w + from + k % wide));
    Object.assign(canvas, { width: made.width, height: made.height });
    canvas.getContext('2d').drawImage(made, 0, 0);
    Object.assign(canvas.style, { width: '40px', height: `${clamp(40 * made.height / made.width, 8, 80)}px` });
  }
}
function sentence() {
  if (S.loss === null) { fill(el('sentence'), say`Each number as it was computed, from left to right. <b>Click a loss</b>: its gradient returns.`); return; }
  const left = S.guess === null || S.loss < 0 || !end() ? '' : ' ' + say`Of its length at ${quote(token(end()))}, <b>${brief(100 * reach(0) / reach(end()), 2)}&nbsp;%</b> is left at ${quote(token(0))}.`;
  const how = isTime ? say`Its <b>gradient</b> returns step by step, through states and gates: raise an orange number, and the loss rises; a grey one, and it falls.` + left
    : say`Values above, their <b>gradient</b> beneath: raise an orange number, and the loss rises; a grey one, and it falls.`;
  fill(el('sentence'), `${lossSaid()} ${how}`);
}

/* ---------------------------------------------------------------- what the reader does */

function cellAt(e) {
  const box = bounds(one('#stage svg')), px = e.clientX - box.left, py = e.clientY - box.top;
  for (let s = 0; s < shownStages(); s++) for (const m of R.shown[s]) for (const beneath of [false, true]) {
    const [x, y] = corner(s, m, beneath), { scale, rise, h, w } = view.places[s], column = floor((px - x) / scale), row = floor((py - y) / rise);
    if (column >= 0 && row >= 0 && column < w && row < h) return { s, m, i: row * w + column, beneath };
  }
  return null;
}
function point(at) { if (at && (!S.at || at.s !== S.at.s || entry(at) !== entry(S.at))) { S.at = at; marks(); panel(); } }
function pointed(at) { if (at.token !== undefined && perToken) choose(+at.token); }
function arrow(by) { if (S.at) point({ ...S.at, i: clamp(S.at.i + by, 0, area(S.at.s) - 1) }); else if (perToken) choose(clamp(S.loss + by, 0, S.shown - 1)); }
el('panel').innerHTML = '<section id="cell"></section><section id="ways"></section><section id="shares"></section>';
listen(el('stage'), 'pointermove', e => {
  const at = cellAt(e);
  if (S.paint !== undefined && at?.s === 0 && !at.beneath) { if (S.x[at.i] !== S.paint) { S.x[at.i] = S.paint; S.at = at; show(); } }
  else if (!S.pinned) point(at);
});
listen(el('stage'), 'pointerdown', e => {
  const at = cellAt(e);
  if (!at) { if (!within(e, '[data-loss],[data-class]')) S.pinned = false; return; }
  point(at);
  if (D.paints && !D.recorded && at.s === 0 && !at.beneath) { S.paint = S.x[at.i] === D.paints[1] ? D.paints[0] : D.paints[1]; S.x[at.i] = S.paint; e.preventDefault(); show(); } else S.pinned = !S.pinned || e.pointerType === 'touch';
});
listen(window, 'pointerup', () => { S.paint = undefined; });
begin();
