// A shop: says as whom it reads the orders. It knows nothing of Vault.
import http from 'node:http'
import pg from 'pg'

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL })
pool.on('error', (err) => console.error(`database: ${err.message}`)) // an idle connection that the database has ended

const server = http.createServer(async (request, answer) => {
  try {
    const { rows } = await pool.query('SELECT current_user AS user, count(*)::int AS orders FROM orders')
    answer.setHeader('content-type', 'application/json')
    answer.end(JSON.stringify(rows[0]) + '\n')
  } catch (err) {
    console.error(`database: ${err.message}`)
    answer.writeHead(503).end()
  }
})

// TERM: take no more connections, finish what is under way, end. It comes twice: from vwrap, which tells every process of
// the command, and from npm, which passes on what it was told.
let closing = false
process.on('SIGTERM', () => {
  if (closing) return
  closing = true
  server.close(async () => {
    await pool.end()
    console.log('closed')
  })
  server.closeIdleConnections()
})

server.listen(3000, () => console.log('listening'))
