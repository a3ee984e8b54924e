/* ---------------------------------------------------------------- four ways to ask: why, nudge, paths, predict */
const ways = all('#modes button'), names = ways.map(b => b.dataset.way);
let way = 'why';
function turn(to) {
  if (way === 'predict' && to !== way) view.all = true;
  const begin = to === 'predict' && way !== to;
  way = to;
  ways.forEach(b => toggle(b, b.dataset.way === way));
  el('panel').hidden = way === 'nudge' || way === 'paths';
  el('nudge').hidden = way !== 'nudge';
  el('paths').hidden = way !== 'paths';
  document.body.classList.toggle('asking', way === 'predict');
  if (way === 'predict') { view.all = false; view.picked = true; }
  go(begin ? max(0, S.findIndex((_, i) => masked(i))) : cur, false);
}
ways.forEach(b => { b.onclick = () => turn(b.dataset.way); });
listen(window, 'keydown', e => {
  const to = { n: 'nudge', p: 'paths', w: 'why', q: 'predict', escape: 'why' }[e.key.toLowerCase()];
  if (!to || isShortcut(e) || (e.key.length < 2 && e.target.tagName === 'INPUT')) return;
  turn(to); e.preventDefault();
});
const signed = x => `${x > 0 ? '+' : ''}${scalar(x)}`;
/* a mark in the drawing that lives until the next painting */
function mark(name, attributes, text) { attributes.class += ' mark'; return shape(name, attributes, root, text); }
function unmark() { all('.mark').forEach(e => e.remove()); all('.lit').forEach(e => e.classList.remove('lit')); main.classList.remove('dim'); }

/* ---------------------------------------------------------------- nudge: a small change runs down every edge */
let hop = .1;
/* what every operation makes where one operand or several are moved by h */
function moves(ids, at, h) {
  ids.forEach(id => { nudges.get(id)[at] += h; });
  Q.run();
  const found = new Map(Object.keys(K).filter(k => K[k].in).map(k => [k, seen(k).slice()]));
  ids.forEach(id => { nudges.get(id)[at] -= h; });
  Q.run();
  return found;
}
const largest = (a, b) => a.reduce((most, x, i) => abs(x - b[i]) > abs(most) ? x - b[i] : most, 0);
function nudging() {
  const k = axis.key, at = axis.at, id = named(k, at), g = gradient(k), before = new Map(Object.keys(K).map(n => [n, value(n)]));
  const used = users(k).filter(u => nudges.get(u.id)), box = el('nudge'), L = loss();
  if (!used.length) { box.innerHTML = `<div class="eyebrow">${say`Nudge`}</div><h2>${esc(id)}</h2><p>${k === V.end ? say`${esc(END)} is the result: nothing is computed from it. Choose another number.` : say`Its entries are whole numbers: they have no small changes. Choose another number.`}</p>`; return; }
  const after = moves(used.map(u => u.id), at, hop), real = after.get(V.end)[0] - L, ways = [];
  /* only: shared */
  if (used.length > 1) ways.push(...used.map(u => ({ u, guess: sent(u.id) ? sent(u.id)[at] * hop : null, real: moves([u.id], at, hop).get(V.end)[0] - L })));
  /* end */
  const guess = g ? g[at] * hop : null, top = max(abs(guess || 0), abs(real), ...ways.flatMap(w => [abs(w.guess || 0), abs(w.real)])) || 1;
  const bar = (x, cls) => x === null ? `<td></td><td class="num">${say`none`}</td>` : `<td class="bar"><i class="${cls}" style="width:${clamp(abs(x) / top * 100, 0, 100)}%"></i></td><td class="num ${cls}">${signed(x)}</td>`;
  const row = (said, product, x, y) => `<tbody><tr><th scope="rowgroup" rowspan="2">${said}</th><td class="what">${product}</td>${bar(x, 'grad')}</tr><tr><td class="what">${say`actual Δ${esc(END)}`}</td>${bar(y, 'act')}</tr></tbody>`;
  const half = moves(used.map(u => u.id), at, hop / 2).get(V.end)[0] - L, off = guess === null ? 0 : real - guess, less = guess === null ? 0 : half - guess / 2;
  /* only: shared */
  const rows = ways.map(w => row(say`through ${esc(K[w.u.head].name)} ${esc(w.u.mark)}`, w.guess === null ? say`no gradient` : `${scalar(sent(w.u.id)[at])} × ${factor(hop)}`, w.guess, w.real)).join('');
  const shared = used.length > 1 ? `<p>${say`${esc(K[k].name)} is used ${used.length} times. Each use moves ${esc(END)} by its own share, and the shares add up: this is why the gradient is a sum.`}</p>` : '';
  /* end */
  const rest = guess === null ? say`No gradient was asked for ${esc(K[k].name)}: only the actual change can be seen.`
    : abs(off) <= 1e-9 * (abs(real) + abs(L)) ? say`Both agree exactly: along this number the loss is a straight line.`
    : say`They differ by ${scalar(off)}: the gradient is the slope at this point, and the loss is curved. With half of h they differ by ${scalar(less)}.`;
  const down = [...after].filter(([n, x]) => largest(x, before.get(n)) !== 0);
  if (!one('.drag', box)) {
    box.innerHTML = `<div class="eyebrow">${say`What if this number were a little larger?`}</div><h2><span></span> + <span class="h"></span></h2><div></div>`;
    box.put = draggable(one('.h', box), { label: say`h, by how much the number is moved`, step: .001, get: () => hop, set: v => { hop = v; explain(); }, reset: () => { hop = .1; explain(); } });
  }
  one('h2 span', box).textContent = id;
  box.put(short(hop));
  fill(box.lastChild, `<p>${say`The gradient predicts ${g ? `${scalar(g[at])} × ${factor(hop)} = ${scalar(guess)}` : say`nothing`}. ${esc(END)} really changes by ${scalar(real)}.`}</p>` +
    `<table class="moved">/* only: shared */${rows}/* end */${row(/* only: shared */ways.length ? say`all together` : /* end */esc(id), g ? `${scalar(g[at])} × ${factor(hop)}` : say`no gradient`, guess, real)}</table><p>${rest}</p>/* only: shared */${shared}/* end */` +
    `<h3>${say`The changes of later values`}</h3><p class="num">${[`${esc(id)} ${signed(hop)}`, ...down.slice(0, 24).map(([n, x]) => `${esc(K[n].name)} /* only: tensors */${x.length > 1 ? say`up to ` : ''}/* end */${signed(largest(x, before.get(n)))}`)].join(', ')}/* only: tall */${down.length > 24 ? say`, and ${down.length - 24} more` : ''}/* end */</p>`);
  if (!svg) return;
  const delta = n => n === k ? hop : after.has(n) ? largest(after.get(n), before.get(n)) : 0;
  Object.entries(K).forEach(([head, c]) => (c.in || []).forEach(([i, tail]) => {
    const e = el(`f_${tail}_${head}_${i}`), p = e && one('path', e), d = delta(tail);
    if (!p || !d) return;
    e.classList.add('lit');
    tag(p.getPointAtLength(p.getTotalLength() / 2), `Δ ${signed(d)}`);
  }));
  const end = el('n_' + V.end).getBBox();
  tag({ x: end.x + end.width / 2, y: end.y + end.height + 9 }, `Δ ${signed(real)}`);
}
function tag(at, text) {
  const t = mark('text', { class: 'delta', x: at.x, y: at.y + 3.5, 'text-anchor': 'middle' }, text), b = t.getBBox();
  t.before(mark('rect', { class: 'delta', x: b.x - 3, y: b.y - 1, width: b.width + 6, height: b.height + 2, rx: 3 }));
}

/* ---------------------------------------------------------------- paths: from the loss to one number */
const SEVERAL = 24/* only: tensors */, PATIENCE = 80/* end */;  // paths that are listed, and milliseconds for their numbers
/* how the result of a use moves for a move v of its operand alone: by its slope, or by a central difference */
function along(u, v) {
  /* only: numbers */
  return [v[0] * slope(u.id)];
  /* end */
  /* only: tensors */
  const x = nudges.get(u.id), from = value(u.tail);
  const t = v.reduce((least, d, i) => d ? min(least, step0(from[i]) / abs(d)) : least, Infinity);
  if (!x || t === Infinity) return new Float64Array(size(u.head));
  const [up, low] = [t, -t].map(by => { v.forEach((d, i) => { x[i] = by * d; }); Q.run(); return seen(u.head).slice(); });
  x.fill(0);
  return up.map((y, i) => (y - low[i]) / (2 * t));
  /* end */
}
/* the paths from a number to the loss, {uses, part}: the share of each, null where that would take too long */
function walks(k, at) {
  const found = [], unit = new Float64Array(size(k));
  /* only: tensors */
  let runs = PATIENCE / cost / 2;
  /* end */
  unit[at] = 1;
  (function on(n, uses, v) {
    if (found.length > SEVERAL) return;
    if (n === V.end) { found.push({ uses, part: v && +v[0].toPrecision(9) }); return; }  // without the rounding of differences
    users(n).filter(u => sent(u.id)).forEach(u => {
      const use = { ...u, tail: n };
      on(u.head, [...uses, use], /* only: tensors */v && --runs < 0 ? null : /* end */v && along(use, v));
    });
  })(k, [], unit);
  Q.run();
  return found;
}
function pathways() {
  const k = axis.key, box = el('paths'), g = gradient(k), id = named(k, axis.at), entry = g && g[axis.at];
  const found = g ? walks(k, axis.at) : [], shown = found.slice(0, SEVERAL);
  const chain = ({ uses }) => [...uses].reverse().map(u => K[u.head].name).concat(id).map(esc).join(' → ');
  const rates = ({ uses }) => [...uses].reverse().map(u => `∂${K[u.head].name}/∂${K[u.tail].name} ${u.mark}`.trim()).map(esc).join(' · ');
  /* only: tensors */
  const product = ({ part }) => say`carries ${scalar(part)}`;
  /* end */
  /* only: numbers */
  const product = ({ uses, part }) => [...uses].reverse().map((u, j) => (j ? factor : scalar)(slope(u.id))).join(' × ') + (uses.length > 1 ? ` = ${scalar(part)}` : '');
  /* end */
  const total = shown.reduce((sum, path) => sum + path.part, 0);
  let many = say`One path leads`, sum = scalar(total);
  /* only: shared */
  const isPart = found.length > SEVERAL;
  if (found.length > 1) many = say`${isPart ? say`More than ${SEVERAL}` : found.length} paths lead`;
  sum = isPart ? say`These ${SEVERAL}: ${sum}. All of them: ${scalar(entry)}` : shown.map((path, j) => (j ? factor : scalar)(path.part)).join(' + ') + (shown.length > 1 ? ` = ${sum}` : '');
  /* end */
  /* only: tensors */
  const isLong = shown.some(path => path.part === null), off = !isLong && found.length <= SEVERAL && abs(total - entry) > 1e-4 * max(abs(total), abs(entry), 1e-6);
  const entries = g && g.length > 1 && g.length <= 16 ? `<p class="entries">${[...g].map((x, i) => `<button type="button" data-at="${i}" aria-pressed="${i === axis.at}">${index(k, i)}</button>`).join('')}</p>` : '';
  /* end */
  box.innerHTML = `<div class="eyebrow grad">${say`From ${esc(END)} to ${esc(id)}`}</div><h2>${esc(`∂${END}/∂${id}`)}${g ? ` = ${scalar(entry)}` : ''}</h2>` + (
    !g ? `<p>${say`No gradient was asked for ${esc(K[k].name)}.`}</p>` : k === V.end ? `<p>${say`${esc(END)} is the result itself: its gradient is 1.`}</p>`
      : `/* only: tensors */${entries}/* end */<p>${say`${many} from ${esc(END)} to ${esc(id)}. ${esc(`∂${END}/∂${id}`)} is the rate at which ${esc(END)} changes with ${esc(id)}: rates along a path multiply, and paths add up.`}</p>` +
      /* only: tensors */(isLong ? `<p>${say`The share of each path is left out: computing it would take longer than ${PATIENCE} ms.`}</p>`
        : `<p>${say`Each rate is a matrix. So this entry is moved a little on each path alone, and the change of ${esc(END)} is the path's share.`}</p>`) +/* end */
      `<ol class="walks">${shown.map((path, i) => `<li><button type="button" data-i="${i}"><b>${chain(path)}</b><span class="form">${rates(path)}</span>` +
        (/* only: tensors */isLong ? '' : /* end */`<span class="num grad">${product(path)}</span>`) + '</button></li>').join('')}</ol>` +
      (/* only: tensors */isLong ? '' : /* end */`<p class="form grad num">${sum}</p>`)/* only: tensors */ +
      (off ? `<p>${say`The gradient is ${scalar(entry)}: differences are not exact at a kink, and beside numbers as large as these.`}</p>` : '')/* end */);
  const light = some => {
    unmark();
    if (!svg) return;
    main.classList.add('dim');
    some.forEach(({ uses }) => uses.forEach(u => [`b_${u.tail}_${u.head}_${u.i}`, 'n_' + u.tail, 'n_' + u.head].forEach(part => el(part)?.classList.add('lit'))));
  };
  light(shown);
  all('.walks button', box).forEach(b => {
    b.onmouseenter = b.onfocus = b.onclick = () => light([shown[b.dataset.i]]);
    b.onmouseleave = b.onblur = () => light(shown);
  });
  /* only: tensors */
  all('.entries button', box).forEach(b => { b.onclick = () => { axis.at = +b.dataset.at; pathways(); one('[aria-pressed=true]', box).focus(); }; });
  /* end */
}

/* ---------------------------------------------------------------- predict: the number is asked for before it is shown */
const told = new Map();  // by step: tries, and whether it is known
const masked = i => way === 'predict' && asked(i) && !(told.get(i) && told.get(i).done);
/* what is asked at a step: the entry of its result that is largest */
function asked(i) {
  const s = S[i], ms = s.eq.filter(p => p.m !== undefined);
  if (ms.length < 2) return null;
  const last = ms[ms.length - 1], a = D.arrays[last.m];
  if (a.live === undefined || !view.array(last.m).r) return null;
  const x = output(a.live), at = peak(x);
  const k = s.ph === 'f' ? s.card : receiver(s);
  return { x: x[at], at, k, name: `${s.ph === 'f' ? K[k].name : s.form.split(' = ')[0]}${x.length > 1 ? index(k, at) : ''}`, one: x.length === 1 };
}
view.known = i => masked(i) ? i - 1 : i;
view.masked = () => masked(cur);
view.ask = i => way === 'predict' ? asked(i) : null;
const close = (a, b) => abs(a - b) <= max(6e-3 * abs(b), b === 0 ? 1e-6 : 0);
/* which mistake gives this number */
function mistake(s, guess, ask) {
  if (s.socket && V.l[s.socket] !== undefined) {
    const G = gradient(s.card)[0], l = slope(s.socket), d = `∂${K[s.card].name}/∂${K[ask.k].name}`, up = by(s.card);
    if (close(guess, G) && !close(l, 1)) return say`That is the upstream gradient ${up} alone: the local derivative ${d} is missing as a factor.`;
    if (close(guess, l) && !close(G, 1)) return say`That is the local derivative ${d} alone: the upstream gradient ${up} is missing as a factor.`;
    if (close(guess, G + l)) return say`You added the two factors: rates along a path multiply.`;
    if (close(guess, G / l)) return say`You divided by ${d}: it is a factor.`;
    /* only: shared */
    if (close(guess, gradient(ask.k)[0]) && !close(ask.x, gradient(ask.k)[0])) return say`That is the whole sum: here only the addend of this path is asked for.`;
    /* end */
    if (close(abs(guess), abs(ask.x))) return say`The size is right, the sign is not: look at the signs of ${up} and ${d}.`;
    return say`Not yet. It is upstream gradient times local derivative: ${up} · ${d}.`;
  }
  /* only: shared */
  if (s.ph === 'b' && ask.one) {
    const parts = users(ask.k).filter(u => sent(u.id)).map(u => [u, sent(u.id)[0]]), missing = parts.find(([, x]) => x !== 0 && close(guess, ask.x - x));
    if (missing) return say`One addend is missing: the one through ${`${K[missing[0].head].name} ${missing[0].mark}`.trim()}.`;
    if (close(guess, parts.reduce((t, [, x]) => t * x, 1))) return say`You multiplied the addends: paths add up.`;
    return say`Not yet. ${parts.length} paths meet here, and what comes back along each is added up.`;
  }
  /* end */
  if (close(abs(guess), abs(ask.x))) return say`The size is right, the sign is not.`;
  return /* only: tensors */s.ph === 'b' ? say`Not yet. Look at the row and the column, or at the entries, that meet in this place: ${s.form}.` : /* end */say`Not yet. Put the numbers into ${s.form}.`;
}
function score() {
  const known = [...told.values()].filter(t => t.done), first = known.filter(t => t.tries === 1 && !t.shown).length;
  return known.length ? say`${first} of ${known.length} right at the first try.` : say`No answer yet.`;
}
function predicting() {
  const box = element('div', { className: 'predict' }), s = S[cur], ask = asked(cur), t = told.get(cur);
  el('expand').before(box); panel.filled = null;
  if (!ask) { box.innerHTML = `<p>${say`Nothing is asked here. ${score()}`}</p>`; return; }
  if (t && t.done) { box.innerHTML = `<p class="verdict badge"><b>${t.shown ? say`shown` : say`right`}</b>${say`${esc(ask.name)} = ${scalar(ask.x)}. ${score()}`} <button type="button">${say`Next question`}</button></p>`; one('button', box).onclick = () => step(cur + 1); return; }
  box.innerHTML = `<form><label>${esc(ask.name)} = <input autocomplete="off" aria-describedby="judged"></label> <button>${say`Check`}</button> <button type="button">${say`Show it`}</button></form><p id="judged" role="status">${t ? esc(t.said) : ''}</p><p>${score()}</p>`;
  const input = one('input', box), now = told.get(cur) || { tries: 0, said: '' };
  if (t) { input.value = t.guess; }
  const answer = shown => {
    const guess = Number(input.value.trim().replace(',', '.').replace('\u2212', '-'));
    if (!shown && (input.value.trim() === '' || !isFinite(guess))) { el('judged').textContent = say`Write a number, such as -0.25.`; return; }
    if (!shown) now.tries++;
    now.guess = input.value;
    now.shown ||= shown;
    now.done = shown || close(guess, ask.x);
    now.said = now.done ? '' : mistake(s, guess, ask);
    told.set(cur, now);
    go(cur, now.done);
    if (now.done) one('.predict button', panel).focus(); else { const again = one('.predict input', panel); again.focus(); again.select(); }
  };
  one('form', box).onsubmit = e => { e.preventDefault(); answer(false); };
  one('form button[type=button]', box).onclick = () => answer(true);
}

/* ---------------------------------------------------------------- all of them follow */
const followed = view.told;
view.told = s => {
  followed(s);
  unmark();
  if (way === 'nudge') nudging();
  if (way === 'paths') pathways();
  if (way === 'predict') predicting();
};
if (names.includes(ask.get('way'))) turn(ask.get('way'));
