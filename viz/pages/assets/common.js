'use strict';
/* Every page has this: elements, numbers as `viz.drawing.numbers` writes them, the theme. */
const { abs, ceil, floor, max, min, round } = Math, { isFinite, isInteger } = Number;
const NS = 'http://www.w3.org/2000/svg';
const el = id => document.getElementById(id), one = (query, within = document) => within.querySelector(query);
const listen = (place, type, then, options) => place.addEventListener(type, then, options), bounds = e => e.getBoundingClientRect();
const all = (query, within = document) => [...within.querySelectorAll(query)];
/* text with right-to-left letters isolated, so that the text around it keeps its order */
const apart = s => String(s).replace(/[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]+/g, '\u2068$&\u2069');
const esc = s => apart(s).replace(/[&<>"]/g, c => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }[c]));
const clamp = (v, low, high) => max(low, min(high, v));
/* whether a key is a shortcut of the browser's; and what the address asks for, behind # */
const isShortcut = e => e.ctrlKey || e.metaKey || e.altKey, address = () => new URLSearchParams(location.hash.slice(1));

function attr(e, attributes) { for (const key in attributes) e.setAttribute(key, attributes[key]); }
const toggle = (button, is) => attr(button, { 'aria-pressed': is });
/* an element of SVG, with attributes, at the end of its parent */
function shape(name, attributes = {}, parent = null, text = null) {
  const made = document.createElementNS(NS, name);
  attr(made, attributes);
  if (text !== null) made.textContent = text;
  parent?.append(made);
  return made;
}
/* an element of HTML, with properties, at the end of its parent */
function element(name, properties = {}, parent = null) {
  const made = Object.assign(document.createElement(name), properties);
  parent?.append(made);
  return made;
}
/* set the text of `place`, if it differs from the last one set here */
function tell(place, text) {
  if (place.told === text) return;
  place.told = text;
  if (place.firstChild?.nodeType === 3) place.firstChild.data = text; else place.textContent = text;
}
/* set the HTML of `place`; if its tags are those of the last one, only texts and attributes that differ are written */
function fill(place, html) {
  const now = html.split(/(<[^>]*>)/), [said, nodes] = place.filled ?? [[]], bare = tag => tag.replace(/=".*?"/g, '');
  const isWritten = (s, i) => {
    if (s === said[i]) return true;
    const n = nodes[i], isSame = n && s && !s.includes('&') && (!(i % 2) || bare(s) === bare(said[i]));
    if (isSame) if (i % 2) for (const [, name, v] of s.matchAll(/(\S+)="(.*?)"/g)) n.setAttribute(name, v); else n.data = s;
    return isSame;
  };
  if (said.length === now.length && now.every(isWritten)) place.filled[0] = now;
  else {
    place.innerHTML = html;
    /* the node of each piece; the parser may put elements between, such as the body of a table */
    const walk = document.createTreeWalker(place, 5);
    place.filled = [now, now.map((s, i) => {
      let n = null;
      if (i % 2 ? s[1] !== '/' : s) do n = walk.nextNode(); while (n && n.nodeName.toLowerCase() !== (i % 2 ? /\w+/.exec(s)[0] : '#text'));
      return n;
    })];
  }
}
/* the pointer's events go to `place` until it is let go */
function hold(place, e) {
  try { place.setPointerCapture(e.pointerId); } catch (error) { /* a pointer that has already gone */ }
}

/* random numbers from 0 to 1, the same in each browser */
const draws = seed => () => (seed = seed * 16807 % 2147483647) / 2147483647;
/* an array from base64 */
const unpacked = (text, Kind) => new Kind(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer);
/* the states of programs by name: arrays of a kind, stored as floats */
const unpackedStates = states => Object.fromEntries(Object.entries(states).map(([name, [kind, stored, text]]) => {
  const from = unpacked(text, stored === 'f4' ? Float32Array : Float64Array);
  return [name, globalThis[kind].from(from, kind.startsWith('Big') ? v => BigInt(v) : undefined)];
}));

/* ---------------------------------------------------------------- numbers as text */

const notFinite = x => Number.isNaN(x) ? 'nan' : x > 0 ? 'inf' : '-inf';
function exponential(x, decimals) {
  const [mantissa, power] = x.toExponential(decimals).split('e');
  return `${mantissa}e${+power}`;
}
/* 4 significant digits, an exact integer bare, 3 digits and `e` below 1e-3 and from 1e4 */
function scalar(x) {
  if (!isFinite(x)) return notFinite(x);
  if (isInteger(x) && abs(x) < 1e4) return String(x);
  const text = x.toPrecision(4);
  return abs(x) < 1e-3 || text.includes('e') ? exponential(x, 2) : text;
}
/* for the axis of a plot: no zeros to spare */
const minus = said => said.replace(/-/g, '\u2212');
const short = x => scalar(x).replace(/(\.\d*?)0+(?=$|e)/, '$1').replace(/\.(?=$|e)/, '');

/* ---------------------------------------------------------------- theme */

const settings = document.documentElement.dataset, isDark = () => settings.theme === 'dark';
/* `button` switches between light and dark; #theme=dark and a message {theme} of the embedding page set it; then `changed()` is called */
function theme(button, changed = () => {}) {
  function set(name) {
    if (name === 'dark' || name === 'light') settings.theme = name;
    button.textContent = isDark() ? say`Light` : say`Dark`;
    button.ariaLabel = isDark() ? say`Switch to light colours` : say`Switch to dark colours`;
    changed();
  }
  const linked = () => set(address().get('theme'));
  listen(button, 'click', () => set(isDark() ? 'light' : 'dark'));
  listen(matchMedia('(prefers-color-scheme:dark)'), 'change', e => set(e.matches ? 'dark' : 'light'));
  listen(window, 'hashchange', linked);
  /* a message with a theme is accepted only from the page that embeds this one */
  listen(window, 'message', e => { if (e.source === parent && parent !== window) set(e.data?.theme); });
  linked();
}
