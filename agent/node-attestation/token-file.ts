import { readFile } from 'node:fs/promises'
import { CountersignError } from '../../src/errors.ts'
import { Secret } from '../../src/runtime/secret.ts'

const maxTokenBytes = 1024

/** Reads a join token from a file, or once from standard input (`-`). Undefined where no place is named. */
export function tokenSource(place: string | undefined): () => Promise<Secret | undefined> {
  if (place === undefined) return async () => undefined
  if (place !== '-') return () => readTokenFile(place)
  let input: Promise<Secret | undefined> | undefined
  return () => {
    input ??= readStandardInput()
    return input
  }
}

async function readTokenFile(path: string): Promise<Secret | undefined> {
  try {
    return tokenOf(await readFile(path, 'utf8'))
  } catch (cause) {
    throw new CountersignError('invalid', `cannot read the join token from ${path}`, {
      reason: 'join-token-file',
      fix:
        (cause as NodeJS.ErrnoException).code === 'EACCES'
          ? 'give the file to the user whom this agent runs as, mode 0600'
          : 'put the token that "countersign token create" prints into that file',
      cause,
    })
  }
}

async function readStandardInput(): Promise<Secret | undefined> {
  let text = ''
  for await (const chunk of process.stdin) {
    text += String(chunk)
    if (text.length > maxTokenBytes || text.includes('\n')) break
  }
  return tokenOf(text)
}

function tokenOf(text: string): Secret | undefined {
  const token = text.slice(0, maxTokenBytes).trim()
  return token === '' ? undefined : new Secret(token)
}
