/* What the tests of a report do in its page. */
const pad = document.getElementById('pad');
const touch = (type, row, column, buttons = 1) => {
    const b = pad.getBoundingClientRect();
    pad.dispatchEvent(new PointerEvent(type, {bubbles: true, cancelable: true, pointerId: 1, buttons,
        clientX: b.left + column / 16 * b.width, clientY: b.top + row / 16 * b.height}));
};
const ink = e => [...e.querySelectorAll('rect:not(.cursor)')].map(r => r.style.fill === 'var(--v6)' ? 1 : 0);
window.requestAnimationFrame = f => f();
const push = (k, shiftKey = false) =>
    pad.dispatchEvent(new KeyboardEvent('keydown', {key: k, shiftKey, bubbles: true}));
const answers = () => [...document.querySelectorAll('#answers .p')].map(e => e.textContent);
const click = q => document.querySelector(q).click();
async function draw() {
  seen.first = ink(pad); seen.truth = text('#truth'); seen.says = text('#says');
  touch('pointerdown', 5, 5); touch('pointerup', 5, 5, 0); seen.replaced = ink(pad).reduce((a, b) => a + b);
  touch('pointerdown', 9, 9); touch('pointerup', 9, 9, 0); seen.added = ink(pad).reduce((a, b) => a + b);
  click('#clear'); seen.clear = ink(pad).reduce((a, b) => a + b); seen.nothing = text('#says');
  touch('pointerdown', 2, 8); touch('pointermove', 14, 8); touch('pointerup', 14, 8, 0);
  touch('pointermove', 3, 1, 0);
  seen.line = ink(pad); seen.sees = ink(document.getElementById('sees')); seen.said = text('#says');
  click('#erase'); touch('pointerdown', 2, 8); touch('pointerup', 2, 8, 0); seen.erased = ink(pad);
  click('#clear');
  push(' '); push('ArrowRight', true); push('ArrowDown'); push(' '); push(' ');
  seen.keys = ink(pad).flatMap((v, i) => v ? [i] : []); seen.where = text('#where');
  push('Delete'); seen.deleted = ink(pad).reduce((a, b) => a + b);
  seen.names = [...document.querySelectorAll('#answers th')].map(e => e.textContent); seen.p = answers();
}
async function aim() {
  const aim = document.getElementById('aim'), loss = () => +document.getElementById('dx').title.slice(4);
  aim.value = '8'; aim.dispatchEvent(new Event('change')); seen.loss = loss();
  seen.aimed = document.querySelector('#answers .aim th').textContent; seen.words = text('#dxsaid');
  seen.layer = document.querySelector('.pair .back').getAttribute('aria-label');
  push('3'); seen.three = loss(); seen.chosen = aim.value;
  const flip = document.getElementById('flip'), before = ink(pad); seen.flip = flip.textContent; flip.click();
  seen.changed = ink(pad).flatMap((v, i) => v === before[i] ? [] : [i]);
  for (let k = 0; k < 20; k++) flip.click();
  seen.after = loss(); seen.blue = document.querySelector('.pair .cells').width;
}
async function choose() {
  click('.tile'); seen.tile = ink(pad); seen.says = text('#says'); seen.truth = text('#truth');
  click('#choose button:nth-child(3)');
  seen.shown = [...document.querySelectorAll('.neurons')].map(f => !f.hidden);
  seen.pressed = [...document.querySelectorAll('#choose button')].map(b => b.getAttribute('aria-pressed'));
  click('#put'); seen.put = ink(pad);
  seen.label = document.querySelector('.pair .cells').getAttribute('aria-label');
}
async function themes() {
  const inside = () => document.querySelector('iframe').contentDocument;
  const ground = d => getComputedStyle(d.body).backgroundColor;
  await new Promise(done => setTimeout(done, 500));
  document.querySelector('#steps').scrollIntoView();
  await new Promise(done => setTimeout(done, 500));
  seen.inside = inside().querySelector('h1').textContent;
  seen.grounds = [ground(document), ground(inside())];
  seen.turned = [...new Set(all('.picture').map(e => getComputedStyle(e).filter))];
  document.getElementById('theme').click();
  await new Promise(done => setTimeout(done, 500));
  seen.changed = [ground(document), ground(inside())];
  seen.filters = [...new Set(all('.picture').map(e => getComputedStyle(e).filter))];
  seen.wide = document.documentElement.scrollWidth;
}
