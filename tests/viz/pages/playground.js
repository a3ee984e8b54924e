/* What the tests of the playground do in its page. */
window.requestAnimationFrame = f => setTimeout(f, 16); window.cancelAnimationFrame = clearTimeout;
const el = id => document.getElementById(id), wait = t => new Promise(done => setTimeout(done, t));
const state = () => ({
    loss: +el('state').querySelectorAll('b')[1].title, step: +el('state').querySelector('b').title,
    weight: +el('wval').title, gradient: +el('wgrad').title, word: el('wcheck').querySelector('b').textContent,
});
const frame = async name => { await wait(40); if (name) seen[name] = state(); };
const drag = (place, ...path) => path.forEach(([x, y], k) => {
    const box = place.getBoundingClientRect();
    const kinds = ['pointerdown', ...path.slice(2).map(() => 'pointermove'), 'pointerup'];
    const at = {clientX: box.left + x, clientY: box.top + y, pointerId: 1, pointerType: 'mouse', button: 0, buttons: 1};
    place.dispatchEvent(new PointerEvent(kinds[k], {bubbles: true, cancelable: true, ...at}));
});
const on = (place, key, more = {}) => {
    place.focus();
    place.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true, ...more}));
};
const slide = async (id, value) => { el(id).value = value; el(id).dispatchEvent(new Event('input')); await frame(); };
const layout = () => {
    seen.small = [...document.querySelectorAll('button,select,input')]
        .filter(e => e.getClientRects().length && e.getBoundingClientRect().height < 40).map(e => e.id);
    seen.wide = document.documentElement.scrollWidth; seen.width = innerWidth;
};
async function train() {
    seen.start = state(); seen.title = document.title;
    for (let k = 0; k < 100; k++) on(document.body, 'g');
    seen.trained = state();
    seen.gauges = [...document.querySelectorAll('#gauges .size')].map(e => +e.title);
    seen.filled = [...document.querySelectorAll('#gauges .gauge')].map(e => [...e.children].reduce(
        (sum, cell) => sum + parseFloat(getComputedStyle(cell).getPropertyValue('--filled')) / 100, 0));
    await slide('when', 50); seen.half = state(); await slide('when', 100); seen.full = state();
}
async function turnWeights() {
    el('which').value = '0/w/3'; el('which').dispatchEvent(new Event('change')); await frame('chosen');
    seen.code = el('wcode').textContent;
    const value = el('wval');
    on(value, 'ArrowRight'); await frame('nudged');
    on(value, 'Delete'); await frame('zero');
    on(value, '1'); seen.typing = document.activeElement.getAttribute('aria-label');
    document.activeElement.value = '1.25'; on(document.activeElement, 'Enter'); await frame('typed');
    el('undo').click(); await frame('undone');
    drag(value, [0, 0], [52, 0], [52, 0]); await frame('dragged');
    on(value, 'Escape'); await frame('escaped');
    seen.role = value.getAttribute('role'); seen.label = value.getAttribute('aria-label');
    const line = document.querySelectorAll('#wires .hit')[3];
    drag(line, [0, 0], [30, 0], [30, 0]); await frame('line'); el('undo').click();
}
async function moveData() {
    on(document.body, 'n'); await frame(); seen.focused = document.activeElement.id;
    on(el('plane'), 'ArrowRight'); on(el('plane'), 'ArrowUp', {shiftKey: true}); await frame('moved');
    const box = el('plane').getBoundingClientRect(), D = JSON.parse(el('data').textContent);
    const [l, h] = [D.low, D.high];
    const at = (x, y) => [(x - l[0]) / (h[0] - l[0]) * box.width, (h[1] - y) / (h[1] - l[1]) * box.height];
    drag(el('plane'), at(...D.x.slice(-2)), at(0, 0), at(0, 0)); await frame('pulled');
    on(document.body, 'c'); await frame('other'); on(document.body, 'c'); await frame();
}
async function rest() {
    await slide('when', 50); seen.back = state(); on(document.body, 'g'); seen.again = state();
    seen.layers = [];
    for (const to of [0, 1, 1.5, 2, 3]) { await slide('layer', to); seen.layers.push(text('#benthead')); }
    const cell = document.querySelector('.cell');
    on(cell, 'Enter'); await frame(); seen.large = text('#planehead'); seen.pressed = cell.getAttribute('aria-pressed');
    on(cell, 'Enter'); el('run').click(); await wait(400); el('run').click(); seen.ran = state();
    on(el('lr'), 'ArrowRight'); await frame(); seen.rate = +el('lr').getAttribute('aria-valuenow');
    el('fresh').click(); await frame('fresh');
    layout();
}
