/* the ladder: sections are opened on demand, and the one that the step is in opens itself */
function rung(key, next) {
  const c = C[key], div = document.createElement('div');
  div.className = `rung card ${c.role}`; div.id = 'n_' + key;
  if (next && C[next].from.includes(key)) div.classList.add('used', ...(c.g === undefined ? [] : ['sends']));
  const tag = { param: say`PARAM`, input: say`INPUT`, target: say`TARGET` }[c.role];
  div.innerHTML = `<div class="say">${c.badge ? `<i>${esc(c.badge)}</i>` : ''}<b>${esc(c.name)}</b>${c.form ? ' = ' + esc(c.form) : ''}` +
    `${tag ? `<small>${tag}</small>` : ''}${c.path ? `<small>${esc(c.path)}</small>` : ''}</div>` +
    `<div class="cell" id="a_${key}_val">${figure({ m: c.v, k: '' }, 0)}</div>` +
    (c.g === undefined ? `<div><small>${say`no grad`}</small></div>` : `<div class="cell grad" id="a_${key}_grad">${figure({ m: c.g, k: 'grad', l: c.doubt && '?' }, 0)}</div>`);
  if (c.from.length) {
    const line = document.createElement('div');
    line.className = 'from'; line.append(say`from `);
    c.from.forEach(k => {
      const b = document.createElement('button');
      b.type = 'button'; b.textContent = C[k].name; b.title = `${C[k].name} ${D.arrays[C[k].v].n ?? '()'}`;
      b.onclick = () => { const i = cardAt.get(k); if (i !== undefined) { stop(); go(i); } else { unpeek(); halo(k, 'peek'); } };
      line.append(b);
    });
    div.append(line);
  }
  if (c.own.length) {
    const leaves = document.createElement('div');
    leaves.className = 'leaves'; leaves.append(...c.own.map(k => rung(k)));
    div.append(leaves);
  }
  alive(div);
  return div;
}
let opened = -1;  // the section that has opened by itself
function open(i, on) {
  const box = el('s_' + i), rows = one('.rows', box);
  one('button', box).setAttribute('aria-expanded', on);
  if (on && !rows.children.length)
    rows.append(...D.sections[i].cards.map((key, n, keys) => rung(key, keys[n + 1])));
  if (!on) rows.replaceChildren();
  rows.hidden = !on;
}
/* the section of the present step is open; the one before closes, if it opened by itself */
function climb(i) {
  if (i === opened) return;
  if (opened >= 0) open(opened, false);
  opened = el('s_' + i).querySelector('.rows').children.length ? -1 : i;
  open(i, true);
}
function reach(key) {
  const i = D.sections.findIndex(s => s.cards.includes(key));
  if (i >= 0) open(i, true);
}
function fold() {
  D.sections.forEach((s, i) => open(i, false));
  opened = -1;
  paint();
  main.scrollTop = 0;
}
/* what is known at the present step */
function climbed(known, back) {
  /* only: wrong */
  wrong.forEach(i => node(S[i].card)?.classList.add('wrong'));
  /* end */
  all('.rung', main).forEach(g => {
    g.classList.toggle('came', cellAt.get(`a_${g.id.slice(2)}_grad`) <= known);
    g.classList.remove('on', 'b');
  });
  all('.sec').forEach((box, i) => {
    const s = D.sections[i];
    box.classList.toggle('todo', s.first > known);
    box.classList.toggle('now', S[cur].sec === i);
    box.classList.toggle('b', back);
    one('em', box)?.classList.toggle('todo', s.known > known);
  });
}
all('.sec').forEach((box, i) => {
  one('button', box).onclick = () => {
    const on = !one('.rows', box).children.length;
    open(i, on);
    if (opened === i) opened = -1;
    paint();
  };
});
