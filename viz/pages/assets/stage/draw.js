/* The stage itself: bars of text over lines of SVG. Everything is made once for a layout; a frame writes what has changed. */
const stage = el('stage'), isPhone = () => innerWidth < 700 && !stage.style.width, isReduced = matchMedia('(prefers-reduced-motion:reduce)').matches;
const opened = new Set();
let plan = null, digit = .56, isByNeurons = !!D.neurons || address().has('neurons'), cells = [], drawn = [], lines = null;

/* ---------------------------------------------------------------- what stands in a bar */

const cardOf = b => cards.get(b.leaf ?? b.ops.at(-1)), isEnd = b => b.ops.includes(D.end), isLossBar = b => isEnd(b) && cardOf(b).size === 1;
const isOne = b => cardOf(b).size === 1 && b.ops.length < 2 && !b.own.length;
/* what a bar of several numbers shows: leaves that only it uses, and what its operations give, each with its columns and rows */
function fieldsOf(b) {
  const keys = isLossBar(b) ? b.own : [...b.own, ...(b.leaf ? [b.leaf] : b.ops)].filter(k => !cards.get(k).loop);  // not the array of a loop, which holds all of its results
  return keys.map(k => {
    const card = cards.get(k), shape = card.sh.filter((n, i) => n > 1 || i === card.sh.length - 1), columns = shape.length ? shape.at(-1) : 1;
    return { k, columns, rows: card.size / (columns || 1) };
  });
}
const LINE = { tall: 45, phone: 33 };
const hasGradientShown = card => card.r !== 'data' && card.r !== 'target' && !!N.gradient(card.k);
/* the width of a field: a gear stands beside its ratio, such as ×3.33e-6 */
const columnsOf = f => f.isTable ? f.columns * (f.gear ? 1.3 : 1) : 2;
/* the fields of a bar with the room they get: a table where its entries can be read, else a tile */
function arrangedFields(b) {
  const width = plan?.width ?? stage.clientWidth, least = isPhone() ? 62 : 92, room = (b.w || width - 48) - (isLossBar(b) ? (isPhone() ? 200 : 420) : 24);
  const all = fieldsOf(b), high = max(...all.map(f => f.rows));
  /* beside a matrix of few rows, vectors of as many entries stand upright: a row is a neuron */
  const isLayer = high > 1 && all.every(f => f.rows === high || (f.rows === 1 && f.columns === high));
  const fields = all.map(f => isLayer && f.rows === 1 ? { ...f, columns: 1, rows: high } : f).map(f => ({ ...f, isTable: f.rows <= 4 && f.columns <= 6 && f.columns > 0 }));
  const last = cards.get(b.ops.at(-1))?.in, at = fields.length - 1, gear = b.ops.length > 1 && last.length === 1 && N.gear(last[0].id);
  if (!isPhone() && gear && gear.rms === undefined && gear.length > 1 && fields[at].isTable && gear.length === cards.get(fields[at].k).size) fields.splice(at, 0, { ...fields[at], gear: last[0].id });
  const units = () => fields.reduce((sum, f) => sum + columnsOf(f), 0);
  /* what is between its operations goes first */
  const drop = () => { const between = fields.findIndex(f => b.ops.slice(0, -1).includes(f.k)); fields.splice(between < 0 ? floor((fields.length - 1) / 2) : between, 1); };
  for (let n = 0; n < fields.length && units() * least > room; n++) {
    const widest = fields.filter(f => f.isTable).sort((p, q) => q.columns * q.rows - p.columns * p.rows)[0];
    if (widest?.gear) fields.splice(fields.indexOf(widest), 1); else if (widest) widest.isTable = false;  // a tile of gears would be the result's again
    else drop();
  }
  while (units() * least > room && fields.length > 1) drop();
  return Object.assign(fields, { unit: room / units() });
}
/* a bar whose name, number and gradient stand below each other, and the least width of one, with room for its button */
const isThin = b => b.w < digit * (isPhone() ? 240 : 300) + (b.ops.length > 1 ? 96 : 40), leastOf = b => !isScalar ? D.ask && b.leaf === asked() ? digit * (isPhone() ? 14 : 18) * (nameOf(D.ask.id, true).length + 9) : 0 : digit * (isPhone() ? 100 : 200) + (b.ops.length > 1 ? 18 : 2);
function heightOf(b, form) {
  const phone = isPhone(), size = sizesOf(0, phone);
  if (form !== 'tall' || isOne(b) || isScalar) return isThin(b) && hasGradientShown(cardOf(b)) ? max(size.bar[form], size.bar[b.w < digit * (phone ? 210 : 270) || b.ops.length > 1 ? 'tall' : 'mid']) : size.bar[form];
  const fields = arrangedFields({ ...b, w: undefined }), rows = max(1, ...fields.map(f => f.isTable ? f.rows : 1)), line = phone ? LINE.phone : LINE.tall;
  if (isLossBar(b)) return max(size.bar.tall, (phone ? 18 : 26) + (fields.length ? rows * line : 0));
  if (b.leaf) return max(hasGradientShown(cardOf(b)) ? size.bar.mid : size.bar.line, (phone ? 6 : 12) + rows * (hasGradientShown(cardOf(b)) || !fields[0]?.isTable ? line : phone ? 22 : 30));
  return (phone ? 17 : 27) + (phone ? 14 : 18) + rows * line + (phone ? 2 : 5);
}

/* ---------------------------------------------------------------- the layout */

function layOut() {
  document.body.classList.toggle('phone', isPhone());
  const width = stage.clientWidth, height = stage.clientHeight, phone = isPhone(), pen = element('canvas').getContext('2d');
  /* how wide a digit is, as a part of its height */
  pen.font = `bold 100px ${getComputedStyle(document.body).fontFamily}`;
  digit = pen.measureText('8').width / 100;
  /* a leaf of a graph of arrays stands in the bar of its only user; in a graph of numbers only if there are too many slots, and if still, in each user's */
  let out = null;  // the number that the question turns gets a bar of its own where its user's has no room for it
  const other = (card, [bar, more]) => !more && card.k !== out && ((card.r === 'param' || card.buffer) && bar.ops.length > 1
    || card.uses.every(use => cards.get(use.head).in.length > 1 && (card.r !== 'data' || cards.get(use.head).in.some(i => cards.get(i.tail).in))));
  const ways = isScalar ? [() => false, card => card.r !== 'data' && card.uses.length === 1 && card.k !== asked(), card => card.k !== asked(), () => true] : [other];
  const look = (entries, way) => placed(barsOf(entries, cards, way), width, height, phone, heightOf, leastOf, isScalar, isForked);
  const tried = (entries, way) => { const lack = leastColumns(barsOf(entries, cards, way)) - width / sizesOf(width, phone).least / .5; return lack > 0 ? { lack } : look(entries, way); };
  const fits = (entries, way) => { const p = look(entries, way); return p.fits && p.crossed === 0 || p.fits && isScalar && entries.length < 24; };
  const way = D.folds.length < 61 ? ways.slice(0, 2).findIndex(w => fits(D.folds, w)) : -1;
  const folded = way => look(entriesThatFit(D.folds, opened, cards, list => tried(list, way)), way), count = p => p.bars.filter(b => b.ops.length).length;
  plan = null;
  for (const w of way < 0 ? ways.slice(-3) : ways.slice(way)) {
    if (plan && !opened.size && count(plan) >= min(4, keysOf({ in: D.folds }).length)) break;
    const found = folded(w);
    if (!plan || count(found) > count(plan)) plan = found;
  }
  const home = !isScalar && plan.bars.find(b => b.own.includes(asked()));
  if (home && (home.form !== 'tall' || !arrangedFields(home).some(f => f.k === asked()))) { out = asked(); plan = folded(other); }
  if (plan.bars.length < 2) plan = folded(() => false);  /* else L alone would be shown */
  Object.assign(plan, { size: sizesOf(width, phone), character: digit * 1.08 * (phone ? 13 : 15.5 * plan.scale) });
  plan.bars.forEach((b, i) => { b.number = i; });
  plan.steps = stepsOf(plan);
}
/* one step for each operation down; up, one for each edge, or for each bar of arrays; between them the start at L */
function stepsOf({ bars }) {
  const ops = bars.filter(b => b.ops.length), passing = b => b.ins.filter(e => e.uses.some(use => use.passes));
  const up = [...ops].reverse().flatMap(b => isScalar && !b.own.length ? passing(b).map(e => ({ up: b, edges: [e] }))
    : passing(b).length || b.own.some(k => N.gradient(k)) ? [{ up: b, edges: passing(b) }] : []);
  return [...ops.map(b => ({ down: b })), { seed: 1 }, ...up];
}

/* ---------------------------------------------------------------- making */

function cell(place, what, id, more = {}) {
  const made = { place, what, id, key: keyOf(id), at: entryOf(id), ...more };
  cells.push(made);
  return made;
}
function number(within, id, kind = '') {
  const place = element('span', { className: `num ${kind}` }, within), made = cell(place, 'value', id);
  const isLoss = keyOf(id) === D.end;
  if (!isMovable(id) && !(isLoss && isLive)) { place.classList.add('fixed'); return made; }
  place.dataset.id = id;
  let from = null;
  const begin = () => { from = id; };
  made.show = draggable(place, {
    anyWay: true, label: () => nameOf(id), get: () => isLoss ? S.guess ?? valueOf(id) : valueOf(id), step: isLoss && D.ask ? D.ask.range / 100 : .01,
    chosen: begin, isFixed: () => isLoss && (S.seen || S.step !== null),
    set(v) {
      if (isLoss) { if (!S.seen) { S.guess = v; later(); } return; }
      if (from === id || S.moved !== id) { grab(id); from = null; }
      put(id, v);
      later();
    },
    reset() { if (S.moved === id) goBack(); else if (heldOff(id)) { grab(id); N.hold[keyOf(id)][entryOf(id)] = 0; N.run(); later(); } },
  });
  listen(place, 'pointerdown', begin);
  return made;
}
function gradientText(within, id, more = {}) { return cell(element('em', { className: 'gr' }, within), 'gradient', id, more); }

const TAGS = () => ({ loss: say`loss`, param: say`you train this`, data: say`data`, target: say`target`, op: '' });
function makeBar(b) {
  const card = cardOf(b), place = element('div', { className: `bar ${isEnd(b) ? 'loss' : card.r} ${b.form}`, id: `b_${b.number}` }, stage);
  b.place = place;
  Object.assign(place.style, { left: `${b.x}px`, top: `${b.y}px`, width: `${b.w}px`, height: `${b.h}px` });
  place.classList.toggle('thin', isScalar && isThin(b));
  place.classList.toggle('slim', b.w < (isPhone() ? 190 : 300));
  if (isForked(b)) place.classList.add('forked');
  if (isOne(b) || isLossBar(b) || isScalar) makeOne(b, card, place); else makeMany(b, card, place);
  if (b.entry.in) { place.append(opener(b)); place.classList.add('folded'); }
}
function opener(b) {
  const many = b.ops.length, made = element('button', { className: 'open', type: 'button', textContent: `⊞${many > 99 ? '\u200a' : ' '}${many}` });
  made.ariaLabel = say`Open ${many} operations`;
  listen(made, 'click', () => { if (b.entry.run) for (const e of opened) if (e.run) opened.delete(e); opened.add(b.entry); rebuild(); });  // one run at a time, so that its parts open further
  return made;
}
const nameOfFold = ({ t, p }) => t && p && !t.includes(' ') ? `${t} ${p.split('.').at(-1)}` : t;
const titleOf = b => {
  const { entry } = b, named = entry.run ? entry.in.map(nameOfFold).filter(Boolean) : [], isShort = b.w < (b.ops.length > 1 ? Infinity : isPhone() ? 230 : 380);
  return nameOfFold(entry) ?? (named.length > 1 ? `${named[0]} … ${named.at(-1)}` : cardOf(b)[isShort ? 's' : 'n']);
};
/* A name that does not fit ends in three dots; the whole of it is told beside the pointer, and, with its step, at a tap. */
const wholeName = b => b.entry.t ? `${b.entry.t} ${b.entry.p ?? ''}`.trim() : titleOf({ ...b, w: Infinity });
function heading(tag, b, within) {
  const k = plan.steps.findIndex(s => s.down === b), tapped = () => { if (b.leaf) choose(`${b.leaf}.0`); else toStep(S.step === k ? null : k); };
  element(tag, { textContent: apart(titleOf(b)), title: wholeName(b), onclick: isLive || !b.leaf ? tapped : null }, within);
}
/* one number: its name, itself, how it came; its gradient, and how that came */
function makeOne(b, card, place) {
  const id = `${card.k}.0`, left = element('div', { className: 'cv' }, place), label = element('div', { className: 'lab' }, left);
  heading('span', b, label);
  b.tag = element('small', {}, label);
  const big = element('div', { className: 'big' }, left);
  b.num = number(big, id);
  if (b.w < (isPhone() ? 230 : 250)) b.num.digits = 3;
  cell(element('div', { className: 'sub' }, left), 'how', id, { b });
  if (isScalar ? b.own.length : isEnd(b) && b.form === 'tall') {
    b.inside = element('div', { className: 'inside' }, place);
    if (isScalar) for (const k of b.own) makeKnob(k, b);
    else for (const f of arrangedFields(b)) if (f.isTable) makeField(f, b.inside, true, b);
  }
  if (isEnd(b)) b.compare = element('div', { className: 'cm' }, place);
  const right = element('div', { className: 'cg' }, place);
  if (hasGradientShown(card)) {
    element('div', { className: 'lab', textContent: by(card.s) }, right);
    cell(element('div', { className: 'big' }, right), 'sum', id, { b });
    cell(element('div', { className: 'sub' }, right), 'whence', id, { b });
  }
}
/* a leaf inside the bar of its only user */
function makeKnob(k, b) {
  const card = cards.get(k), place = element('span', { className: `knob ${card.r}` }, b.inside), id = `${k}.0`;
  element('span', { className: 'nm', textContent: apart(card.s) }, place);
  number(place, id, 'small').digits = 3;
  if (hasGradientShown(card)) gradientText(place, id, { b });
}
/* What does not fit where all numbers are long goes: words first, then leaves that are kept inside, which are counted. */
function fit(b) {
  const texts = all('.num, .cg .big, .gr', b.place).map(e => [e, e.innerHTML]);
  for (const [e] of texts) if (e.textContent.length < 7) e.textContent = '\u22120.8888';
  const names = all('.cv .lab', b.place), room = wide => { for (const e of names) e.style.minWidth = wide && `${min(e.firstChild.scrollWidth, wide)}px`; };
  room(isPhone() ? 44 : 64);  // a name of five letters
  const list = b.place.classList, overflows = () => [b.place, ...all('.cv, .cg, .cv .lab', b.place)].some(e => e.scrollWidth > e.clientWidth + 1) || gaps();
  const gaps = () => { const parts = [...b.place.children].filter(e => e.offsetWidth && e.className !== 'open').map(bounds); return parts.some((r, i) => i && r.left < parts[i - 1].right + 2 && r.top < parts[i - 1].bottom - 2) || parts.some(r => r.right > bounds(b.place).right - (b.entry.in ? isPhone() ? 38 : 60 : 2)); };
  const knobs = b.inside ? all('.knob', b.inside) : [];
  /* the sum of streams, where there is room for it */
  const sum = one('.cg .big', b.place), n = streamsOf(b).length;
  if (sum && n > 1) {
    sum.textContent = `${'\u2212 0.0888 '.repeat(n)}= \u22120.008888`;
    b.isTotal = n > 4 || overflows();
    sum.textContent = b.isTotal ? '\u22120.8888' : sum.textContent;
  }
  if (b.form !== 'line' && b.place.scrollHeight > b.place.clientHeight + 1) list.add('fewest');
  for (const level of ['few', 'less', 'fewer']) if (overflows()) list.add(level);
  let left = 0, told = null;
  while (knobs.length && overflows()) {
    const gone = knobs.pop();
    cells = cells.filter(c => !gone.contains(c.place));
    gone.remove();
    (told ??= element('span', { className: 'nm' }, b.inside)).textContent = `+${++left}`;
  }
  if (overflows()) list.add('fewest');
  room('');
  for (const [e, html] of texts) { e.filled = null; e.innerHTML = html; }
}
function fitHead(b) {
  const head = one('.mod', b.place), [name] = head.children, gradient = one('em', head), isCut = e => e.scrollWidth > e.clientWidth + 1;
  if (gradient) gradient.textContent = gradient.told = gradient.told.replace(/\S+$/, '\u22128.88e\u22128');
  if (b.isTurned) { if (isCut(name)) gradient?.remove(); return; }
  name.style.minWidth = `${min(name.scrollWidth, isPhone() ? 110 : 180)}px`;
  for (const e of all('span, em', head)) if (isCut(head) || (isCut(name) && !e.className)) e.remove();
}
/* several numbers: a title with formulas, and fields */
function makeMany(b, card, place) {
  place.classList.add('many');
  const head = element('div', { className: 'mod' }, place);
  if (D.ask && b.leaf === asked() && !(b.form === 'tall' && arrangedFields(b)[0]?.isTable)) {
    b.isTurned = true;
    place.classList.add('short', 'turned');
    element('b', { textContent: apart(nameOf(D.ask.id, true)), title: nameOf(D.ask.id) }, head);
    number(head, D.ask.id, 'small').digits = 3;
    if (!isPhone()) gradientText(head, D.ask.id, { b });
    return;
  }
  heading('b', b, head);
  if (b.leaf) element('span', { textContent: TAGS()[card.r] }, head);
  if (b.leaf && b.form === 'tall') place.classList.add('flat');
  const last = cardOf(b);
  if (b.form !== 'tall') {
    place.classList.add('short'); if (last.loop) return;
    element('span', { textContent: last.sh.length ? `(${last.sh.join(', ')})` : '' }, head);
    cell(element('span', { className: 'rms' }, head), 'size', `${last.k}.0`);
    if (hasGradientShown(last)) cell(element('em', { className: 'gr' }, head), 'gradientSize', `${last.k}.0`, { b });
    return;
  }
  if (!isPhone() || b.ops.length < 2) for (const k of b.ops.slice(0, 3)) {
    const c = cards.get(k);
    if (c.f && c.f !== titleOf(b)) element('span', { textContent: apart(c.f.includes('; ') ? statesOf(c).join('; ') : c.n === c.f ? c.f : `${c.s} = ${c.f}`) }, head);
  }
  const box = element('div', { className: 'fields' }, place), fields = arrangedFields(b);
  for (const f of fields) makeField(f, box, false, b, fields.unit);
}
function makeField(f, within, isBare, b, unit = 0) {
  const card = cards.get(f.k), field = element('div', { className: `field ${card.r}` }, within);
  field.style.flexGrow = columnsOf(f);
  if (!f.isTable) return makeTile(card, field);
  if (!isBare && !(b?.leaf)) element('div', { className: 'hd', textContent: f.gear ? '' : apart(card.s) }, field);
  const table = element('div', { className: 'tab' }, field);
  table.style.gridTemplateColumns = `repeat(${f.columns}, minmax(0, 1fr))`;
  for (let k = 0; k < card.size; k++) {
    const box = element('div', { className: 'cell' }, table), id = `${f.k}.${k}`;
    if (f.gear) {
      shape('path', { class: 'gear', d: COG }, shape('svg', { viewBox: '-1.15 -1.15 2.3 2.3' }, box));
      cell(element('b', {}, box), 'gear', id, { gear: f.gear });
      box.classList.add('gears');
      continue;
    }
    if (isBare || b?.leaf) element('span', { className: 'nm', textContent: `${nameOf(id, true)} ` }, box);
    number(box, id, 'small').digits = isPhone() || unit < 106 ? 3 : 4;
    if (hasGradientShown(card)) gradientText(box, id, { small: 1, b });
  }
}
/* many numbers: their pattern, and beneath it that of their gradients; one that is picked stands beside the stage */
function makeTile(card, field) {
  field.classList.add('tile');
  const id = `${card.k}.0`, isTurned = card.k === asked(), head = element('div', { className: 'hd', textContent: isTurned ? `${apart(nameOf(D.ask.id, true))} ` : `${apart(card.s)} (${card.sh.join(', ')})` }, field);
  if (isTurned) number(head, D.ask.id, 'small').digits = 3;
  for (const what of ['value', 'gradient']) {
    if (what === 'gradient' && !hasGradientShown(card)) continue;
    const row = element('div', { className: 'pattern' }, field), canvas = element('canvas', {}, row);
    const text = element(what === 'value' ? 'span' : 'em', { className: what === 'value' ? '' : 'gr' }, row);
    cell(text, what === 'value' ? 'size' : 'gradientSize', id, { isBare: true });
    cell(canvas, what === 'value' ? 'pattern' : 'gradientPattern', id);
    if (what === 'value' && isMovable(id)) {
      canvas.classList.add('pick');
      listen(canvas, 'pointerdown', e => {
        const box = bounds(canvas), columns = card.sh.at(-1), rows = card.size / columns;
        const [i, j] = [floor((e.clientY - box.top) / box.height * rows), floor((e.clientX - box.left) / box.width * columns)];
        choose(`${card.k}.${clamp(i, 0, rows - 1) * columns + clamp(j, 0, columns - 1)}`);
      });
    }
  }
}

/* ---------------------------------------------------------------- lines */

const TEETH = (() => {
  let d = '';
  for (let i = 0; i < 10; i++) for (const [by, r] of [[-.3, .78], [-.17, 1.06], [.17, 1.06], [.3, .78]]) {
    const angle = (i + by) * 2 * Math.PI / 10;
    d += `${d ? 'L' : 'M'}${(r * Math.cos(angle)).toFixed(3)} ${(r * Math.sin(angle)).toFixed(3)}`;
  }
  return `${d}Z`;
})();
const COG = `${TEETH}M.26 0A.26 .26 0 1 0 -.26 0A.26 .26 0 1 0 .26 0ZM0 -.26V-.62`;
function set(e, attributes) {
  const old = e.now ??= {};
  for (const key in attributes) if (old[key] !== attributes[key]) e.setAttribute(key, old[key] = attributes[key]);
}
const show = (e, is) => { const to = is ? '' : 'none'; if (e.shown !== to) e.style.display = e.shown = to; };

function makeLines() {
  const under = shape('svg', { 'aria-hidden': 'true', class: 'under' }, stage);
  lines = shape('svg', { 'aria-hidden': 'true' }, stage);
  const defs = shape('defs', {}, lines);
  for (let i = 0; i < 5; i++) {
    const p = shape('pattern', { id: `n${i}`, width: 7, height: 7, patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)' }, defs);
    shape('rect', { width: 7, height: 7, class: 'paper' }, p);
    shape('rect', { width: 3.2, height: 7, class: `f${i}` }, p);
  }
  const phone = isPhone();
  for (const b of plan.bars) {
    const streams = streamsOf(b);
    b.outs.forEach(e => { e.colour = streams.length > 1 ? streams.indexOf(e) % 4 : 0; });
  }
  for (const e of plan.edges) makeEdge(e, phone, isScalar && isUnder(e) ? under : lines);
  /* a text beside a ribbon, or beside a lane, reaches as far as the next lane */
  const reached = (e, x) => min(plan.width + 2, ...plan.edges.filter(f => f.lane > x && f !== e && f.y0 < e.at + 9 && f.y1 > e.at - 9).map(f => f.lane));
  for (const e of plan.edges) Object.assign(e, { most: reached(e, e.x) - 8, room: reached(e, e.lane + 1) });
  for (const b of plan.bars) if (isForked(b)) {
    b.stack = { pieces: streamsOf(b).map(e => ({ e, bend: shape('path', { class: 'rib' }, lines), block: shape('rect', {}, lines), text: shape('text', { class: 'piece' }, lines) })), bracket: shape('path', { class: 'bracket' }, lines) };
  }
}
/* whether an edge passes a bar between its own two */
const isUnder = e => plan.bars.some(b => b.row > e.from.row && b.row < e.to.row && b.x < e.x + plan.slot / 2 && b.x + b.w > e.x - plan.slot / 2);
/* a rule as a gear: what it multiplies the gradient by, if it is a product */
const PRODUCT = /^(?:([^\ue00c(]+)·|(−))?\ue00c(?:(?:·| × )([^\ue00c]+))?$/u;
const gearText = rule => rule.replace(PRODUCT, (_, before, minus, after) => `×${[before, minus && '−1', after].filter(Boolean).join('·') || 1}`).replace(/.*\ue00c.*/u, '');
function makeEdge(e, phone, within) {
  const { reach } = plan, y0 = e.from.y + e.from.h, y1 = e.to.y, gap = plan.gap;
  e.passes = e.uses.some(use => use.passes);
  const near = phone || plan.slot < 150 ? 14 : 26, long = y1 - y0, radius = phone ? 8.5 : clamp(min(gap, long) * .2, 9, 20);
  const lane = e.x + (e.passes ? reach.lane : -near), gear = e.x + (e.passes ? reach.gear : phone ? 14 : 22);
  const group = shape('g', {}, within), at = y1 - (plan.isInline ? gap / 2 : max(gap * .52, phone ? 21 : 26));
  Object.assign(e, { y0, y1, lane, gear, at, radius, group, ribbonAt: e.x + reach.ribbon });
  e.line = shape('path', { class: 'lane', d: `M${lane} ${y0}V${y1 - 9}` }, group);
  shape('path', { class: 'arrow', d: `M${lane} ${y1 - 1}l-6 -10h12z` }, group);
  if (e.passes) {
    e.ghost = shape('path', { class: 'ghost', d: `M${e.ribbonAt + 6} ${y0}V${y1}` }, group);
    e.ribbon = shape('rect', { class: 'rib', y: y0, height: max(0, y1 - y0) }, group);
    e.chevrons = shape('path', { class: 'chev' }, group);
    e.sent = shape('text', { class: 'ct' }, group);
  }
  e.formula = e.uses.length === 1 && (e.to.ops.length === 1 || e.to.entry.layer) ? gearText(e.uses[0].text) : '';
  if (e.from.ops.length > 1 && e.uses[0].tail !== e.from.ops.at(-1) && long > 60) e.named = shape('text', { class: 'gs', x: lane + 7, y: y0 + 15 }, group, cards.get(e.uses[0].tail).s);
  const hasGear = gearOf(e) !== undefined || (e.formula && e.formula.length <= (phone ? 6 : plan.isInline ? 8 : 12));
  if (hasGear) {
    e.turning = shape('g', {}, group);
    e.cog = shape('path', { class: 'gear', d: COG }, e.turning);
    e.ratio = shape('text', { class: 'gt' }, group);
    show(e.cog, plan.hasCogs);
    e.ratioAt = gear + radius + 3;
    set(e.ratio, plan.isInline ? { x: e.ratioAt, y: at + 5, 'text-anchor': 'start' } : { x: gear, y: at + radius + (phone ? 5 : 9), 'text-anchor': 'middle' });
    e.was = shape('text', { class: 'gs' }, group);
  }
  e.chip = shape('g', { class: 'chip' }, lines);
  e.chipBox = shape('rect', { rx: 9, height: phone ? 18 : 24, y: phone ? -9 : -12 }, e.chip);
  e.chipText = shape('text', { y: phone ? 4.5 : 5.5 }, e.chip);
}

/* ---------------------------------------------------------------- a frame */

/* what is known at the present step */
function knowledge() {
  const { steps, rows } = plan, k = S.step, done = k === null ? steps : steps.slice(0, k + 1), wave = S.wave;
  const act = k === null ? null : steps[k];
  const down = new Set(done.filter(s => s.down).map(s => s.down)), up = new Set(done.flatMap(s => s.edges ?? [])), through = new Set(done.map(s => s.up));
  const risen = row => k === null && S.seen && (!wave || wave.up >= rows - 1 - row);
  return {
    act, isValue: b => b.leaf || k === null || down.has(b),
    isEdge: e => k === null ? risen(e.to.row) : up.has(e),
    isThrough: b => k === null ? risen(b.row) : through.has(b),
    isSeeded: k === null ? S.seen && (!wave || wave.down >= rows - 1) : done.some(s => s.seed),
  };
}
const isKnown = (b, know) => isEnd(b) ? know.isSeeded : streamsAll(b).every(know.isEdge);
const streamsAll = b => b.outs.filter(e => e.passes);
/* the bars below the one whose number is moved */
function movedBars() {
  const found = new Set();
  if (!S.moved) return found;
  const key = keyOf(S.moved);
  for (const b of plan.bars) if ([b.leaf, ...b.ops, ...b.own].includes(key) || b.ins.some(e => found.has(e.from))) found.add(b);
  return found;
}

let pending = 0;
const later = () => { pending ||= requestAnimationFrame(() => { pending = 0; draw(); }); };
function draw() {
  const know = knowledge(), h = moveOf(), on = S.moved && abs(h) > 1e-12 && S.step === null, moved = on ? movedBars() : new Set();
  const reached = S.wave ? S.wave.down : Infinity;
  const isHot = b => moved.has(b) && b.row <= reached, isLate = b => moved.has(b) && b.row > reached;
  const frame = { know, h, on, isHot, isLate, past: S.past };
  for (const b of isByNeurons ? plan.bars.filter(isEnd) : plan.bars) drawBar(b, frame);
  for (const c of cells) drawCell(c, frame);
  if (isByNeurons) drawNeurons(frame); else drawLines(frame);
  beside(frame);
}
function drawBar(b, { know, on }) {
  const { act } = know, list = b.place.classList;
  list.toggle('future', S.step !== null && !know.isValue(b));
  list.toggle('on', act?.down === b || (on && S.moved && (b.leaf === keyOf(S.moved) || b.ops.includes(keyOf(S.moved)))));
  list.toggle('onb', act?.up === b && !act.edges.length || !!act?.edges?.some(e => e.from === b) || !!(act?.seed && isEnd(b)));
  list.toggle('wrong', b.ops.some(k => cards.get(k).in.some(use => verdicts.get(use.id) === 'wrong')));
  if (b.compare) compareIn(b, on);
  if (b.tag) tell(b.tag, isEnd(b) && !S.seen && S.step === null && isLive && D.ask ? say`drag it to your guess` : b.w < (isPhone() ? 150 : 210) && cardOf(b).r === 'param' ? '' : TAGS()[isEnd(b) ? 'loss' : cardOf(b).r]);
}
/* how wide bars of these sizes are; what is not a number has none */
const widths = xs => xs.map(x => `${isFinite(x) ? (100 * abs(x) / (max(...xs.filter(isFinite).map(abs)) || 1)).toFixed(1) : 0}%`);
/* in L: what the gradient says of the move, and what L did */
function compareIn(b, on) {
  const g = on && S.past.gradient(keyOf(S.moved))?.[entryOf(S.moved)], isDone = !S.wave || S.wave.down >= plan.rows - 1;
  if (!on || g === undefined || !isDone) return fill(b.compare, '');
  const said = g * moveOf(), moved = N.value(D.end)[0] - S.past.value(D.end)[0], wide = widths([said, moved]);
  fill(b.compare, `<span>${say`gradient × h`}</span><u><i class="bp" style="width:${wide[0]}"></i></u><b class="gg">${signed(said)}</b><span>${say`really`}</span><u><i class="ba" style="width:${wide[1]}"></i></u><b>${signed(moved)}</b>`);
}
const barOf = new Map();
const shownIn = key => barOf.get(key);
function drawCell(c, { know, on, isHot, isLate, past }) {
  const b = shownIn(c.key), isLoss = c.key === D.end, asks = isLoss && !S.seen && S.step === null && !!D.ask;
  const now = () => N.value(c.key), old = () => past.value(c.key);
  const value = () => { const a = on && isLate(b) ? old() : now(); return a[c.at]; };
  let said = () => brief(value(), c.digits ?? 4);
  if (c.what === 'value') {
    const isShown = cards.get(c.key).in ? know.isValue(b) : true;
    if (S.dual && b.form !== 'tall') said = () => `${brief(value(), 3)} ${tangentSaid(c.key)}`;
    if (c.show) {
      const fixed = isLoss && (S.seen || S.step !== null || !D.ask);
      c.place.classList.toggle('fixed', fixed);
      c.place.tabIndex = fixed ? -1 : 0;
      c.show(asks ? brief(S.guess ?? value(), 4) : isShown ? said() : '?');
    } else tell(c.place, isShown ? said() : '?');
    c.place.classList.toggle('pick', c.id === S.chosen);
  } else if (c.what === 'how') {
    const isShown = know.isValue(b), card = cards.get(c.key), tails = [...new Set((card.in ?? []).map(use => use.tail))];
    const held = heldOff(c.id), wasText = () => say`was ${brief(old()[0])}`;
    c.place.classList.toggle('held', !!held);
    tell(c.place, S.dual && isShown ? tangentSaid(c.key) : asks && S.guess !== null ? say`now ${brief(value())}` : on && isHot(b) && !near(old()[0], now()[0]) ? wasText() : held ? say`held ${signed(held)} off` : !isShown || !card.in || card.f.length > (isPhone() ? 16 : 30) ? ''
      : isScalar ? filledIn(card.f, tails.map(k => (on && isLate(shownIn(k)) ? past.value(k) : N.value(k))[0])) : b.ops.length > 1 ? '' : card.f);
  } else if (c.what === 'gradient') {
    const isShown = know.isThrough(b) && (b.own.includes(c.key) || !b.leaf) && (b.ops.includes(c.key) && c.key === b.ops.at(-1) ? isKnown(b, know) : true) || (b.leaf && isKnown(b, know));
    tell(c.place, isShown ? brief(N.gradient(c.key)[c.at], 3) : '?');
    c.place.classList.toggle('hid', !isShown);
  } else if (c.what === 'was') tell(c.place, on && !(b && isLate(b)) && !near(old()[c.at], now()[c.at]) ? say`was ${brief(old()[c.at], 3)}` : '');
  else if (c.what === 'gear') tell(c.place, know.isValue(b) ? `×${brief(N.gear(c.gear)[c.at], 3)}` : '?');
  else if (c.what === 'sum') drawSum(c, know, b);
  else if (c.what === 'whence') {
    const streams = streamsAll(b), isShown = isKnown(b, know), g = N.gradient(c.key)[0];
    const [e] = streams, ratio = streams.length === 1 && isScalar ? gearOf(e) : undefined, up = e && N.gradient(e.to.ops.at(-1))?.[0];
    tell(c.place, !isShown ? '' : on && !S.wave && !near(past.gradient(c.key)[0], g) ? say`was ${brief(past.gradient(c.key)[0])}` : isEnd(b) ? say`the start`
      : ratio !== undefined && e.uses.length === 1 && e.to.ops.length === 1 ? `${inBrackets(up)} × ${inBrackets(ratio)}` : '');
  } else if (c.what === 'size') tell(c.place, know.isValue(b) ? say`rms ${brief(abs(sizeNow(now())), 2)}` : '?');
  else if (c.what === 'gradientSize') {
    const isShown = b.own.includes(c.key) ? know.isThrough(b) : isKnown(b, know);
    tell(c.place, `${c.isBare ? say`rms` : isPhone() && cards.get(c.key).s.length > 8 ? `∂${END.s}/∂·` : by(cards.get(c.key).s)} ${isShown ? brief(abs(sizeNow(N.gradient(c.key))), 2) : '?'}`);
  } else if (c.what === 'pattern') drawPattern(c.place, now(), cards.get(c.key), 'fwd', know.isValue(b));
  else drawPattern(c.place, N.gradient(c.key), cards.get(c.key), 'grad', b.own.includes(c.key) ? know.isThrough(b) : isKnown(b, know));
}
/* a formula with the numbers of its operands; a negative one in brackets, unless it has some */
const filledIn = (formula, numbers) => formula.replace(/(.?)([\ue000-\ue00b])(.?)/gu, (_, before, mark, after) => {
  const x = numbers[mark.codePointAt(0) - 0xe000];
  return before + (before === '(' && after === ')' ? brief(x, 3) : inBrackets(x)) + after;
}).replace(/(\d\)?)·(?=[\d(])/g, '$1 × ');
/* a gradient that is the sum of streams, in their colours */
function drawSum(c, know, b) {
  const streams = streamsOf(b), isAll = isKnown(b, know), digits = b.w < (isPhone() ? 150 : 260) ? 3 : 4, g = N.gradient(c.key)[0];
  c.place.classList.toggle('hid', !isAll);
  if (streams.length < 2 || b.isTotal) return fill(c.place, `<span>${isAll ? brief(g, digits) : '?'}</span>`);
  const known = streams.filter(know.isEdge).sort((p, q) => p.X - q.X), parts = known.map(addedBy);
  if (!known.length) return fill(c.place, '<span>?</span>');
  c.place.classList.remove('hid');
  const text = known.map((e, i) => `<span class="s${e.colour}">${i ? parts[i] < 0 ? '− ' : '+ ' : parts[i] < 0 ? '−' : ''}${brief(abs(parts[i]), 3)}</span>`).join(' ');
  fill(c.place, `${text} <span>= ${brief(isAll ? g : parts.reduce((p, q) => p + q, 0), digits)}${isAll ? '' : ' …'}</span>`);
}
function drawPattern(canvas, array, card, colour, isShown) {
  const columns = array.width ?? card.sh.at(-1) ?? 1, rows = max(1, round(array.length / columns)), nx = min(columns, 26), ny = min(rows, 10);
  for (const [side, n] of [['width', nx], ['height', ny]]) if (canvas[side] !== n) canvas[side] = n;
  const sums = new Float64Array(nx * ny), counts = new Float64Array(nx * ny);
  if (isShown) for (let k = 0; k < array.length; k++) {
    const at = floor(floor(k / columns) * ny / rows) * nx + floor(k % columns * nx / columns), size = abs(array[k]);
    if (size < 1e100) { sums[at] += size; counts[at]++; }
  }
  let most = 0;
  for (let k = 0; k < sums.length; k++) most = max(most, sums[k] /= counts[k] || 1);
  const pen = canvas.getContext('2d');
  pen.clearRect(0, 0, nx, ny);
  pen.fillStyle = getComputedStyle(stage).getPropertyValue(`--${colour}`);
  for (let k = 0; k < sums.length; k++) {
    pen.globalAlpha = .08 + .92 * (most ? sums[k] / most : 0);
    pen.fillRect(k % nx, floor(k / nx), 1, 1);
  }
}

/* pixels of a ribbon for a gradient of 1: a round number, so that ribbons of one page can be compared */
function unit() {
  let most = 0;
  for (const e of plan.edges) if (e.passes) { const size = abs(addedBy(e)); if (isFinite(size)) most = max(most, size); }
  if (!most) return 1;
  const u = plan.reach.most / most, ten = 10 ** floor(Math.log10(u)), m = u / ten, base = m < 2 ? 1 : m < 5 ? 2 : 5;
  return base * ten * min(m / base, 1.35);
}
function drawLines(frame) {
  const { know, on, isHot, isLate, past } = frame, u = unit(), phone = isPhone(), { act } = know, texts = [];
  /* texts of lines keep clear of each other and of bars */
  const isFree = (x, y, wide, half) => x + wide < plan.width - 2 && !texts.some(c => x < c.right && x + wide > c.left && abs(y - c.y) < (phone ? 17 : 22))
    && !(isScalar && plan.bars.some(b => b.y < y + half && b.y + b.h > y - half && b.x < x + wide && b.x + b.w > x)) ;
  const take = (x, y, wide, most = Infinity, half = phone ? 10 : 14) => { const is = x + wide < most && isFree(x, y, wide, half); if (is) texts.push({ left: x - 3, right: x + wide + 3, y }); return is; };
  for (const e of [...plan.edges].sort((p, q) => q.lane - p.lane)) {
    const hot = on && isHot(e.from) && isHot(e.to) || on && isHot(e.from), isActive = act?.down === e.to || act?.edges?.includes(e);
    const added = e.passes ? addedBy(e) : 0, isShown = e.passes && know.isEdge(e), width = clamp(abs(added) * u, 2.4, plan.reach.most) || 2.4, x = e.ribbonAt + width / 2;
    set(e.group, { opacity: S.step !== null && !know.isValue(e.to) ? .25 : 1 });
    set(e.line, { class: `lane ${hot || act?.down === e.to ? 'mv' : ''}` });
    if (e.turning) {
      const ratio = isScalar || e.uses.length === 1 ? on && isLate(e.to) && e.uses.length === 1 ? past.gear(e.uses[0].id)?.[0] : gearOf(e) : undefined;
      const start = on && cards.get(e.uses[0].tail).size === 1 ? N.value(e.uses[0].tail)[0] - past.value(e.uses[0].tail)[0] : 0;
      set(e.turning, { transform: `translate(${e.gear.toFixed(1)},${(e.at - (plan.isInline ? 0 : phone ? 6 : 8)).toFixed(1)}) rotate(${((start * (ratio || 0) * 70) % 360 || 0).toFixed(1)}) scale(${e.radius})` });
      set(e.cog, { class: `gear ${isActive ? act.down ? 'hot' : 'hotb' : hot ? 'hot' : ''}` });
      tell(e.ratio, ratio === undefined ? e.formula : `×${brief(ratio, phone && plan.slot < 85 ? 2 : 3)}`);
      const before = on && ratio !== undefined && !S.wave && !phone && e.uses.length === 1 ? past.gear(e.uses[0].id)?.[0] : undefined, changed = before !== undefined && !near(before, ratio) && plan.slot > 170;
      show(e.was, changed);
      if (changed) {
        tell(e.was, say`was ×${brief(before, 3)}`);
        const below = plan.gap > 98, right = e.passes ? x + width / 2 + 8 : e.gear + e.radius + 8, y = e.at + (e.passes ? 20 : 0);
        set(e.was, below ? { x: e.gear, y: e.at + e.radius + 27, 'text-anchor': 'middle' } : { x: right, y, 'text-anchor': 'start' });
        show(e.was, below || !plan.isInline && right + 74 < e.x + plan.slot + plan.reach.lane && isFree(right, y, 74, 14));
      }
    }
    const tail = e.uses[0].tail, delta = on && hot && !isLate(e.from) && cards.get(tail).size <= 2 ? [...N.value(tail)].map((v, i) => v - past.value(tail)[i]) : [];
    const turned = delta.map(signed).join(', '), broad = plan.character * turned.length + 10, end = min(e.lane + (phone ? 9 : 12), e.turning && plan.hasCogs ? e.gear - e.radius - 3 : Infinity), middle = max(broad / 2 + 2, end - broad / 2), y = plan.isInline ? e.at : phone ? e.y0 + 11 : e.at - 2;
    let isTold = delta.some(d => abs(d) > 1e-12);
    if (e.ratio) {
      const wide = plan.character * e.ratio.told.length, beside = middle + broad / 2 + 3;
      if (plan.isInline && !plan.hasCogs) {
        isTold &&= beside + wide < e.room;
        e.ratioAt = isTold ? max(e.lane + 8, beside) : e.lane + (phone ? 13 : 8);
        set(e.ratio, { x: e.ratioAt });
      }
      show(e.ratio, plan.isInline ? take(e.ratioAt, e.at, wide, e.room) : take(e.gear - wide / 2, e.at + e.radius + (phone ? 1 : 4), wide, Infinity, 7));
    }
    if (e.named) show(e.named, take(e.lane + 7, e.y0 + 10, plan.character * e.named.textContent.length, e.room));
    isTold &&= take(middle - broad / 2, y, broad);
    show(e.chip, isTold);
    if (e.cog) show(e.cog, plan.hasCogs && !(isTold && middle + broad / 2 > end + 1));  // at the left edge a wide change would cover it
    if (isTold) {
      tell(e.chipText, turned);
      set(e.chipBox, { x: -broad / 2, width: broad });
      set(e.chip, { transform: `translate(${middle},${y})` });
    }
    if (!e.passes) continue;
    show(e.ghost, !isShown);
    for (const part of [e.ribbon, e.chevrons, e.sent]) show(part, isShown);
    if (!isShown) continue;
    const isWrong = e.uses.some(use => verdicts.get(use.id) === 'wrong'), c = isWrong ? 4 : e.colour;
    set(e.ribbon, { x: x - width / 2, width, fill: added < 0 ? `url(#n${c})` : `var(--sf${c})`, stroke: `var(--s${c})`, 'stroke-width': isWrong ? 4 : act?.edges?.includes(e) ? 2.6 : 1.6 });
    const reach = min(width * .3, 9);
    let d = '';
    for (let y = e.y1 - 14; y > e.y0 + 10; y -= phone ? 22 : 30) d += `M${(x - reach).toFixed(1)} ${y + reach * .6}L${x.toFixed(1)} ${y - reach * .6}L${(x + reach).toFixed(1)} ${y + reach * .6}`;
    set(e.chevrons, { d, stroke: `var(--s${c})` });
    const said = isWrong ? say`WRONG` : brief(added, isScalar ? 4 : 2), wide = said.length * plan.character, left = x + width / 2 + 8;
    const isWanted = isWrong || !phone || streamsOf(e.from).length > 1 || !isScalar, isBeside = isWanted && take(left, e.at, wide, e.most);
    const fits = isBeside || isWrong || isWanted && e.y1 - e.y0 > 150 && take(x - wide / 2, (e.y0 + e.y1) / 2, wide, e.most);
    show(e.sent, fits);
    if (fits) {
      tell(e.sent, said);
      set(e.sent, isBeside || isWrong ? { x: left, y: e.at + (plan.isInline ? 5 : 0), 'text-anchor': 'start' } : { x, y: (e.y0 + e.y1) / 2, 'text-anchor': 'middle' });
      set(e.sent, { fill: `var(--s${c})` });
    }
  }
  for (const b of plan.bars) if (b.stack) drawStack(b, know, u);
}
/* Streams bend inside the bar that they come from and stack into one bar under a bracket; with both signs, each begins where the last one ended. */
function drawStack(b, know, u) {
  const phone = isPhone(), foot = b.y + b.h, high = phone ? 11 : 20, top = foot - plan.fork + (phone ? -1 : 6);
  const known = b.stack.pieces.filter(({ e }) => know.isEdge(e)), added = known.map(({ e }) => addedBy(e));
  let [low, up, at] = [0, 0, 0];
  for (const v of added) { at += v; low = min(low, at); up = max(up, at); }
  const isMixed = added.some(v => v < 0) && added.some(v => v > 0), xs = known.map(({ e }) => e.ribbonAt);
  const middle = xs.length ? clamp((min(...xs) + max(...xs)) / 2, b.x + (up - low) * u / 2 + 8, b.x + b.w - (up - low) * u / 2 - 8) : b.x, zero = middle - (up + low) / 2 * u;
  at = 0;
  for (const { bend, block, text } of b.stack.pieces) for (const part of [bend, block, text]) show(part, false);
  known.sort((p, q) => p.e.X - q.e.X).forEach(({ e, bend, block, text }, i) => {
    const v = addedBy(e), from = zero + at * u, to = zero + (at + v) * u, left = min(from, to), wide = max(2.4, abs(to - from)), ribbon = clamp(abs(v) * u, 2.4, plan.reach.most), x = e.ribbonAt;
    const deep = min(high * .62, (foot - top - high) / known.length), y = top + (isMixed ? i * deep : 0), tall = isMixed ? deep : high, y2 = y + tall, m = (y2 + foot) / 2 + 2;
    set(bend, { d: `M${x} ${foot}C${x} ${m} ${left} ${m} ${left} ${y2}H${left + wide}C${left + wide} ${m} ${x + ribbon} ${m} ${x + ribbon} ${foot}Z`, fill: v < 0 ? `url(#n${e.colour})` : `var(--sf${e.colour})`, stroke: `var(--s${e.colour})` });
    set(block, { x: left, y, width: wide, height: tall, fill: `var(--s${e.colour})` });
    const said = brief(v, 3), room = !isMixed && said.length * (phone ? 7.5 : 9.5) < wide;
    show(bend, true); show(block, true); show(text, room);
    if (room) { tell(text, said); set(text, { x: left + wide / 2, y: y2 - (phone ? 1 : 4.5) }); }
    at += v;
  });
  show(b.stack.bracket, known.length > 0);
  const y = top - (phone ? 2 : 5);
  set(b.stack.bracket, { d: `M${zero} ${y - 4}V${y}H${zero + at * u}V${y - 4}${isMixed ? `M${zero} ${y}V${top + high * 1.3}` : ''}` });
}

/* ---------------------------------------------------------------- all anew */

function rebuild() {
  layOut();
  stage.replaceChildren();
  cells = [];
  barOf.clear();
  for (const b of [...plan.bars].reverse()) for (const k of [...(b.leaf ? [b.leaf] : b.ops), ...b.own]) barOf.set(k, b);
  stage.style.setProperty('--k', plan.scale.toFixed(3));
  stage.classList.toggle('numbers', isScalar);
  isByNeurons &&= canShowNeurons();
  stage.classList.toggle('neurons', !!isByNeurons);
  show(el('level'), canShowNeurons());
  toggle(el('level'), !!isByNeurons);
  show(el('fold'), opened.size > 0);
  S.step = null;
  if (isByNeurons) { makeNeurons(); return draw(); }
  for (const b of plan.bars) makeBar(b);
  makeLines();
  draw();
  for (const b of plan.bars) if (b.num) fit(b); else fitHead(b);
  draw();
}
