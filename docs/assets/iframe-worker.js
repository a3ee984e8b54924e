// The site's search runs in a Worker, which browsers refuse to pages from the file system. There it runs in a hidden frame.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      frame.title = "search"
      document.documentElement.append(frame)
      const inside = frame.contentWindow
      const load = url => new Promise((resolve, reject) => {
        const script = inside.document.createElement("script")
        script.src = url
        script.onload = resolve
        script.onerror = () => reject(new Error(`${url} could not be loaded`))
        inside.document.head.append(script)
      })
      const base = new URL(address, location.href)
      inside.importScripts = (...urls) =>
        urls.reduce((before, url) => before.then(() => load(new URL(url, base).href)), Promise.resolve())
      inside.postMessage = data => this.dispatchEvent(new MessageEvent("message", { data }))
      this.frame = frame
      this.ready = load(base.href)
    }
    postMessage(data) {
      const inside = this.frame.contentWindow
      this.ready.then(() => inside.dispatchEvent(new inside.MessageEvent("message", { data })))
    }
    terminate() {
      this.frame.remove()
    }
  }
}
