// Yjs over the server and the provider of y-websocket; the server keeps its
// document in memory.

import { createServer } from 'node:http'
import { WebSocket, WebSocketServer } from 'ws'
import { HOST, run } from './device.mjs'

async function serve() {
  // The server is a package of its own since version 3.
  const { setupWSConnection } = await import('@y/websocket-server/utils').catch(
    () => import('y-websocket/bin/utils'),
  )
  const server = createServer()
  new WebSocketServer({ server }).on('connection', setupWSConnection)
  await new Promise((done) => server.listen(0, HOST, done))
  return server.address().port
}

async function open(folder) {
  const { WebsocketProvider } = await import('y-websocket')
  const { YjsDevice } = await import('./yjs.mjs')
  return new YjsDevice(folder, (doc, port) => {
    const options = { WebSocketPolyfill: WebSocket, disableBc: true }
    const provider = new WebsocketProvider(`ws://${HOST}:${port}`, 'household', doc, options)
    return { isLevel: () => provider.synced, close: () => provider.destroy() }
  })
}

await run({ serve, open })
