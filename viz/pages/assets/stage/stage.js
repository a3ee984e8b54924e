/* What the reader does: turning, stepping, opening; keys; the table for a screen reader; sheets of paper. */

/* ---------------------------------------------------------------- turning */

let timer = null, playing = null;
function stop() {
  clearInterval(timer); clearInterval(playing);
  [timer, playing, S.wave] = [null, null, null];
}
/* a number is taken hold of: what it and the others are now is "before" */
function grab(id) {
  stop();
  S.seen = true;
  S.step = null;
  remember();
  S.turn = (S.turn ?? 0) + 1;
  S.moved = id;
  S.chosen = cards.get(keyOf(id)).size > 1 ? S.chosen : null;
}
function letGo() { S.moved = null; S.before = S.past = null; }
function goBack() {
  stop();
  if (S.before) restore(S.before);
  N.run();
  letGo();
  later();
}
function choose(id) {
  if (S.chosen === id) return;
  stop();
  letGo();
  S.chosen = id;
  S.seen = true;
  draw();
  if (el('picked')) number(el('picked'), id, 'big');
  later();
}
function turn() {
  const { id, by: h } = D.ask;
  grab(id);
  put(id, S.past.value(keyOf(id))[entryOf(id)] + h);
  if (isReduced) return draw();
  S.wave = { down: 0, up: -1 };
  draw();
  timer = setInterval(() => {
    if (S.wave.down < plan.rows - 1) S.wave.down++;
    else if (S.wave.up < plan.rows - 1) S.wave.up++;
    else stop();
    draw();
  }, 420);
}
function ask(again) {
  stop();
  restore(first);
  N.run();
  letGo();
  Object.assign(S, { step: null, guess: null, chosen: null, seen: !again });
  draw();
}
const acts = {
  turn, skip() { S.seen = true; letGo(); draw(); }, back: goBack, again: () => ask(true), reset: () => ask(false),
  one() { const [id] = steepest(1), d = -D.rate * gradientOf(id); grab(id); put(id, valueOf(id) + d); draw(); },
  all() { stop(); stepAll(D.rate); N.run(); letGo(); S.step = null; draw(); },
};
listen(document, 'click', e => acts[e.target.closest('[data-do]')?.dataset.do]?.());

/* the guess, in the picture */
let guessing = false;
const guessAt = e => { if (guessing && S.unguess) { const grain = D.ask.range / 100; S.guess = round(S.unguess(e.clientY - bounds(el('plot')).top) / grain) * grain; later(); } };
listen(el('plot'), 'pointerdown', e => { if (S.seen || !S.unguess) return; guessing = true; e.preventDefault(); hold(el('plot'), e); guessAt(e); });
listen(el('plot'), 'pointermove', guessAt);
for (const end of ['pointerup', 'pointercancel']) listen(el('plot'), end, () => { guessing = false; });

/* ---------------------------------------------------------------- stepping */

function go(by) { stop(); advance(by); }
function advance(by) {
  letGo();
  const n = plan.steps.length;
  S.chosen = null;
  if (S.step === null) S.step = by > 0 ? 0 : n - 1;
  else {
    S.step += by;
    if (S.step < 0 || S.step >= n) { S.step = null; if (by > 0) S.seen = true; }
  }
  draw();
}
function play() {
  if (playing) return stop();
  playing = setInterval(() => { advance(1); if (S.step === null) stop(); }, isReduced ? 1500 : 900);
}
function toStep(k) { stop(); letGo(); S.step = k; draw(); }
listen(document, 'keydown', e => {
  if (isShortcut(e)) return;
  const from = e.target instanceof Element ? e.target : document.body;
  if (from.closest('.num[data-id]:not(.fixed), input') || (from.closest('button') && (e.key === ' ' || e.key === 'Enter'))) return;
  const act = {
    ArrowRight: () => go(1), ArrowLeft: () => go(-1), ' ': play, Home: () => toStep(0), End: () => toStep(null), b: () => toStep(plan.steps.findIndex(s => s.seed)), z: () => { if (canShowNeurons()) el('level').click(); }, Enter: () => { if (!S.seen && D.ask) turn(); },
    Escape() { if (S.step !== null) toStep(null); else if (opened.size) folded(); else if (S.moved) goBack(); },
  }[e.key.length > 1 ? e.key : e.key.toLowerCase()];
  if (!act) return;
  e.preventDefault();
  act();
});
function folded() { opened.clear(); rebuild(); }
listen(el('prev'), 'click', () => go(-1));
listen(el('next'), 'click', () => go(1));
listen(el('fold'), 'click', folded);
listen(el('level'), 'click', () => { isByNeurons = !isByNeurons; S.chosen = null; rebuild(); });

/* ---------------------------------------------------------------- for those who do not see it, and for paper */

/* the entries of a matrix with a semicolon after each row */
const inRows = (entries, shape) => entries.map((entry, i) => (i === 0 ? '' : i % (shape?.at(-1) ?? Infinity) ? ', ' : '; ') + entry).join('');
const listed = (array, shape) => array.rms !== undefined ? say`rms ${brief(array.rms)}` : array.length > 16 ? say`${array.length} numbers, rms ${brief(sizeOf(array))}` : inRows([...array].map(x => brief(x)), shape);
function writeTable() {
  el('rows').innerHTML = [...cards.values()].filter(c => !c.loop).map(c => `<tr><th scope="row">${esc(c.n)}</th><td>${listed(N.value(c.k), c.sh)}</td><td>${N.gradient(c.k) ? listed(N.gradient(c.k), c.sh) : say`no gradient`}</td></tr>`).join('');
}
/* A worksheet: every step with a line for each number, the entries of a step before the next step needs them; and its solutions. */
function worksheet() {
  const few = array => array && array.rms === undefined && array.length <= 16, line = '<u></u>';
  /* of a loop, the equations of one step, each on a line */
  const told = (name, formula) => formula.includes('; ') ? `: ${[cards.get(name).n, ...formula.split('; ')].map(esc).join('<br>')}<br>` : formula && formula !== name ? ` = ${esc(formula)}` : '';
  const item = (name, formula, array, shape, open) => `<li><b>${esc(name)}</b>${told(name, formula)} = ${few(array) ? open ? inRows([...array].map(() => line), shape) : `<em>${listed(array, shape)}</em>` : say`(${array.length ?? ''} numbers)`}</li>`;
  const given = [...cards.values()].filter(c => !c.in).map(c => `${esc(c.n)} = ${listed(N.value(c.k), c.sh)}`).join(', &nbsp; '), ops = [...cards.values()].filter(c => c.in);
  /* steps without a name of their own have short ones; a rule has the names of this graph */
  const named = key => { const c = cards.get(key); return c.in ? key : c.s; };
  const passed = (g, rule) => isScalar ? `${g} × ${/[+\u2212 -]/.test(rule) ? `(${rule})` : rule}` : rule.replaceAll('\ue00c', g);
  const rule = use => passed(by(named(use.head)), marked(use.rule, cards.get(use.head), named));
  const sums = c => c.uses.filter(use => use.passes && use.text).map(rule).join(' + ');
  const back = [...cards.values()].reverse().filter(c => N.gradient(c.k) && c.r !== 'data' && c.r !== 'target');
  const part = open => `<h2>${open ? say`Forward` : say`Solutions: forward`}</h2><ol>${ops.map(c => item(named(c.k), marked(c.w ?? c.f, c, named), N.value(c.k), c.sh, open)).join('')}</ol><h2>${open ? say`Backward` : say`Solutions: backward`}</h2><ol>${back.map(c => item(by(named(c.k)), c === END ? '' : sums(c), N.gradient(c.k), c.sh, open)).join('')}</ol>`;
  el('sheet').innerHTML = `<h1>${one('h1').innerHTML}</h1><p>${given}</p>${part(true)}<div class="solutions">${part(false)}</div>`;
}
listen(el('print'), 'click', () => { document.body.classList.remove('sheet'); print(); });
listen(el('worksheet'), 'click', () => { worksheet(); document.body.classList.add('sheet'); print(); });
listen(window, 'beforeprint', () => {
  stop();
  if (document.body.classList.contains('sheet')) return;
  Object.assign(S, { seen: true, step: null });
  Object.assign(stage.style, { width: '808px', height: '660px' });
  Object.assign(el('plot').style, { width: '430px', height: '200px' });
  rebuild();
});
listen(window, 'afterprint', () => {
  document.body.classList.remove('sheet');
  for (const { style } of [stage, el('plot')]) Object.assign(style, { width: '', height: '' });
  rebuild();
});

/* ---------------------------------------------------------------- begin */

D.ask = question();
D.rate = fairRate();
if (isLive) N.run();
if (!D.ask || address().has('show')) S.seen = true;
show(el('fold'), false);
theme(el('theme'), () => { if (plan) draw(); });
rebuild();
writeTable();
let sizeThen;
listen(window, 'resize', () => { const size = [innerWidth, innerHeight].join(); if (size !== sizeThen) { sizeThen = size; rebuild(); } });

/* gradients are checked while nothing else happens, again after a number has come to rest */
let checking = null, at = null;
function check() {
  if (!isLive || S.wave) return;
  const now = [...Object.values(N.leaf), ...Object.values(N.hold)].filter(Boolean).reduce((s, a) => s + a.reduce((x, y) => x + y, 0) % 1e9, 0);
  if (at !== now) { [at, checking] = [now, checks()]; writeTable(); }
  const start = performance.now();
  let next;
  while (checking && !(next = checking.next()).done && performance.now() - start < 8);
  if (next?.done) { checking = null; draw(); }
}
setInterval(check, 60);

/* what a notebook asks for: the leaves by key, and to be told that they have changed */
window.numbers = { leaves: () => N.leaf, changed() { letGo(); goBack(); } };
