/* What the tests do in a page that follows an example. */
const wait = ms => new Promise(done => setTimeout(done, ms));
const checked = async () => { for (let i = 0; i < 200 && (!checks.todo.length || checks.at < checks.todo.length);
  i++) await wait(30); return text('#verdict'); };
const click = e => e.dispatchEvent(new MouseEvent('click', {bubbles: true}));
const judged = async change => { clearTimeout(checks.timer); change(); check(tasks(), () => {}); return checked(); };
async function numbersOfText() {
  for (const t of [1, -1]) {
    choose(t); await checked();
    seen[t] = {losses: [...R.losses], squares: [...R.squares], dots: [...R.dots], sum: R.routes.reduce((s,
      r) => s + r.share, 0),
      heads: attention.map(k => [...R.heads[k]]), table: [...R.parameters['embedding.weight']],
        verdict: text('#verdict')};
  }
}

async function faultsOfText() {
  choose(3); seen.right = await checked();
  const faults = {
    score: () => { for (const k of attention) R.scores[k] = R.scores[k].map(v => 1.001 * v); },
    share: () => { R.dots = R.dots.map(v => 1.001 * v); }, fork: () => { R.forks = R.forks.map(v => 1.001 * v); },
    head: () => { for (const k of attention) R.heads[k] = R.heads[k].map(v => 1.001 * v); },
    weight: () => { const name = D.parameters[2].name; R.parameters[name] = R.parameters[name].map((v,
      i) => v + .05 * (i % 2)); },
  };
  seen.faults = {};
  for (const name in faults) { show(); await checked(); seen.faults[name] = await judged(faults[name]); }
  show(); await checked();
  R.routes[3].share += 1e-3; S.guess = 40; ways(); seen.routes = text('#ways h2 small');
  show(); await checked();
  const before = D.parameters.map(p => [...memory[p.state]]), loss = R.loss;
  click(el('step')); click(el('step')); seen.fell = R.loss < loss; seen.learned = text('#learned');
  click(el('undo')); click(el('undo'));
  seen.undone = D.parameters.every((p, i) => memory[p.state].every((v,
    j) => v === before[i][j])) && R.loss === loss && el('undo').disabled;
  el('h').value = .25; el('h').dispatchEvent(new Event('input')); seen.nudge = [text('#predicted'),
    text('#actual'), text('#slope'), text('#quotient')];
  el('word').value = 'feb?'; el('word').dispatchEvent(new Event('input'));
  seen.typed = [...document.querySelectorAll('[data-token] text')].map(e => e.textContent); await checked();
  click(one('[data-loss="1"]')); seen.chosen = [S.loss, S.focus, text('#sentence')];
  click(one('[data-loss="1"]')); seen.none = [S.loss, text('#sentence'), S.focus, el('shares').hidden];
  choose(2); setBack(1.5); const some = attr => +one('#reach rect').getAttribute(attr); seen.back = [some('y'),
    view.y[3], view.y[4]];
  click(one('[data-head="2,1"]')); seen.head = S.head.join();
}

async function sizes() {
  await checked();
  const says = e => [...e.childNodes].some(c => c.nodeType === 3 && c.data.trim());
  const isSeen = e => e.getClientRects().length && !e.closest('.sr,script');
  const texts = [...document.querySelectorAll('body *')].filter(e => says(e) && isSeen(e));
  seen.small = Math.min(...texts.map(e => parseFloat(getComputedStyle(e).fontSize)));
  seen.wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    seen.tall = document.documentElement.scrollHeight - innerHeight;
}

async function recordedText() {
  seen.verdict = text('#verdict'); seen.shares = text('#shares');
  seen.all = Object.keys(D.recorded).map(Number).sort(); seen.loss = S.loss;
  seen.share = R.share(0, 0, S.focus) + R.share(0, 1, S.focus); seen.squares = [...R.squares];
  seen.heads = [...R.heads[0]]; seen.dots = [...R.dots]; choose(-1);
  seen.mean = [R.loss, R.losses.slice(0, 5).reduce((a, b) => a + b) / 5];
  click(one('[data-block="1"]')); seen.block = S.block; setBack(2); seen.programs = typeof program_backward;
}

async function besideAttention() {
  choose(2); seen.verdict = await checked(); seen.held = D.parameters.map(p => p.held);
  el('guess').value = 20; click(el('answer'));
  seen.shares = text('#shares .note').match(/−?\d+ %/g).map(s => parseInt(s.replace('−', '-')));
  seen.block = R.share(0, 1, S.focus); seen.routes = all('#ways .way').length;
}

async function maps() {
  seen.verdict = await checked(); seen.unsure = checks.kinks + checks.unsure;
  seen.labels = D.stages.map(s => s.label);
  seen.x = [...R.d[0]]; seen.parameters = Object.fromEntries(D.parameters.map(p => [p.name,
    [...R.parameters[p.name]]]));
  seen.share = R.share[1].slice(0, 2); seen.cone = cone({ s: 1, m: 0, i: 5 });
  seen.up = cone({ s: 0, m: 0, i: 0 });
  point({ s: 0, m: 0, i: 27 }); seen.sent = text('#sent p');
  seen.patches = document.querySelectorAll('#sent canvas').length;
  seen.frames = document.querySelectorAll('#marks rect').length;
  seen.faults = {};
  const faults = { cell: () => { R.d[1] = R.d[1].map(v => 1.001 * v);
  }, x: () => { R.d[0] = R.d[0].map(v => 1.001 * v); },
    share: () => { R.share[1][1] *= 1.001; },
    weight: () => { R.parameters['0.weight'] = R.parameters['0.weight'].map((v, i) => v + .05 * (i % 2)); } };
  for (const name in faults) { show(); await checked(); seen.faults[name] = await judged(faults[name]); }
  R.d[1] = R.d[1].map(v => 1.001 * v); point({ s: 0, m: 0, i: 28 }); seen.faults.sum = text('#sent .wrong');
  show();
  const box = one('#stage svg').getBoundingClientRect(), [x, y] = corner(1, 2, true), { scale } = view.places[1];
  const at = { bubbles: true, clientX: box.left + x + 1.5 * scale, clientY: box.top + y + 2.5 * scale };
  one('#stage svg').dispatchEvent(new PointerEvent('pointermove', at));
  seen.at = [S.at.s, S.at.m, S.at.i, text('#cell h2')];
  const [px, py] = corner(0, 0, false), press = { ...at, clientX: box.left + px + 2, clientY: box.top + py + 2 };
  const before = S.x[0];
  one('#stage svg').dispatchEvent(new PointerEvent('pointerdown', press));
  window.dispatchEvent(new PointerEvent('pointerup'));
  seen.painted = [before, S.x[0], D.paints[1]];
  click(one('[data-class="0"]')); seen.target = S.target[0];
  setBack(1); seen.said = text('#stage-said'); setBack(steps);
  const inked = () => one('#stage canvas').toDataURL(), light = inked();
  click(el('theme')); seen.dark = inked() !== light;
  el('guess').value = 20; click(el('answer')); seen.answer = text('#ways');
}

async function recordedMaps() {
  seen.verdict = text('#verdict'); seen.sizes = D.stages.map(s => [...s.size, s.numbers.length]);
  seen.x = [...R.d[0]];
  seen.share = R.share[1].slice(0, 2); seen.length = reach(0); seen.reached = [...R.reached[0]];
  point({ s: 0, m: 0, i: 3 }); seen.cell = text('#cell');
  seen.frames = document.querySelectorAll('#marks rect').length;
}

async function time() {
  choose(3); seen.verdict = await checked(); seen.names = D.stages[0].names; seen.tokens = columns().map(token);
  seen.reach = columns().map(reach); seen.parameters = Object.fromEntries(D.parameters.map(p => [p.name,
    [...R.parameters[p.name]]]));
  seen.values = [...part(R.v[2], 2, D.stages[2].count - 1)];
  seen.fault = await judged(() => { R.d[1] = R.d[1].map(v => 1.001 * v); });
  show(); const first = R.loss, start = D.parameters.map(p => [...memory[p.state]]);
  click(el('step')); seen.fell = R.loss < first; click(el('undo'));
  seen.undone = D.parameters.every((p, i) => memory[p.state].every((v, j) => v === start[i][j]));
  click(one('[data-token="1"]')); seen.chosen = S.loss;
  el('word').value = 'dab'; el('word').dispatchEvent(new Event('input'));
  seen.word = columns().map(token).join('');
  S.guess = 50; choose(1); seen.left = /is left/.test(text('#sentence'));
  choose(-1); seen.left = [seen.left, /is left/.test(text('#sentence')), text('#ways')];
}
