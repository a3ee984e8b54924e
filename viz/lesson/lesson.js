// The fields for answers, the switch of the language that keeps the place, and live pages in the site's colours.
// `verdict` decides as `Exercise.check` does, from the table that Python wrote into the page.
function lessonNumbers(text) {
  const plain = text.normalize('NFKC').trim().replace(/^[[(]|[\])]$/g, '').replace(/[−–]/g, '-').replace(/;/g, ',');
  const parts = plain.split(/\s*,\s*|\s+/);
  return parts.map(part => {
    const match = /^([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)(?:\/(\d+\.?\d*))?$/i.exec(part);
    return match ? Number(match[1]) / Number(match[2] ?? 1) : NaN;
  });
}
function lessonVerdict({answer, replies, words}, text) {
  if (!text.trim() || text.trim() === '...') return {right: false, said: words.none};
  // 798,000 is one number where one is asked for, and so is 0,12.
  const one = text.trim().replace(/(?<=\d)[,，\s](?=\d{3}(?:\D|$))/g, '').replace(/^([+\-−–]?\d+)[,，](\d+)$/, '$1.$2');
  const given = lessonNumbers(answer.length === 1 ? one : text);
  if (!given.every(Number.isFinite)) return {right: false, said: words.unread};
  if (given.length !== answer.length) {
    const said = words.count.replace('{wanted}', answer.length).replace('{given}', given.length);
    return {right: false, said};
  }
  const fits = reply => given.every((a, i) => Math.abs(a - reply.value[i]) <= reply.near[i] * (1 + 1e-9) + 1e-12);
  const met = replies.findIndex(fits);
  return {right: met === 0, said: met < 0 ? words.hint : replies[met].said};
}
function lessonStart() {
  for (const place of document.querySelectorAll('.lesson-check:not([data-ready])')) {
    const table = JSON.parse(place.dataset.exercise), input = place.querySelector('input');
    const reply = () => {
      const {right, said} = lessonVerdict(table, input.value), out = place.querySelector('output');
      out.textContent = said;
      out.className = right ? 'right' : 'wrong';
    };
    place.querySelector('button').addEventListener('click', reply);
    input.addEventListener('keydown', event => { if (event.key === 'Enter') reply(); });
    place.dataset.ready = '';
  }
  for (const frame of document.querySelectorAll('.lesson-live iframe:not([data-ready])')) {
    frame.addEventListener('load', () => lessonTheme(frame));
    lessonTheme(frame);
    frame.dataset.ready = '';
  }
  for (const link of document.querySelectorAll('a.lesson-language:not([data-ready])')) {
    const page = link.getAttribute('href').split('#')[0];
    // The reader is at the last heading that is above the upper third of the window.
    const keep = () => {
      const headings = [...document.querySelectorAll('h1[id], h2[id], h3[id]')];
      const above = headings.filter(h => h.getBoundingClientRect().top < innerHeight / 3 && h.tagName !== 'H1');
      link.setAttribute('href', page + (above.length ? '#' + above.at(-1).id : ''));
    };
    for (const event of ['pointerdown', 'keydown', 'click']) link.addEventListener(event, keep);
    link.dataset.ready = '';
  }
}
// The site's colours, told to the live page in a frame: a page from the file system takes messages from any origin only.
function lessonTheme(frame) {
  const scheme = document.body.dataset.mdColorScheme;
  if (scheme) frame.contentWindow.postMessage({theme: scheme === 'slate' ? 'dark' : 'light'}, '*');
}
if (typeof document !== 'undefined') {
  // Only solutions that a reader opened are printed. MkDocs Material opens all before printing, so `open` does not tell.
  document.addEventListener('click', event => {
    const opened = event.target.closest('summary')?.parentElement;
    opened?.toggleAttribute('data-opened', !opened.open);
  });
  const follow = () => document.querySelectorAll('.lesson-live iframe').forEach(lessonTheme);
  document.addEventListener('DOMContentLoaded', () =>
    new MutationObserver(follow).observe(document.body, {attributeFilter: ['data-md-color-scheme']}));
  // MkDocs Material with instant navigation announces each page through `document$`.
  if (typeof document$ !== 'undefined') document$.subscribe(lessonStart);
  else if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', lessonStart);
  else lessonStart();
}
