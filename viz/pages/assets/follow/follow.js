/* What the pages that follow a network share: its programs, checks in spare time, the gradient step, a nudge of a number. */

const D = JSON.parse(el('data').textContent);
const memory = unpackedStates(D.states);
/* an input of a program gets these numbers */
const put = (program, name, values) => {
  const array = program.inputs[name]?.data;
  array?.set(array instanceof BigInt64Array ? Array.from(values, v => BigInt(v)) : values);
};
const dot = (a, b) => { let sum = 0; for (let i = 0; i < a.length; i++) sum += a[i] * b[i]; return sum; };
const largest = a => { let top = 0; for (const v of a) top = max(top, abs(v)); return top; };
const percent = share => isFinite(share) ? minus(`${round(100 * share) || 0} %`) : '–';
const still = () => matchMedia('(prefers-reduced-motion: reduce)').matches;
/* percentages that add up to 100 as they are read: the largest remainders are rounded up */
function rounded(shares) {
  const down = shares.map(s => floor(100 * s)), left = round(100 * shares.reduce((a, b) => a + b, 0)) - down.reduce((a, b) => a + b, 0);
  const order = shares.map((s, i) => [100 * s - down[i], i]).sort((a, b) => b[0] - a[0]);
  for (let i = 0; i < left && i < order.length; i++) down[order[i][1]]++;
  return down;
}

/* ---------------------------------------------------------------- what is followed: an example, its targets, the losses that are chosen */

const n = D.tokens, perToken = D.losses > 1;
const S = { x: D.x.slice(), target: D.target.slice(), shown: n, loss: perToken ? D.losses_at : 0, focus: perToken ? D.losses_at : 0 };
let R = null, view = null;
const nameOf = (names, i) => names?.[i] ?? String(i);
const token = t => nameOf(D.symbols, D.integer ? S.x[t] : t), label = c => nameOf(D.classes, c), quote = s => `‘${esc(cut(s, 216))}’`;
const columnsOf = n => [...Array(n).keys()], columns = () => columnsOf(S.shown);
const chosen = () => columnsOf(D.losses).map(i => !perToken ? 1 : S.loss < 0 ? (i < S.shown ? 1 / S.shown : 0) : +(i === S.loss));
function feed(program) { put(program, 'x', S.x); put(program, 'target', S.target); put(program, 'which', S.which); }
/* what Python computed of the chosen losses, where the network is too large to compute here */
function recordedProgram() {
  const outputs = {};
  const run = () => { for (const [name, text] of Object.entries(D.recorded[S.loss])) { const data = unpacked(text, Float32Array); outputs[name] = { data, shape: [data.length], strides: [1], offset: 0 }; } };
  return { inputs: {}, outputs, run };
}
const gradient = name => R.parameters[name];
/* the chosen losses from the forward pass alone */
function forward() { feed(live.forward); live.forward.run(); return dot(entriesOf(live.forward.outputs.losses), S.which); }
let waiting = 0;
/* steps of a generator, in the time that is left */
function idle(steps) {
  clearTimeout(waiting);
  const end = performance.now() + 12;
  let done = false;
  while (!done && performance.now() < end) done = steps.next().done;
  if (!done) waiting = setTimeout(idle, 4, steps);
}

/* ---------------------------------------------------------------- checks, in the time that is left */

const checks = { todo: [], at: 0, wrong: [], kinks: 0, right: 0, unsure: 0, timer: 0, verdicts: {}, then: () => {} };
/* `tasks`: {key, name, claimed, along, step, size}; `along(h)` is the loss at a distance h; `then` is called when verdicts have come */
function check(tasks, then) {
  clearTimeout(checks.timer);
  Object.assign(checks, { todo: tasks, at: 0, wrong: [], kinks: 0, right: 0, unsure: 0, verdicts: {}, then });
  checks.timer = setTimeout(checkMore, 30);
  tellChecks();
}
function checkMore() {
  const end = performance.now() + 10;
  while (checks.at < checks.todo.length && performance.now() < end) {
    const { key, name, claimed, along, step, size } = checks.todo[checks.at++];
    const found = verdict(along, claimed, step, size, true);
    checks.verdicts[key] = found;
    if (found === 'wrong') checks.wrong.push(name); else checks[{ right: 'right', kink: 'kinks', unsure: 'unsure' }[found]]++;
  }
  tellChecks();
  if (checks.at < checks.todo.length) checks.timer = setTimeout(checkMore, 4);
  checks.then(checks.at >= checks.todo.length);
}
/* the slope of each parameter along its own gradient, without rows that are held, as that of a padding token */
function parameterTasks(size) {
  return D.parameters.flatMap(({ name, state, shape, held }) => {
    const g = gradient(name).slice(), wide = g.length / shape[0];
    for (const row of held) g.fill(0, row * wide, (row + 1) * wide);
    const w = memory[state], before = w.slice(), g2 = dot(g, g), along = h => {
      for (let i = 0; i < g.length; i++) w[i] = before[i] + h * g[i] / g2;
      const found = forward();
      w.set(before);
      return found;
    };
    return g2 > 0 ? [{ key: `d ${name}`, name, claimed: 1, step: 1e-3 * Math.sqrt(g2) * (largest(before) || 1), size, along }] : [];
  });
}
function tellChecks() {
  const { todo, at, wrong, kinks, right, unsure } = checks, place = el('verdict');
  place.className = `badge ${wrong.length ? 'wrong' : at < todo.length ? 'skipped' : ''}`;
  const rest = [kinks && say`${kinks} at a kink`, unsure && say`${unsure} too small to tell`].filter(Boolean).join(', ');
  const said = wrong.length ? [say`✗ ${wrong.length} of ${todo.length} differ`, wrong.slice(0, 3).join(', ')]
    : at < todo.length ? [say`checking ${at} of ${todo.length}`, say`by differences`]
      : [say`✓ ${right} gradients`, say`= differences of the loss` + (rest && ` (${rest})`)];
  fill(place, `<b>${esc(said[0])}</b> ${esc(said[1])}`);
}
/* what the chosen loss is of, and how much it is */
function lossSaid() {
  const t = S.loss, isMean = perToken && t < 0, loss = brief(R.loss, 3);
  if (isMean) return say`The mean of all ${S.shown} losses is ${loss}.`;
  if (!D.scored) return perToken ? say`The loss at ${quote(token(t))} is ${loss}.` : say`The loss is ${loss}.`;
  const right = quote(label(S.target[t])), share = percent(R.probs[t * D.outputs + S.target[t]]);
  if (!perToken) return say`The network gives ${right} a probability of ${share}: loss ${loss}.`;
  return D.next ? say`After ${quote(token(t))} came ${right}, which had ${share}: loss ${loss}.` : say`At ${quote(token(t))} it should be ${right}, which had ${share}: loss ${loss}.`;
}
/* a question with a guess in percent, until it is answered; then `then` */
function ask(place, question, note, then) {
  if (S.guess !== null) return false;
  if (place.asked === question && one('#guess', place)) return true;
  place.asked = question; place.filled = undefined;
  place.innerHTML = `<h2>${question}</h2><div class="form"><input type="range" id="guess" min="0" max="100" value="50" aria-label="${say`your guess in percent`}"><output id="guessed" class="num">50 %</output><button type="button" id="answer">${say`answer`}</button></div><p class="note">${note}</p>`;
  el('guess').oninput = () => tell(el('guessed'), `${el('guess').value} %`);
  el('answer').onclick = () => { S.guess = +el('guess').value; then(); };
  return true;
}
/* a row of the panel: the shares of a shortcut and of a block as a bar, in percent, and their verdict */
function shareRow(name, [s, b], key) {
  const [shortcut, block] = isFinite(s) ? rounded([s, b]) : [0, 0], total = abs(s) + abs(b), bar = (part, first) => `<i class="${first}" style="width:${100 * abs(part) / total}%"></i>`;
  return `<tr><td>${name}</td><td class="wide"><div class="bar">${isFinite(s) ? bar(s, 'first') + bar(b, '') : ''}</div></td><td class="num">${isFinite(s) ? minus(`${shortcut}+${block < 0 ? `(${block})` : block}`) : '–'}</td><td>${mark(key)}</td></tr>`;
}
const mark = key => ({ right: '<span class="right">✓</span>', wrong: '<span class="wrong">✗</span>', kink: '<span>∠</span>' })[checks.verdicts[key]] ?? '';

/* ---------------------------------------------------------------- learning, and one number moved by hand */

/* The sections "Learn" and "Nudge" of the panel. `of`: `gradient(name)`, `loss()` forward alone, `said()` what is learned from, `changed()`. */
function weights(of) {
  const shapes = Object.fromEntries(D.parameters.map(p => [p.name, p])), before = [];
  const count = D.parameters.reduce((sum, p) => sum + memory[p.state].length, 0);
  const learn = element('section', {}, el('panel')), nudge = element('section', {}, el('panel'));
  learn.innerHTML = `<h2>${say`Learn from this loss`}</h2><div class="form"><button type="button" class="go" id="step">${say`take a step`}</button>
    <label>${say`rate`} <input type="number" id="rate" step="any" min="0"></label><button type="button" id="undo" disabled>${say`undo`}</button></div><p class="note" id="learned"></p>`;
  const options = D.parameters.map(p => `<option value="${esc(p.name)}">${esc(p.name)} (${p.shape.join('×')})</option>`).join('');
  nudge.innerHTML = `<h2>${say`Nudge a number`}<small><button type="button" class="bare" id="most">${say`the steepest`}</button></small></h2><div class="form"><select id="which" aria-label="${say`parameter`}">${options}</select>
    <span id="places" class="form"></span></div><div class="form"><label for="h" id="entry"></label><input type="range" id="h" min="-0.5" max="0.5" step="0.005" value="0.1"><output id="hs" class="num"></output></div>
    <table class="rows"><tr><td></td><td class="num grad">g·h</td><td class="num">${say`actual`}</td></tr><tr><td>${say`loss changes by`}</td><td class="num grad" id="predicted"></td><td class="num" id="actual"></td></tr>
    <tr><td>${say`g, by differences`}</td><td class="num grad" id="slope"></td><td class="num" id="quotient"></td></tr></table>`;
  el('learned').textContent = say`All ${count.toLocaleString('en')} weights move against their gradient.`;
  let index = [], typed = false, chosen = false;
  const squared = () => D.parameters.reduce((sum, p) => { const g = of.gradient(p.name); return sum + dot(g, g); }, 0);
  const flat = () => { const p = shapes[el('which').value]; return index.reduce((at, i, axis) => at * p.shape[axis] + i, 0); };
  function places(at = null) {
    const { shape } = shapes[el('which').value];
    index = at ?? shape.map(n => min(n - 1, 0));
    el('places').innerHTML = shape.map((n, axis) => `<input type="number" min="0" max="${n - 1}" value="${index[axis]}" aria-label="${say`place on axis`} ${axis + 1}">`).join('');
    all('input', el('places')).forEach((field, axis) => { field.oninput = () => { chosen = true; index[axis] = clamp(floor(+field.value || 0), 0, shape[axis] - 1); moved(); }; });
  }
  function moved() {
    const p = shapes[el('which').value], array = memory[p.state], at = flat(), w = array[at], g = of.gradient(p.name)[at], h = +el('h').value;
    const along = d => { array[at] = w + d; const found = of.loss(); array[at] = w; return found; };
    const base = along(0), found = verdict(along, g, 1e-3 * max(abs(w), .1), base, true);
    const e = 1e-5 * max(1, abs(w));
    tell(el('entry'), `${brief(w)} → ${brief(w + h)}`);
    tell(el('hs'), `h = ${signed(h)}`); tell(el('predicted'), signed(g * h)); tell(el('actual'), signed(along(h) - base));
    tell(el('slope'), brief(g));
    fill(el('quotient'), p.held.includes(index[0]) ? say`this row is held` : `${brief((along(e) - along(-e)) / (2 * e))} <span class="${found}">${{ right: '✓', wrong: '✗', kink: '∠' }[found] ?? ''}</span>`);
    of.changed(false);
  }
  /* the number by which the loss falls most */
  function steepest() {
    let most = [D.parameters[0], 0, -1];
    for (const p of D.parameters) of.gradient(p.name).forEach((g, i) => { if (abs(g) > most[2]) most = [p, i, abs(g)]; });
    el('which').value = most[0].name;
    let left = most[1];
    places(most[0].shape.map((n, axis, shape) => { const run = shape.slice(axis + 1).reduce((a, b) => a * b, 1), at = floor(left / run); left %= run; return at; }));
  }
  el('most').onclick = () => { chosen = false; steepest(); moved(); };
  el('which').onchange = () => { chosen = true; places(); moved(); };
  el('h').oninput = moved;
  el('rate').oninput = () => { typed = true; };
  el('step').onclick = () => {
    const rate = +el('rate').value, predicted = -rate * squared(), from = of.total();
    before.push(D.parameters.map(p => memory[p.state].slice()));
    for (const p of D.parameters) { const array = memory[p.state], g = of.gradient(p.name); for (let i = 0; i < array.length; i++) array[i] -= rate * g[i]; }
    of.changed(true);
    el('undo').disabled = false;
    tell(el('learned'), say`Loss ${brief(from)} → ${brief(of.total())}: the gradient foretold ${signed(predicted)}, it was ${signed(of.total() - from)}.`);
  };
  el('undo').onclick = () => {
    D.parameters.forEach((p, i) => memory[p.state].set(before.at(-1)[i]));
    before.pop();
    el('undo').disabled = !before.length;
    of.changed(true);
    tell(el('learned'), say`The step is undone.`);
  };
  places();
  return {
    show() {
      if (!typed) { const g2 = squared(), rate = g2 > 0 ? .3 * abs(of.total()) / g2 : .01; el('rate').value = +rate.toPrecision(1); }
      if (!chosen) steepest();
      moved();
    },
  };
}

/* ---------------------------------------------------------------- tokens and losses, above and below the network */

/* a text cut to the width that it has */
const cut = (text, wide, each = 9) => text.length * each <= wide ? text : `${text.slice(0, max(1, floor(wide / each) - 1))}${wide >= 2 * each ? '…' : ''}`;
const turn = (x, y, name, text) => `<text class="${name}" transform="translate(${x + 5} ${y}) rotate(-90)" text-anchor="middle">${text}</text>`;
/* where columns are narrower than a line of text, only some have their texts */
const isNamed = t => t % ceil(16 / view.pitch) === 0;
function tokens() {
  const { x, wide, turned, tile } = view;
  return columns().map(t => `<g class="tile ${t === S.focus && S.loss !== null ? 'on' : ''}" data-token="${t}" role="button" tabindex="0" aria-label="${esc(say`token ${token(t)}, place ${t + 1}`)}">
    <rect x="${x(t) - wide / 2}" y="3" width="${wide}" height="${tile}" rx="5"/>${turned ? isNamed(t) ? turn(x(t), 3 + tile / 2, 'mono bold', esc(cut(token(t), tile - 6))) : '' : `<text class="mono bold" x="${x(t)}" y="23" text-anchor="middle">${esc(token(t))}</text>`}<title>${esc(token(t))}</title></g>`).join('');
}
const best = (t, count) => [...Array(D.outputs).keys()].sort((a, b) => R.probs[t * D.outputs + b] - R.probs[t * D.outputs + a]).slice(0, count);
function losses(guesses) {
  const { x, pitch, end, width, left, narrow, footed } = view, out = [];
  if (!perToken) {
    const shown = D.scored ? best(0, max(2, min(6, floor((width - left - 130) / 110)))) : [];
    if (D.scored && !shown.includes(S.target[0])) shown[shown.length - 1] = S.target[0];
    const each = min(150, (width - left - 130) / shown.length);
    out.push(`<g class="loss on" data-loss="0" role="button" tabindex="0"><rect x="${left}" y="${end + 38}" width="112" height="32" rx="4"/><text x="${left + 56}" y="${end + 59}" text-anchor="middle">${say`loss`} ${brief(R.loss, 3)}</text></g>`);
    shown.forEach((c, i) => out.push(`<g class="tile ${c === S.target[0] ? 'on' : ''}" data-class="${c}" role="button" tabindex="0"><rect x="${left + 124 + i * each}" y="${end + 38}" width="${each - 8}" height="32" rx="4"/>
      <text x="${left + 124 + i * each + (each - 8) / 2}" y="${end + 59}" text-anchor="middle">${esc(cut(label(c), each - 60))} ${percent(R.probs[c])}</text></g>`));
    return out.join('');
  }
  for (const t of columns()) {
    const likely = best(t, guesses);
    if (guesses && !likely.includes(S.target[t])) likely[guesses - 1] = S.target[t];
    likely.forEach((c, i) => {
      const p = round(100 * R.probs[t * D.outputs + c]), isIt = c === S.target[t];
      out.push(`<text class="mono ${isIt ? 'bold' : 'muted'}" x="${x(t) - min(30, pitch / 2 - 2)}" y="${end + 26 + 19 * i}">${esc(cut(label(c), min(60, pitch) - 32))} ${p}</text>`);
    });
    const wide = min(62, pitch - 3), y = end + 14 + guesses * 19;
    out.push(`<g class="loss ${D.recorded && !D.recorded[t] ? 'dim' : ''} ${t === S.loss || S.loss === -1 ? 'on' : ''}" data-loss="${t}" role="button" tabindex="0" aria-label="${esc(say`loss after ${token(t)}: ${brief(R.losses[t], 3)}`)}">
      <rect x="${x(t) - wide / 2}" y="${y}" width="${wide}" height="${footed}" rx="4"/>${footed > 30 ? isNamed(t) ? turn(x(t), y + footed / 2, '', R.losses[t].toFixed(2)) : '' : `<text x="${x(t)}" y="${y + 20}" text-anchor="middle">${R.losses[t].toFixed(2)}</text>`}</g>`);
  }
  if (!narrow) out.push(`<text class="bold" x="0" y="${end + 34 + guesses * 19}">${say`loss`}</text>`);
  if (!narrow && guesses) out.push(`<text class="muted" x="0" y="${end + 26}">${say`guesses, %`}</text>`);
  return out.join('');
}

/* ---------------------------------------------------------------- what the reader does */

/* `compute`, `refocus`, `draw`, `beside`, `panel`, `sentence`, `rest`, `setBack`, `pointed` and `arrow` are the network's own */
let learner = null;
function show(anew = true) {
  clearTimeout(checks.timer);
  if (anew) { Object.assign(checks, { todo: [], at: 0, verdicts: {} }); S.which = chosen(); compute(); } else refocus();
  for (const place of ['shares', 'ways']) el(place).hidden = S.loss === null;
  el('verdict').className = `badge ${D.recorded ? 'skipped' : ''}`;
  fill(el('verdict'), D.recorded ? say`as recorded, not checked: viz.check_graph(loss) checks every rule` : '');
  draw(); beside(); panel(); sentence();
  toggle(el('all'), S.loss === -1);
  if (D.recorded) return;
  clearTimeout(waiting);
  waiting = setTimeout(() => { learner?.show(); idle(rest()); }, 30);
}
function choose(loss, focus = null) {
  if (D.recorded && loss !== null && !D.recorded[loss]) return;
  S.loss = loss;
  if (focus !== null) S.focus = focus;
  else if (loss !== null && loss >= 0 && perToken) S.focus = loss;
  show();
}
/* the letters among the example's tokens, which a reader types anew, with the tokens before them and the one after */
function written() {
  const tokens = [...D.x, D.target[n - 1]], names = D.symbols ?? [];
  const letters = tokens.map(i => [...names[i] ?? ''].length === 1 && (i || /[\p{L}\p{N}]/u.test(names[0])) ? names[i] : '\0');
  const found = D.typed && letters.join('').match(/^(\0*)([^\0]+)(\0?)$/);
  return found && { head: tokens.slice(0, found[1].length), tail: found[3] ? tokens.at(-1) : null, word: found[2] };
}
const TEXT = written();
function write(word) {
  const { head, tail } = TEXT, known = [...word].map(c => D.symbols.indexOf(c)).filter(i => i >= 0).slice(0, n + (tail === null) - head.length);
  if (!known.length) return;
  const all = [...head, ...known, ...tail === null ? [] : [tail]], pad = Array(n).fill(0);
  S.shown = all.length - 1;
  S.x = [...all.slice(0, -1), ...pad].slice(0, n); S.target = [...all.slice(1), ...pad].slice(0, n);
  S.loss = min(S.loss, S.shown - 1); S.focus = min(S.focus, S.shown - 1);
  show();
}
const within = (e, query) => e.target.closest?.(query)?.dataset;
function clicked(e) {
  const at = within(e, '[data-loss],[data-class],[data-token],[data-head],[data-block]');
  if (!at) return;
  if (at.loss !== undefined) choose(perToken && S.loss === +at.loss ? null : +at.loss);
  else if (at.class !== undefined) { if (!D.recorded) S.target[0] = +at.class; show(); }
  else pointed(at);
}
function play() {
  if (still()) { setBack(steps); return; }
  const from = performance.now(), frame = now => {
    const part = min(1, (now - from) / 1800);
    setBack(part * steps);
    if (part < 1) requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}
function begin() {
  learner = D.recorded || !D.parameters.length ? null : weights({ gradient, loss: forward, total: () => R.loss, changed: again => { if (again) show(); } });
  el('walk').innerHTML = `<button type="button" id="play">▶ ${say`backward`}</button><input type="range" id="stage-of" min="0" max="${steps}" step="0.05" value="${steps}" aria-label="${say`how far the gradient has come back`}"><span id="stage-said"></span>`;
  el('play').onclick = play;
  el('stage-of').oninput = e => setBack(+e.target.value);
  for (const place of ['stage', 'beside', 'panel']) {
    listen(el(place), 'click', clicked);
    listen(el(place), 'keydown', e => { if ((e.key === 'Enter' || e.key === ' ') && within(e, '[tabindex]')) { e.preventDefault(); clicked(e); } });
  }
  listen(document, 'keydown', e => {
    if (isShortcut(e) || /^(INPUT|SELECT|BUTTON)$/.test(e.target.tagName) && e.key !== 'Escape') return;
    if (e.key === 'ArrowLeft' || e.key === 'ArrowRight') arrow(e.key === 'ArrowLeft' ? -1 : 1);
    else if (e.key === ' ' && !within(e, '[tabindex]')) { e.preventDefault(); play(); }
    else if (e.key === 'Escape' && perToken) choose(null);
  });
  if (perToken && !(D.recorded && !D.recorded[-1])) { el('all').hidden = false; el('all').onclick = () => choose(-1); }
  if (TEXT && !D.recorded) {
    el('given').innerHTML = `<input type="text" id="word" aria-label="${say`the text`}" spellcheck="false" autocomplete="off">`;
    el('word').value = TEXT.word;
    el('word').oninput = e => write(e.target.value);
  }
  theme(el('theme'), () => { if (R) { draw(); panel(); } });
  let resized = 0;
  listen(window, 'resize', () => { clearTimeout(resized); resized = setTimeout(() => { draw(); beside(); }, 60); });
  show();
}
