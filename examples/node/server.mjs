// The smallest server that survives each rotation action: see ../README.md.
import http from 'node:http'

// restart, overlap, exit: the environment is right for as long as this process lives. signal, none: new values are at the
// live channel.
function current () {
  if (!process.env.VWRAP_LIVE) return process.env
  return new Promise((resolve, reject) => {
    http.get({ socketPath: process.env.VWRAP_LIVE, path: '/v1/env' }, async answer => {
      let text = ''
      for await (const part of answer) text += part
      resolve(JSON.parse(text))
    }).on('error', reject)
  })
}

const server = http.createServer(async (request, answer) => {
  const { API_KEY } = await current()
  answer.end(`node ${process.pid} ${API_KEY}\n`)
})

// TERM: take no more connections, finish what is under way, end. close waits for idle connections too, which are ended.
process.on('SIGTERM', () => {
  server.close(() => process.exit(0))
  server.closeIdleConnections()
})

// HUP: there are new values. Each request asks for them anyway; without this line it would kill.
process.on('SIGHUP', () => {})

server.listen(process.env.LISTEN_FDS ? { fd: 3 } : 3000) // the socket that vwrap holds (rotation.listen)
