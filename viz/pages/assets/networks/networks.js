/* What pages of a whole network share. */

/* a factor in a product */
const bracketed = said => said.startsWith('-') ? `(${said})` : said, factor = x => bracketed(scalar(x));
/* the root of the mean square */
const rootMeanSquare = array => Math.sqrt(array.reduce((sum, v) => sum + v * v, 0) / (array.length || 1));

const token = name => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
/* a size with 2 digits */
function rms(x) {
  if (x === 0 || !Number.isFinite(x)) return scalar(x);
  return x < .0995 || x >= 99.5 ? exponential(x, 1) : x.toPrecision(2);
}

/* a canvas keeps its colours, so it is repainted in light ones for printing */
function onPaper(repaint) {
  const page = document.documentElement;
  let before = null;
  addEventListener('beforeprint', () => { before = page.dataset.theme ?? ''; page.dataset.theme = 'light'; repaint(); });
  addEventListener('afterprint', () => {
    if (before) page.dataset.theme = before; else delete page.dataset.theme;
    repaint();
  });
}

/* powers of ten above 1e-7 */
const decades = size => Math.log10(size + 1e-300) + 7;
/* rows of a table: `layers` of {name, note, size}; the word VANISHING for less than a hundredth of the largest */
function gauges(table, layers) {
  const most = max(...layers.map(layer => layer.size));
  table.replaceChildren(...layers.map(({ name, note, size }) => {
    const row = element('tr'), head = element('th', { scope: 'row', textContent: `${name} ` }, row);
    element('small', { textContent: note }, head);
    if (size < most / 100) element('b', { className: 'warn', textContent: say`▲ VANISHING 1/${round(most / size).toLocaleString('en')}` }, head);
    if (!Number.isFinite(size)) element('b', { className: 'warn', textContent: say`▲ NOT FINITE` }, head);
    const bar = element('span', { className: 'gauge', ariaHidden: 'true' }, element('td', {}, row));
    for (let k = 0; k < 7; k++) element('i', { style: `--filled:${100 * clamp(decades(size) - k, 0, 1)}%` }, bar);
    element('td', { className: 'size', textContent: rms(size), title: size }, row);
    return row;
  }));
}
