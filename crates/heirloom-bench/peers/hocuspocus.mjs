// Yjs over the server and the provider of Hocuspocus; the server keeps its
// document in memory.

import { WebSocket } from 'ws'
import { HOST, run } from './device.mjs'

async function serve() {
  const { Server } = await import('@hocuspocus/server')
  const server = new Server({ address: HOST, port: 0, quiet: true, stopOnSignals: false })
  await server.listen(0)
  return server.address.port
}

async function open(folder) {
  globalThis.WebSocket ??= WebSocket
  const { HocuspocusProvider } = await import('@hocuspocus/provider')
  const { YjsDevice } = await import('./yjs.mjs')
  return new YjsDevice(folder, (document, port) => {
    const name = 'household'
    const provider = new HocuspocusProvider({ url: `ws://${HOST}:${port}`, name, document })
    return { isLevel: () => provider.isSynced, close: () => provider.destroy() }
  })
}

await run({ serve, open })
