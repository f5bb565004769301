// A device with one Yjs document. It appends each update to a file and has it
// on the disk when it says that it is level.

import { closeSync, existsSync, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import * as Y from 'yjs'
import { until } from './device.mjs'

// Applies the updates in a file: each is its length in four bytes, then itself.
function load(doc, path) {
  if (!existsSync(path)) return
  const bytes = readFileSync(path)
  for (let at = 0; at < bytes.length; ) {
    const end = at + 4 + bytes.readUInt32BE(at)
    Y.applyUpdate(doc, bytes.subarray(at + 4, end))
    at = end
  }
}

export class YjsDevice {
  // `link(doc, port)` connects and returns an object with isLevel and close.
  constructor(folder, link) {
    const path = join(folder, 'updates')
    this.doc = new Y.Doc()
    load(this.doc, path)
    this.file = openSync(path, 'a')
    this.doc.on('update', (update) => {
      const length = Buffer.alloc(4)
      length.writeUInt32BE(update.length)
      writeSync(this.file, Buffer.concat([length, update]))
    })
    this.records = this.doc.getMap('records')
    this.link = link
  }

  count() {
    return this.records.size
  }

  connect({ port }) {
    this.connection = this.link(this.doc, port)
  }

  import(records) {
    this.doc.transact(() => {
      for (const [name, { text, ...fields }] of records) {
        const record = new Y.Map(Object.entries(fields))
        if (text) record.set('text', new Y.Text(text))
        this.records.set(name, record)
      }
    })
    return ''
  }

  change(names) {
    this.doc.transact(() => names.forEach((name) => this.records.get(name).set('note', 'changed')))
  }

  edit(name, title) {
    this.records.get(name).set('title', title)
  }

  watch(seen) {
    this.records.observeDeep((events) => {
      for (const event of events) {
        if (event.keys.has('title')) seen(event.target.get('title'))
      }
    })
  }

  async level(count, changed) {
    const isChanged = (name) => this.records.get(name)?.get('note') === 'changed'
    await until(() => this.connection.isLevel() && this.count() >= count && changed.every(isChanged))
    fdatasyncSync(this.file)
  }

  close() {
    this.connection?.close()
    closeSync(this.file)
  }
}
