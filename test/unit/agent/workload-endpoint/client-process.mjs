// A client in a process of its own: plain JavaScript and two plain modules, so that any user can run
// it. Arguments: modules folder, proto folder, socket path. Each line on standard input is a command,
// each answer one JSON line.
import { createRequire } from 'node:module'
import net from 'node:net'
import readline from 'node:readline'

const [modules, protos, path] = process.argv.slice(2)
const require = createRequire(`${modules}/x.js`)
const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`)
let api
let metadata
let dial
let apis = []
const open = []

function connectApi() {
  const grpc = require('@grpc/grpc-js')
  const { loadSync } = require('@grpc/proto-loader')
  const definition = loadSync('spiffe/workload.proto', {
    keepCase: true,
    bytes: String,
    defaults: true,
    includeDirs: [protos],
  })
  const { SpiffeWorkloadAPI } = grpc.loadPackageDefinition(definition)
  metadata = new grpc.Metadata()
  metadata.set('workload.spiffe.io', 'true')
  dial = () =>
    new SpiffeWorkloadAPI(`unix:${path}`, grpc.credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
    })
  api = dial()
}

function connectSecrets() {
  const grpc = require('@grpc/grpc-js')
  const { loadSync } = require('@grpc/proto-loader')
  const definition = loadSync('envoy/service/secret/v3/sds.proto', {
    keepCase: true,
    bytes: String,
    defaults: true,
    includeDirs: [protos],
  })
  const { SecretDiscoveryService } = grpc.loadPackageDefinition(definition).envoy.service.secret.v3
  return new SecretDiscoveryService(`unix:${path}`, grpc.credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
  })
}

const commands = {
  /** Asks SDS for these secrets, and says of each response what came and what did not. */
  secrets(rpc, ...names) {
    const stream = connectSecrets()[rpc]()
    open.push(stream)
    stream.on('data', ({ resources, resource_errors: errors }) =>
      say({
        // Names are text in what is otherwise a certificate and a key.
        secrets: names.filter((name) =>
          resources.some((one) =>
            Buffer.from((one.resource ?? one).value, 'base64').includes(name),
          ),
        ),
        missing: errors.map((one) => one.resource_name.name),
      }),
    )
    stream.on('error', (error) => say({ code: error.code }))
    stream.write(
      rpc === 'DeltaSecrets' ? { resource_names_subscribe: names } : { resource_names: names },
    )
  },
  fetch() {
    api ?? connectApi()
    const stream = api.FetchX509SVID({}, metadata)
    stream.once('data', (message) => {
      say({ ids: message.svids.map((svid) => svid.spiffe_id) })
      stream.cancel()
    })
    let told = false
    stream.on('error', (error) => {
      if (error.code !== 1 && !told) say({ code: error.code })
      told = true
    })
  },
  watch() {
    api ?? connectApi()
    const stream = api.FetchX509SVID({}, metadata)
    stream.on('data', (message) => say({ ids: message.svids.map((svid) => svid.spiffe_id) }))
    stream.on('error', (error) => say({ code: error.code }))
  },
  setuid(id) {
    process.setgid(Number(id))
    process.setuid(Number(id))
    say({ uid: process.getuid() })
  },
  /**
   * So many streams at the same moment, over so many new connections or over the `same` as before;
   * answers count by code.
   */
  flood(count, connections) {
    api ?? connectApi()
    if (connections !== 'same') apis = Array.from({ length: Number(connections) }, dial)
    const answers = {}
    let waiting = Number(count)
    const got = (code) => {
      answers[code] = (answers[code] ?? 0) + 1
      waiting -= 1
      if (waiting === 0) say({ answers })
    }
    for (let made = 0; made < Number(count); made += 1) {
      const stream = apis[made % apis.length].FetchX509SVID({}, metadata)
      let told = false
      stream.on('data', () => {
        if (!told) got(0)
        told = true
      })
      stream.on('error', (error) => {
        if (!told) got(error.code)
        told = true
      })
      open.push(stream)
    }
  },
  /**
   * So many connections as fast as they can be made, the same bytes over each; how many of them got
   * a message and how many a refusal.
   */
  burst(count, hex) {
    const bytes = Buffer.from(hex, 'hex')
    const answers = { messages: 0, refusals: 0 }
    const got = (kind) => {
      answers[kind] += 1
      if (answers.messages + answers.refusals === Number(count)) say({ answers })
    }
    for (let made = 0; made < Number(count); made += 1) {
      const socket = net.connect(path)
      open.push(socket)
      socket.on('error', () => {})
      let pending = Buffer.alloc(0)
      let told = false
      socket.on('data', (chunk) => {
        pending = Buffer.concat([pending, chunk])
        while (!told && pending.length >= 9) {
          const [type, flags] = [pending[3], pending[4]]
          if (type === 0 || (type === 1 && (flags & 1) !== 0)) {
            told = true
            got(type === 0 ? 'messages' : 'refusals')
          }
          const end = 9 + pending.readUIntBE(0, 3)
          if (pending.length < end) break
          pending = pending.subarray(end)
        }
      })
      socket.write(bytes)
    }
  },
  idle(count) {
    for (let made = 0; made < Number(count); made += 1) {
      const socket = net.connect(path)
      socket.on('error', () => {})
      socket.on('connect', () => socket.resume())
      open.push(socket)
    }
    setTimeout(() => say({ asked: open.length }), 50)
  },
}

readline.createInterface({ input: process.stdin }).on('line', (line) => {
  const [name, ...rest] = line.split(' ')
  commands[name](...rest)
})
say({ pid: process.pid })
