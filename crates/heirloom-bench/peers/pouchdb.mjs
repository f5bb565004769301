// One PouchDB document per record; the server is express-pouchdb, which is
// what pouchdb-server runs.

import { createRequire } from 'node:module'
import { join } from 'node:path'
import { HOST, run } from './device.mjs'

const require = createRequire(import.meta.url)
const PouchDB = require('pouchdb')
const DATABASE = 'household'

async function serve(folder) {
  // It leaves a log in the folder that it runs in.
  process.chdir(folder)
  const prefixed = PouchDB.defaults({ prefix: join(folder, '/') })
  const options = { mode: 'minimumForPouchDB', inMemoryConfig: true }
  const app = require('express')().use('/', require('express-pouchdb')(prefixed, options))
  const server = await new Promise((done) => {
    const listening = app.listen(0, HOST, () => done(listening))
  })
  return server.address().port
}

class Device {
  constructor(folder) {
    this.database = new PouchDB(join(folder, DATABASE))
    this.size = 0
  }

  async load() {
    this.size = (await this.database.info()).doc_count
    return this
  }

  count() {
    return this.size
  }

  connect({ port }) {
    this.remote = `http://${HOST}:${port}/${DATABASE}`
  }

  // A pair that edits is connected for good; the others replicate once.
  async live() {
    if (this.replication) return
    this.replication = this.database.sync(this.remote, { live: true, retry: true })
    await new Promise((done) => this.replication.once('paused', done))
  }

  async import(records) {
    await this.database.bulkDocs(records.map(([name, fields]) => ({ _id: name, ...fields })))
    await this.database.replicate.to(this.remote)
    return ''
  }

  async change(names) {
    const found = await this.database.allDocs({ keys: names, include_docs: true })
    await this.database.bulkDocs(found.rows.map(({ doc }) => ({ ...doc, note: 'changed' })))
    await this.database.replicate.to(this.remote)
  }

  async edit(name, title) {
    await this.live()
    const record = await this.database.get(name)
    await this.database.put({ ...record, title })
  }

  watch(seen) {
    const options = { live: true, since: 'now', include_docs: true }
    this.database.changes(options).on('change', ({ doc }) => seen(doc.title))
    return this.live()
  }

  async level(count, changed) {
    await this.database.replicate.from(this.remote)
    await this.load()
    const found = await this.database.allDocs({ keys: changed, include_docs: true })
    const isLevel = this.size >= count && found.rows.every(({ doc }) => doc?.note === 'changed')
    if (!isLevel) throw new Error(`${this.size} records after the replication`)
  }

  async close() {
    this.replication?.cancel()
    await this.database.close()
  }
}

await run({ serve, open: (folder) => new Device(folder).load() })
