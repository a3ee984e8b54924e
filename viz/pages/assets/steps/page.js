/* Numbers and sentences come from Python, in the JSON above, and this shows them. A live page replaces what `view` says. */
const D = JSON.parse(el('data').textContent), S = D.steps, C = D.cards;
const main = el('graph'), panel = el('panel'), svg = one('svg.picture', main), root = el('graph0');
const nF = S.filter(s => s.ph === 'f').length;
const still = () => matchMedia('(prefers-reduced-motion:reduce)').matches;
let cur = 0, timer = 0, found = '';  // found: the card that was searched for
const view = {
  live: Boolean(D.live),
  all: Boolean(D.live),  // everything is shown, also what is not known at the present step
  known: i => i, ask: () => null, masked: () => false, told() {},
  /* only: still */
  array: m => D.arrays[m], size: i => S[i].size[1], check: s => s.check, head: id => D.edges[id][1], fixed: () => true,
  /* end */
};

/* when does each cell and edge become known, and which steps belong to one operation? */
const cellAt = new Map(), edgeAt = new Map(), cardAt = new Map(), kin = new Map();
S.forEach((s, i) => {
  s.eq = s.eq.map(part => part.map ? { m: part[0], l: part[1], k: part[2] } : part);
  s.show.forEach(c => { if (!cellAt.has(c)) cellAt.set(c, i); });
  s.edges.forEach(e => { if (!edgeAt.has(e)) edgeAt.set(e, i); });
  if (s.ph === 'f') cardAt.set(s.card, i);
  kin.set(s.card, [...(kin.get(s.card) || []), i]);
});
/* only: wrong */
const wrong = [...S.keys()].filter(i => S[i].check?.[0] === 'wrong');
/* end */
const phase = s => s.ph === 'f' ? say`Forward` : say`Backward`;
const count = i => S[i].ph === 'f' ? say`step ${i + 1} of ${nF}` : say`step ${i - nF + 1} of ${S.length - nF}`;

/* ---------------------------------------------------------------- numbers */

const fmt = x => typeof x === 'number' || isFinite(+x) ? scalar(+x) : x;
/* a text with the numbers that it names by their arrays; a factor is in brackets if it is negative */
view.say = text => text.replace(/⟦(\d+)(?:\/(\d+))?⟧/g, (all, m, n, at) => {
  if (!D.arrays[m]) return all;
  /* only: tensors */
  if (n) return view.ratio(m, n);
  /* end */
  const a = view.array(m), said = fmt((a.r || a.t)[0][0]);
  return /[+×·-]\s*$/.test(text.slice(0, at)) ? bracketed(said) : said;
});
/* a number in place of a name: in brackets if it is negative, after another symbol or before a power */
const filled = (text, whole, at) => {
  const said = fmt(text), before = whole.slice(0, at).trimEnd();
  return said.startsWith('-') && (/[^(,]$/.test(before) || /^⟦\w+⟧[²³^*ˣ⁰-⁹]/.test(whole.slice(at))) ? `(${said})` : said;
};
const full = (a, i, j) => (a.r || a.t)[i][j];

/* only: large */
function thumbnail(a) {
  const rows = a.p.length, columns = a.p[0].length, w = clamp(floor(180 / columns), 4, 14);
  const h = clamp(floor(70 / rows), 4, 14), ramp = a.g ? D.ramps.g : D.ramps.v;
  const shades = {};  // one path each: many elements would take long to lay out
  a.p.forEach((line, i) => [...line].forEach((c, j) => { shades[c] = `${shades[c] || ''}M${j} ${i}h1v1h-1z`; }));
  const paths = Object.entries(shades).map(([c, d]) => `<path style="fill:${ramp[c] || 'var(--bad)'}" d="${d}"/>`).join('');
  const said = say`${a.n}, block means of the sizes, darker is larger; ${a.c}`;
  return `<svg class="thumb" role="img" aria-label="${esc(said)}" width="${columns * w}" height="${rows * h}" viewBox="0 0 ${columns} ${rows}" ` +
    `preserveAspectRatio="none" shape-rendering="crispEdges"><title>${esc(said)}</title>${paths}</svg>`;
}
/* end */
function figure(p, n) {
  const a = view.array(p.m), lost = /^-?(nan|inf)$/;
  const body = /* only: large */a.p ? thumbnail(a) : /* end */a.t ? `<div class="scroll"><table class="mat/* only: tensors */${a.t[0].length > 4 || a.t.length > 4 ? ' fine' : ''}/* end */" data-m="${n}">` + a.t.map((r, i) => `<tr/* only: tensors */${a.b && i && i % a.b === 0 ? ' class="cut"' : ''}/* end */>` +
    r.map((c, j) => `<td data-i="${i}" data-j="${j}"${lost.test(c) ? ' class="lost"' : ''} title="${esc(a.r ? a.r[i][j] : c)}">${esc(c)}</td>`)
      .join('') + '</tr>').join('') + '</table></div>' : '';
  const foot = [a.k, a.n, a.c].filter(Boolean).join('&nbsp; ');
  return `<figure class="${p.k}">${p.l ? `<figcaption><b>${esc(p.l)}</b></figcaption>` : ''}${body}` +
    `<figcaption>${foot}</figcaption></figure>`;
}
function equation(s, hidden = view.masked()) {
  let n = 0;
  return s.eq.map((p, i) => typeof p === 'string' ? `<span class="op">${esc(p)}</span>`
    : hidden && (i === s.eq.length - 1 || (hidden !== true && !/knob|data/.test(p.k))) ? `<figure class="${p.k}"><figcaption><b>${esc(p.l)}</b></figcaption><div class="ask">?</div></figure>` : figure(p, n++)).join('');
}

/* the formula; without the result that it ends with, where that is asked for */
function formula(s, hidden = view.masked()) {
  const cut = hidden && s.form.split(' = ').length > 2;
  const text = cut ? s.form.slice(0, s.form.lastIndexOf(' = ')) : s.form;
  return hidden && hidden !== true ? text.replace(/⟦\d+⟧/g, '…') : view.say(text);
}
/* hover or focus an entry of the result: its factors are boxed and the sum is written out */
function wire(s) {
  const ms = s.eq.filter(p => p.m !== undefined).map(p => view.array(p.m)), R = ms.length - 1, out = el('expand');
  if (!s.link || R < 1/* only: tensors */ || ms.some(a => !a.t)/* end */) { out.textContent = view.fixed() && s.entry || ''; return; }
  const tables = all('.mat', panel), result = ms[R], columns = result.t[0].length, every = [...Array(R).keys()];
  /* the terms of an entry; the factors of each as [array, row, column], or as text */
  const terms = {
    /* only: tensors */
    mm: (i, j) => [...ms[0].t[0].map((_, k) => [[0, i, k], [1, k, j]]), ...(R === 3 ? [[[2, 0, j]]] : [])],
    /* end */
    sum: (i, j) => every.map(m => [[m, i, j]]),
    el: (i, j) => [every.map(m => [m, i, j])],
  }[s.link] ?? ((i, j) => (s.terms ?? [[[[0, 0], [1, 0]]]])[i * columns + j].map(parts => parts.map(f => {
    const wide = f.map && ms[f[0]].t[0].length;
    return f.map ? [f[0], floor(f[1] / wide), f[1] % wide] : f;
  })));
  /* an array that was broadcast has fewer rows or columns */
  const at = (m, i, j) => [min(i, ms[m].t.length - 1), min(j, ms[m].t[0].length - 1)];
  const number = f => f.map ? full(ms[f[0]], ...at(...f)) : f;
  function written(found, i, j) {
    const each = found.map((parts, n) => parts.map((f, m) => (m || (n && parts.length === 1) ? bracketed : String)(fmt(number(f)))).join(' × '));
    const shown = each.length > 8 ? [...each.slice(0, 6), say`${each.length - 6} more`] : each;
    return `/* only: tensors */${s.link === 'max' ? say`largest of ${each.join(', ')}` : shown.join(' + ') || '0'}/* end *//* only: numbers */${shown.join(' + ')}/* end */ = ${fmt(full(result, i, j))}`;
  }
  function show(i, j) {
    const found = terms(i, j), template = s.link === 'el' && s.terms[0];
    const hot = new Set([[R, i, j], ...found.flat()].filter(f => f.map).map(([m, ...place]) => {
      const [p, q] = at(m, ...place);
      return tables[m].querySelector(`td[data-i="${p}"][data-j="${q}"]`);
    }));
    all('td', panel).forEach(e => e.classList.toggle('hot', hot.has(e)));
    /* factors that are as recorded may no longer be those of a live page */
    const total = found.reduce((sum, parts) => sum + parts.reduce((product, f) => product * number(f), 1), 0), y = full(result, i, j);
    const stale = s.link === 'lin' && !view.fixed() && abs(total - y) > 1e-6 * max(abs(total), abs(y));
    out.textContent = stale ? '' : !template ? written(found, i, j)
      : `${template.replace(/⟦(\d+)⟧/g, (_, m, k, whole) => filled(number([+m, i, j]), whole, k))} = ${fmt(y)}`;
  }
  all('td', tables[R]).forEach(td => {
    td.tabIndex = 0;
    td.onmouseenter = td.onfocus = () => show(+td.dataset.i, +td.dataset.j);
  });
  const sizes = result.t.map((row, i) => row.map((_, j) => abs(+full(result, i, j)) || 0));
  const most = max(...sizes.flat()), i = sizes.findIndex(row => row.includes(most));
  show(i, sizes[i].indexOf(most));
}

/* ---------------------------------------------------------------- step bar */

const buttons = new Map();  // of the steps that have one now
function button(i) {
  const s = S[i], li = element('li'), b = element('button', { className: 'seg', type: 'button', textContent: s.tag ?? s.card, title: s.title, ariaLabel: `${phase(s)} ${count(i)}: ${s.title}` }, li);
  /* only: wrong */
  if (wrong.includes(i)) { b.className += ' wrong'; b.append(' !'); b.ariaLabel += say`. Its rule is WRONG`; }
  /* end */
  b.onclick = () => step(i);
  hovered(b, s.card);
  buttons.set(i, b);
  return li;
}
function track(ph, label) {
  const box = element('div', { className: `track ${ph}` }, el('tracks'));
  element('span', { textContent: label }, box);
  return [box, element('ol', {}, box)];
}
/* only: long */
const groups = [];  // of consecutive steps in one section, where there are too many steps for a button each
/* end */
const [boxF, listF] = track('f', say`forward`), [boxB, listB] = track('b', say`backward`);
/* only: long */
if (S.length > D.flat) {
  S.forEach((s, i) => {
    const last = groups[groups.length - 1];
    if (last && last.ph === s.ph && last.sec === s.sec) last.end = i + 1;
    else groups.push({ ph: s.ph, sec: s.sec, start: i, end: i + 1 });
  });
  const least = groups.length > 120 ? ceil(S.length / 80) : 0;  // sections that interleave are taken together
  for (let k = 0; k + 1 < groups.length;) {
    const g = groups[k], h = groups[k + 1];
    if (g.ph === h.ph && g.end - g.start < least) { g.end = h.end; g.mixed = true; groups.splice(k + 1, 1); } else k++;
  }
  groups.forEach(g => {
    const name = D.sections[g.sec].t, many = g.end - g.start, li = element('li', {}, g.ph === 'f' ? listF : listB);
    g.btn = element('button', { className: 'seg', type: 'button', textContent: name.replace(say`Operations `, ''), title: say`${name}: ${many} steps` }, li);
    attr(g.btn, { 'aria-label': say`${phase(g)}, ${name}${g.mixed ? say` and what follows` : ''}: ${many} step${many > 1 ? 's' : ''}` });
    g.btn.onclick = () => step(g.start);
  });
}
/* end */
/* only: long */if (!groups.length) /* end */S.forEach((s, i) => (s.ph === 'f' ? listF : listB).append(button(i)));
/* only: long */if (groups.length < 12) /* end */{ boxF.style.flex = listF.children.length; boxB.style.flex = listB.children.length; }
function into(b, box) {  // scroll a bar, not the page
  if (!b) return;
  const r = bounds(b), q = bounds(box);
  if (r.left < q.left + 20 || r.right > q.right - 20) box.scrollLeft += r.left - q.left - q.width / 2 + r.width / 2;
}
function bar() {
  /* only: long */
  if (groups.length) {
    const g = groups.find(g => cur < g.end), box = el('piece');
    groups.forEach(h => {
      h.btn.classList.toggle('done', view.all || h.end <= cur);
      h.btn.classList.toggle('now', h === g);
    });
    if (box.dataset.start !== String(g.start)) {
      box.hidden = false; box.dataset.start = g.start; box.className = `piece ${g.ph}`;
      buttons.clear();
      box.replaceChildren();
      element('span', { textContent: say`${g.ph === 'f' ? say`forward` : say`backward`} steps in ${D.sections[g.sec].t}${g.mixed ? say` and what follows` : ''}` }, box);
      const list = element('ol', {}, box);
      for (let i = g.start; i < g.end; i++) list.append(button(i));
    }
    into(g.btn, el('tracks'));
  }
  /* end */
  buttons.forEach((b, j) => {
    b.classList.toggle('done', view.all || j < cur);
    b.classList.toggle('now', j === cur);
    b.ariaCurrent = j === cur ? 'step' : null;
  });
  into(buttons.get(cur), el(/* only: long */groups.length ? 'piece' : /* end */'tracks'));
}

/* ---------------------------------------------------------------- graph */

const node = key => el('n_' + key);
function box(b, grow, cls) {
  shape('rect', { x: b.x - grow, y: b.y - grow, width: b.width + 2 * grow, height: b.height + 2 * grow, class: `halo ${cls}` }, root);
}
function halo(key, cls) {
  const n = node(key);
  if (!n) return;
  /* only: ladder */
  if (!svg) { n.classList.add(...(cls === 'peek' ? ['peek'] : ['on', ...(cls ? [cls] : [])])); return; }
  /* end */
  box(n.getBBox(), 5, cls);
}
function ring(id, cls) {
  const g = svg && el(id);
  if (!g) return;
  const boxes = all('text,polygon', g).map(t => t.getBBox()).filter(b => b.width && b.height);
  if (!boxes.length) return;
  const x = min(...boxes.map(b => b.x)), y = min(...boxes.map(b => b.y));
  const right = max(...boxes.map(b => b.x + b.width)), low = max(...boxes.map(b => b.y + b.height));
  box({ x, y, width: right - x, height: low - y }, 2.5, 'new ' + cls);
}
function run(id, back) {
  const p = svg && one(`#${id} path`);
  if (!p || still()) return;
  const L = p.getTotalLength(), c = shape('circle', { r: 5.5, class: `dotrun${back ? ' b' : ''}` }, root), head = node(view.head(id));
  /* a path is written from either end: a gradient starts at the end that is nearer to the operation, a value ends there */
  const b = head.getBBox(), far = q => Math.hypot(max(b.x - q.x, 0, q.x - b.x - b.width), max(b.y - q.y, 0, q.y - b.y - b.height));
  const turned = back === far(p.getPointAtLength(L)) < far(p.getPointAtLength(0)), start = performance.now();
  (function frame(t) {
    const u = clamp((t - start) / 750, 0, 1), e = u < .5 ? 2 * u * u : 1 - (2 - 2 * u) ** 2 / 2;
    const q = p.getPointAtLength(L * (turned ? 1 - e : e));
    attr(c, { cx: q.x, cy: q.y });
    if (u < 1) requestAnimationFrame(frame); else c.remove();
  })(start);
}
/* cards, their steps, their lines and numbers, and the formula if it is theirs */
function peek(...keys) {
  unpeek();
  const lit = e => e?.classList.add('linked');
  keys.forEach(key => {
    (kin.get(key) || []).forEach(j => lit(buttons.get(j)));
    halo(key, 'peek');
    if (svg) ring(`a_${key}_val`, 'peek');
  });
  all('#listing li').filter(li => li.dataset.cards.split(' ').some(key => keys.includes(key))).forEach(lit);
  if (keys.includes(S[cur].card)) [...all('.form,.code', panel).slice(0, 2)/* only: mine */, ...all('.where', panel)/* end */].forEach(lit);
}
function hovered(e, ...keys) { e.onmouseenter = e.onfocus = () => peek(...keys); e.onmouseleave = e.onblur = unpeek; }
all('#listing li').forEach(li => {
  const keys = li.dataset.cards.split(' ');
  li.tabIndex = 0;
  hovered(li, ...keys);
  li.onclick = () => { stop(); view.picked = true; go(kin.get(keys[0])[0]); };
  li.onkeydown = e => { if (e.key === 'Enter') li.onclick(); };
});
function unpeek() {
  all('.linked').forEach(e => e.classList.remove('linked'));
  all('.halo.peek').forEach(e => e.remove());
  /* only: ladder */
  all('.rung.peek').forEach(e => e.classList.remove('peek'));
  /* end */
}
function alive(card) {  // hovering and clicking a card
  const key = card.id.slice(2), mine = kin.get(key) || [];
  listen(card, 'mouseenter', () => { if (mine.length) peek(key); });
  listen(card, 'mouseleave', unpeek);
  listen(card, 'click', e => {
    e.stopPropagation();
    if (e.target.closest('button')) return;
    const cell = e.target.closest('.cell'), i = (cell && cellAt.get(cell.id)) ?? mine[0] ?? cellAt.get(`a_${key}_grad`);
    if (i !== undefined) { stop(); view.picked = true; go(i); }
  });
}
if (svg) {
  all('.card g[id^="a_"]', svg).forEach(g => { g.classList.add('cell'); if (!D.thumb && /_val$/.test(g.id)) one('text', g)?.classList.add('name'); });
  all('.card', svg).forEach(alive);
}

function paint() {
  const back = S[cur].ph === 'b', known = view.all ? S.length : view.known(cur);
  all('.cell', main).forEach(g => g.classList.toggle('todo', cellAt.has(g.id) && cellAt.get(g.id) > known));
  all('.card', main).forEach(g => g.classList.toggle('todo', (cardAt.get(g.id.slice(2)) ?? -1) > known));
  all('.halo,.dotrun').forEach(e => e.remove());
  if (svg) {
    all('.edge', svg).forEach(g => {
      g.classList.toggle('todo', (edgeAt.get(g.id) ?? -1) > known);
      g.classList.toggle('now', S[cur].edges.includes(g.id));
    });
    if (!view.masked()) S[cur].show.filter(c => /_(val|grad|g\d+|adds\d+)$/.test(c)).forEach(c => ring(c, back ? 'b' : ''));
  }
  /* only: ladder */
  else climbed(known, back);
  /* end */
  halo(S[cur].card, back ? 'b' : '');
}
function centre(e, smooth) {
  if (!e) return;
  const r = bounds(e), q = bounds(main);
  main.scrollBy({ top: r.top - q.top - (q.height - min(r.height, q.height)) / 2,
    left: r.left - q.left - (q.width - r.width) / 2, behavior: smooth && !still() ? 'smooth' : 'auto' });
}

/* ---------------------------------------------------------------- a step */

function go(i, moving = true) {
  cur = clamp(floor(i) || 0, 0, S.length - 1);
  const s = S[cur], back = s.ph === 'b';
  svg?.classList.toggle('still', !moving);
  /* only: ladder */
  if (!svg) climb(s.sec);
  /* end */
  paint();
  bar();
  el('live').textContent = say`${phase(s)}, ${count(cur)}. ${s.title}. ${view.say(s.words)}`;
  explain();
  if (moving) s.edges.forEach(e => run(e, back));
  centre(node(s.card), moving);
  const { theme } = settings;
  if (view.quiet) return;
  try { history.replaceState(null, '', `#${view.all ? 'show' : 'step'}=${cur + 1}${theme ? `&theme=${theme}` : ''}`); } catch (e) { /* inside of a notebook */ }
}

const WORD = { ok: say`ok`, wrong: say`WRONG`, kink: say`kink`, skipped: '-', unchecked: '-' };
function explain() {  // the panel
  const rule = one('.rule', panel)?.open;  // stays as it was left
  const s = S[cur], [code, where] = s.code === null ? ['', ''] : D.codes[s.code], check = view.check(s)/* only: mine */, mine = D.lines[s.mine]/* end */;
  panel.className = s.ph === 'b' ? 'bwd' : '';
  fill(panel, `<div class="eyebrow">${say`${phase(s)}, ${count(cur)}`}</div><h2>${esc(s.title)}</h2><p>${esc(view.say(s.words))}</p>` +
    `<div class="form">${esc(formula(s))}</div><div class="eq">${equation(s)}</div>` +
    '<div id="expand" class="expand" aria-live="polite"></div>' +
    (s.line ? `<pre class="code" tabindex="0" aria-label="${say`The line in the graph's names`}">${esc(s.line)}</pre>` : '') +
    /* only: mine */(mine ? `<div class="where" tabindex="0">${say`your line: ${`<code>${esc(mine[0])}</code>`}, ${esc(mine[1])}`}</div>` : '') +/* end */
    (code ? `<details${rule ? ' open' : ''} class="rule"><summary>${say`The library's ${s.line && s.ph === 'b' ? say`rule` : say`code`}, ${esc(where)}`}</summary><pre class="code" tabindex="0">${esc(code)}</pre></details>` : '') +
    (check && !view.masked() ? `<div class="check badge ${check[0]}"><b>${WORD[check[0]]}</b>${esc(check[1])}</div>` : '')/* only: doubted */ + doubt(s)/* end */);
  all('.form,.code', panel).forEach(e => hovered(e, s.card));
  /* only: mine */
  all('.where', panel).forEach(e => hovered(e, ...new Set(S.filter(t => t.mine === s.mine).map(t => t.card))));
  /* end */
  if (!view.masked()) wire(s);
  sizes();
  view.told(s);
}

/* only: doubted */
const doubt = s => s.doubt ? `<div class="check badge doubt"><b>?</b>${esc(s.doubt)}</div>` : '';
/* end */

/* the gradients so far, on a log scale; a window of them where there are many */
const sized = S.map((s, i) => [i, s.size]).filter(([, size]) => size)/* only: tall */, SHOWN = D.tall/* end */;
const finite = sized.map(([, [, v]]) => Math.log10(v)).filter(isFinite);
const low = floor(finite.reduce((a, b) => min(a, b), 0) - .3);
const high = ceil(finite.reduce((a, b) => max(a, b), low + 1));
function sizes() {
  const power = n => n < -2 || n > 3 ? `1e${n}` : 10 ** n;
  let rows = sized;
  /* only: tall */
  const known = sized.filter(([i]) => view.all || i <= view.known(cur)).length;
  const start = clamp(known - SHOWN + 3, 0, max(0, sized.length - SHOWN)), end = min(sized.length, start + SHOWN);
  rows = sized.slice(start, end);
  const note = n => n ? `<span class="more">${say`${n} more`}</span>` : '';
  /* end */
  tell(el('scale'), sized.length ? say`Size of the gradient so far: rms, log scale ${power(low)} to ${power(high)}` : '');
  rows = rows.map(([i, [name]]) => {
    const on = view.all || i <= view.known(cur), v = view.size(i), w = v > 0 ? clamp((Math.log10(v) - low) / (high - low) * 100, 2, 100) : v === 0 ? 0 : 100;
    return `<span class="n ${on ? '' : 'off'}" title="${esc(name)}">${esc(name)}</span><span class="bar">` +
      `${on ? `<i style="width:${round(w)}%"></i>` : ''}</span><span class="v">${on ? fmt(v)/* only: doubted */ + (S[i].doubt ? ' ?' : '')/* end */ : ''}</span>`;
  });
  fill(el('sizes'), /* only: tall */note(start) + /* end */rows.join('')/* only: tall */ + note(sized.length - end)/* end */);
}

/* ---------------------------------------------------------------- play, keys, theme */

const playing = el('play');
function stop() { clearTimeout(timer); timer = 0; playing.textContent = say`Play`; toggle(playing, false); }
/* go to a step and hide all later values; after the view of everything comes the first step */
function step(i) { stop(); view.all = false; go(i); }
const next = () => view.all && !view.picked ? 0 : cur + 1;
function tick() {
  if (!view.all && cur >= S.length - 1) { stop(); return; }
  const to = next();
  view.all = false;
  go(to);
  timer = setTimeout(tick, S[cur].ph === 'f' ? 1800 : 2400);
}
function play() {
  if (timer) { stop(); return; }
  playing.textContent = say`Pause`; toggle(playing, true);
  if (!view.all && cur >= S.length - 1) go(0);
  timer = setTimeout(tick, 700);
}
el('prev').onclick = () => step(cur - 1);
el('next').onclick = () => step(next());
playing.onclick = play;
listen(window, 'keydown', e => {
  if (isShortcut(e)) return;
  const to = { ArrowRight: next(), ArrowLeft: cur - 1, Home: 0, End: S.length - 1, b: nF, B: nF }[e.key];
  if (to !== undefined) step(to); else if (e.key === ' ' && !e.target.closest('button,summary')) play(); else return;
  e.preventDefault();
});
/* only: wrong */
if (wrong.length) el('wrong').onclick = () => { stop(); view.picked = true; go(wrong.find(i => i > cur) ?? wrong[0]); };
/* end */
const fit = el('fit');
fit.onclick = () => {
  /* only: ladder */
  if (!svg) { fold(); return; }
  /* end */
  if (zoom) zoomed(0);
  toggle(fit, main.classList.toggle('fit'));
  overview();
  go(cur, false);
};
theme(el('theme'));
listen(el('theme'), 'click', () => go(cur, false));  // the address has the theme
function linked() {
  const h = address();
  view.all = view.live && !h.has('step');
  view.picked = view.picked || h.has('show');
  go((+(h.get('step') || h.get('show')) || 1) - 1, false);
}
/* on paper: every step in order; where numbers are asked for, a blank for each, without the numbers of other answers,
   and the solutions behind */
function sheet() {
  const found = S.map((s, i) => {
    const ask = view.ask(i), words = (ask ? s.words.replace(/⟦[\d/]+⟧/g, '…') : view.say(s.words))/* only: tensors */.replace(say` Hover a number in the result to see its factors.`, '')/* end */, line = s.line ? `<pre class="code">${esc(s.line)}</pre>` : '', known = !ask && view.check(s), check = known ? `<div class="check badge">${WORD[known[0]]}: ${esc(known[1])}</div>` : '';
    return `<article><h3>${i + 1}. ${esc(s.title)}</h3><p>${esc(words)}</p><div class="form">${esc(formula(s, ask))}</div>` +
      `<div class="eq">${equation(s, ask)}</div>${line}${ask ? `<p class="blank">${esc(ask.name)} =</p>` : check}/* only: doubted */${doubt(s)}/* end */</article>`;
  });
  const answers = S.map((s, i) => [i, view.ask(i)]).filter(([, ask]) => ask).map(([i, ask]) => `<li value="${i + 1}">${esc(ask.name)} = ${fmt(ask.x)}</li>`);
  el('sheet').innerHTML = found.join('') + (answers.length ? `<h2>${say`Solutions`}</h2><ol>${answers.join('')}</ol>` : '');
}
listen(window, 'beforeprint', () => {
  sheet();
  if (one('.blank', el('sheet'))) all('.cell,.edge', main).forEach(e => e.classList.toggle('todo', cellAt.has(e.id) || edgeAt.has(e.id)));
});
listen(window, 'afterprint', () => { el('sheet').replaceChildren(); go(cur, false); });
el('print').onclick = () => print();
el('teach').onclick = () => toggle(el('teach'), document.body.classList.toggle('teach'));

/* ---------------------------------------------------------------- zoom, pan, search, and the whole beside a part of it */

const base = svg ? svg.viewBox.baseVal.width * 4 / 3 : 0;
let zoom = 0;  // 0: as wide as there is room
function zoomed(to, x = main.clientWidth / 2, y = main.clientHeight / 2) {
  const now = bounds(svg), old = now.width / base, left = main.scrollLeft + x, top = main.scrollTop + y;
  zoom = to && clamp(to, .25, 4);
  svg.style.width = zoom ? `${zoom * base}px` : '';
  svg.style.maxWidth = svg.style.minWidth = zoom ? 'none' : '';
  if (!zoom) svg.style.minWidth = least;
  const by = bounds(svg).width / base / old;
  main.scrollLeft = left * by - x; main.scrollTop = top * by - y;
  overview();
}
const least = svg ? svg.style.minWidth : '', map = el('map');
function overview() {  // where the window is, if the drawing is larger
  if (!svg) return;
  const r = bounds(svg), q = bounds(main), larger = r.width > q.width + 40 || r.height > main.clientHeight + 40;
  if (map.toggleAttribute('hidden', !larger || main.classList.contains('fit'))) return;
  if (!map.children[1]) {  // the outlines: a `use` of the drawing would be built anew whenever that changes
    const g = shape('g', { transform: root.getAttribute('transform') });
    all('.edge path,.card', svg).forEach(e => g.append((one('path,polygon,rect', e) ?? e).cloneNode()));
    map.prepend(g);
  }
  const v = svg.viewBox.baseVal, k = v.width / r.width, pane = map.lastElementChild;
  attr(map, { viewBox: `0 0 ${v.width} ${v.height}` });
  attr(pane, { x: (q.left - r.left) * k, y: (q.top - r.top) * k, width: main.clientWidth * k, height: main.clientHeight * k });
}
if (svg) {
  const at = () => bounds(svg).width / base;
  el('in').onclick = () => zoomed(at() * 1.25);
  el('out').onclick = () => zoomed(at() / 1.25);
  listen(main, 'wheel', e => {
    if (!e.ctrlKey && !e.metaKey) return;
    e.preventDefault();
    const q = bounds(main);
    zoomed(at() * 1.0015 ** -e.deltaY, e.clientX - q.left, e.clientY - q.top);
  }, { passive: false });
  let from = null;  // the ground is dragged
  listen(main, 'pointerdown', e => {
    if (e.pointerType === 'mouse' && !e.button && !e.target.closest('.card,.edge,button,input,#map')) from = [e.clientX + main.scrollLeft, e.clientY + main.scrollTop];
  });
  listen(window, 'pointermove', e => { if (from) { main.scrollLeft = from[0] - e.clientX; main.scrollTop = from[1] - e.clientY; } });
  listen(window, 'pointerup', () => { from = null; });
  window.onresize = main.onscroll = overview;
  map.onclick = e => {
    const r = bounds(map), to = bounds(svg);
    main.scrollLeft += (e.clientX - r.left) / r.width * to.width - main.clientWidth / 2 - (bounds(main).left - to.left);
    main.scrollTop += (e.clientY - r.top) / r.height * to.height - main.clientHeight / 2 - (bounds(main).top - to.top);
  };
}
const find = el('find');
find.oninput = () => {
  const word = find.value.trim().toLowerCase(), names = Object.keys(D.names);
  unpeek();
  found = '';
  if (!word) return;
  const name = k => D.names[k].toLowerCase();
  found = names.find(k => name(k) === word) ?? names.find(k => name(k).includes(word)) ?? '';
  el('live').textContent = found ? say`found ${D.names[found]}` : say`no value has this name`;
  if (!found) return;
  /* only: ladder */
  if (!svg && !node(found)) reach(found);
  /* end */
  halo(found, 'peek'); centre(node(found), true);
};
find.onkeydown = e => {
  e.stopPropagation();
  if (e.key === 'Enter') node(found)?.dispatchEvent(new MouseEvent('click', { bubbles: true }));
  if (e.key === 'Escape') { find.value = ''; unpeek(); }
};
/* on a narrow screen the graph is below the panel, also for the keyboard */
const narrow = matchMedia('(max-width:900px)'), both = [main, el('tools')];
(narrow.onchange = () => { if (narrow.matches) panel.after(...both); else panel.parentNode.before(...both); })();
listen(window, 'hashchange', linked);
overview();
if (!view.live) linked();
