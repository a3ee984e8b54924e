/* A line of tokens: blocks read it and add to it. Values run down; click a loss, and its gradient climbs back. */

const K = D.blocks.length, attention = D.blocks.flatMap((b, k) => b.heads ? [k] : []), steps = K + 1;
const live = D.recorded ? { backward: recordedProgram() } : { backward: program_backward(memory), forward: program_forward(memory) };
Object.assign(S, { head: null, block: attention.at(-1) ?? 0, back: steps, guess: null });
D.blocks.forEach((block, k) => { block.number = D.blocks.slice(0, k + 1).filter(b => !b.heads === !block.heads).length; });
const kind = k => D.blocks[k].heads ? say`attention` : say`MLP`, blockName = k => `${kind(k)} ${D.blocks[k].number}`;
const initial = k => `${D.blocks[k].heads ? 'A' : 'M'}${D.blocks[k].number}`;

/* ---------------------------------------------------------------- numbers */

function backward(gates = i => 1, at = S.focus) {
  const p = live.backward;
  feed(p); put(p, 'gates', Array.from({ length: 2 * K }, (_, i) => gates(i))); put(p, 'at', columnsOf(n).map(i => +(i === at))); p.run();
  return name => entriesOf(p.outputs[name]);
}
function compute() {
  const read = backward(), out = name => read(name).slice();
  R = { loss: out('loss')[0], losses: out('losses'), probs: out('probs'), lines: out('lines'), squares: out('squares'), dots: out('dots'), forks: out('forks'),
    weights: {}, scores: {}, heads: {}, parameters: {}, attended: new Set(), routes: [] };
  for (const k of attention) { R.weights[k] = out(`weights${k}`); R.scores[k] = out(`dscores${k}`); R.heads[k] = new Float64Array(n * n * D.blocks[k].heads); }
  for (const { name } of D.parameters) R.parameters[name] = out(`d ${name}`);
  R.size = k => t => Math.sqrt(R.squares[k * n + t]);
  R.share = (k, side, t) => R.dots[(2 * k + side) * n + t] / R.squares[k * n + t];
  R.total = Math.sqrt(R.squares.slice(0, n).reduce((a, b) => a + b, 0));
  if (D.recorded) for (const k of attention) R.heads[k] = out(`heads${k}`); else attend(S.focus, read);
}
/* what comes back to a token by each head and query */
function attend(t, read) {
  if (R.attended.has(t)) return;
  read ??= backward(i => 1, t);
  for (const k of attention) R.heads[k].set(read(`heads${k}`), t * n * D.blocks[k].heads);
  R.attended.add(t);
}
/* In the time that is left: the other tokens by head and query; then all routes from the losses to the start of the line, shortcut or block at each fork,
   a run of its own for each; then the checks. */
function refocus() { if (!D.recorded) attend(S.focus); }
function* rest() {
  if (isRouted()) { check(tasks(), () => panel()); return; }
  for (const t of columns()) yield attend(t);
  draw();
  if (!(R.total > 0)) return;
  const start = R.forks.subarray(0, n * D.width), whole = dot(start, start);
  for (let code = R.routes.length; code < 1 << K; code++) {
    R.routes.push({ code, share: dot(backward(i => +((code >> (i >> 1) & 1) === i % 2))('start'), start) / whole });
    yield;
  }
  ways(); sentence();
  check(tasks(), () => panel());
}
const isRouted = () => R.routes.length === 1 << K;

/* ---------------------------------------------------------------- the drawing */

function draw() {
  const place = el('stage'), width = place.clientWidth - (innerWidth > 700 ? 24 : 8), m = S.shown, narrow = width < 560;
  const left = narrow ? 0 : 96, pitch = (width - left) / m, x = t => left + pitch * (t + .5);
  const footing = innerWidth >= 1200 ? innerHeight - bounds(place).top - scrollY - bounds(one('footer')).height - 4 : 0;
  const guesses = pitch >= 48 && D.scored ? 3 : 0, footed = pitch < 40 ? 48 : 30, bottom = (perToken ? guesses * 19 + 14 + footed : 82) + 6;
  const wide = min(60, pitch - 3), longest = max(...columns().map(t => token(t).length)) * 9, turned = longest > wide - 2, tile = turned ? clamp(longest + 10, 30, 76) : 30, top = tile + 8;
  const units = D.blocks.reduce((sum, b) => sum + (b.heads ? 2 : 1), 0);
  const unit = clamp((footing - top - bottom) / units, narrow ? 46 : K > 8 ? 22 : 40, 150), heights = D.blocks.map(b => unit * (b.heads ? 2 : 1));
  const y = [top]; for (const h of heights) y.push(y.at(-1) + h);
  const end = y[K], height = end + bottom;
  view = { beside: el('beside').clientWidth, width, left, pitch, x, y, end, height, heights, narrow, m, wide, turned, tile, footed };
  const [back, said] = S.loss === null ? ['', ''] : gradients();
  place.innerHTML = `<svg width="${width}" height="${height}" role="group">${values()}${back}${tokens()}${said}${losses(guesses)}</svg>`;
  const returns = one('.back', place);
  if (returns) setBack(S.back);
}
const curve = (x0, y0, x1, y1) => `M${x0.toFixed(1)},${y0.toFixed(1)}C${x0.toFixed(1)},${((y0 + y1) / 2).toFixed(1)} ${x1.toFixed(1)},${((y0 + y1) / 2).toFixed(1)} ${x1.toFixed(1)},${y1.toFixed(1)}`;
const band = (x0, y0, w0, y1, w1) => `M${(x0 - w0 / 2).toFixed(1)},${y0}L${(x0 + w0 / 2).toFixed(1)},${y0}L${(x0 + w1 / 2).toFixed(1)},${y1}L${(x0 - w1 / 2).toFixed(1)},${y1}Z`;
function values() {
  const { x, y, pitch, width, narrow, left } = view, out = [`<g class="${S.loss === null ? '' : 'returns'}">`], names = [];
  const most = largest(R.lines), thick = v => min(18, .4 * pitch) * v / most;
  for (let k = 0; k < K; k++) {
    out.push(`<path class="frame" d="M${left},${y[k + 1]}H${width}"/>`);
    out.push(`<path class="line" d="${columns().map(t => band(x(t), y[k], thick(R.lines[k * n + t]), y[k + 1], thick(R.lines[(k + 1) * n + t]))).join('')}"/>`);
    if (!D.blocks[k].heads) out.push(`<path class="arc" opacity=".35" stroke-width="1.5" d="${columns().map(t => loop(k, t)).join('')}"/>`);
    else {
      const arcs = [];
      for (let h = 0; h < D.blocks[k].heads; h++) if (isOpen(k, h)) for (const q of columns()) for (const t of columns()) {
        const w = R.weights[k][(h * n + q) * n + t];
        if (w > .04 && t !== q) arcs.push([w, t, q]);
      }
      arcs.sort((a, b) => b[0] - a[0]).length = min(arcs.length, 160);
      const paths = Array(26).fill('');  // one for each strength, as few elements are drawn fast
      for (const [w, t, q] of arcs) paths[round(25 * min(1, w))] += curve(x(t), y[k] + 6, x(q), y[k + 1] - 6);
      paths.forEach((d, i) => { if (d) out.push(`<path class="arc" opacity="${(.08 + .012 * i).toFixed(2)}" stroke-width="${(.5 + .28 * i * min(1, pitch / 50)).toFixed(1)}" d="${d}"/>`); });
    }
    const at = narrow ? [2, y[k] + 15] : [0, (y[k] + y[k + 1]) / 2 + 5];
    names.push(`<text class="bold pick ${narrow ? 'halo' : ''}" data-block="${k}" x="${at[0]}" y="${at[1]}">${esc(blockName(k))}</text>`);
  }
  return `${out.join('')}</g>${names.join('')}`;
}
/* squares of some sizes as one path for each strength, 1 to 6: few elements draw many cells */
function shaded(cells, name) {
  const paths = Array(7).fill('');
  for (const [x, y, size, strength] of cells) { const i = ceil(6 * min(1, abs(strength))); if (i > 0) paths[i] += `M${x.toFixed(1)},${y.toFixed(1)}h${size}v${size}h-${size}z`; }
  return paths.map((d, i) => d && `<path class="${name}" opacity="${(i / 8).toFixed(2)}" d="${d}"/>`).join('');
}
const isOpen = (k, h) => !S.head || S.head[0] !== k || S.head[1] === h;
const loop = (k, t) => { const { x, y, pitch } = view, out = x(t) + min(22, .32 * pitch); return `M${x(t)},${y[k] + 5}C${out},${y[k] + 9} ${out},${y[k + 1] - 9} ${x(t)},${y[k + 1] - 5}`; };
function gradients() {
  const { x, y, pitch, end, m, width, left } = view, out = [`<clipPath id="reach"><rect x="-50" width="${width + 100}" height="${view.height + 50}"/></clipPath><g class="back" clip-path="url(#reach)">`], said = ['<g class="back-said" clip-path="url(#reach)">'];
  const most = largest(R.squares) ** .5, unit = min(26, .42 * pitch) / (most || 1), size = (k, t) => Math.sqrt(R.squares[k * n + t]);
  for (let k = 0; k < K; k++) for (const t of columns()) {
    const g = size(k, t), s = R.share(k, 0, t), b = R.share(k, 1, t);
    if (!(g * unit > .2)) continue;
    const wide = abs(s) * g * unit, low = size(k + 1, t) * unit;
    if (max(wide, low) > .25) out.push(`<path class="grad-line ${s < 0 ? 'against' : ''}" opacity=".9" d="${band(x(t), y[k], wide, y[k + 1], low)}"/>`);
    if (!D.blocks[k].heads) {
      if (abs(b) * g * unit > .25) out.push(`<path class="grad-arc ${b < 0 ? 'against' : ''}" stroke-width="${(abs(b) * g * unit).toFixed(2)}" d="${loop(k, t)}"/>`);
      continue;
    }
    const heads = D.blocks[k].heads, byHeads = R.heads[k].subarray(t * heads * n, (t + 1) * heads * n).reduce((a, b) => a + b, 0);
    const beside = !S.head && (D.recorded || R.attended.has(t)) ? b * g * g - byHeads : 0; // as from an MLP in the same block
    for (const q of columns()) {
      let part = q === t ? beside : 0;
      for (let h = 0; h < heads; h++) if (isOpen(k, h)) part += R.heads[k][(t * heads + h) * n + q];
      const w = part / g * unit;
      if (abs(w) < .25) continue;
      const path = q === t ? loop(k, t) : curve(x(t), y[k] + 4, x(q), y[k + 1] - 4);
      out.push(`<path class="grad-arc ${w < 0 ? 'against' : ''} ${t === S.focus || q === S.focus ? '' : 'dim'}" stroke-width="${abs(w).toFixed(2)}" d="${path}"/>`);
    }
  }
  const ends = columns().filter(t => size(K, t) * unit > .2);
  for (const t of ends) {
    const w = size(K, t) * unit;
    out.push(`<path class="grad-arc" stroke-width="${min(w, 26).toFixed(2)}" d="${perToken ? `M${x(t)},${end}v10` : curve(x(t), end, left + (width - left) / 2, end + 34)}"/>`);
  }
  out.push('</g>');
  const t = S.focus;
  if (t < m) for (let k = 0; k < K; k++) {
    const s = R.share(k, 0, t);
    if (!isFinite(s)) continue;
    const reach = min(22, .32 * pitch) + 10, at = view.narrow ? y[k] + 38 : min(y[k] + 22, (y[k] + y[k + 1]) / 2 + 5), write = (x, side, text) => said.push(`<text class="said" x="${x}" y="${at}" text-anchor="${side}">${minus(text)}</text>`);
    const [a, b] = rounded([s, 1 - s]), isLeft = x(t) - reach - 44 > left, isRight = x(t) + reach + 44 < width;
    if (isLeft && isRight) { write(x(t) - reach - 4, 'end', `${a} %`); write(x(t) + reach, 'start', `${b} %`); }
    else write(x(t) + (isLeft ? -reach : reach), isLeft ? 'end' : 'start', `${a} + ${b < 0 ? `(${b})` : b} %`);
  }
  return [out.join(''), said.join('') + '</g>'];
}
/* how far the gradient has come back: 0 at the losses, one for each block, K + 1 at the tokens */
function setBack(stage) {
  S.back = stage;
  const reach = one('#reach rect');
  if (!reach) return;
  const { y, height } = view, s = max(0, stage - 1), i = K - min(K, floor(s)), at = stage >= K + 1 ? 0 : stage < 1 ? y[K] + 12 * (1 - stage) : y[i] - (y[i] - y[i - 1]) * (s - floor(s));
  attr(reach, { y: at - 1, height: height + 51 - at });
  const slider = el('stage-of');
  if (slider) slider.value = stage;
  if (slider) tell(el('stage-said'), stage >= K + 1 ? say`back to the tokens` : stage < 1 ? say`at the loss` : say`through ${blockName(K - min(K, floor(stage)))}`);
}
/* ---------------------------------------------------------------- who reads whom, and the rows of the embedding */

function beside() {
  const place = el('beside'), wide = view.beside - (innerWidth >= 1200 ? 16 : 30), m = S.shown, rows = S.loss === null ? 0 : min(m, 8), listed = attention.length > 4 ? [D.blocks[S.block].heads ? S.block : attention.at(-1)] : attention;
  /* as many heads beside each other as makes them largest */
  const size = max(...[2, 3, 4].map(across => {
    const count = listed.reduce((sum, k) => sum + ceil(D.blocks[k].heads / across), 0);
    const room = innerWidth >= 1200 ? (innerHeight - 200 - rows * 18 - listed.length * 26) / count - 24 : 150;
    return clamp(min((wide - 12 * (across - 1)) / across, room), 56, 220);
  }));
  const named = (size - 14) / m >= 12 ? 14 : 0, cell = (size - named) / m, short = t => token(t).length === 1 ? token(t) : '·';
  const letters = named && columns().map(t => `<text class="mono muted" x="${named + (t + .5) * cell}" y="11" text-anchor="middle">${esc(short(t))}</text><text class="mono muted" x="5" y="${named + (t + .5) * cell + 5}" text-anchor="middle">${esc(short(t))}</text>`).join('');
  let html = '';
  for (const k of listed) {
    const { heads } = D.blocks[k], most = largest(R.scores[k]);
    html += `<h2>${esc(blockName(k))}<small>${say`rows read columns`}</small></h2><div class="heads">`;
    for (let h = 0; h < heads; h++) {
      const cells = [], discs = ['', ''];
      for (let q = 0; q < m; q++) for (let t = 0; t < m; t++) {
        const at = (h * n + q) * n + t, g = R.scores[k][at] / (most || 1), r = +(.45 * cell * Math.sqrt(abs(g))).toFixed(1);
        if (R.weights[k][at] > .01) cells.push([t * cell, q * cell, +cell.toFixed(1), R.weights[k][at]]);
        if (S.loss !== null && r > .6) discs[+(g > 0)] += `M${((t + .5) * cell - r).toFixed(1)},${((q + .5) * cell).toFixed(1)}a${r},${r} 0 1 0 ${2 * r},0a${r},${r} 0 1 0 ${-2 * r},0`;
      }
      const on = S.head && S.head[0] === k && S.head[1] === h;
      html += `<svg class="pick" data-head="${k},${h}" width="${size}" height="${size + 18}" role="button" tabindex="0" aria-label="${esc(say`head ${h + 1} of ${blockName(k)}`)}"><text class="${on ? 'bold' : 'muted'}" x="${named}" y="13">${say`head ${h + 1}`}${on ? ' ✕' : ''}</text>
        <g transform="translate(0 18)">${letters || ''}<g transform="translate(${named} ${named})">${shaded(cells, 'cell')}<path class="minus" d="${discs[0]}"/><path class="plus" d="${discs[1]}"/><rect class="${on ? 'chosen' : 'frame'}" width="${m * cell}" height="${m * cell}"/></g></g></svg>`;
    }
    html += '</div>';
  }
  if (rows) html += `<h2>∂L/∂${say`start of the line`}<small>${say`length`}</small></h2><div id="rows"></div>
    <p class="note"><b class="grad">●</b> <b class="grad">○</b> ${say`∂L/∂score, + and −. Width: length of the gradient; dashed: it works against the rest.`}</p>`;
  place.innerHTML = html;
  if (rows) embedding(wide, rows);
}
/* the gradient at the start of each line, up or down for each number; of many lines those with the longest */
function embedding(wide, count) {
  const width = D.width, cells = wide - 124, each = cells / width, high = 18, most = largest(R.forks.subarray(0, n * width));
  const lines = columns().sort((a, b) => R.squares[b] - R.squares[a]).slice(0, count).sort((a, b) => a - b), paths = ['', ''];
  let marks = '';
  lines.forEach((t, row) => {
    const twice = D.integer && S.x.slice(0, S.shown).filter(v => v === S.x[t]).length, y = row * high + 13;
    marks += `<text class="mono" x="0" y="${y}">${esc(cut(token(t), 36))}${twice > 1 ? `<tspan class="muted"> ×${twice}</tspan>` : ''}</text><text class="mono" x="${wide}" y="${y}" text-anchor="end">${brief(R.size(0)(t), 2)}</text>`;
    for (let i = 0; i < width; i++) {
      const g = R.forks[t * width + i] / (most || 1), tall = 8 * abs(g);
      if (tall > .1) paths[+(g > 0)] += `M${(54 + i * each).toFixed(1)},${(row * high + 8.5).toFixed(1)}h${max(.8, each - .8).toFixed(1)}v${(g > 0 ? -tall : tall).toFixed(1)}h${-max(.8, each - .8).toFixed(1)}z`;
    }
  });
  el('rows').innerHTML = `<svg width="${wide}" height="${count * high + 2}">${marks}<path class="down" d="${paths[0]}"/><path class="up" d="${paths[1]}"/></svg>`;
}

/* ---------------------------------------------------------------- the panel */

function panel() {
  const t = S.focus;
  let html = `<h2>${say`What comes back to ‘${esc(cut(token(t), 90))}’, %`}<small>${say`shortcut + block`}</small></h2><table class="rows">`;
  for (let k = K - 1; k >= 0; k--) {
    html += shareRow(`<button type="button" class="bare" data-block="${k}" aria-pressed="${k === S.block}">${esc(blockName(k))}</button>`, [R.share(k, 0, t), R.share(k, 1, t)], `s${k},${t}`);
  }
  html += `</table>${byHead(t)}`;
  fill(el('shares'), html);
  ways();
  const rows = [...Array(K).keys()].reverse().map(k => `<tr><th>${esc(blockName(k))}</th>${columns().map(t => `<td>${percent(R.share(k, 0, t))} + ${percent(R.share(k, 1, t))}</td>`).join('')}</tr>`);
  el('table').innerHTML = `<table><caption>${say`Shares of the gradient that return by shortcut and block`}</caption><tr><th></th>${columns().map(t => `<th>${esc(token(t))}</th>`).join('')}</tr>${rows.join('')}</table>`;
}
function byHead(t) {
  const k = S.block, { heads } = D.blocks[k];
  if (!heads || !R.squares[k * n + t]) return '';
  const g2 = R.squares[k * n + t], parts = [];
  for (let h = 0; h < heads; h++) for (let q = 0; q < S.shown; q++) parts.push({ h, q, share: R.heads[k][(t * heads + h) * n + q] / g2 });
  parts.sort((a, b) => abs(b.share) - abs(a.share));
  const shown = parts.slice(0, 3).filter(p => abs(p.share) >= .005), rest = R.share(k, 1, t) - shown.reduce((sum, p) => sum + p.share, 0);
  const said = shown.map(p => say`head ${p.h + 1} from ‘${esc(cut(token(p.q), 90))}’ ${percent(p.share)} ${mark(`h${k},${t},${p.h},${p.q}`)}`.trim());
  return `<p class="note">${say`${esc(blockName(k))} by head and query:`} ${[...said, say`others ${percent(rest)}`].join(', ')}.</p>`;
}
function ways() {
  const place = el('ways');
  if (D.recorded) { place.hidden = true; return; }
  if (!isRouted()) { place.innerHTML = `<h2>${say`All routes back`}</h2><p class="note">${R.total > 0 ? say`${1 << K} routes are being run…` : say`Nothing comes back.`}</p>`; return; }
  const { routes } = R, shortcuts = routes[0].share, sum = routes.reduce((sum, r) => sum + r.share, 0);
  if (ask(place, say`How much returns by the shortcuts alone?`, say`A guess, then all ${1 << K} routes.`, () => { ways(); sentence(); })) return;
  const sorted = routes.slice().sort((a, b) => b.share - a.share), shown = sorted.slice(0, 4);
  const others = sorted.slice(4).reduce((sum, r) => sum + r.share, 0), parts = [...shown.map(r => r.share), others], whole = parts.map(p => round(100 * p)), most = max(...parts.map(abs));
  if (routes.length > 4) whole[4] = round(100 * sum) - whole.slice(0, 4).reduce((a, b) => a + b, 0);
  const row = (name, i) => `<tr><td class="way">${name}</td><td class="wide"><div class="bar"><i style="width:${100 * abs(parts[i]) / most}%"></i></div></td><td class="num">${minus(`${whole[i]} %`)}</td></tr>`;
  const name = ({ code }) => code ? [...Array(K).keys()].filter(k => code >> k & 1).map(k => `<b>${initial(k)}</b>`).join(' ') : say`shortcuts only`;
  place.innerHTML = `<h2>${say`All ${1 << K} routes back`}<small>= ${percent(sum)} ${abs(sum - 1) < 1e-9 ? '<span class="right">✓</span>' : '<span class="wrong">✗</span>'}</small></h2><table class="rows">${shown.map((r, i) => row(name(r), i)).join('')}${routes.length > 4 ? row(say`${routes.length - 4} others`, 4) : ''}</table>
    <p class="note">${say`Shortcuts alone: you guessed ${S.guess} %, it is ${percent(shortcuts)}.`}</p>`;
}
function sentence() {
  if (S.loss === null) { fill(el('sentence'), say`Values run down: each token is a line, each block reads the lines and adds to them. <b>Click a loss</b>: its gradient climbs back.`); return; }
  const by = columns().map(i => [R.size(0)(i), i]).sort((a, b) => b[0] - a[0]), first = token(by[0][1]), second = by[1] && token(by[1][1]);
  const alone = S.guess !== null && isRouted() ? ' ' + say`<b>${percent(R.routes[0].share)}</b> of it came by the shortcuts alone.` : '';
  const most = second ? say`most to ${quote(first)}, then ${quote(second)}` : say`to ${quote(first)}`;
  fill(el('sentence'), `${lossSaid()} ${say`Its <b>gradient</b> climbs back, as wide as it is long: ${most}.`}${alone}`);
}

/* ---------------------------------------------------------------- checks */

function tasks() {
  const f = live.forward, W = D.width, todo = [];
  const inputs = Object.fromEntries(['probes', ...attention.flatMap(k => [`scores${k}`, `held${k}`, `hold${k}`])].map(name => [name, f.inputs[name]?.data]));
  const clean = () => { for (const array of Object.values(inputs)) array?.fill(0); };
  clean();
  const base = forward(), mixed = Object.fromEntries(attention.map(k => [k, entriesOf(f.outputs[`mixed${k}`]).slice()]));
  const along = set => h => { clean(); set(h); const found = forward(); clean(); return found; };
  const probe = (k, side, t, h) => { const g2 = R.squares[k * n + t]; for (let i = 0; i < W; i++) inputs.probes[((2 * k + side) * n + t) * W + i] = h * R.forks[(k * n + t) * W + i] / g2; };
  /* the loss where all results of an attention but one stay as they were: what the rest of the block does goes away in the difference */
  const without = (k, t, d, one) => along(() => {
    probe(k, 1, t, d);
    inputs[`held${k}`].set(mixed[k]); inputs[`hold${k}`].fill(1);
    if (one >= 0) inputs[`hold${k}`][one] = 0;
  })(d);
  const stepOf = (k, t) => 1e-3 * max(R.lines[k * n + t], 1e-3) * R.size(k)(t), least = largest(R.squares) * 1e-16;
  const seen = (k, t) => R.squares[k * n + t] > least;
  for (const t of columns()) for (let k = K - 1; k >= 0; k--) if (seen(k, t)) {
    const where = `${blockName(k)}, ${token(t)}`;
    todo.push({ key: `s${k},${t}`, name: where, claimed: R.share(k, 1, t), along: along(h => probe(k, 1, t, h)), step: stepOf(k, t), size: base });
    todo.push({ key: `w${k},${t}`, name: where, claimed: 1, along: along(h => { probe(k, 0, t, h); probe(k, 1, t, h); }), step: stepOf(k, t), size: base });
  }
  for (const k of attention) {
    const { heads } = D.blocks[k];
    for (let h = 0; h < heads; h++) for (const q of columns()) {
      let top = 0;
      for (const t of columns()) if (abs(R.scores[k][(h * n + q) * n + t]) > abs(R.scores[k][(h * n + q) * n + top])) top = t;
      const at = (h * n + q) * n + top;
      if (abs(R.scores[k][at]) > 1e-12) todo.push({ key: `a${at}`, name: say`score of head ${h + 1}, ${blockName(k)}`, claimed: R.scores[k][at], along: along(d => { inputs[`scores${k}`][at] = d; }), step: 1e-2, size: base });
      const t = S.focus, share = R.heads[k][(t * heads + h) * n + q] / R.squares[k * n + t];
      if (!seen(k, t) || !(abs(share) > 1e-4)) continue;
      todo.push({ key: `h${k},${t},${h},${q}`, name: say`head ${h + 1}, ${blockName(k)}`, claimed: share, step: stepOf(k, t), size: base, along: d => without(k, t, d, h * n + q) - without(k, t, d, -1) });
    }
  }
  return [...todo, ...parameterTasks(base)];
}

/* ---------------------------------------------------------------- what the reader does */

function pointed(at) {
  if (at.token !== undefined) { S.focus = +at.token; show(false); }
  else if (at.block !== undefined) { S.block = +at.block; beside(); panel(); }
  else { const [k, h] = at.head.split(',').map(Number); S.block = k; S.head = S.head?.[0] === k && S.head[1] === h ? null : [k, h]; show(false); }
}
function arrow(by) { S.focus = clamp(S.focus + by, 0, S.shown - 1); show(false); }
el('panel').innerHTML = '<section id="shares"></section><section id="ways"></section>';
begin();
if (!perToken) { S.focus = columns().sort((a, b) => R.squares[b] - R.squares[a])[0]; show(); }
