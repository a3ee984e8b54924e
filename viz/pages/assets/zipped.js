/* Unpacks the page's script and adds it. Messages that come before it is there, as that of a site's colours, are told again. */
{
  const early = [], keep = e => early.push(e);
  addEventListener("message", keep);
  window.ready = new Response(new Blob([Uint8Array.from(atob("DATA"), c => c.charCodeAt(0))]).stream()
    .pipeThrough(new DecompressionStream("deflate"))).text().then(text => {
      removeEventListener("message", keep);
      document.body.append(Object.assign(document.createElement("script"), { text }));
      for (const { data, source } of early) dispatchEvent(new MessageEvent("message", { data, source }));
    });
}
