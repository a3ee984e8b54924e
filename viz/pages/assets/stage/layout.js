/* The layout of the stage: which operations share a bar, in which row a bar lies, in which slot an edge runs. Nothing is drawn here. */

/* ---------------------------------------------------------------- bars and edges */

const keysOf = entry => typeof entry === 'string' ? [entry] : entry.in.flatMap(keysOf);
/* the leaf that the question turns, which stays in sight, and whether a bar has it, with a number for each entry */
const asked = () => D.ask && keyOf(D.ask.id), isAsked = b => !!D.ask && cards.get(asked()).size < 13 && (b.leaf === asked() || b.own.includes(asked()));

/* The bars of a list of entries of the tree of folds: one for each, and one for each leaf that is not kept inside the bars of its users.
   It is if `inside(card, bars)`. */
function barsOf(entries, cards, inside) {
  const bars = [], owner = new Map(), edges = new Map();
  const bar = (id, entry, ops, leaf = null) => ({ id, entry, ops, leaf, own: [], ins: [], outs: [], row: 0 });
  for (const entry of entries) {
    const ops = keysOf(entry), made = bar(ops[0] + (ops.length > 1 ? `-${ops.at(-1)}` : ''), entry, ops);
    bars.push(made);
    for (const key of ops) owner.set(key, made);
  }
  const leaves = [];
  for (const card of cards.values()) {
    if (card.in) continue;
    const users = new Set(card.uses.map(use => owner.get(use.head)));
    if (users.size && inside(card, users)) for (const b of users) b.own[card.k === asked() ? 'unshift' : 'push'](card.k);
    else {
      const made = bar(card.k, card.k, [], card.k);
      owner.set(card.k, made);
      leaves.push(made);
    }
  }
  for (const to of bars) for (const key of to.ops) for (const use of cards.get(key).in) {
    const from = owner.get(use.tail);
    if (!from || from === to) continue;
    const isFold = to.ops.length > 1 || from.ops.length > 1, id = isFold ? `${use.tail}>${to.id}` : use.id;  // each value that leaves a fold has an edge of its own
    if (!edges.has(id)) {
      const edge = { id, from, to, uses: [], X: 0 };
      edges.set(id, edge);
      from.outs.push(edge);
      to.ins.push(edge);
    }
    edges.get(id).uses.push(use);
  }
  for (const b of bars) b.row = b.ins.length ? 1 + max(...b.ins.map(e => e.from.row)) : 0;  // in the order of recording
  return [...leaves, ...bars];
}

/* ---------------------------------------------------------------- slots */

/* From the floor upwards: the edges that pass between two rows, from left to right. A bar takes the edges that leave it out of the list and puts the
   edges that enter it in their place. Foreign edges between those that leave it would be crossed. */
function swept(bars) {
  const rows = max(...bars.map(b => b.row)) + 1, above = [], below = [];
  let live = [], crossed = 0;
  for (let row = rows - 1; row >= 0; row--) {
    below[row] = live;
    const here = bars.filter(b => b.row === row).map(b => ({ b, at: b.outs.length ? min(...b.outs.map(e => live.indexOf(e))) : live.length }));
    here.sort((a, b) => a.at - b.at);
    for (const { b } of here) {
      const places = b.outs.map(e => live.indexOf(e)), first = min(...places), last = max(...places);
      if (places.length) crossed += last - first + 1 - places.length;
      const left = places.length ? live.slice(0, first) : live, right = places.length ? live.slice(first).filter(e => e.from !== b) : [];
      live = [...left, ...b.ins, ...right];
    }
    above[row] = live;
  }
  return { rows, above, below, crossed };
}

/* the most edges between two rows: as many columns are needed in any order */
const leastColumns = bars => max(...bars.map((_, row) => bars.reduce((sum, b) => sum + b.ins.filter(e => e.from.row <= row && row < b.row).length, 0)));

/* Operands are swapped where that keeps the uses of a value side by side. */
function ordered(bars) {
  const cost = s => 100 * s.crossed + max(...s.above.map(list => list.length)) + wander(s);
  /* the left operand stays left, and what is computed goes down at the left, unless something is gained */
  const wander = s => {
    let sum = 0;
    for (const b of bars) b.ins.forEach((e, i) => { sum += .02 * (b.first.indexOf(e) !== i) + (i && e.from.ops.length && !b.ins[0].from.ops.length ? .01 : 0); });
    return sum;
  };
  for (const b of bars) b.first ??= [...b.ins];
  let best = swept(bars), least = cost(best);
  for (let pass = 0, better = true; better && pass < 4; pass++) {
    better = false;
    for (const b of bars) {
      if (b.ins.length < 2) continue;
      const kept = b.ins;
      const others = kept.flatMap((e, i) => kept.slice(i + 1).map((f, j) => {
        const order = [...kept];
        [order[i], order[i + 1 + j]] = [f, e];
        return order;
      })).slice(0, 12);
      for (const order of others) {
        b.ins = order;
        const tried = swept(bars), c = cost(tried);
        if (c < least - 1e-9) [best, least, better] = [tried, c, true]; else b.ins = kept;
        if (b.ins === order) break;
      }
    }
  }
  return best;
}

/* Bars of a row whose edges would take turns cannot stand side by side: one of them gets a row of its own, in which the other's edges pass under it. */
function parted(bars) {
  for (;;) {
    const found = ordered(bars), reach = b => { const places = b.outs.map(e => found.below[b.row].indexOf(e)); return [min(...places), max(...places)]; };
    const twisted = bars.find(b => b.outs.length && bars.some(c => {
      if (c === b || c.row !== b.row || !c.outs.length) return false;
      const [from, to] = reach(c);
      return from < reach(b)[0] && reach(b)[0] < to;
    }));
    if (!twisted) return found;
    const { row } = twisted;
    for (const b of bars) if (b === twisted || b.row > row) b.row++;
  }
}

/* The column of each edge: as far left as its neighbours let it be, which lie right of it in a row or between two rows. Gives the number of columns, and
   what lies in each row from left to right: bars, and edges that pass. */
function columned(bars) {
  const { rows, above, below, crossed } = isScalar ? parted(bars) : ordered(bars), later = [], sequences = [];
  const before = (e, f, by = 1) => { if (e && f && e !== f) later.push([e, f, by]); };
  for (let row = 0; row < rows; row++) {
    for (const list of [above[row], below[row]]) list.forEach((e, i) => before(list[i - 1], e));
    const items = [], seen = new Set();
    const spanned = new Set();  // edges that pass under a bar
    for (const b of bars) if (b.row === row && b.outs.length > 1) {
      const places = b.outs.map(e => below[row].indexOf(e));
      for (let i = min(...places); i < max(...places); i++) if (below[row][i].from !== b) spanned.add(below[row][i]);
    }
    for (const e of below[row].length ? below[row] : above[row]) {
      const b = below[row].length ? (e.from.row === row ? e.from : null) : e.to, item = b ?? e;
      if (seen.has(item) || spanned.has(item)) continue;
      seen.add(item);
      items.push(b ? { bar: b, up: above[row].filter(x => x.to === b), down: below[row].filter(x => x.from === b) } : { edge: e, up: [e], down: [e] });
    }
    items.forEach((item, i) => {
      const left = items[i - 1];
      if (left) for (const e of [left.up.at(-1), left.down.at(-1)]) for (const f of [item.up[0], item.down[0]]) before(e, f);
    });
    sequences[row] = items;
  }
  const edges = bars.flatMap(b => b.ins);
  const relax = all => {
    for (const e of edges) e.X = 0;
    for (let n = 0, moved = true; moved && n < edges.length + 3; n++) {
      moved = false;
      for (const [e, f, by] of all) if (f.X < e.X + by) { f.X = e.X + by; moved = true; }
    }
    return max(0, ...edges.map(e => e.X)) + 1;
  };
  /* a bar with one computed operand stands on it, unless that takes another column */
  const plumb = [];
  for (const b of bars) {
    const computed = b.ins.filter(e => e.from.ops.length);
    if (computed.length === 1 && b.outs.length === 1) plumb.push([computed[0], b.outs[0], 0]);
  }
  const columns = relax(later);
  if (relax([...later, ...plumb]) > columns) relax(later);
  return { rows, columns, sequences, crossed };
}

/* ---------------------------------------------------------------- heights and places */

/* A stage's sizes: `pad` and `top` are margins; `bar` and `gap` the heights of a bar and of the room between two, by the form of bars. */
const sizesOf = (width, isPhone) => isPhone
  ? { pad: 4, top: 6, space: 3, fork: 46, bar: { tall: 54, mid: 38, line: 24 }, gap: { tall: 37, mid: 26, line: 25 }, least: 70 }
  : { pad: 20, top: 14, space: 14, fork: 62, bar: { tall: 78, mid: 58, line: 38 }, gap: { tall: 46, mid: 36, line: 32 }, least: 120 };
const FORMS = ['tall', 'mid', 'line'];

/* where lane, gear and ribbon of an edge are, from the middle of its slot, and the most that a ribbon is wide */
function reachOf(slot, isPhone, isInline, alike) {
  const phone = isPhone || slot < 64;
  if (!alike && slot > 300) return phone ? { lane: -66, gear: 0, ribbon: 46, most: 22 } : { lane: -110, gear: 0, ribbon: 80, most: 52 };
  const found = phone ? { lane: -clamp(slot * .36, 12, 34), gear: -3, ribbon: clamp(slot * .24, 9, 26) } : { lane: -clamp(slot * .26, 32, 52), gear: slot < 190 ? -5 : 0, ribbon: clamp(slot * .2, 24, 42) };
  if (isInline && phone && slot > 130) Object.assign(found, { gear: -14, ribbon: 46 });
  if (isInline && !phone) Object.assign(found, slot > 130 ? { lane: found.lane - 6, gear: -27, ribbon: max(found.ribbon, 46) } : { gear: -30, ribbon: 30 });
  return { ...found, most: clamp(slot / 2 - found.ribbon - 7, phone ? 4 : 6, phone ? 20 : 58) };
}
/* Gives each bar `x`, `y`, `w`, `h` and `form`, each edge `x`, and says what is lacking. `need(bar, form)` is the height of a bar, `least(bar)` the width that
   its text takes; `alike`: whether all bars have one form; `isForked(bar)`: whether streams of gradient meet in it. */
function placed(bars, width, height, isPhone, need, least, alike, isForked) {
  const size = sizesOf(width, isPhone), { rows, columns, sequences, crossed } = columned(bars), slot = (width - 2 * size.pad) / columns;
  const lines = Array.from({ length: rows }, (_, row) => bars.filter(b => b.row === row));
  const fork = bars.some(isForked) ? size.fork : 0, middle = X => size.pad + slot * (X + .5);
  for (const b of bars) { b.form = 'tall'; for (const e of b.ins) e.x = middle(e.X); }
  const most = isPhone ? 230 : 330, text = isPhone ? 150 : 300;
  const spread = ends => sequences.forEach((items, row) => items.forEach(({ bar: b, up, down }, i) => {
    if (!b) return;
    const xs = [...up, ...down].map(e => e.x), low = min(...xs) - slot / 2, high = max(...xs) + slot / 2;
    const bound = (item, side) => item ? item.bar ? side < 0 ? item.bar.x + item.bar.w + size.space / 2 : middle(min(...[...item.up, ...item.down].map(e => e.X))) - slot / 2
      : item.edge.x + (side > 0 ? -ends[0] : ends[1]) : side > 0 ? width - size.pad : size.pad;
    const left = bound(items[i - 1], -1), right = max(high, bound(items[i + 1], 1));
    let [from, to] = [low, high];
    if (b.leaf) {
      if (b.outs.length === 1 && to - from > most && alike) [from, to] = [(from + to - most) / 2, (from + to + most) / 2];
      else if (!alike) [from, to] = [left, right];
    } else if (row === rows - 1 || !alike) [from, to] = [left, right];
    else {
      from = left;
      to = min(right, max(high, from + text, ...b.ins.filter(e => e.from.ops.length).map(e => e.from.x + e.from.w)));
    }
    const wide = least(b) + size.space;
    if (to - from < wide) { to = max(to, min(right, from + wide)); from = min(from, max(left, to - wide)); }
    Object.assign(b, { x: from + size.space / 2, w: to - from - size.space });
  }));
  const endsOf = reach => [8 - reach.lane, reach.ribbon + reach.most + 6];
  spread(endsOf(reachOf(slot, isPhone, true, alike)));
  for (const b of bars) if (b.w === undefined) Object.assign(b, { x: size.pad, w: width - 2 * size.pad });  // a graph of one bar
  /* `all` forms step by step, or the highest bar first, until the rows fit */
  const tallest = line => max(...line.map(b => need(b, b.form) + (isForked(b) ? fork : 0)));
  const gapOf = () => max(...bars.map(b => size.gap[alike ? b.form : b.form === 'tall' ? 'mid' : 'line']), alike ? 0 : size.gap.line);
  const taken = () => lines.reduce((sum, line) => sum + tallest(line), 0) + 2 * size.top + (rows - 1) * gapOf();
  while (taken() > height) {
    const able = bars.filter(b => b.form !== 'line' && (alike || need(b, FORMS[FORMS.indexOf(b.form) + 1]) < need(b, b.form)));
    if (!able.length) break;
    const most = b => need(b, b.form) - 1e6 * isAsked(b), high = max(...able.map(most));
    for (const b of alike ? able : able.filter(b => most(b) === high)) b.form = FORMS[FORMS.indexOf(b.form) + 1];
  }
  const over = max(0, taken() - height - 1), spare = max(0, height - taken());
  const scale = alike && !isPhone && bars.every(b => b.form === 'tall') ? clamp(1 + spare / rows / 260, 1, 1.32) : 1, heights = lines.map(line => tallest(line) * scale);
  const gap = rows > 1 ? (height - 2 * size.top - heights.reduce((a, b) => a + b, 0)) / (rows - 1) : 0;
  const isInline = gap < (isPhone ? 34 : 48), hasCogs = !isInline || slot > 130, reach = reachOf(slot, isPhone, isInline, alike);
  let y = size.top + (rows > 1 ? 0 : (height - heights[0]) / 4);
  lines.forEach((line, row) => {
    for (const b of line) Object.assign(b, { y, h: heights[row] });
    y += heights[row] + gap;
  });
  if (!isInline) spread(endsOf(reach));
  /* rows and columns that are too many, and bars too narrow for their text */
  const narrow = size.least * (!alike ? .5 : isPhone ? .6 : crossed ? .8 : .55), lack = over / (size.bar.line + size.gap.line) + max(0, columns - (width - 2 * size.pad) / narrow) + (alike ? bars.reduce((sum, b) => sum + max(0, 1 - b.w / least(b)), 0) : 0);
  return { bars, edges: bars.flatMap(b => b.ins), rows, columns, slot, gap, isInline, hasCogs, reach, scale, fork, crossed, width, height, lack, fits: !lack };
}

/* ---------------------------------------------------------------- folding */

/* The entries to show: the tree's, with folds opened that the reader chose or that hold most of the graph; then further folds are opened, or neighbours
   are joined to runs, so that as many as fit fill the stage. `tries(entries)` gives their layout. `opened`: folds, whose entries are joined last. */
function entriesThatFit(tree, opened, cards, tries, atMost = 60) {
  const weight = entry => keysOf(entry).length, isFold = entry => typeof entry !== 'string', most = .6 * weight({ in: tree });
  const isOpen = entry => isFold(entry) && (opened.has(entry) || (!entry.layer && !entry.loss && weight(entry) > most));
  const expand = list => list.flatMap(entry => isOpen(entry) ? expand(entry.in) : [entry]);
  let list = expand(tree);
  if (list.length <= atMost && tries(list).fits) {
    for (let found = !opened.size; found;) {
      const folds = list.filter(e => isFold(e) && !e.layer && !e.loss).sort((a, b) => weight(a) - weight(b)), before = list;
      found = folds.find(f => list.length + f.in.length - 1 <= atMost && tries(list.flatMap(e => e === f ? f.in : [e])).fits);
      if (found) list = before.flatMap(e => e === found ? found.in : [e]);
    }
    return list;
  }
  const kept = new Set([...opened].flatMap(fold => expand(fold.in))), partsOf = entry => entry.run ? entry.in : [entry], runOf = parts => parts.length > 1 ? { run: 1, in: parts } : parts[0];
  const replaced = (list, i, n, ...runs) => [...list.slice(0, i), ...runs.map(runOf), ...list.slice(i + n)], isKept = parts => kept.has(parts[0]) ? 1 : 0;
  /* values of the first part, other than its last, that the rest of the graph uses */
  const escaping = parts => {
    const keys = new Set(parts.flatMap(keysOf)), last = keysOf(parts.at(-1)).at(-1);
    return [...keys].filter(key => key !== last && cards.get(key).uses.some(use => !keys.has(use.head))).length;
  };
  /* a run is divided, an opened one first, and in the middle rather than at its ends; then ends of runs are moved by one while less and less is lacking */
  const divided = list => list.flatMap((entry, i) => {
    const parts = partsOf(entry), n = parts.length;
    return parts.slice(1).map((_, k) => ({ list: replaced(list, i, 1, parts.slice(0, k + 1), parts.slice(k + 1)), cost: 8 * escaping(parts.slice(0, k + 1)) + abs(n - 2 * k - 2) - n - 1e6 * isKept(parts) }));
  }).sort((p, q) => p.cost - q.cost).slice(0, 24).map(p => p.list);
  const moved = list => list.slice(1).flatMap((entry, i) => {
    const parts = [...partsOf(list[i]), ...partsOf(entry)], n = partsOf(list[i]).length;
    return [n - 1, n + 1].filter(k => k > 0 && k < parts.length).map(k => replaced(list, i, 2, parts.slice(0, k), parts.slice(k)));
  });
  const ranked = lists => lists.map(list => ({ list, lack: tries(list).lack })).sort((p, q) => p.lack - q.lack);
  const settled = way => {
    while (way.lack) { const [next] = ranked(moved(way.list)); if (!next || next.lack >= way.lack) return null; way = next; }
    return way.list;
  };
  const runs = [];
  list.forEach((entry, i) => { if (i && i < list.length - 1 && kept.has(entry) === kept.has(list[i - 1])) runs.at(-1).push(entry); else runs.push([entry]); });
  for (let found = runs.map(runOf); found;) { list = found; found = ranked(divided(list)).slice(0, 3).map(settled).find(Boolean); }
  return list;
}
