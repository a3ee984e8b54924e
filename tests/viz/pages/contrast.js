/* Leaves the words that do not stand out enough from their ground (WCAG 2.2) in `low`, and how many there are. */
const parts = s => s.match(/[\d.]+/g).map(Number);
const linear = v => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
const light = ([r, g, b]) => .2126 * linear(r / 255) + .7152 * linear(g / 255) + .0722 * linear(b / 255);
const ground = e => {
    for (; e; e = e.parentElement) {
        const c = parts(getComputedStyle(e).backgroundColor);
        if (c.length < 4 || c[3] > 0) return c;
    }
    return [255, 255, 255];
};
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), low = [];
let count = 0;
while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    const said = walk.currentNode.textContent.trim();
    if (!said || e.closest('svg,script,.sr') || !e.getClientRects().length) continue;
    const [a, b] = [light(parts(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
    count++;
    if ((a + .05) / (b + .05) < 4.5) low.push([e.tagName, e.className, said, (a + .05) / (b + .05)]);
}
seen.low = low; seen.count = count;
