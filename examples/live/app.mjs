// A program that uses a new value without a restart. Run it by:
//   vwrap --on-rotate signal -e 'API_KEY=vault:secret/dev/api#key' -- node app.mjs
import http from 'node:http'

let config = process.env

function refresh () {
  http.get({ socketPath: process.env.VWRAP_LIVE, path: '/v1/env' }, async answer => {
    let text = ''
    for await (const part of answer) text += part
    config = JSON.parse(text)
    use()
  })
}

// Stands for what a program does with a key: it shows that it has one, and which process it is.
function use () { console.log(`node ${process.pid} uses ${config.API_KEY}`) }

process.on('SIGHUP', refresh)
setInterval(() => {}, 60_000)
use()
