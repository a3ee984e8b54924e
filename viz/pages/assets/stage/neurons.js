/* A small network neuron by neuron: a weight is the gear of its edge, and the paths from the output to any number are products that add up to its
   gradient. */

/* The layers of a chain for one example, if the graph is one and small enough: keys of the input, weight, bias, sum and activation; n x m weights. */
const net = (() => {
  const layers = [];
  let isEnded = false;
  for (const entry of D.folds.flatMap(e => e.in && !e.layer && !e.loss ? e.in : [e])) {
    const keys = keysOf(entry), first = cards.get(keys[0]), [x, W, b] = [0, 1, 2].map(i => first.in.find(use => use.index === i)?.tail);
    if (first.op !== 'linear') { isEnded = true; continue; }
    const act = cards.get(keys[1]), [n, m] = cards.get(W).sh, gear = act?.in[0].id;
    const isChained = !layers.length || x === layers.at(-1).a;
    if (isEnded || keys.length > 2 || !isChained || first.size !== n || n * m > 9 || cards.get(W).r !== 'param' || (gear && N.gear(gear)?.length !== n)) return null;
    layers.push({ x, W, b, z: keys[0], a: keys.at(-1), gear, n, m });
  }
  return isScalar || layers.length < 2 || layers.length > 4 || cards.get(layers[0].x).in || N.gradient(layers.at(-1).a)?.length !== layers.at(-1).n ? null : layers;
})();
const canShowNeurons = () => net && (!isPhone() || (net.length < 4 && net.every(l => l.n * l.m < 5)));

/* ---------------------------------------------------------------- paths */

/* The paths from L to an entry: the way through the neurons, and factors from L upwards; [] for an entry that none leads to. */
function pathsTo(id) {
  const key = keyOf(id), at = entryOf(id), last = net.length - 1, found = [];
  const up = (l, i, way, factors) => {
    const { x, W, b, z, a, gear, m } = net[l], here = [...way, [l, i]], through = gear ? [...factors, N.gear(gear)[i]] : factors;
    if (a === key) { if (i === at) found.push({ way: here, factors }); return; }
    if (z === key || b === key) { if (i === at) found.push({ way: here, factors: b === key ? [...through, 1] : through }); return; }
    if (W === key) { if (i === floor(at / m)) found.push({ way: here, factors: [...through, N.value(x)[at % m]], end: [l, i, at % m] }); return; }
    for (let j = 0; j < m; j++) {
      const next = [...through, N.value(W)[i * m + j]];
      if (l) up(l - 1, j, here, next); else if (x === key && j === at) found.push({ way: here, factors: next, end: [0, i, j] });
    }
  };
  for (let i = 0; i < net[last].n; i++) up(last, i, [], [N.gradient(net[last].a)[i]]);
  for (const path of found) path.product = path.factors.reduce((p, f) => p * f, 1);
  return found;
}
const entryAsked = () => S.chosen && pathsTo(S.chosen).length ? S.chosen : `${net[0].W}.0`;
/* at most four paths, the largest ones */
const fewest = paths => paths.length > 4 ? [...paths].sort((p, q) => abs(q.product) - abs(p.product)).slice(0, 4) : paths;
function ledger() {
  const id = entryAsked(), paths = pathsTo(id), shown = fewest(paths);
  const total = paths.reduce((sum, p) => sum + p.product, 0), size = paths.reduce((sum, p) => sum + abs(p.product), 0) || 1;
  const rows = shown.map((p, k) => `<div class="path" style="border-color:var(--s${k})"><span>${[END.s, ...p.way.map(([l, i]) => nameOf(`${net[l].a}.${i}`, true))].map(esc).join(' → ')}</span><b class="s${k}">${brief(p.product, 3)}</b>
    <small>${p.factors.map(f => inBrackets(f).replace(/(^|[^\d])0\./, '$1.')).join(' × ')}</small></div>`).join('');
  const pieces = shown.map((p, k) => `<i style="flex:${abs(p.product) / size};background:${p.product < 0 ? `repeating-linear-gradient(45deg,var(--s${k}) 0 5px,var(--sf${k}) 5px 9px)` : `var(--s${k})`}"></i>`).join('');
  const sum = shown.map((p, k) => `<span class="s${k}">${k ? p.product < 0 ? '\u2212 ' : '+ ' : p.product < 0 ? '\u2212' : ''}${brief(abs(p.product), 3)}</span>`).join(' ');
  const name = esc(nameOf(id)), more = paths.length > 4 ? ` + ${say`${paths.length - 4} more`}` : '';
  return {
    kick: isPhone() ? '' : say`${paths.length} paths from ${esc(END.s)} to ${name}`, back: 1, head: `<span class="g">${esc(by(nameOf(id)))} = ${brief(total)}</span>`,
    body: isPhone() ? `<p>${sum}${more} = ${g(brief(total))}</p>` : `<p>${say`A path is a product of gears; paths add up. Choose another number.`}</p>${rows}<div class="pieces">${pieces}</div><p class="sums">${sum}${more} ${g(`= ${brief(total)}`)}</p>`,
  };
}

/* ---------------------------------------------------------------- drawing */

let spots = null;
function makeNeurons() {
  const width = stage.clientWidth, height = stage.clientHeight, phone = isPhone(), pad = phone ? 4 : 20, rows = net.length + 2;
  const heights = [phone ? 28 : 46, ...net.map(() => phone ? 54 : 92), phone ? 46 : 80], gap = (height - 2 * pad - heights.reduce((a, b) => a + b, 0)) / (rows - 1);
  const tops = heights.map((_, k) => pad + heights.slice(0, k).reduce((a, b) => a + b, 0) + k * gap), counts = [net[0].m, ...net.map(l => l.n)];
  const middle = (k, i) => pad + (width - 2 * pad) * (i + .5) / counts[k], wide = k => min((width - 2 * pad) / counts[k] - (phone ? 6 : 24), 430);
  const box = (kind, k, i) => {
    const place = element('div', { className: `bar neuron ${kind} ${wide(k) < 400 ? 'slim' : ''}` }, stage), w = wide(k);
    Object.assign(place.style, { left: `${middle(k, i) - w / 2}px`, top: `${tops[k]}px`, width: `${w}px`, height: `${heights[k]}px` });
    return place;
  };
  const named = (place, id, kind, b) => {
    element('span', { className: 'nm', textContent: `${nameOf(id, true)} ` }, place);
    number(place, id, kind).digits = phone ? 3 : 4;
    cell(element('span', { className: 'sub' }, place), 'was', id, { b });
  };
  for (let j = 0; j < net[0].m; j++) named(element('div', { className: 'lab' }, box('data', 0, j)), `${net[0].x}.${j}`, '', null);
  spots = net.map(({ x, W, b, z, a, gear, n, m }, l) => {
    for (let i = 0; i < n; i++) {
      const place = box('op', l + 1, i), top = element('div', { className: 'line1' }, place), foot = element('div', { className: 'line2' }, place), bar = barOf.get(a);
      named(element('div', { className: 'lab' }, top), `${a}.${i}`, '', bar);
      if (gear) {
        const turned = element('div', { className: 'gears' }, phone ? foot : top);
        shape('path', { class: 'gear', d: COG }, shape('svg', { viewBox: '-1.15 -1.15 2.3 2.3' }, turned));
        cell(element('b', {}, turned), 'gear', `${a}.${i}`, { gear });
      }
      if (gear && !phone) {
        const sums = element('span', {}, foot);
        element('span', { className: 'nm', textContent: `${nameOf(`${z}.${i}`, true)} ` }, sums);
        number(sums, `${z}.${i}`, 'small').digits = 3;
      }
      gradientText(top, `${a}.${i}`, { b: bar });
      if (b) knob(foot, `${b}.${i}`, bar, !phone);
      if (gear && !phone) gradientText(foot, `${z}.${i}`, { b: bar });
    }
    /* the weights from left to right between two rows; a line runs through each */
    const edges = Array.from({ length: n * m }, (_, k) => ({ l, i: floor(k / m), j: k % m, id: `${W}.${k}` }));
    for (const e of edges) Object.assign(e, { x0: middle(l, e.j), x1: middle(l + 1, e.i) });
    edges.sort((p, q) => p.x0 + p.x1 - q.x0 - q.x1 || p.x0 - q.x0);
    edges.forEach((e, k) => {
      Object.assign(e, { y0: tops[l] + heights[l], y1: tops[l + 1], x: pad + (width - 2 * pad) * (k + .5) / edges.length, y: tops[l] + heights[l] + gap / 2 });
      e.place = knob(stage, e.id, barOf.get(a), false);
      e.place.classList.add('weight');
      Object.assign(e.place.style, { left: `${e.x}px`, top: `${e.y}px` });
    });
    return edges;
  });
  const end = plan.bars.find(isEnd);
  Object.assign(end, { x: pad, w: width - 2 * pad, y: tops.at(-1), h: heights.at(-1) });
  makeBar(end);
  fit(end);
  lines = shape('svg', { 'aria-hidden': 'true', class: 'under' }, stage);
  for (const e of spots.flat()) e.line = shape('path', { class: 'lane', d: `M${e.x0} ${e.y0}L${e.x} ${e.y}L${e.x1} ${e.y1}` }, lines);
  for (let i = 0; i < counts.at(-1); i++) shape('path', { class: 'lane', d: `M${middle(rows - 2, i)} ${tops[rows - 2] + heights[rows - 2]}V${tops.at(-1)}` }, lines);
  spots.ways = Array.from({ length: 4 }, (_, k) => shape('path', { class: 'way', stroke: `var(--s${k})` }, lines));
  Object.assign(spots, { tops, heights, middle, gap });
}
function knob(within, id, b, hasName) {
  const place = element('span', { className: 'knob param' }, within);
  element('span', { className: 'nm', textContent: hasName ? nameOf(id, true) : within === stage ? '×' : '+' }, place);
  number(place, id, 'small').digits = 3;
  gradientText(place, id, { b });
  listen(place, 'click', () => { S.chosen = id; later(); });
  return place;
}
function drawNeurons({ know, on, isHot }) {
  const asked = entryAsked(), paths = know.act || on || !S.seen || S.wave ? [] : fewest(pathsTo(asked)), step = isPhone() ? 5 : 9, { tops, heights, middle } = spots;
  for (const e of spots.flat()) {
    set(e.line, { class: `lane ${on && isHot(barOf.get(net[e.l].a)) ? 'mv' : ''}` });
    e.place.classList.toggle('pick', !on && S.seen && e.id === asked);
  }
  spots.ways.forEach((line, k) => {
    const path = paths[k];
    show(line, !!path);
    if (!path) return;
    const off = (k - (paths.length - 1) / 2) * step;
    let d = '', last = [net.length, 0];
    for (const [l, i] of path.way) {
      const x = middle(l + 1, i) + off, e = spots[last[0]]?.find(s => s.i === last[1] && s.j === i);
      d += e ? `L${e.x + off * .6} ${e.y}` : `M${x} ${tops.at(-1)}`;
      d += `L${x} ${tops[l + 1] + heights[l + 1]}V${tops[l + 1]}`;
      last = [l, i];
    }
    if (path.end) { const e = spots[path.end[0]].find(s => s.i === path.end[1] && s.j === path.end[2]); d += `L${e.x + off * .6} ${e.y + 10}`; }
    set(line, { d });
  });
}
