/* A page within a notebook: numbers that change here are told to the notebook, by names, and those that it tells are
   taken. Any page that computes can: it offers window.numbers = { leaves(), changed() }, arrays by name and what to do
   once they have changed. */
{
  const known = new Map();
  let isHeard = false;
  const differs = (name, array) => { const was = known.get(name); return !was || array.some((x, i) => !Object.is(x, was[i])); };
  const look = () => {
    const found = Object.entries(window.numbers.leaves()).filter(([name, array]) => array && differs(name, array));
    for (const [name, array] of found) known.set(name, array.slice());
    return Object.fromEntries(found.map(([name, array]) => [name, [...array]]));
  };
  addEventListener('message', async ({ source, data }) => {
    await window.ready;
    if (source !== parent || !data?.numbers || !window.numbers) return;
    const leaves = window.numbers.leaves();
    for (const [name, given] of Object.entries(data.numbers)) if (leaves[name]?.length === given.length) leaves[name].set(given);
    look();
    window.numbers.changed();
    if (isHeard) return;
    isHeard = true;
    setInterval(() => { const numbers = look(); if (Object.keys(numbers).length) parent.postMessage({ numbers }, '*'); }, 40);
  });
}
