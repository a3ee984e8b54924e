/* What a reader could not read or reach on the page as it is now: texts that are too small, cut, out of place or on top of each other, what scrolls,
   and controls that something covers. */
(least => {
  const found = [], within = (a, b, by = 1) => a.left >= b.left - by && a.right <= b.right + by && a.top >= b.top - by && a.bottom <= b.bottom + by;
  const place = r => [r.left, r.top, r.right, r.bottom].map(Math.round).join(' ');
  const screen = { left: 0, top: 0, right: innerWidth, bottom: innerHeight }, texts = [];
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walk.nextNode(); node; node = walk.nextNode()) {
    const said = node.data.trim(), parent = node.parentElement;
    if (!said || parent.closest('.sr, script, style, #sheet, .sr-only') || !parent.checkVisibility({ visibilityProperty: true }) || !parent.getBoundingClientRect().width) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const size = parseFloat(getComputedStyle(parent).fontSize);
    if (size < least - .01) found.push(`small: ${said} ${size}`);
    for (const r of range.getClientRects()) {
      if (r.width < .5) continue;
      const middle = (r.top + r.bottom) / 2, box = { left: r.left, right: r.right, top: middle - size * .4, bottom: middle + size * .4 };
      const ended = parent.closest('h1, .hd, .cv .lab span, .mod b');  // ends with three dots where it is too long
      if (ended && ended.clientWidth < Math.min(ended.scrollWidth, size * 1.8)) found.push(`cut to a letter: ${said} ${ended.clientWidth}`);
      if (ended && ended.scrollWidth > ended.clientWidth + 1 && !ended.title && !ended.matches('.hd')) found.push(`nowhere whole: ${said}`);
      if (ended) box.right = Math.min(box.right, ended.getBoundingClientRect().right);
      texts.push({ said, box, parent, bar: parent.closest('.bar') });
      if (!within(box, screen, 2)) found.push(`off the screen: ${said} ${place(box)}`);
      for (let e = parent; e && e !== document.body; e = e.parentElement) {
        const style = getComputedStyle(e);
        if (style.overflowX === 'visible' && style.overflowY === 'visible' || e.tagName === 'svg' && style.overflow === 'visible') continue;
        if (!within(box, e.getBoundingClientRect(), 1.5) && style.textOverflow !== 'ellipsis') { found.push(`cut: ${said} ${place(box)} by ${e.id || e.className}`); break; }
      }
    }
  }
  for (let i = 0; i < texts.length; i++) for (let j = 0; j < i; j++) {
    const [a, b] = [texts[i], texts[j]], wide = Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left), high = Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top);
    if (wide > 1.5 && high > 2 && !(a.parent === b.parent && a.said === b.said)) found.push(`overlap: ${a.said} | ${b.said} ${Math.round(wide)}x${Math.round(high)}`);
  }
  const bars = [...document.querySelectorAll('.bar')].map(e => e.getBoundingClientRect());
  for (const t of texts) if (t.parent.closest('#stage > svg') && !t.parent.classList.contains('piece'))
    for (const r of bars) if (Math.min(t.box.right, r.right) - Math.max(t.box.left, r.left) > 1.5 && Math.min(t.box.bottom, r.bottom) - Math.max(t.box.top, r.top) > 2) found.push(`over a bar: ${t.said}`);
  for (const e of [document.documentElement, document.body, ...document.querySelectorAll('main, section:not(#sheet), header')])
    if (e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1) found.push(`scrolls: ${e.tagName} ${e.id} ${e.className} ${e.scrollWidth - e.clientWidth} ${e.scrollHeight - e.clientHeight}`);
  for (const e of document.querySelectorAll('button, .num[tabindex="0"], .ring')) {
    if (!e.checkVisibility({ visibilityProperty: true })) continue;
    const r = e.getBoundingClientRect(), at = document.elementFromPoint(r.left + r.width / 2, r.top + r.height / 2);
    if (!at || !(e === at || e.contains(at) || at.contains(e) && at.tagName !== 'MAIN' && at.tagName !== 'BODY')) found.push(`covered: ${e.textContent || e.id} by ${at?.tagName} ${at?.className?.baseVal ?? at?.className}`);
  }
  return found;
})
