/* Pictures and sentences come from Python; only the pad computes here, in `pad.js`. */
const D = JSON.parse(el('data').textContent);

/* ---------------------------------------------------------------- pictures: digits to choose from, the surest mistakes, one that is right */

const ink = k => `<svg class="ink" data-ink="${k}" shape-rendering="crispEdges" aria-hidden="true"></svg>`;
D.samples.forEach((s, k) => {
  const { name, share } = s, said = D.classes[s.said], label = D.classes[s.label];
  s.t = name !== undefined ? say`${name} from the digits below.` : said === label ? say`An unseen ${label}. Draw over it.` : say`A ${label} that it reads as ${said}.`;
  if (name !== undefined) el('choose').insertAdjacentHTML('beforeend', `<button type="button" aria-pressed="${!k}">${ink(k)}${esc(name)}</button>`);
  else if (said !== label) {
    const tile = element(D.network ? 'button' : 'div', { className: 'tile' }, element('li', {}, el('tiles')));
    if (D.network) attr(tile, { type: 'button', 'data-put': k });
    tile.innerHTML = `${ink(k)}<b>${say`read as ${esc(said)}`}</b>${share}<br>${say`is ${esc(label)}`}`;
  }
});

/* ---------------------------------------------------------------- one digit, neuron by neuron */

const choices = all('#choose button');
let chosen = 0;
function choose(i) {
  chosen = i;
  choices.forEach((b, k) => b.setAttribute('aria-pressed', k === i));
  all('.neurons').forEach((f, k) => { f.hidden = k !== i; });
  widths();
}
choices.forEach((b, i) => { b.onclick = () => choose(i); });

/* ---------------------------------------------------------------- small pictures */

/* one path for each step of the ramp */
const [rows, columns] = D.shape, [lowest, highest] = D.range;
const levelOf = v => clamp(round(6 * (v - lowest) / (highest - lowest)), 0, 6) || 0;
for (const svg of all('[data-ink]')) {
  const places = Array(7).fill('');
  unpacked(D.samples[svg.dataset.ink].x, Float32Array).forEach((v, i) => { places[levelOf(v)] += `M${i % columns} ${floor(i / columns)}h1v1h-1z`; });
  attr(svg, { viewBox: `0 0 ${columns} ${rows}` });
  places.forEach((d, level) => shape('path', { d, style: `fill:var(--v${level})` }, svg));
}

/* ---------------------------------------------------------------- the pad, and the colours */

const repaint = D.network ? pad() : () => {}, frame = document.querySelector('iframe');
function follow() {
  repaint();
  frame?.contentWindow.postMessage({ theme: isDark() ? 'dark' : 'light' }, '*');
}
if (frame) frame.onload = follow;
theme(el('theme'), follow);
/* a figure that is wider than its place says so */
function widths() { all('.scroll').forEach(place => place.classList.toggle('over', place.scrollWidth > place.clientWidth + 1)); }
addEventListener('resize', widths);
widths();
if (D.network) onPaper(repaint);
