// A web server that is replaced without a request lost. vwrap holds the socket and hands it on as descriptor 3.
import http from 'node:http'

const server = http.createServer((request, answer) => {
  answer.end(`node ${process.pid} ${process.env.API_KEY}\n`)
})

// TERM: take no more connections, finish what is under way, end.
process.on('SIGTERM', () => {
  server.close(() => process.exit(0))
  server.closeIdleConnections()
})

server.listen(process.env.LISTEN_FDS ? { fd: 3 } : 3000)
