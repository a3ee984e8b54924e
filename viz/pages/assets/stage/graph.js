/* The graph of the page: its cards, and its numbers now, before the hand took hold of one, and along one of them. */
const D = JSON.parse(el('data').textContent), isLive = !!D.at, cards = new Map(Object.entries(D.cards));
for (const [k, card] of cards) {
  card.in = card.in?.map(([tail, index, passes, rule]) => ({ tail, head: k, index, passes, rule, id: `${k}/${index}` }));
  Object.assign(card, { k, uses: [], r: card.r ?? 'op', s: card.s ?? card.n, sh: card.sh ?? [], size: (card.sh ?? []).reduce((a, b) => a * b, 1) });
}
/* a formula of an operation with `of(key)` for the marks of operands and of the result; a rule is told with dots, and with the function's name */
const marked = (text, { k, in: uses }, of) => { const tails = [...new Set(uses.map(use => use.tail))]; return text.replace(/[\ue000-\ue00b]/gu, m => of(m === '\ue00b' ? k : tails[m.codePointAt(0) - 0xe000])); };
for (const card of cards.values()) for (const use of card.in ?? []) {
  cards.get(use.tail).uses.push(use);
  use.text = marked(use.rule, card, key => key === card.k ? /^\p{L}+(?=\()/u.exec(card.f)?.[0] ?? card.s : '…');
}
const END = cards.get(D.end), isScalar = [...cards.values()].every(card => !card.sh.length), isForked = b => streamsOf(b).length > 1;
const streamsOf = b => {
  const streams = b.outs.filter(e => e.uses.some(use => use.passes));
  return new Set(streams.flatMap(e => e.uses.map(use => use.tail))).size === 1 ? streams : [];
};

/* ---------------------------------------------------------------- numbers */

/* recorded arrays: entries in base64, or the size and the block means of a large one */
function recordedNumbers() {
  const array = told => told && (told.e !== undefined ? unpacked(told.e, Float64Array) : Object.assign(unpacked(told.b, Float32Array), { rms: told.size, width: told.w }));
  const kept = new Map(), of = (key, told) => { if (!kept.has(key)) kept.set(key, array(told)); return kept.get(key); };
  return {
    value: k => of(`v${k}`, cards.get(k).v), gradient: k => of(`g${k}`, cards.get(k).g), sent: id => of(`s${id}`, D.sockets[id]?.s),
    gear: id => of(`l${id}`, D.sockets[id]?.gear), run() { }, leaf: {}, hold: {}, nudge: {},
  };
}
const N = isLive ? graphProgram(D.at, see, probe) : recordedNumbers();
N.run();
const sizeNow = array => array === undefined ? NaN : array.rms ?? (array.length === 1 ? array[0] : sizeOf(array));
/* the gradient that an edge sends up, entry by entry */
function sentBy(edge) {
  const parts = edge.uses.filter(use => use.passes).map(use => N.sent(use.id)).filter(Boolean);
  if (parts.length < 2) return parts[0];
  return parts[0].rms === undefined && parts.every(p => p.length === parts[0].length) ? parts[0].map((_, k) => parts.reduce((sum, p) => sum + p[k], 0)) : parts[0];
}
/* what an edge adds to the gradient of its value: that number, or its share of a gradient of many */
function addedBy(edge) {
  const sent = sentBy(edge);
  if (!sent) return 0;
  if (sent.length === 1) return sent[0];
  const whole = N.gradient(edge.uses[0].tail), told = edge.uses.map(use => D.sockets?.[use.id]?.share).filter(share => share !== undefined);
  if (told.length) return told.reduce((a, b) => a + b) * sizeNow(whole);
  if (!whole || whole.length !== sent.length || sent.rms !== undefined) return sizeNow(sent);
  let along = 0, square = 0;
  for (let k = 0; k < sent.length; k++) { along += sent[k] * whole[k]; square += whole[k] * whole[k]; }
  return square ? along / square * sizeNow(whole) : 0;
}
/* the ratio printed at a gear: a number, or undefined where there is none for all entries; that of a fold is the product of its gears */
function gearOf({ uses, to }) {
  if (to.ops.length < 2 && uses.length < 2) {
    const gear = N.gear(uses[0].id);
    return gear?.length === 1 ? gear[0] : undefined;
  }
  const last = to.ops.at(-1), out = N.gradient(last), sent = sentBy({ uses }), isWhole = to.outs.every(e => e.uses.every(use => use.tail === last));
  return isWhole && out?.[0] && out.length === 1 && sent?.length === 1 ? sent[0] / out[0] : undefined;
}

/* ---------------------------------------------------------------- entries: one number of a card, `key.entry` */

const [keyOf, entryOf] = [id => id.slice(0, id.lastIndexOf('.')), id => +id.slice(id.lastIndexOf('.') + 1)];
const valueOf = id => N.value(keyOf(id))[entryOf(id)], gradientOf = id => N.gradient(keyOf(id))?.[entryOf(id)];
/* `W1[0,1]`; an axis of length 1 has no index */
function nameOf(id, isShort) {
  const card = cards.get(keyOf(id)), name = (isShort ? card.s : card.n).replace(/^(.{5}).{5,}(.{10})$/u, '$1…$2');
  if (card.size === 1) return name;
  let at = entryOf(id);
  const index = [];
  for (const n of [...card.sh].reverse()) { if (n > 1) index.unshift(at % n); at = floor(at / n); }
  return `${/[^\p{L}\p{N}_.…′]/u.test(name) ? `(${name})` : name}[${index.join(',')}]`;
}
const isWhole = said => /^[\p{L}\p{N}_.′]+(\[[\d,]+\])?$/u.test(said) || /^\p{L}*\([^()]*\)$/u.test(said);
const by = said => `∂${END.s}/∂${isWhole(said) ? said : `(${said})`}`;
const isMovable = id => {
  const card = cards.get(keyOf(id));
  return isLive && !card.whole && (card.in ? D.at.hold[card.k] !== undefined : D.at.leaf[card.k] !== undefined);
};
const trained = (() => {
  const able = [...cards.values()].filter(c => !c.in && !c.whole && N.gradient(c.k)), params = able.filter(c => c.r === 'param');
  return params.length ? params : able;
})();
const countTrained = trained.reduce((n, c) => n + c.size, 0);
/* the `n` entries of what is trained whose gradients are largest */
function steepest(n) {
  const found = [];
  for (const card of trained) {
    const g = N.gradient(card.k);
    for (let k = 0; k < g.length; k++) {
      const size = abs(g[k]);
      if (found.length < n || size > found.at(-1)[0]) {
        found.push([size, `${card.k}.${k}`]);
        found.sort((a, b) => b[0] - a[0]);
        found.length = min(n, found.length);
      }
    }
  }
  return found.map(([, id]) => id);
}

/* ---------------------------------------------------------------- what the hand has done */

const S = { moved: null, seen: !isLive, guess: null, step: null, wave: null, before: null, past: null, chosen: null };
const snapshot = () => ({ leaf: copied(N.leaf), hold: copied(N.hold) });
const copied = arrays => Object.fromEntries(Object.entries(arrays).filter(([, a]) => a).map(([k, a]) => [k, a.slice()]));
function restore(kept) { for (const kind of ['leaf', 'hold']) for (const k in kept[kind]) N[kind][k].set(kept[kind][k]); }
const first = snapshot();
/* the numbers as they are before something is moved */
function remember() {
  S.before = snapshot();
  const kept = read => { const made = new Map(); return key => { if (!made.has(key)) { const a = read(key); made.set(key, a && a.length <= 256 && !a.rms ? a.slice() : a && Object.assign([sizeNow(a)], { rms: sizeNow(a) })); } return made.get(key); }; };
  const past = { value: kept(N.value), gradient: kept(N.gradient), gear: kept(N.gear) };
  for (const card of cards.values()) { past.value(card.k); past.gradient(card.k); for (const use of card.in ?? []) past.gear(use.id); }
  S.past = past;
}
/* an entry set to a number: a leaf's, or what holds a computed value off what its operation gives */
function put(id, v) {
  const key = keyOf(id), at = entryOf(id);
  if (N.leaf[key]) N.leaf[key][at] = v;
  else {
    const off = N.hold[key][at] + v - valueOf(id);
    N.hold[key][at] = abs(off) < 1e-12 ? -0 : off;
  }
  N.run();
}
const heldOff = id => N.hold[keyOf(id)]?.[entryOf(id)] ?? 0;
/* the output where only entries of `ids` change, by `changes`; everything else is as it is now */
function outputAt(ids, changes) {
  const places = ids.map(id => [N.leaf[keyOf(id)] ?? N.hold[keyOf(id)], entryOf(id)]), kept = places.map(([array, at]) => array[at]);
  places.forEach(([array, at], i) => { array[at] += changes[i]; });
  const found = N.forward();
  places.forEach(([array, at], i) => { array[at] = kept[i]; });
  return found;
}
/* the output as a function of one entry, everything else as it was before it was moved */
function outputAlong(id, xs) {
  const now = snapshot(), key = keyOf(id), at = entryOf(id), from = S.past ? S.past.value(key)[at] : valueOf(id);
  if (S.before) restore(S.before);
  const array = N.leaf[key] ?? N.hold[key], start = array[at];
  const found = xs.map(x => { array[at] = start + x - from; return N.forward(); });
  restore(now);
  return found;
}
const moveOf = () => S.moved && S.past ? valueOf(S.moved) - S.past.value(keyOf(S.moved))[entryOf(S.moved)] : 0;

/* ---------------------------------------------------------------- the question and the rate */

/* "You turn w from 2 to 2.5": a number that matters, and a turn that shows the curve */
function question() {
  if (!isLive || !trained.length) return null;
  N.run();
  const [top] = steepest(1), most = top ? abs(gradientOf(top)) : 0, L = valueOf(`${D.end}.0`);
  if (!(most > 0) || !isFinite(L) || !isFinite(most)) return null;
  const able = [...trained].sort((p, q) => (p.size > 12) - (q.size > 12)).flatMap(c => c.size > 400 ? [] : [...N.gradient(c.k)].map((g, k) => [abs(g), `${c.k}.${k}`]));  // few numbers stand as such
  const id = able.find(([g]) => g >= .2 * most)?.[1] ?? top, g = gradientOf(id), unit = max(1e-3, min(1, 10 ** floor(Math.log10(abs(valueOf(id)) || 1))));
  let best = null;
  for (const step of [.5, 1, .2, .1, 2, .05, .02, .01, 5].map(h => h * unit)) {
    const moved = outputAt([id], [step]) - L, off = abs(moved - g * step) / abs(g * step);
    if (!isFinite(moved)) continue;
    if (!best || (off >= .05 && off <= .3 && !(best.off >= .05 && best.off <= .3))) best = { id, by: step, off, moved };
  }
  if (!best) return null;
  const ten = 10 ** floor(Math.log10(2.4 * abs(best.moved) || 1e-3)), range = max(ten * ceil(2.4 * abs(best.moved) / ten || 1), 1e-6 * abs(L));
  return { id, by: best.by, range, span: 4 * best.by };
}
/* the largest rate of which a step lowers the output by a good part of what the gradient says */
function fairRate() {
  if (!isLive) return 0;
  N.run();
  const L = valueOf(`${D.end}.0`), square = trained.reduce((sum, c) => sum + N.gradient(c.k).reduce((s, g) => s + g * g, 0), 0);
  const largest = steepest(4).map(id => [id, gradientOf(id)]);
  for (const rate of [1, .5, .2, .1, .05, .02, .01, .005, .002, .001, 1e-4, 1e-5, 1e-6]) {
    const kept = trained.map(c => N.leaf[c.k].slice());
    stepAll(rate);
    const fell = L - N.forward();
    trained.forEach((c, i) => N.leaf[c.k].set(kept[i]));
    if (fell > .6 * rate * square && largest.every(([id, g]) => L - outputAt([id], [-rate * g]) >= .5 * rate * g * g)) return rate;
  }
  return .01;
}
function stepAll(rate) {
  for (const c of trained) { const g = N.gradient(c.k), x = N.leaf[c.k]; for (let k = 0; k < x.length; k++) x[k] -= rate * g[k]; }
}

/* ---------------------------------------------------------------- verdicts */

const verdicts = new Map(Object.entries(D.verdicts ?? {}));
/* The checks of all sockets, one after the other: the gradient that a rule sends, along a direction, against differences of the operation alone. */
function* checks() {
  const draw = draws(1);
  for (const card of cards.values()) for (const use of card.in ?? []) {
    const nudge = N.nudge[use.id], sent = N.sent(use.id), up = N.gradient(card.k), tail = N.value(use.tail);
    if (!use.passes || !nudge || !sent || !up || ![...sent].every(isFinite)) continue;
    const top = sent.reduce((m, v) => max(m, abs(v)), 0);
    /* each entry moves by parts of its size; one that nothing depends on, such as a masked score, may be -9e307 */
    const plain = min(1, sizeOf(tail.filter(v => abs(v) < 1e100))) || 1, unit = v => abs(v) < 1e100 ? min(1, abs(v)) || plain : 0;
    for (const only of nudge.length > 1 ? [null, sent.findIndex(v => abs(v) === top)] : [0]) {
      const direction = Float64Array.from(nudge, (_, k) => only === null ? (draw() < .5 ? -1 : 1) * (.5 + draw()) * unit(tail[k]) : k === only ? unit(tail[k]) : 0);
      const along = h => {
        for (let k = 0; k < nudge.length; k++) nudge[k] = h * direction[k];
        N.forward();
        nudge.fill(-0);
        const now = N.probed(card.k);
        return Array.from(up, (u, k) => u ? u * now[k] : 0);
      };
      const claimed = sent.reduce((sum, s, k) => sum + s * direction[k], 0), found = verdict(along, claimed, 1e-3);
      if (found !== 'right' || !verdicts.has(use.id)) verdicts.set(use.id, found);
      yield;
    }
  }
}
