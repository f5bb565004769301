// All records in one automerge document, in the repository of automerge-repo
// with its files as storage, over its WebSocket adapters.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { ImmutableString, Repo } from '@automerge/automerge-repo'
import { WebSocketClientAdapter, WebSocketServerAdapter } from '@automerge/automerge-repo-network-websocket'
import { NodeFSStorageAdapter } from '@automerge/automerge-repo-storage-nodefs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { WebSocketServer } from 'ws'
import { HOST, run, until } from './device.mjs'

const RETRY_MS = 20
// Records that are imported by one change.
const CHANGE_RECORDS = 20

async function serve(folder) {
  const socket = new WebSocketServer({ host: HOST, port: 0 })
  await new Promise((done) => socket.on('listening', done))
  const network = [new WebSocketServerAdapter(socket)]
  const storage = new NodeFSStorageAdapter(folder)
  new Repo({ network, storage, sharePolicy: async () => false })
  return socket.address().port
}

class Device {
  constructor(folder) {
    this.repo = new Repo({ network: [], storage: new NodeFSStorageAdapter(join(folder, 'store')) })
    this.path = join(folder, 'document')
  }

  async load() {
    if (existsSync(this.path)) this.handle = await this.repo.find(readFileSync(this.path, 'utf8'))
    return this
  }

  records() {
    return this.handle?.doc()?.records ?? {}
  }

  count() {
    return Object.keys(this.records()).length
  }

  async connect({ port, document }) {
    const adapter = new WebSocketClientAdapter(`ws://${HOST}:${port}`)
    this.repo.networkSubsystem.addNetworkAdapter(adapter)
    await adapter.whenReady()
    await until(() => this.repo.peers.length > 0)
    if (this.handle || !document) return
    writeFileSync(this.path, document)
    // The server may not have the document yet.
    while (!this.handle) {
      this.handle = await this.repo.find(document).catch(() => pause(RETRY_MS))
    }
  }

  async import(records) {
    this.handle = this.repo.create({ records: {} })
    const entries = records.map(([name, { text, ...fields }]) => {
      const values = Object.entries(fields).map(([key, value]) => [key, new ImmutableString(value)])
      const record = Object.fromEntries(values)
      if (text) record.text = text
      return [name, record]
    })
    // Of a history of one change the whole would be sent again and again.
    for (let at = 0; at < entries.length; at += CHANGE_RECORDS) {
      const some = Object.fromEntries(entries.slice(at, at + CHANGE_RECORDS))
      this.handle.change((content) => void Object.assign(content.records, some))
    }
    writeFileSync(this.path, this.handle.url)
    await this.repo.flush()
    return this.handle.url
  }

  change(names) {
    const note = new ImmutableString('changed')
    this.handle.change(({ records }) => names.forEach((name) => (records[name].note = note)))
  }

  edit(name, title) {
    this.handle.change(({ records }) => (records[name].title = new ImmutableString(title)))
  }

  watch(seen) {
    this.handle.on('change', ({ patches }) => {
      for (const { action, path, value } of patches) {
        if (action === 'put' && path.at(-1) === 'title') seen(value.toString())
      }
    })
  }

  async level(count, changed) {
    const isChanged = (name) => this.records()[name]?.note?.toString() === 'changed'
    await until(() => this.count() >= count && changed.every(isChanged))
    await this.repo.flush()
  }

  async close() {
    await this.repo.flush()
  }
}

await run({ serve, open: (folder) => new Device(folder).load() })
