// The questions of questions.txt, asked of the built site's own search in node: prints those that do not find their page first.
// node docs/make/search.js site docs/make/questions.txt
const fs = require('fs'), path = require('path'), vm = require('vm')
const [site, questions] = process.argv.slice(2)
const index = JSON.parse(fs.readFileSync(path.join(site, 'search/search_index.json'), 'utf8'))
const folder = path.join(site, 'assets/javascripts/workers')
const worker = path.join(folder, fs.readdirSync(folder).find(name => name.endsWith('.js')))
let ask, answer
const inside = {console, Map, Set, URL, addEventListener: (_, listener) => { ask = listener }, postMessage: said => { answer = said.data }}
inside.self = inside
vm.createContext(inside)
const run = file => vm.runInContext(fs.readFileSync(file, 'utf8'), inside)
inside.importScripts = (...files) => files.forEach(file => run(path.resolve(folder, file)))
run(worker)
const asked = async (type, data) => {
  answer = undefined
  ask({data: {type, data}})
  while (answer === undefined && type === 2) await new Promise(setImmediate)
  return answer
}
(async () => {
  asked(0, {config: index.config, docs: index.docs, options: {suggest: true}})
  await new Promise(resolve => setTimeout(resolve, 100))
  for (const line of fs.readFileSync(questions, 'utf8').split('\n')) {
    const [question, pages] = line.split(' -> ')
    if (!pages) continue
    const first = ((await asked(2, question)).items[0] ?? []).map(entry => entry.location)
    if (!first.some(place => pages.split(' ').some(page => place.startsWith(page))))
      console.log(`the search for "${question}" finds ${first[0] ?? 'nothing'}, not ${pages}`)
  }
})()
