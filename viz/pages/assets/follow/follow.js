/* What the pages that follow a network share: its programs, checks in spare time, the gradient step, a nudge of a number. */

const D = JSON.parse(el('data').textContent);
const memory = { __proto__: null };
for (const [name, [kind, stored, text]] of Object.entries(D.states)) {
  const bytes = Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer;
  const from = stored === 'f4' ? new Float32Array(bytes) : new Float64Array(bytes);
  memory[name] = kind.startsWith('Big') ? globalThis[kind].from(from, v => BigInt(v)) : globalThis[kind].from(from);
}
/* an input of a program gets these numbers */
const put = (program, name, values) => {
  const array = program.inputs[name]?.data;
  if (!array) return;
  if (array instanceof BigInt64Array) for (let i = 0; i < array.length; i++) array[i] = BigInt(values[i]);
  else array.set(values);
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
    const found = verdict(along, claimed, step, size);
    checks.verdicts[key] = found;
    if (found === 'wrong') checks.wrong.push(name); else checks[{ right: 'right', kink: 'kinks', unsure: 'unsure' }[found]]++;
  }
  tellChecks();
  if (checks.at < checks.todo.length) checks.timer = setTimeout(checkMore, 4);
  checks.then(checks.at >= checks.todo.length);
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
    const base = along(0), found = verdict(along, g, 1e-3 * max(abs(w), .1), base);
    const e = 1e-5 * max(1, abs(w));
    tell(el('entry'), `${brief(w)} → ${brief(w + h)}`);
    tell(el('hs'), `h = ${signed(h)}`); tell(el('predicted'), signed(g * h)); tell(el('actual'), signed(along(h) - base));
    tell(el('slope'), brief(g));
    fill(el('quotient'), `${brief((along(e) - along(-e)) / (2 * e))} <span class="${found}">${{ right: '✓', wrong: '✗', kink: '∠' }[found] ?? ''}</span>`);
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
    choose(name, at) { chosen = true; el('which').value = name; places(at); moved(); },
  };
}
