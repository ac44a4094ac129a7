import { rmSync } from 'node:fs'
import type { ServerConfig } from '../../server/config.ts'
import type { OauthSettings } from '../../server/oauth/settings.ts'
import { type Log, silentLog } from '../../src/runtime/log.ts'
import {
  allowWeb,
  ask,
  assertionType,
  form,
  formHeaders,
  type HttpAnswer,
  issuer,
  oauthSettings,
  policyFolder,
} from './oauth.ts'
import { mintJwt, type RunningServer, startServer } from './running-server.ts'
import { type WebCertificate, webCertificate } from './web-certificate.ts'

export interface TokenServer extends RunningServer {
  readonly certificate: WebCertificate
  /** Folder of its policies. */
  readonly policy: string
  /** Of the token endpoint. */
  readonly port: number
  /** Stops it, and starts another with the same data, at the same port. */
  restart(): Promise<TokenServer>
}

export interface TokenServerOptions {
  /** Text of its policies; `allowWeb` unless told. */
  readonly policy?: string
  /** For `as.example.org` and `localhost`, made for this server, unless told. */
  readonly certificate?: WebCertificate
  /** Of the token endpoint; a free one unless told. */
  readonly port?: number
  /** Over those of `oauthSettings`. */
  readonly oauth?: Partial<OauthSettings>
  readonly overrides?: Omit<Partial<ServerConfig>, 'oauth'>
  readonly log?: Partial<Omit<Log, 'info'>>
}

/** What the server answers to a form of a workload that shows a JWT-SVID. */
export async function postAs(
  server: Pick<TokenServer, 'admin' | 'port' | 'certificate'>,
  caller: string,
  path: string,
  values: Readonly<Record<string, string>>,
): Promise<HttpAnswer> {
  const assertion = await mintJwt(server, caller, issuer)
  const said = { client_assertion_type: assertionType, client_assertion: assertion }
  const body = form({ ...said, ...values })
  return ask(server.port, server.certificate, path, { method: 'POST', headers: formHeaders, body })
}

/** A server that issues access tokens by now, at a free port; what was made for it is removed with it. */
export async function startTokenServer(options: TokenServerOptions = {}): Promise<TokenServer> {
  const certificate = options.certificate ?? (await webCertificate('as.example.org', 'localhost'))
  const policy = policyFolder(options.policy ?? allowWeb)
  const settings = { ...oauthSettings(certificate, policy), ...options.oauth }

  const start = async (port: number, folder?: string): Promise<TokenServer> => {
    const listening = Promise.withResolvers<number>()
    const log: Log = {
      ...{ ...silentLog, ...options.log },
      info(message, fields) {
        if (message !== 'access tokens are issued') return
        listening.resolve(Number(String(fields?.['address']).split(':').at(-1)))
      },
    }
    const oauth = { ...settings, address: { host: '127.0.0.1', port } }
    const server = await startServer({
      ...{ log, overrides: { ...options.overrides, oauth } },
      ...(folder !== undefined && { folder }),
    })
    const at = await listening.promise
    return {
      ...{ ...server, certificate, policy, port: at },
      async restart() {
        await server.stop()
        return start(at, server.folder)
      },
      async remove() {
        await server.remove()
        for (const made of [policy, options.certificate === undefined && certificate.folder]) {
          if (made !== false) rmSync(made, { recursive: true, force: true })
        }
      },
    }
  }
  return start(options.port ?? 0)
}
