import { chmodSync, lstatSync, renameSync, type Stats, unlinkSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import { CountersignError } from '../errors.ts'
import { type PeerCredentials, peerCredentials } from './peer-credentials.ts'
import {
  cannotUse,
  checkedPath,
  checkFolders,
  checkLength,
  lstatIfThere,
  makeFolder,
  ownUid,
  refused,
} from './socket-path.ts'

export interface UnixListenerOptions {
  /** Absolute, at most 107 bytes; nobody but us and root may be able to change a name on the way. */
  readonly path: string
  /** Who may connect: 0o777 for everyone on this machine, 0o600 for us and root. */
  readonly mode: number
  /** The mode of the socket's folder where it has to be made (one level only). Without it a missing folder is refused. */
  readonly folderMode?: number
  /** Asked before anything else is done for a connection; false closes it. */
  readonly admit?: (peer: PeerCredentials) => boolean
  /** The socket has an `error` listener and nothing of it has been read. */
  readonly onConnection: (socket: Socket, peer: PeerCredentials) => void
}

export interface UnixListener {
  readonly path: string
  /** How many connections are open. */
  readonly connections: number
  /** No new connections, and the socket's file is gone if it is still ours; open connections go on. */
  stop(): void
  /** As `stop`, then closes every connection and waits for that. */
  close(): Promise<void>
}

const BACKLOG = 4096

/**
 * Listens on a Unix socket. It is bound under a second name in the same folder, given its mode, and
 * renamed over the final name: no client ever meets it half made, and of two that start together one
 * at most succeeds. Throws `invalid` (`socket-path-…`), `forbidden` (`socket-folder-…`,
 * `socket-not-a-socket`, `socket-is-symlink`, `socket-foreign`) and `conflict` (`socket-in-use`).
 */
export async function listenUnix(options: UnixListenerOptions): Promise<UnixListener> {
  const path = checkedPath(options.path)
  const temporary = join(dirname(path), `.${basename(path)}.new`)
  checkLength(temporary)
  if (options.folderMode !== undefined) makeFolder(dirname(path), options.folderMode)
  checkFolders(path)
  await checkVacant(path)
  await clearStale(temporary)

  const sockets = new Set<Socket>()
  const server = createServer((socket) => admitSocket(socket, sockets, options))
  await bind(server, temporary, options.mode)
  const own = lstatSync(temporary)
  try {
    chmodSync(temporary, options.mode)
    // Once more, now that the second name keeps out whoever starts beside us. What a dead process
    // left is not removed but replaced: nobody can mistake our socket for it.
    await checkVacant(path)
    renameSync(temporary, path)
    if (!sameFile(lstatIfThere(path), own)) throw inUse(path)
  } catch (error) {
    server.close()
    if (sameFile(lstatIfThere(temporary), own)) unlinkSync(temporary)
    throw error instanceof CountersignError ? error : inUse(path, error)
  }
  return listenerOf(server, path, own, sockets)
}

function listenerOf(server: Server, path: string, own: Stats, sockets: Set<Socket>): UnixListener {
  // A listening socket that fails (no descriptors left) goes on; there is nothing to take it over.
  server.on('error', () => {})
  let stopped = false
  const ended = Promise.withResolvers<void>()
  const stop = (): void => {
    if (stopped) return
    stopped = true
    server.close(() => ended.resolve())
    if (sameFile(lstatIfThere(path), own)) unlinkSync(path)
  }
  return {
    path,
    get connections() {
      return sockets.size
    },
    stop,
    async close() {
      stop()
      for (const socket of sockets) socket.destroy()
      await ended.promise
    },
  }
}

function admitSocket(socket: Socket, sockets: Set<Socket>, options: UnixListenerOptions): void {
  // A client that leaves at once would end the process otherwise.
  socket.on('error', () => socket.destroy())
  let peer: PeerCredentials
  try {
    peer = peerCredentials(socket)
    if (options.admit?.(peer) === false) {
      socket.destroy()
      return
    }
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    options.onConnection(socket, peer)
  } catch {
    socket.destroy()
  }
}

function bind(server: Server, path: string, mode: number): Promise<void> {
  return new Promise((resolveBound, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'EADDRINUSE' ? inUse(path, error) : cannotUse(path, error))
    })
    // Nobody whom the mode keeps out gets in between bind and chmod either.
    const before = isMainThread ? process.umask(0o777 & ~mode) : undefined
    try {
      server.listen({ path, backlog: BACKLOG }, () => {
        server.removeAllListeners('error')
        resolveBound()
      })
    } finally {
      if (before !== undefined) process.umask(before)
    }
  })
}

/** Lets nothing stand in the way but what a dead process of ours left, which is then returned. */
async function checkVacant(path: string): Promise<Stats | undefined> {
  const found = lstatIfThere(path)
  if (found === undefined) return undefined
  if (found.isSymbolicLink()) throw refused('socket-is-symlink', `${path} is a symbolic link`)
  if (!found.isSocket()) throw refused('socket-not-a-socket', `${path} exists and is not a socket`)
  if (found.uid !== ownUid()) throw refused('socket-foreign', `${path} belongs to another user`)
  if (await answers(path)) throw inUse(path)
  return found
}

async function clearStale(path: string): Promise<void> {
  const stale = await checkVacant(path)
  if (sameFile(lstatIfThere(path), stale)) unlinkSync(path)
}

/** Only a refused connection proves that nobody listens; a full backlog, say, proves the opposite. */
function answers(path: string): Promise<boolean> {
  return new Promise((resolveAnswer) => {
    const probe = connect(path)
    probe.once('connect', () => {
      probe.destroy()
      resolveAnswer(true)
    })
    probe.once('error', (error: NodeJS.ErrnoException) => {
      resolveAnswer(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT')
    })
  })
}

function sameFile(a: Stats | undefined, b: Stats | undefined): boolean {
  return a !== undefined && b !== undefined && a.ino === b.ino && a.dev === b.dev
}

function inUse(path: string, cause?: unknown): CountersignError {
  return new CountersignError('conflict', `another process listens on ${path}`, {
    reason: 'socket-in-use',
    fix: 'stop it, or choose another socket path',
    cause,
  })
}
