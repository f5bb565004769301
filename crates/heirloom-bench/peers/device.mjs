// What every peer program here does alike: it reads records from files, takes
// orders as JSON lines on its input, and answers with JSON lines on its output.
//
//   node PEER.mjs server FOLDER            answers {"port": ...}
//   node PEER.mjs device FOLDER            answers {"ready": true, "records": ...}
//
// A device then takes the orders connect, import, change, edit, watch, level
// and stop; it ends as well when its input ends.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'

export const HOST = '127.0.0.1'

// The names of the cards that are changed while a device is off.
export const changedNames = (count) => Array.from({ length: count }, (_, at) => `card-${at}.vcf`)

export function say(line) {
  process.stdout.write(JSON.stringify(line) + '\n')
}

// Waits until a cheap question is answered with yes.
export async function until(question) {
  while (!question()) await pause(1)
}

// A card or an event becomes one value per line; a note a title and a text.
function fieldsOf(content) {
  const note = content.match(/^---\ntitle: (.*)\n---\n([^]*)$/)
  if (note) return { title: note[1], text: note[2] }
  const fields = {}
  for (const line of content.split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon > 0 && !/^(BEGIN|END|VERSION):/.test(line)) {
      fields[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1)
    }
  }
  return fields
}

export function recordsIn(folder) {
  const read = (name) => [name, fieldsOf(readFileSync(join(folder, name), 'utf8'))]
  return readdirSync(folder).map(read)
}

async function obey(device, { order, ...details }) {
  switch (order) {
    case 'connect':
      await device.connect(details)
      return { connected: true }
    case 'import': {
      const records = recordsIn(details.folder)
      return { imported: records.length, document: await device.import(records) }
    }
    case 'change':
      await device.change(changedNames(details.changed))
      return { changed: details.changed }
    case 'edit':
      await device.edit(details.name, details.title)
      return null
    case 'watch':
      await device.watch((title) => say({ seen: title }))
      return { watching: true }
    case 'level':
      await device.level(details.records, changedNames(details.changed))
      return { level: true }
    case 'stop':
      await device.close()
      say({ stopped: true })
      return process.exit(0)
    default:
      throw new Error(`an unknown order: ${order}`)
  }
}

// Runs the part that the arguments name.
export async function run({ serve, open }) {
  const [part, folder] = process.argv.slice(2)
  const lines = createInterface({ input: process.stdin })
  if (part === 'server') {
    say({ port: await serve(folder) })
    for await (const _ of lines);
    process.exit(0)
  }
  const device = await open(folder)
  say({ ready: true, records: device.count() })
  for await (const line of lines) {
    const answer = await obey(device, JSON.parse(line))
    if (answer) say(answer)
  }
  process.exit(0)
}
